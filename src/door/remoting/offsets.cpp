#include "door/remoting/offsets.h"

#include <algorithm>

#include "door/remoting/answer.h"
#include "door/remoting/json_text.h"
#include "merlin/base/log.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

void reply_offset(rpc::Request& request, std::string_view name, int64_t value) {
  request.reply_with(rc::success, {}, {}, [&](wire::CommandWriter& w) { w.field(name, value); });
}

// In whatever case, as Apache; anything else is the lower one.
bool is_upper(std::string_view boundary) {
  constexpr std::string_view name = "upper";
  return std::equal(boundary.begin(), boundary.end(), name.begin(), name.end(),
                    [](char a, char b) { return (a | 32) == b; });
}

struct LockRequest {
  std::string group;
  std::string client_id;
  std::vector<service::QueueId> queues;
};

// {"clientId":..,"consumerGroup":..,"mqSet":[{"brokerName":..,"queueId":..,"topic":..}]}
std::optional<LockRequest> lock_request(rpc::Request& request) {
  const auto body = parse_object(request.body_text());
  if (!body) {
    request.reply(rc::system_error, "the body is no JSON object");
    return std::nullopt;
  }
  LockRequest out{text_of(*body, "consumerGroup"), text_of(*body, "clientId"), {}};
  const auto set = body->find("mqSet");
  if (set != body->end() && set->is_array()) {
    if (set->size() > service::QueueLocks::queues_per_request_max) {
      request.reply(rc::system_error, "the request names " + std::to_string(set->size()) + " queues, the limit is " +
                                          std::to_string(service::QueueLocks::queues_per_request_max));
      return std::nullopt;
    }
    for (const Json& q : *set) {
      if (!q.is_object()) continue;
      out.queues.push_back(
          {text_of(q, "topic"), text_of(q, "brokerName"), static_cast<int32_t>(int_of(q, "queueId", 0))});
    }
  }
  return out;
}

}  // namespace

OffsetsDoor::OffsetsDoor(std::string broker_name, store::MessageStore& store, meta::TopicTable& topics,
                         StaticQueues static_queues, meta::SubscriptionGroups& groups, meta::ConsumerOffsets& offsets,
                         service::QueueLocks& locks, service::OffsetAdmin& admin,
                         const std::atomic<int64_t>& server_side_reset)
    : broker_name_(std::move(broker_name)),
      store_(store),
      topics_(topics),
      static_queues_(static_queues),
      groups_(groups),
      offsets_(offsets),
      locks_(locks),
      admin_(admin),
      server_side_reset_(server_side_reset) {}

bool OffsetsDoor::never_had_a_message(std::string_view topic, int32_t queue_id,
                                      const store::ConsumeQueue* queue) const {
  if (queue != nullptr && store_.max_offset(queue) > 0) return false;
  const auto config = topics_.find(topic);
  return config && !config->is_batch_queue() && queue_id >= 0 && queue_id < config->read_queue_nums;
}

void OffsetsDoor::query(rpc::Request& request) {
  auto header = header_or_answer<QueryConsumerOffsetHeader>(request);
  StaticQueue mapped;
  if (!header || !static_queues_.resolve(request, header->topic, header->queue_id, mapped)) return;
  const int64_t offset = offsets_.query(header->consumer_group, header->topic, header->queue_id);
  if (offset >= 0) return reply_offset(request, "offset", mapped.to_logic(offset));
  if (mapped.logic_offset != 0) {
    return request.reply(rc::query_not_found, "Not found, maybe this group consumer boot first");
  }
  if (header->set_zero_if_not_found.has_value() && !*header->set_zero_if_not_found) {
    return request.reply(rc::query_not_found, "Not found, do not set to zero, maybe this group boot first");
  }
  // A new group starts at 0 while the queue's first message is still there and warm.
  const store::ConsumeQueue* queue = store_.find_queue(header->topic, header->queue_id);
  const int64_t min_offset = queue == nullptr ? -1 : store_.min_offset(queue);
  if (min_offset <= 0 && (queue == nullptr ? false : store_.is_in_memory(queue, 0)))
    return reply_offset(request, "offset", 0);
  // So it does in a queue that never had a message. Apache's answer, not found, makes the client ask for the maximum
  // next, and lose what comes in between.
  if (never_had_a_message(header->topic, header->queue_id, queue)) return reply_offset(request, "offset", 0);
  request.reply(rc::query_not_found, "Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first");
}

void OffsetsDoor::update(rpc::Request& request) {
  auto header = header_or_answer<UpdateConsumerOffsetHeader>(request);
  StaticQueue mapped;
  if (!header || !static_queues_.resolve(request, header->topic, header->queue_id, mapped)) return;
  if (!groups_.contains(header->consumer_group)) {
    return request.reply(rc::subscription_group_not_exist,
                         "Group " + std::string(header->consumer_group) + " not exist!");
  }
  if (!topics_.contains(header->topic)) {
    return request.reply(rc::topic_not_exist, "Topic " + std::string(header->topic) + " not exist!");
  }
  using Commit = meta::ConsumerOffsets::Commit;
  const int64_t offset = mapped.to_physical(header->commit_offset);
  Commit committed = Commit::taken;
  if (server_side_reset_.load(std::memory_order_relaxed) != 0) {
    committed = offsets_.commit_unless_reset(header->consumer_group, header->topic, header->queue_id, offset);
  } else if (!offsets_.commit(header->consumer_group, header->topic, header->queue_id, offset)) {
    committed = Commit::refused;
  }
  if (committed == Commit::reset_pending) return request.reply(rc::success, "Offset has been previously reset");
  if (committed == Commit::refused) {
    return request.reply(rc::invalid_parameter, "queueId " + std::to_string(header->queue_id) +
                                                    " is refused: a group may commit at most " +
                                                    std::to_string(meta::ConsumerOffsets::queues_per_group_max) +
                                                    " queues per topic, and all groups together " +
                                                    std::to_string(meta::ConsumerOffsets::entries_max));
  }
  request.reply(rc::success);
}

void OffsetsDoor::max_offset(rpc::Request& request) {
  auto header = header_or_answer<TopicQueueHeader>(request);
  StaticQueue mapped;
  if (!header || !static_queues_.resolve(request, header->topic, header->queue_id, mapped)) return;
  const store::ConsumeQueue* queue = store_.find_queue(header->topic, header->queue_id);
  reply_offset(request, "offset", mapped.to_logic(queue == nullptr ? 0 : store_.max_offset(queue)));
}

// Apache's batch queue begins at -1 until it has a message.
bool OffsetsDoor::is_empty_batch(std::string_view topic, const store::ConsumeQueue* queue) const {
  if (queue != nullptr && store_.max_offset(queue) > 0) return false;
  const auto config = topics_.find(topic);
  return config && config->is_batch_queue();
}

void OffsetsDoor::min_offset(rpc::Request& request) {
  auto header = header_or_answer<TopicQueueHeader>(request);
  StaticQueue mapped;
  if (!header || !static_queues_.resolve(request, header->topic, header->queue_id, mapped)) return;
  const store::ConsumeQueue* queue = store_.find_queue(header->topic, header->queue_id);
  if (is_empty_batch(header->topic, queue)) return reply_offset(request, "offset", -1);
  // Apache makes the queue by asking, so an unknown one is an empty one.
  reply_offset(request, "offset", mapped.to_logic_within(queue == nullptr ? 0 : store_.min_offset(queue)));
}

void OffsetsDoor::search(rpc::Request& request) {
  auto header = header_or_answer<SearchOffsetHeader>(request);
  StaticQueue mapped;
  if (!header || !static_queues_.resolve(request, header->topic, header->queue_id, mapped)) return;
  const bool upper = is_upper(header->boundary_type);
  const store::ConsumeQueue* queue = store_.find_queue(header->topic, header->queue_id);
  if (is_empty_batch(header->topic, queue)) return reply_offset(request, "offset", -1);
  const int64_t offset =
      queue == nullptr
          ? 0
          : store_.offset_by_time(queue, header->timestamp, upper ? store::Boundary::upper : store::Boundary::lower);
  reply_offset(request, "offset", mapped.to_logic(offset));
}

void OffsetsDoor::earliest_time(rpc::Request& request) {
  auto header = header_or_answer<TopicQueueHeader>(request);
  StaticQueue mapped;
  if (!header || !static_queues_.resolve(request, header->topic, header->queue_id, mapped)) return;
  const store::ConsumeQueue* queue = store_.find_queue(header->topic, header->queue_id);
  reply_offset(request, "timestamp", queue == nullptr ? -1 : store_.store_timestamp(queue, store_.min_offset(queue)));
}

void OffsetsDoor::lock(rpc::Request& request) {
  const auto body = lock_request(request);
  if (!body) return;
  std::string text = "{\"lockOKMQSet\":[";
  for (const service::QueueId& q : locks_.lock(body->group, body->client_id, body->queues)) {
    if (text.back() != '[') text += ',';
    text += message_queue_text(q.broker_name, q.queue_id, q.topic);
  }
  request.reply_text(rc::success, text + "]}");
}

void OffsetsDoor::unlock(rpc::Request& request) {
  const auto body = lock_request(request);
  if (!body) return;
  locks_.unlock(body->group, body->client_id, body->queues);
  request.reply(rc::success);
}

void OffsetsDoor::reset(rpc::Request& request) {
  const auto header = header_or_answer<ResetOffsetHeader>(request);
  if (!header) return;
  const std::string topic(header->topic);
  const service::ResetAsk ask{std::string(header->group), topic,        header->queue_id, header->offset,
                              header->timestamp,          header->force};
  log_info("admin", "reset of the offsets of group {} in topic {} by {}: queue {}, offset {}, time {}, force {}",
           ask.group, ask.topic, request.connection().remote_text(), ask.queue_id, ask.offset.value_or(-1),
           ask.timestamp_ms, ask.force);
  meta::QueueOffsets moved;
  const bool here = server_side_reset_.load(std::memory_order_relaxed) != 0;
  const service::Refusal refusal = here ? admin_.reset_on_server(ask, moved) : admin_.reset_by_clients(ask, moved);
  if (!refusal.ok()) return refuse(request, refusal);
  std::string body = "{\"offsetTable\":{";
  for (const auto& [queue_id, offset] : moved) {
    if (body.back() != '{') body += ',';
    body += message_queue_text(broker_name_, queue_id, topic) + ":" + std::to_string(offset);
  }
  request.reply_text(rc::success, body + "}}");
}

void OffsetsDoor::clone(rpc::Request& request) {
  const auto header = header_or_answer<CloneOffsetHeader>(request);
  if (!header) return;
  const bool blank = header->topic.find_first_not_of(' ') == std::string_view::npos;
  const service::Refusal refusal = admin_.clone(header->source_group, header->target_group,
                                                blank ? std::string_view() : header->topic, header->offline);
  if (!refusal.ok()) return refuse(request, refusal);
  request.reply(rc::success);
}

void OffsetsDoor::correction(rpc::Request& request) {
  const auto header = header_or_answer<CorrectionHeader>(request);
  if (!header) return;
  std::string body = "{\"correctionOffsets\":{";
  for (const auto& [queue_id, offset] :
       admin_.correction(header->topic, header->filter_groups, header->compare_group)) {
    if (body.back() != '{') body += ',';
    body += std::to_string(queue_id) + ":" + std::to_string(offset);
  }
  request.reply_text(rc::success, body + "}}");
}

}  // namespace merlin::door
