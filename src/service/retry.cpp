#include "service/retry.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "merlin/message/ids.h"
#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "service/resend_rules.h"

namespace merlin::service {

namespace p = message::property;

Retry::Retry(store::MessageStore& store, Produce& produce, meta::SubscriptionGroups& groups,
             const std::atomic<int64_t>& broker_permission)
    : store_(store), produce_(produce), groups_(groups), broker_permission_(broker_permission) {}

int32_t Retry::random_queue(int32_t queues) {
  const uint32_t drawn = random_.fetch_add(2'654'435'769U, std::memory_order_relaxed);
  return static_cast<int32_t>((drawn >> 8) % static_cast<uint32_t>(queues));
}

Refusal Retry::give_back(const SendBack& back, int64_t& end_offset) {
  end_offset = 0;
  const auto group = groups_.find_or_create(back.group);
  if (!group) return no_such_group(back.group);
  if ((broker_permission_.load(std::memory_order_relaxed) & meta::perm_write) == 0) {
    return {Outcome::no_permission,
            fmt::format("the broker[{}] sending message is forbidden", produce_.settings().broker_ip)};
  }
  if (group->retry_queue_nums <= 0) return {};
  const std::string retry_topic = message::retry_topic(back.group);
  meta::TopicPtr topic;
  const int32_t sys_flag = back.unit_mode ? meta::topic_sys_flag_unit_sub : 0;
  if (Refusal r = produce_.make_group_topic(retry_topic, group->retry_queue_nums, sys_flag, topic); !r.ok()) return r;
  if ((topic->perm & meta::perm_write) == 0) {
    return {Outcome::no_permission, fmt::format("the topic[{}] sending message is forbidden", retry_topic)};
  }
  store::LogBytes bytes;
  if (Status s = store_.record_at(back.physical_offset, bytes); !s) {
    if (s.error().code != Errc::not_found) log_warn("retry", "{}", s.error().message);
    return {Outcome::system_error, fmt::format("look message by offset failed, {}", back.physical_offset)};
  }
  const auto record = message::decode_record(bytes.slices.front(), false);
  if (!record) return {Outcome::system_error, record.error().message};
  return copy(back, *group, *topic, *record, end_offset);
}

namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// What the copy says of itself. The places in light queues and in a batch were those of the original.
std::string properties_of_copy(const message::RecordView& record, int32_t delay_level) {
  std::string out;
  std::string_view retry_topic = record.topic;
  std::string_view origin_id;
  out.reserve(record.properties.size() + record.topic.size() + 128);
  message::for_each_property(record.properties, [&](std::string_view name, std::string_view value) {
    if (name == p::retry_topic) {
      retry_topic = value;
    } else if (name == p::origin_message_id) {
      origin_id = value;
    } else if (name != p::wait_store_ok && name != p::delay_level && name != p::inner_multi_queue_offset &&
               name != p::inner_base) {
      message::append_property(out, name, value);
    }
    return true;
  });
  message::append_property(out, p::retry_topic, retry_topic);
  message::append_property(out, p::wait_store_ok, "false");
  message::append_property(out, p::delay_level, std::to_string(delay_level));
  const std::string own_id = message::offset_msg_id(record.store_host, record.physical_offset);
  message::append_property(out, p::origin_message_id, is_blank(origin_id) ? std::string_view(own_id) : origin_id);
  return out;
}

// Apache gives the name of a put's status here; why stands behind it.
Refusal not_put(std::string_view status, const std::string& why) {
  return {Outcome::system_error, fmt::format("{}, {}", status, why)};
}

Refusal not_put(const store::AppendItem& item, const std::string& why) {
  switch (item.code) {
    case store::AppendCode::record_too_large:
      return not_put("MESSAGE_ILLEGAL", why);
    case store::AppendCode::io_error:
      return not_put("UNKNOWN_ERROR", why);
    default:
      return not_put("SERVICE_NOT_AVAILABLE", why);
  }
}

}  // namespace

Refusal Retry::copy(const SendBack& back, const meta::SubscriptionGroup& group, const meta::TopicConfig& retry_topic,
                    const message::RecordView& record, int64_t& end_offset) {
  const int32_t times_max = back.max_reconsume_times.value_or(group.retry_max_times);
  const bool is_dead = record.reconsume_times >= times_max || back.delay_level < 0;
  std::string topic_name = retry_topic.name;
  StoredCopy copy;
  if (is_dead) {
    topic_name = message::dlq_topic(back.group);
    meta::TopicPtr dead_letters;
    if (Refusal r = produce_.make_group_topic(topic_name, 1, 0, dead_letters); !r.ok()) return r;
  } else {
    // A count of 2^31 - 1 stays within the levels, too.
    copy.delay_level =
        back.delay_level > 0 ? back.delay_level : first_level + std::clamp(record.reconsume_times, 0, INT32_MAX / 2);
    // A topic that was made for fewer queues than the group has by now: in the others no consumer would look.
    copy.queue_id = random_queue(std::max(std::min(group.retry_queue_nums, retry_topic.read_queue_nums), 1));
  }
  const std::string properties = properties_of_copy(record, copy.delay_level);
  copy.record = &record;
  copy.topic = topic_name;
  copy.properties = properties;
  copy.reconsume_times = record.reconsume_times == INT32_MAX ? INT32_MAX : record.reconsume_times + 1;
  ProduceBurst burst;
  if (Refusal r = produce_.add_copy(copy, burst); !r.ok()) {
    if (r.outcome == Outcome::message_illegal) return not_put("MESSAGE_ILLEGAL", r.remark);
    return r;
  }
  end_offset = produce_.append(burst);
  if (const store::AppendItem& item = burst.items.front(); item.code != store::AppendCode::ok) {
    return not_put(item, produce_.refusal_of(item).remark);
  }
  if (sent_back_) {
    sent_back_(back.group, message::find_property(record.properties, p::retry_topic).value_or(record.topic));
  }
  if (is_dead) {
    if (given_up_) given_up_(back.group, back.origin_topic);
    log_info("retry", "{} at {} of topic {} goes to {} after {} deliveries",
             message::offset_msg_id(record.store_host, record.physical_offset), record.queue_offset, back.origin_topic,
             topic_name, record.reconsume_times + 1);
  }
  return {};
}

}  // namespace merlin::service
