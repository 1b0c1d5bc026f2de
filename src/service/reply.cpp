#include "service/reply.h"

#include "merlin/base/log.h"
#include "merlin/message/ids.h"
#include "merlin/message/properties.h"

namespace merlin::service {

namespace {

constexpr std::string_view reply_to_client = "REPLY_TO_CLIENT";
constexpr std::string_view push_reply_time = "PUSH_REPLY_TIME";

}  // namespace

struct Reply::Pending {
  ReplyMessage message;    // as it is pushed, which may go on while the answer to it is here
  std::string as_it_came;  // its properties, which is how they are stored
  std::function<void(ReplyAnswer)> done;
  ReplyAnswer answer;
  ProduceBurst burst;
  PlacedRequest placed;

  SendRequest as_send() const {
    SendRequest send;
    send.producer_group = message.producer_group;
    send.topic = message.topic;
    send.default_topic = message.default_topic;
    send.default_topic_queue_nums = message.default_topic_queue_nums;
    send.queue_id = message.queue_id;
    send.sys_flag = message.sys_flag;
    send.born_timestamp_ms = message.born_timestamp_ms;
    send.flag = message.flag;
    send.properties = as_it_came;
    send.reconsume_times = message.reconsume_times;
    send.unit_mode = message.unit_mode;
    send.born_host = message.born_host;
    send.body = as_bytes(message.body);
    return send;
  }
};

void Reply::handle(ReplyMessage message, std::function<void(ReplyAnswer)> done) {
  const auto pending = std::make_shared<Pending>();
  pending->message = std::move(message);
  pending->as_it_came = pending->message.properties;
  pending->done = std::move(done);
  if (Refusal refusal = check(*pending); !refusal.ok()) {
    pending->answer.refusal = std::move(refusal);
    return pending->done(std::move(pending->answer));
  }
  push(pending);
}

// The rules of sending, before anybody is told.
Refusal Reply::check(Pending& pending) {
  const SendRequest send = pending.as_send();
  Refusal refusal = produce_.prepare(send, pending.burst, pending.placed);
  if (refusal.outcome == Outcome::needs_worker) {
    refusal = produce_.prepare_on_worker(send, pending.burst, pending.placed);
  }
  if (refusal.ok()) {
    pending.message.queue_id = pending.placed.queue_id;
    pending.answer.was_checked = true;
    pending.answer.queue_id = pending.placed.queue_id;
  }
  // The push may take its time, and the queue may go meanwhile: its place is looked for again.
  pending.burst = {};
  return refusal;
}

void Reply::push(const PendingPtr& pending) {
  ReplyMessage& message = pending->message;
  const auto client_id = message::find_property(message.properties, reply_to_client);
  if (!client_id) {
    return pushed(pending, "reply message properties[" + std::string(reply_to_client) + "] is null");
  }
  const std::string id(*client_id);
  const ClientChannelPtr channel = clients_.producer_channel(id);
  if (!channel) return pushed(pending, "push reply message fail, channel of <" + id + "> not found.");
  message.store_timestamp_ms = clock_.wall_ms();
  message.store_host = produce_.settings().store_host;
  if (!message.properties.empty() && message.properties.back() != message::property_separator) {
    message.properties += message::property_separator;
  }
  message::append_property(message.properties, push_reply_time, std::to_string(message.store_timestamp_ms));
  channel->push_reply(message, push_timeout_ms, [this, pending, id](const Status& status) {
    if (status) return pushed(pending, {});
    log_warn("reply", "the answer for client {} is not delivered: {}", id, status.error().message);
    pushed(pending, "push reply message to " + id + "fail.");
  });
}

void Reply::pushed(const PendingPtr& pending, std::string remark) {
  if (!remark.empty()) pending->answer.refusal = {Outcome::system_error, std::move(remark)};
  if (store_replies_.load(std::memory_order_relaxed) != 0) return store_reply(pending);
  pending->done(std::move(pending->answer));
}

// Whether it can be stored does not change what the replier is told.
void Reply::store_reply(const PendingPtr& pending) {
  Pending& p = *pending;
  p.message.queue_id = p.answer.queue_id;
  const Refusal refusal = produce_.prepare(p.as_send(), p.burst, p.placed);
  if (!refusal.ok()) {
    log_warn("reply", "a reply in {} is not stored: {}", p.message.topic, refusal.remark);
    return p.done(std::move(p.answer));
  }
  store::AppendItem& item = p.burst.items[p.placed.first];
  // As it came, without the broker's own properties.
  if (message::find_property(p.as_it_came, message::property::unique_key)) item.spec.properties_tail = {};
  const int64_t end_offset = produce_.append(p.burst);
  if (item.code != store::AppendCode::ok) {
    log_warn("reply", "a reply in {} is not stored: {}", p.message.topic, produce_.refusal_of(item).remark);
    return p.done(std::move(p.answer));
  }
  char id[64];
  p.answer.message_id.assign(id, message::write_offset_msg_id(item.spec.store_host, item.physical_offset, id));
  p.answer.queue_id = p.placed.queue_id;
  p.answer.queue_offset = item.queue_offset;
  if (!store_.sync_flush()) return p.done(std::move(p.answer));
  store_.wait_durable(end_offset, sync_flush_timeout_ms_,
                      [pending](store::DurableCode) { pending->done(std::move(pending->answer)); });
}

}  // namespace merlin::service
