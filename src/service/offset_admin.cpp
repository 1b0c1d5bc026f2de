#include "service/offset_admin.h"

#include <algorithm>
#include <limits>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"

namespace merlin::service {

OffsetAdmin::OffsetAdmin(std::string broker_name, const Clock& clock, store::MessageStore& store,
                         meta::TopicTable& topics, meta::QueueMappingTable& mappings, meta::SubscriptionGroups& groups,
                         meta::ConsumerOffsets& offsets, Clients& clients, const Relay& relay, const BrokerStats& stats)
    : broker_name_(std::move(broker_name)),
      clock_(clock),
      store_(store),
      topics_(topics),
      mappings_(mappings),
      groups_(groups),
      offsets_(offsets),
      clients_(clients),
      relay_(relay),
      stats_(stats) {}

int64_t OffsetAdmin::offset_by_time(std::string_view topic, int32_t queue_id, int64_t timestamp_ms) const {
  const store::ConsumeQueue* queue = store_.find_queue(topic, queue_id);
  if (queue == nullptr) return 0;
  const int64_t offset =
      timestamp_ms < 0 ? store_.max_offset(queue) : store_.offset_by_time(queue, timestamp_ms, store::Boundary::lower);
  return std::max<int64_t>(offset, 0);
}

// Where one queue is to go on.
Refusal OffsetAdmin::target_of(const ResetAsk& ask, int32_t queue_id, int64_t& offset) const {
  if (ask.queue_id < 0 || ask.offset.value_or(-1) == -1) {
    offset = offset_by_time(ask.topic, queue_id, ask.timestamp_ms);
    return {};
  }
  const store::ConsumeQueue* queue = store_.find_queue(ask.topic, queue_id);
  const int64_t min_offset = queue == nullptr ? 0 : store_.min_offset(queue);
  const int64_t max_offset = queue == nullptr ? 0 : store_.max_offset(queue);
  offset = *ask.offset;
  if (offset < std::max<int64_t>(min_offset, 0) || offset > max_offset + 1) {
    return {Outcome::system_error,
            fmt::format("Target offset {} not in consume queue range [{}-{}]", offset, min_offset, max_offset)};
  }
  return {};
}

Refusal OffsetAdmin::reset_on_server(const ResetAsk& ask, meta::QueueOffsets& moved) {
  const auto topic = topics_.find(ask.topic);
  if (!topic) return {Outcome::topic_not_exist, fmt::format("Topic {} does not exist", ask.topic)};
  if (!groups_.contains(ask.group)) {
    return {Outcome::group_not_exist, fmt::format("Group {} does not exist", ask.group)};
  }
  const int32_t first = std::max(ask.queue_id, 0);
  const int32_t last = ask.queue_id >= 0 ? ask.queue_id : topic->read_queue_nums - 1;
  if (last < first) return {Outcome::system_error, "No queues to reset."};
  // All targets are known before the first queue moves. (The last id may be the last number there is.)
  for (int64_t i = first; i <= last; ++i) {
    const auto id = static_cast<int32_t>(i);
    if (Refusal r = target_of(ask, id, moved[id]); !r.ok()) return r;
  }
  for (const auto& [id, offset] : moved) {
    if (offsets_.assign_reset(ask.group, ask.topic, id, offset)) {
      const store::ConsumeQueue* queue = store_.find_queue(ask.topic, id);
      if (queue != nullptr && queue_moved_) queue_moved_(queue);
      continue;
    }
    return {Outcome::system_error,
            fmt::format("queue {} is not reset: the table of offsets is full, its limit is {} queues of all groups", id,
                        meta::ConsumerOffsets::entries_max)};
  }
  log_info("offsets", "group {} is reset in {} queues of topic {}", ask.group, moved.size(), ask.topic);
  return {};
}

Refusal OffsetAdmin::reset_by_clients(const ResetAsk& ask, meta::QueueOffsets& moved) {
  const auto topic = topics_.find(ask.topic);
  if (!topic) {
    return {Outcome::topic_not_exist,
            fmt::format("[reset-offset] reset offset failed, no topic in this broker. topic={}", ask.topic)};
  }
  // Apache moves all queues here, whatever was asked for.
  const int32_t first = std::max(ask.queue_id, 0);
  const int32_t last = ask.queue_id >= 0 ? ask.queue_id : topic->write_queue_nums - 1;
  OffsetMove move{broker_name_, ask.group, ask.topic, ask.timestamp_ms, {}};
  for (int64_t i = first; i <= last; ++i) {
    const auto id = static_cast<int32_t>(i);
    const int64_t now_at = offsets_.query(ask.group, ask.topic, id);
    if (now_at == -1) {
      return {Outcome::system_error, fmt::format("THe consumer group <{}> not exist", ask.group)};
    }
    int64_t offset = 0;
    if (Refusal r = target_of(ask, id, offset); !r.ok()) return r;
    move.offsets[id] = ask.force || offset < now_at ? offset : now_at;
  }
  if (Refusal r = relay_.move_offsets(move); !r.ok()) return r;
  moved = std::move(move.offsets);
  return {};
}

bool OffsetAdmin::subscribes(const std::optional<ConsumerGroupSnapshot>& group, std::string_view topic) const {
  if (!group || group->subscriptions.empty()) return true;
  return std::any_of(group->subscriptions.begin(), group->subscriptions.end(),
                     [&](const auto& s) { return s->topic == topic; });
}

Refusal OffsetAdmin::clone(std::string_view source, std::string_view target, std::string_view topic, bool offline) {
  std::set<std::string> names;
  if (topic.empty()) {
    names = offsets_.topics_of(source);
  } else {
    names.emplace(topic);
  }
  const auto group = offline ? std::nullopt : clients_.consumer_group(source);
  for (const std::string& name : names) {
    if (!topics_.contains(name) || !subscribes(group, name)) continue;
    if (!offsets_.clone(source, target, name)) {
      return {Outcome::system_error,
              fmt::format("the offsets of topic {} are not cloned: the table of offsets is full, its limit is {} "
                          "queues of all groups",
                          name, meta::ConsumerOffsets::entries_max)};
    }
    log_info("offsets", "group {} has the offsets of group {} in topic {} now", target, source, name);
  }
  return {};
}

meta::QueueOffsets OffsetAdmin::correction(std::string_view topic, std::string_view without_groups,
                                           std::string_view compare_group) const {
  std::set<std::string> without;
  while (!without_groups.empty()) {
    const size_t end = without_groups.find(',');
    if (end != 0) without.emplace(without_groups.substr(0, end));
    without_groups = end == std::string_view::npos ? std::string_view() : without_groups.substr(end + 1);
  }
  meta::QueueOffsets out = offsets_.min_offsets(topic, without, [&](int32_t queue_id) {
    const store::ConsumeQueue* queue = store_.find_queue(topic, queue_id);
    return queue == nullptr ? int64_t{0} : store_.min_offset(queue);
  });
  const auto compared = offsets_.query_all(compare_group, topic);
  if (!compared) return out;
  for (const auto& [queue_id, offset] : *compared) {
    const auto it = out.find(queue_id);
    if (it != out.end() && it->second > offset) it->second = std::numeric_limits<int64_t>::max();
  }
  return out;
}

TopicProgress OffsetAdmin::topic_progress(std::string_view group, const meta::TopicConfig& topic,
                                          int32_t queues) const {
  TopicProgress out;
  out.topic = topic.name;
  out.consume_tps = stats_.table().group_get_tps(group, topic.name);
  // -1 of a static topic's queue says "look at the broker where the queue was before".
  const int64_t least_offset = mappings_.find(topic.name) == nullptr ? 0 : -1;
  out.queues.reserve(static_cast<size_t>(std::max(queues, 0)));
  for (int32_t id = 0; id < queues; ++id) {
    const store::ConsumeQueue* queue = store_.find_queue(topic.name, id);
    QueueProgress one;
    one.queue_id = id;
    one.broker_offset = queue == nullptr ? 0 : std::max<int64_t>(store_.max_offset(queue), 0);
    one.consumer_offset = std::max(offsets_.query(group, topic.name, id), least_offset);
    one.pull_offset = std::max(one.consumer_offset, offsets_.query_pull(group, topic.name, id));
    if (one.consumer_offset > 0 && queue != nullptr) {
      one.last_timestamp_ms = std::max<int64_t>(store_.store_timestamp(queue, one.consumer_offset - 1), 0);
    }
    out.queues.push_back(one);
  }
  return out;
}

std::vector<TopicProgress> OffsetAdmin::progress(std::string_view group, std::string_view topic,
                                                 const std::vector<std::string>& topic_list) const {
  std::set<std::string> names(topic_list.begin(), topic_list.end());
  if (names.empty()) {
    if (topic.empty()) {
      names = offsets_.topics_of(group);
    } else {
      names.emplace(topic);
    }
    const auto snapshot = clients_.consumer_group(group);
    std::erase_if(names, [&](const std::string& name) { return !subscribes(snapshot, name); });
  }
  std::vector<TopicProgress> out;
  for (const std::string& name : names) {
    if (const auto config = topics_.find(name)) out.push_back(topic_progress(group, *config, config->read_queue_nums));
  }
  return out;
}

void OffsetAdmin::each_progress(
    bool ordered_only, const std::function<bool(const std::string& group, std::vector<TopicProgress>)>& visit) const {
  // One look at the table for all groups, for there may be very many.
  std::map<std::string, std::vector<std::string>> topics_of_group;
  for (auto& [topic, group] : offsets_.topic_groups()) topics_of_group[group].push_back(topic);
  for (const auto& group : groups_.all()) {
    std::vector<TopicProgress> all;
    if (const auto it = topics_of_group.find(group->name); it != topics_of_group.end()) {
      const auto snapshot = clients_.consumer_group(group->name);
      for (const std::string& name : it->second) {
        const auto config = topics_.find(name);
        if (!config || (ordered_only && !config->order) || !subscribes(snapshot, name)) continue;
        all.push_back(topic_progress(group->name, *config, config->write_queue_nums));
      }
    }
    if (!visit(group->name, std::move(all))) return;
  }
}

Refusal OffsetAdmin::time_spans(std::string_view group, std::string_view topic, std::vector<QueueTimeSpan>& out) const {
  const auto config = topics_.find(topic);
  if (!config) return {Outcome::topic_not_exist, fmt::format("topic[{}] not exist", topic)};
  for (int32_t id = 0; id < config->write_queue_nums; ++id) {
    const store::ConsumeQueue* queue = store_.find_queue(topic, id);
    QueueTimeSpan span;
    span.queue_id = id;
    if (queue != nullptr) {
      const int64_t min_offset = store_.min_offset(queue);
      const int64_t max_offset = store_.max_offset(queue);
      const int64_t offset = offsets_.query(group, topic, id);
      span.min_timestamp_ms = store_.store_timestamp(queue, min_offset);
      span.max_timestamp_ms = store_.store_timestamp(queue, max_offset - 1);
      span.consume_timestamp_ms = offset > 0 ? store_.store_timestamp(queue, offset - 1) : span.min_timestamp_ms;
      // Who never committed, or lags behind retention, waits for the first message there is. (Apache takes -1 for the
      // time of a message that is not there, and counts from 1970.)
      const int64_t next_ms = store_.store_timestamp(queue, std::max(offset, min_offset));
      if (offset < max_offset && next_ms >= 0) span.delay_ms = std::max<int64_t>(clock_.wall_ms() - next_ms, 0);
    }
    out.push_back(span);
  }
  return {};
}

}  // namespace merlin::service
