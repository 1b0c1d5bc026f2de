// Messages that are put more than once: those that wait for their time, copies of stored ones, and those that clients
// send to retry topics.
#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "service/delay_levels.h"
#include "service/produce.h"
#include "service/resend_rules.h"

namespace merlin::service {

namespace p = message::property;

int32_t Produce::level_within(int32_t level) const {
  return std::min(level, static_cast<int32_t>(settings_.delay_level_ms.size()));
}

std::string Produce::with_real_place(std::string_view properties, std::string_view topic, int32_t queue_id,
                                     int32_t level) {
  std::string out;
  out.reserve(properties.size() + topic.size() + 64);
  message::for_each_property(properties, [&out](std::string_view name, std::string_view value) {
    const bool is_replaced = name == p::delay_level || name == p::real_topic || name == p::real_queue_id ||
                             name == p::timer_deliver_ms || name == p::timer_delay_ms || name == p::timer_delay_sec;
    if (!is_replaced) message::append_property(out, name, value);
    return true;
  });
  message::append_property(out, p::delay_level, std::to_string(level));
  message::append_property(out, p::real_topic, topic);
  message::append_property(out, p::real_queue_id, std::to_string(queue_id));
  return out;
}

// The item goes to its level's queue. REQUIRES: its properties are those of with_real_place().
void Produce::put_aside(int32_t level, ProduceBurst& burst, store::AppendItem& item) {
  if (burst.delay_queues.empty()) burst.delay_queues.resize(settings_.delay_level_ms.size());
  store::ConsumeQueue*& queue = burst.delay_queues[static_cast<size_t>(level) - 1];
  if (queue == nullptr) queue = store_.queue(message::schedule_topic, level - 1);
  item.spec.topic = message::schedule_topic;
  item.spec.queue_id = level - 1;
  item.queue = queue;
  burst.has_delayed = true;
}

void Produce::tell_of_delayed(const ProduceBurst& burst) {
  for (const store::AppendItem& item : burst.items) {
    if (item.code != store::AppendCode::ok || item.spec.topic != message::schedule_topic) continue;
    const int32_t level = item.spec.queue_id + 1;
    const int64_t due_ms = item.store_timestamp_ms + settings_.delay_level_ms[static_cast<size_t>(level) - 1];
    stats_.table().queue_put(message::schedule_topic, item.spec.queue_id, item.count, item.size);
    delayed_->on_delayed(level, item.queue_offset, due_ms);
  }
}

void Produce::count_delivered(int32_t level, int64_t messages, int64_t bytes) {
  const store::ConsumeQueue* queue = store_.find_queue(message::schedule_topic, level - 1);
  stats_.table().group_get(queue, "SCHEDULE_CONSUMER", message::schedule_topic, level - 1, messages, bytes, 0);
}

// ---------------------------------------------------------------- copies

Refusal Produce::add_copy(const StoredCopy& copy, ProduceBurst& burst) {
  if (auto error = message::topic_name_error(copy.topic)) return {Outcome::invalid_parameter, std::move(*error)};
  if (copy.queue_id < 0 || copy.queue_id >= meta::TopicTable::queue_nums_max) {
    return {Outcome::invalid_parameter,
            fmt::format("queue id {} is not 0 to {}", copy.queue_id, meta::TopicTable::queue_nums_max - 1)};
  }
  const message::RecordView& record = *copy.record;
  const int32_t kind = record.sys_flag & message::sys_flag::transaction_mask;
  const bool is_half =
      kind == message::sys_flag::transaction_prepared || kind == message::sys_flag::transaction_rollback;
  if (is_half || (record.sys_flag & message::sys_flag::inner_batch) != 0) {
    return {Outcome::message_illegal,
            fmt::format("a message with sysFlag {} cannot be put again by itself", record.sys_flag)};
  }
  store::AppendItem item;
  item.spec.topic = copy.topic;
  item.spec.queue_id = copy.queue_id;
  item.spec.flag = record.flag;
  item.spec.sys_flag = record.sys_flag;
  item.spec.born_timestamp_ms = record.born_timestamp_ms;
  item.spec.born_host = record.born_host;
  item.spec.store_host = settings_.store_host;
  item.spec.reconsume_times = copy.reconsume_times;
  item.spec.body = record.body;
  item.spec.properties = copy.properties;
  if (copy.delay_level > 0) {
    const int32_t level = level_within(copy.delay_level);
    item.spec.properties = burst.text() = with_real_place(copy.properties, copy.topic, copy.queue_id, level);
    put_aside(level, burst, item);
  } else if (Refusal r = place_copy(copy, burst, item); !r.ok()) {
    return r;
  }
  if (item.spec.properties.size() > message::properties_length_max) {
    return {Outcome::message_illegal, fmt::format("the copy has {} bytes of properties, {} is the limit",
                                                  item.spec.properties.size(), message::properties_length_max)};
  }
  item.tags_code = message::tags_code(item.spec.properties);
  burst.items.push_back(item);
  return {};
}

// The queue of a copy, which may be of a topic that is gone or has fewer queues by now: Apache puts it there, too.
Refusal Produce::place_copy(const StoredCopy& copy, ProduceBurst& burst, store::AppendItem& item) {
  if (topics_.is_light(copy.topic)) {
    auto queue = store_.light_queue(copy.topic);
    if (!queue) return refuse_light(queue.error());
    item.queue = *queue;
    return {};
  }
  ProduceBurst::CachedTopic* const cached = topic(copy.topic, burst);
  const bool is_known = cached != nullptr && static_cast<size_t>(copy.queue_id) < cached->queues.size();
  item.queue = is_known ? queue_of(*cached, copy.queue_id) : store_.queue(copy.topic, copy.queue_id);
  if (!settings_.multi_dispatch || message::is_retry_topic(copy.topic)) return {};
  const auto names = message::find_property(copy.properties, p::inner_multi_dispatch);
  if (!names) return {};
  store::LightQueues* light = nullptr;
  if (Refusal r = enter_light_queues(*names, copy.topic, copy.queue_id, burst, light); !r.ok()) {
    log_warn("produce", "a delayed message goes to {} only, and not to the light queues {}: {}", copy.topic, *names,
             r.remark);
  }
  if (light != nullptr) item.enter(*light);
  return {};
}

// ---------------------------------------------------------------- resent by clients

Refusal Produce::add_resent(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                            PlacedRequest& placed) {
  std::string& dead_letters = burst.text();
  if (Refusal r = resend_rules_->judge(request, dead_letters); !r.ok()) return r;
  if (dead_letters.empty()) return add_single(request, topic, burst, placed);
  // The client is told of the queue that it named.
  const int32_t asked_queue = std::max(request.queue_id, 0);
  ProduceBurst::CachedTopic* const dead = this->topic(dead_letters, burst);
  if (dead == nullptr) return {Outcome::needs_worker, {}};
  std::string& properties = burst.text();
  properties = message::without_property(request.properties, p::delay_level);
  message::append_property(properties, p::delay_level, "-1");
  SendRequest moved = request;
  moved.topic = dead_letters;
  moved.queue_id = 0;
  moved.properties = properties;
  if (Refusal r = add_single(moved, *dead, burst, placed); !r.ok()) return r;
  placed.queue_id = asked_queue;
  return {};
}

Refusal Produce::make_group_topic(std::string_view name, int32_t queues, int32_t sys_flag, meta::TopicPtr& out) {
  out = topics_.find(name);
  if (out) return {};
  out = topics_.create_if_absent(name, queues, meta::perm_read | meta::perm_write, false, sys_flag);
  if (!out) return {Outcome::system_error, fmt::format("topic[{}] not exist", name)};
  if (topic_created_) topic_created_(out);
  return {};
}

// On a worker, when add_resent() had no such topic.
Refusal Produce::create_dead_letter_topic(const SendRequest& request) {
  std::string name;
  if (resend_rules_ == nullptr || request.batch) return {};
  if (Refusal r = resend_rules_->judge(request, name); !r.ok()) return r;
  if (name.empty()) return {};
  meta::TopicPtr dead_letters;
  return make_group_topic(name, 1, 0, dead_letters);
}

}  // namespace merlin::service
