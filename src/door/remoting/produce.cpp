#include "door/remoting/produce.h"

#include <algorithm>
#include <optional>

#include "door/remoting/answer.h"
#include "merlin/message/ids.h"
#include "merlin/message/properties.h"

namespace merlin::door {

namespace rc = wire::response_code;

// Everything needed to answer one placed request, without the frame it came in.
struct ProduceDoor::Waiting {
  net::Connection* connection = nullptr;  // the reactor keeps it until the burst has ended
  wire::Serialization serialization = wire::Serialization::json;
  int32_t opaque = 0;
  bool is_oneway = false;
  service::PlacedRequest placed;
  StaticQueue mapped;
};

struct ProduceDoor::ReactorBurst {
  service::ProduceBurst records;
  std::vector<Waiting> waiting;
  std::string ids;  // the msgId text of the answer being written
};

namespace {

// Where a request's records went, in a form that outlives the burst.
struct Placement {
  std::string_view ids;
  std::string_view unique_key;
  int32_t queue_id = 0;
  int64_t queue_offset = 0;
  bool inner_batch = false;
};

// A producer of a static topic is told the logical queue and the offset in it.
Placement placement_of(std::string_view ids, std::string_view unique_key, int32_t queue_id, int64_t queue_offset,
                       const StaticQueue& mapped, bool inner_batch) {
  return {ids, unique_key, mapped.is_mapped ? mapped.global_id : queue_id, mapped.to_logic_within(queue_offset),
          inner_batch};
}

constexpr size_t id_chars_max = 64;

void append_ids(std::span<const store::AppendItem> items, std::string& out) {
  out.clear();
  char text[id_chars_max];
  for (const store::AppendItem& item : items) {
    if (!out.empty()) out += ',';
    out.append(text, message::write_offset_msg_id(item.spec.store_host, item.physical_offset, text));
  }
}

// The id of one record in `text`, or those of a batch, with commas between, in `out`.
std::string_view ids_of(std::span<const store::AppendItem> items, std::span<char, id_chars_max> text,
                        std::string& out) {
  const store::AppendItem& first = items.front();
  if (items.size() == 1) {
    return {text.data(), message::write_offset_msg_id(first.spec.store_host, first.physical_offset, text.data())};
  }
  append_ids(items, out);
  return out;
}

void write_placement(wire::CommandWriter& w, const Placement& p, const wire::PreparedFields& own_fields) {
  w.fields(own_fields);
  w.plain_field("msgId", p.ids);
  w.field("queueId", p.queue_id);
  w.field("queueOffset", p.queue_offset);
  if (!p.unique_key.empty()) w.field("transactionId", p.unique_key);
  // Tells the producer that the batch is one record with one id.
  if (p.inner_batch) w.field("batchUniqId", p.unique_key);
}

void write_answer(Buffer& out, wire::Serialization serialization, int32_t opaque, int32_t code, std::string_view remark,
                  const Placement* placement, const wire::PreparedFields& own_fields) {
  wire::CommandHead head;
  head.code = code;
  head.opaque = opaque;
  head.flag = wire::flag_response;
  head.remark = remark;
  wire::CommandWriter w(out, serialization, head);
  if (placement != nullptr) write_placement(w, *placement, own_fields);
  w.finish(0);
}

}  // namespace

ProduceDoor::ProduceDoor(service::Produce& produce, store::MessageStore& store, StaticQueues static_queues,
                         WorkerPool& workers, size_t reactor_count, int32_t sync_flush_timeout_ms)
    : produce_(produce),
      store_(store),
      static_queues_(static_queues),
      workers_(workers),
      sync_flush_timeout_ms_(sync_flush_timeout_ms),
      own_fields_({{message::property::region, produce.settings().region_id},
                   {message::property::trace_on, produce.settings().trace_on ? "true" : "false"}}) {
  for (size_t i = 0; i < reactor_count; ++i) bursts_.push_back(std::make_unique<ReactorBurst>());
}

ProduceDoor::~ProduceDoor() = default;

void ProduceDoor::send(rpc::Request& request) {
  SendMessageHeader header;
  if (Status s = wire::decode_header(request.command(), header); !s) {
    return request.reply(rc::system_error, s.error().message);
  }
  handle(request, header, header.batch);
}

void ProduceDoor::send_v2(rpc::Request& request) {
  SendMessageHeaderV2 header;
  if (Status s = wire::decode_header(request.command(), header); !s) {
    return request.reply(rc::system_error, s.error().message);
  }
  handle(request, header, header.batch || request.command().code == wire::request_code::send_batch_message);
}

void ProduceDoor::handle(rpc::Request& request, const SendMessageHeader& header, bool batch) {
  service::SendRequest send;
  send.producer_group = header.producer_group;
  send.topic = header.topic;
  send.default_topic = header.default_topic;
  send.default_topic_queue_nums = header.default_topic_queue_nums;
  send.queue_id = header.queue_id;
  send.sys_flag = header.sys_flag;
  send.born_timestamp_ms = header.born_timestamp;
  send.flag = header.flag;
  send.properties = header.properties;
  send.reconsume_times = header.reconsume_times.value_or(0);
  if (request.command().version >= version_v3_4_9) send.max_reconsume_times = header.max_reconsume_times;
  send.unit_mode = header.unit_mode;
  send.batch = batch;
  send.born_host = request.connection().remote();
  send.body = request.body();

  ReactorBurst& burst = *bursts_[request.connection().reactor().index()];
  StaticQueue mapped;
  if (!static_queues_.resolve(request, send.topic, send.queue_id, mapped)) return;
  service::PlacedRequest placed;
  const service::Refusal refusal = produce_.prepare(send, burst.records, placed);
  // What a refused request left in the burst must not wait for one that is taken.
  if (!refusal.ok() && burst.waiting.empty()) burst.records.clear();
  if (refusal.outcome == service::Outcome::needs_worker) return send_on_worker(request, send, mapped);
  if (!refusal.ok()) return refuse(request, refusal);
  Waiting& waiting = burst.waiting.emplace_back();
  waiting.connection = &request.connection();
  waiting.placed = placed;
  waiting.serialization = request.command().serialization;
  waiting.opaque = request.command().opaque;
  waiting.is_oneway = request.command().is_oneway();
  waiting.mapped = mapped;
  request.answer_later();
}

size_t ProduceDoor::collected(const net::Reactor& reactor) const {
  return bursts_[reactor.index()]->waiting.size();
}

void ProduceDoor::on_bursts_end(net::Reactor& reactor) {
  ReactorBurst& burst = *bursts_[reactor.index()];
  if (burst.waiting.empty()) return;
  const int64_t end_offset = produce_.append(burst.records);
  const bool sync_flush = store_.sync_flush();
  // The requests of one connection stand together.
  for (std::span<const Waiting> rest(burst.waiting); !rest.empty();) {
    const auto other =
        std::ranges::find_if(rest, [&rest](const Waiting& w) { return w.connection != rest.front().connection; });
    const auto own = rest.first(static_cast<size_t>(other - rest.begin()));
    rest = rest.subspan(own.size());
    if (answer_placed(own, burst, sync_flush)) answer_when_durable(own, burst, end_offset);
  }
  burst.waiting.clear();
  burst.records.clear();
}

// Answers what need not wait for the disk. True when something does.
bool ProduceDoor::answer_placed(std::span<const Waiting> requests, ReactorBurst& burst, bool sync_flush) {
  bool any_waits = false;
  const std::span<const store::AppendItem> items(burst.records.items);
  Buffer& out = requests.front().connection->out();
  for (const Waiting& w : requests) {
    if (w.is_oneway) continue;
    if (sync_flush && w.placed.waits_for_durable) {
      any_waits = true;
      continue;
    }
    const auto own = items.subspan(w.placed.first, w.placed.count);
    if (own.front().code != store::AppendCode::ok) {
      const service::Refusal refusal = produce_.refusal_of(own.front());
      write_answer(out, w.serialization, w.opaque, response_code_of(refusal.outcome), refusal.remark, nullptr,
                   own_fields_);
      continue;
    }
    char id[id_chars_max];
    const Placement placement = placement_of(ids_of(own, id, burst.ids), w.placed.unique_key, w.placed.queue_id,
                                             own.front().queue_offset, w.mapped, w.placed.inner_batch);
    write_answer(out, w.serialization, w.opaque, rc::success, {}, &placement, own_fields_);
  }
  return any_waits;
}

void ProduceDoor::answer_when_durable(std::span<const Waiting> requests, ReactorBurst& burst, int64_t end_offset) {
  struct Kept {
    Waiting waiting;
    std::string ids;
    std::string unique_key;
    int64_t queue_offset = 0;
    service::Refusal refusal;
  };
  auto kept = std::make_shared<std::vector<Kept>>();
  const std::span<const store::AppendItem> items(burst.records.items);
  for (const Waiting& w : requests) {
    if (w.is_oneway || !w.placed.waits_for_durable) continue;
    Kept& k = kept->emplace_back();
    k.waiting = w;
    const auto own = items.subspan(w.placed.first, w.placed.count);
    if (own.front().code != store::AppendCode::ok) {
      k.refusal = produce_.refusal_of(own.front());
      continue;
    }
    append_ids(own, k.ids);
    k.unique_key = w.placed.unique_key;
    k.queue_offset = own.front().queue_offset;
  }
  if (kept->empty()) return;
  store_.wait_durable(
      end_offset, sync_flush_timeout_ms_,
      [this, kept, connection = requests.front().connection->shared_from_this()](store::DurableCode durable) {
        Buffer out;
        for (const Kept& k : *kept) {
          if (!k.refusal.ok()) {
            write_answer(out, k.waiting.serialization, k.waiting.opaque, response_code_of(k.refusal.outcome),
                         k.refusal.remark, nullptr, own_fields_);
            continue;
          }
          if (durable == store::DurableCode::failed) {
            // Not acknowledged: after a failed fsync nobody can say what is on the disk.
            write_answer(out, k.waiting.serialization, k.waiting.opaque, rc::service_not_available,
                         "service not available now. fdatasync of the commit log failed", nullptr, own_fields_);
            continue;
          }
          const Placement placement = placement_of(k.ids, k.unique_key, k.waiting.placed.queue_id, k.queue_offset,
                                                   k.waiting.mapped, k.waiting.placed.inner_batch);
          const int32_t code = durable == store::DurableCode::durable ? rc::success : rc::flush_disk_timeout;
          write_answer(out, k.waiting.serialization, k.waiting.opaque, code, {}, &placement, own_fields_);
        }
        connection->post_bytes(std::move(out));
      });
}

namespace {

// A copy of a request's bytes, for the slow path.
struct OwnedSend {
  std::string producer_group, topic, default_topic, properties, body;
  service::SendRequest request;
  explicit OwnedSend(const service::SendRequest& from)
      : producer_group(from.producer_group),
        topic(from.topic),
        default_topic(from.default_topic),
        properties(from.properties),
        body(as_text(from.body)),
        request(from) {
    request.producer_group = producer_group;
    request.topic = topic;
    request.default_topic = default_topic;
    request.properties = properties;
    request.body = as_bytes(body);
  }
  OwnedSend(const OwnedSend&) = delete;
  OwnedSend& operator=(const OwnedSend&) = delete;
};

}  // namespace

void ProduceDoor::send_on_worker(rpc::Request& request, const service::SendRequest& send, const StaticQueue& mapped) {
  auto owned = std::make_shared<OwnedSend>(send);
  auto responder = std::make_shared<rpc::Responder>(request.defer());
  const bool accepted = workers_.submit(
      [this, owned, responder, mapped] {
        service::ProduceBurst burst;
        service::PlacedRequest placed;
        service::Refusal refusal = produce_.prepare_on_worker(owned->request, burst, placed);
        if (!refusal.ok()) return responder->reply(response_code_of(refusal.outcome), refusal.remark);
        const int64_t end_offset = produce_.append(burst);
        if (burst.items.front().code != store::AppendCode::ok) {
          refusal = produce_.refusal_of(burst.items.front());
          return responder->reply(response_code_of(refusal.outcome), refusal.remark);
        }
        std::string ids;
        append_ids(burst.items, ids);
        const std::string unique_key(placed.unique_key);
        const int64_t queue_offset = burst.items.front().queue_offset;
        auto answer = [this, owned, responder, mapped, ids, unique_key, queue_offset, queue_id = placed.queue_id,
                       inner_batch = placed.inner_batch](store::DurableCode durable) {
          if (durable == store::DurableCode::failed) {
            return responder->reply(rc::service_not_available,
                                    "service not available now. fdatasync of the commit log failed");
          }
          const Placement placement = placement_of(ids, unique_key, queue_id, queue_offset, mapped, inner_batch);
          responder->reply_with(durable == store::DurableCode::durable ? rc::success : rc::flush_disk_timeout, {}, {},
                                [&](wire::CommandWriter& w) { write_placement(w, placement, own_fields_); });
        };
        if (store_.sync_flush()) return store_.wait_durable(end_offset, sync_flush_timeout_ms_, answer);
        answer(store::DurableCode::durable);
      },
      send.body.size() + send.properties.size());
  if (!accepted) responder->reply(rc::system_busy, rpc::overload_remark(workers_));
}

}  // namespace merlin::door
