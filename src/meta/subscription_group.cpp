#include "meta/subscription_group.h"

#include <algorithm>
#include <array>

#include <spdlog/fmt/fmt.h>

#include "meta/subscription_group_json.h"

namespace merlin::meta {

namespace {

constexpr int64_t second_ms = 1'000;
constexpr int64_t minute_ms = 60 * second_ms;
constexpr int64_t hour_ms = 60 * minute_ms;
// The delay levels of messageDelayLevel.
constexpr std::array<int64_t, 18> default_delays_ms = {
    second_ms,     5 * second_ms,  10 * second_ms, 30 * second_ms, minute_ms,     2 * minute_ms,
    3 * minute_ms, 4 * minute_ms,  5 * minute_ms,  6 * minute_ms,  7 * minute_ms, 8 * minute_ms,
    9 * minute_ms, 10 * minute_ms, 20 * minute_ms, 30 * minute_ms, hour_ms,       2 * hour_ms};

int64_t exponential_delay_ms(const RetryPolicy::Exponential& policy, int32_t reconsume_times) {
  int64_t delay = policy.initial_ms;
  for (int32_t i = 0; i < std::clamp(reconsume_times, 0, 32); ++i) {
    if (delay >= policy.max_ms || policy.multiplier <= 1 || delay <= 0) break;
    delay = delay > policy.max_ms / policy.multiplier ? policy.max_ms : delay * policy.multiplier;
  }
  return std::min(delay, policy.max_ms);
}

void append_policy_json(std::string& out, const RetryPolicy& policy) {
  out.push_back('{');
  if (policy.customized_ms) {
    out += R"("customizedRetryPolicy":{"next":[)";
    for (size_t i = 0; i < policy.customized_ms->size(); ++i) {
      out += fmt::format("{}{}", i == 0 ? "" : ",", (*policy.customized_ms)[i]);
    }
    out += "]},";
  }
  if (policy.exponential) {
    out += fmt::format(R"("exponentialRetryPolicy":{{"initial":{},"max":{},"multiplier":{}}},)",
                       policy.exponential->initial_ms, policy.exponential->max_ms, policy.exponential->multiplier);
  }
  out += policy.kind == RetryPolicy::Kind::exponential ? R"("type":"EXPONENTIAL"})" : R"("type":"CUSTOMIZED"})";
}

void append_subscriptions_json(std::string& out, const std::vector<SimpleSubscription>& subscriptions) {
  out.push_back('[');
  for (size_t i = 0; i < subscriptions.size(); ++i) {
    out += i == 0 ? R"({"expression":)" : R"(,{"expression":)";
    append_json_string(out, subscriptions[i].expression);
    out += R"(,"expressionType":)";
    append_json_string(out, subscriptions[i].expression_type);
    out += R"(,"topic":)";
    append_json_string(out, subscriptions[i].topic);
    out += fmt::format(R"(,"version":{}}})", subscriptions[i].version);
  }
  out.push_back(']');
}

Status read_exponential(const nlohmann::json& object, RetryPolicy& out) {
  if (!object.is_object()) return Error{Errc::corrupt, "exponentialRetryPolicy is not an object"};
  RetryPolicy::Exponential policy;
  FieldReader reader(object);
  reader.number("initial", policy.initial_ms);
  reader.number("max", policy.max_ms);
  reader.number("multiplier", policy.multiplier);
  out.exponential = policy;
  return reader.status();
}

Status read_customized(const nlohmann::json& object, RetryPolicy& out) {
  if (!object.is_object()) return Error{Errc::corrupt, "customizedRetryPolicy is not an object"};
  const nlohmann::json* next = FieldReader(object).find("next");
  if (next == nullptr) {
    out.customized_ms.emplace(default_delays_ms.begin(), default_delays_ms.end());
    return {};
  }
  if (!next->is_array()) return Error{Errc::corrupt, "customizedRetryPolicy.next is not a list"};
  out.customized_ms.emplace();
  for (const nlohmann::json& entry : *next) {
    int64_t delay = 0;
    if (!FieldReader::to_integer(entry, delay))
      return Error{Errc::corrupt, "customizedRetryPolicy.next holds no number"};
    out.customized_ms->push_back(delay);
  }
  return {};
}

Status read_policy(const nlohmann::json& object, RetryPolicy& out) {
  if (!object.is_object()) return Error{Errc::corrupt, "groupRetryPolicy is not an object"};
  FieldReader reader(object);
  std::string type = "CUSTOMIZED";
  reader.text("type", type);
  if (type != "CUSTOMIZED" && type != "EXPONENTIAL") reader.fail("type", "EXPONENTIAL or CUSTOMIZED");
  out.kind = type == "EXPONENTIAL" ? RetryPolicy::Kind::exponential : RetryPolicy::Kind::customized;
  if (const nlohmann::json* policy = reader.find("exponentialRetryPolicy")) {
    if (Status read = read_exponential(*policy, out); !read) return read;
  }
  if (const nlohmann::json* policy = reader.find("customizedRetryPolicy")) {
    if (Status read = read_customized(*policy, out); !read) return read;
  }
  return reader.status();
}

Status read_subscriptions(const nlohmann::json& list, SubscriptionGroup& out) {
  if (!list.is_array()) return Error{Errc::corrupt, "subscriptionDataSet is not a list"};
  out.subscriptions.emplace();
  for (const nlohmann::json& entry : list) {
    if (!entry.is_object()) return Error{Errc::corrupt, "subscriptionDataSet holds no object"};
    SimpleSubscription subscription;
    FieldReader reader(entry);
    reader.text("topic", subscription.topic);
    reader.text("expressionType", subscription.expression_type);
    reader.text("expression", subscription.expression);
    reader.number("version", subscription.version);
    if (!reader.status()) return reader.status();
    out.subscriptions->push_back(std::move(subscription));
  }
  return {};
}

}  // namespace

int64_t RetryPolicy::next_delay_ms(int32_t reconsume_times) const {
  if (kind == Kind::exponential && exponential) return exponential_delay_ms(*exponential, reconsume_times);
  // Java's customized policy starts at its third entry: levels count from 1, and the first retry uses level 3.
  const size_t index = static_cast<size_t>(std::max(0, reconsume_times)) + 2;
  const bool is_own = kind == Kind::customized && customized_ms && !customized_ms->empty();
  if (is_own) return (*customized_ms)[std::min(index, customized_ms->size() - 1)];
  return default_delays_ms[std::min(index, default_delays_ms.size() - 1)];
}

std::string SubscriptionGroup::json() const {
  std::string out;
  append_group_json(out, *this);
  return out;
}

std::string SubscriptionGroup::text() const {
  return "SubscriptionGroupConfig" + json();
}

void append_group_json(std::string& out, const SubscriptionGroup& group) {
  out += R"({"attributes":)";
  append_attributes_json(out, group.attributes);
  out += fmt::format(R"(,"brokerId":{},"consumeBroadcastEnable":{},"consumeEnable":{},)", group.broker_id,
                     group.consume_broadcast_enable, group.consume_enable);
  out += fmt::format(R"("consumeFromMinEnable":{},"consumeMessageOrderly":{},)", group.consume_from_min_enable,
                     group.consume_message_orderly);
  out += fmt::format(R"("consumeTimeoutMinute":{},"groupName":)", group.consume_timeout_minutes);
  append_json_string(out, group.name);
  out += R"(,"groupRetryPolicy":)";
  append_policy_json(out, group.retry_policy);
  out += fmt::format(
      R"(,"groupSysFlag":{},"notifyConsumerIdsChangedEnable":{},"retryMaxTimes":{},"retryQueueNums":{},)",
      group.group_sys_flag, group.notify_consumer_ids_changed_enable, group.retry_max_times, group.retry_queue_nums);
  if (group.subscriptions) {
    out += R"("subscriptionDataSet":)";
    append_subscriptions_json(out, *group.subscriptions);
    out.push_back(',');
  }
  out += fmt::format(R"("whichBrokerWhenConsumeSlowly":{}}})", group.which_broker_when_consume_slowly);
}

Result<SubscriptionGroup> subscription_group_of(const nlohmann::json& object) {
  if (!object.is_object()) return Error{Errc::corrupt, "a group's configuration is not an object"};
  SubscriptionGroup out;
  FieldReader reader(object);
  reader.text("groupName", out.name);
  reader.flag("consumeEnable", out.consume_enable);
  reader.flag("consumeFromMinEnable", out.consume_from_min_enable);
  reader.flag("consumeBroadcastEnable", out.consume_broadcast_enable);
  reader.flag("consumeMessageOrderly", out.consume_message_orderly);
  reader.number("retryQueueNums", out.retry_queue_nums);
  reader.number("retryMaxTimes", out.retry_max_times);
  reader.number("brokerId", out.broker_id);
  reader.number("whichBrokerWhenConsumeSlowly", out.which_broker_when_consume_slowly);
  reader.flag("notifyConsumerIdsChangedEnable", out.notify_consumer_ids_changed_enable);
  reader.number("groupSysFlag", out.group_sys_flag);
  reader.number("consumeTimeoutMinute", out.consume_timeout_minutes);
  reader.text_map("attributes", out.attributes);
  Status status = reader.status();
  if (const nlohmann::json* policy = reader.find("groupRetryPolicy"); policy != nullptr && status) {
    status = read_policy(*policy, out.retry_policy);
  }
  if (const nlohmann::json* list = reader.find("subscriptionDataSet"); list != nullptr && status) {
    status = read_subscriptions(*list, out);
  }
  if (!status) return status.error().with(fmt::format("group {}", out.name));
  return out;
}

namespace {

// {"type":"CUSTOMIZED"}, what nearly every group has.
bool read_usual_policy(JsonCursor& cursor) {
  std::string_view text;
  return cursor.object(
      [&](std::string_view key) { return key == "type" && cursor.text(text) && text == "CUSTOMIZED"; });
}

// False: something unusual stands there.
bool read_usual(JsonCursor& cursor, SubscriptionGroup& out) {
  const auto number = [&cursor](int32_t& field) {
    int64_t value = 0;
    if (!cursor.integer(value) || value < INT32_MIN || value > INT32_MAX) return false;
    field = static_cast<int32_t>(value);
    return true;
  };
  std::string_view text;
  return cursor.object([&](std::string_view key) {
    if (key == "groupName") return cursor.text(text);  // its key in the table counts
    if (key == "attributes") return cursor.object([](std::string_view) { return false; });
    if (key == "groupRetryPolicy") return read_usual_policy(cursor);
    if (key == "consumeEnable") return cursor.boolean(out.consume_enable);
    if (key == "consumeFromMinEnable") return cursor.boolean(out.consume_from_min_enable);
    if (key == "consumeBroadcastEnable") return cursor.boolean(out.consume_broadcast_enable);
    if (key == "consumeMessageOrderly") return cursor.boolean(out.consume_message_orderly);
    if (key == "notifyConsumerIdsChangedEnable") return cursor.boolean(out.notify_consumer_ids_changed_enable);
    if (key == "retryQueueNums") return number(out.retry_queue_nums);
    if (key == "retryMaxTimes") return number(out.retry_max_times);
    if (key == "groupSysFlag") return number(out.group_sys_flag);
    if (key == "consumeTimeoutMinute") return number(out.consume_timeout_minutes);
    if (key == "brokerId") return cursor.integer(out.broker_id);
    if (key == "whichBrokerWhenConsumeSlowly") return cursor.integer(out.which_broker_when_consume_slowly);
    return key != "subscriptionDataSet" && cursor.skip_value(text);
  });
}

}  // namespace

Result<SubscriptionGroup> subscription_group_of(JsonCursor& cursor) {
  const size_t begin = cursor.position();
  SubscriptionGroup out;
  if (read_usual(cursor, out)) return out;
  cursor.go_back(begin);
  std::string_view text;
  if (!cursor.skip_value(text)) return cursor.error();
  return SubscriptionGroup::parse(text);
}

Result<SubscriptionGroup> SubscriptionGroup::parse(std::string_view json) {
  nlohmann::json object;
  if (Status parsed = parse_json(json, object); !parsed) return parsed.error();
  return subscription_group_of(object);
}

Result<std::vector<SubscriptionGroup>> SubscriptionGroup::parse_list(std::string_view json) {
  nlohmann::json object;
  if (Status parsed = parse_json(json, object); !parsed) return parsed.error();
  std::vector<SubscriptionGroup> out;
  const nlohmann::json* list = object.is_object() ? FieldReader(object).find("groupConfigList") : nullptr;
  if (list == nullptr) return out;
  if (!list->is_array()) return Error{Errc::corrupt, "groupConfigList is not a list"};
  for (const nlohmann::json& entry : *list) {
    Result<SubscriptionGroup> group = subscription_group_of(entry);
    if (!group) return group.error();
    out.push_back(std::move(*group));
  }
  return out;
}

}  // namespace merlin::meta
