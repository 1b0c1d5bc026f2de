#include "merlin/message/names.h"

#include <algorithm>

#include "merlin/base/utf8.h"

namespace merlin::message {

namespace {

constexpr std::string_view system_topic_prefix = "rmq_sys_";
constexpr std::string_view system_group_prefix = "CID_RMQ_SYS_";

constexpr std::string_view send_forbidden_topics[] = {schedule_topic,
                                                      "RMQ_SYS_TRANS_HALF_TOPIC",
                                                      "RMQ_SYS_TRANS_OP_HALF_TOPIC",
                                                      "TRANS_CHECK_MAX_TIME_TOPIC",
                                                      "SELF_TEST_TOPIC",
                                                      "OFFSET_MOVED_EVENT",
                                                      "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC",
                                                      "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC"};

// System topics to which clients may send; the forbidden ones are system topics too.
constexpr std::string_view open_system_topics[] = {"TBW102", "BenchmarkTest", "RMQ_SYS_TRACE_TOPIC",
                                                   "CHECKPOINT_TOPIC"};

constexpr std::string_view predefined_groups[] = {
    "DEFAULT_CONSUMER",      "DEFAULT_PRODUCER",      "TOOLS_CONSUMER",    "SCHEDULE_CONSUMER", "FILTERSRV_CONSUMER",
    "__MONITOR_CONSUMER",    "CLIENT_INNER_PRODUCER", "SELF_TEST_P_GROUP", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",      "CID_ONSAPI_PULL",   "CID_RMQ_SYS_TRANS"};

template <size_t N>
bool contains(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// Java's Character.isWhitespace.
bool is_java_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A && c != 0x2007) || c == 0x2028 || c == 0x2029 || c == 0x205F || c == 0x3000;
}

bool is_blank(std::string_view text) {
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = at + text.size();
  while (at < end) {
    const Utf8Step step = utf8_step(at, end);
    if (!is_java_whitespace(step.code_point)) return false;
    at += step.bytes;
  }
  return true;
}

bool is_legal_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '%' || c == '-' ||
         c == '_' || c == '|';
}

// What topics and groups share. `kind` is "topic" or "group".
std::optional<std::string> shape_error(std::string_view kind, std::string_view name) {
  const std::string subject = "The specified " + std::string(kind);
  if (is_blank(name)) return subject + " is blank.";
  if (!std::all_of(name.begin(), name.end(), is_legal_char)) {
    return subject + ": " + std::string(name) + ", contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> topic_name_error(std::string_view topic) {
  // The common case first, without building any text.
  const bool is_derived = is_retry_topic(topic) || is_dlq_topic(topic);
  const size_t size_max = is_derived ? retry_or_dlq_topic_name_max : topic_name_max;
  const bool is_legal = !topic.empty() && std::all_of(topic.begin(), topic.end(), is_legal_char);
  if (is_legal && topic.size() <= size_max) return std::nullopt;
  if (!is_legal) return shape_error("topic", topic);
  if (is_derived) {
    return "The specified topic is DLQ or Retry topic: " + std::string(topic) +
           ", and it's longer than topic max length: " + std::to_string(size_max);
  }
  return "The specified topic: " + std::string(topic) +
         ", is longer than topic max length: " + std::to_string(size_max);
}

std::optional<std::string> group_name_error(std::string_view group) {
  if (std::optional<std::string> error = shape_error("group", group)) return error;
  if (group.size() <= group_name_max) return std::nullopt;
  return "The specified group: " + std::string(group) +
         ", is longer than group max length: " + std::to_string(group_name_max);
}

bool is_system_topic(std::string_view topic) {
  return topic.starts_with(system_topic_prefix) || contains(open_system_topics, topic) ||
         contains(send_forbidden_topics, topic);
}

bool is_send_forbidden_topic(std::string_view topic) {
  return contains(send_forbidden_topics, topic);
}

bool is_system_group(std::string_view group) {
  return group.starts_with(system_group_prefix) || contains(predefined_groups, group);
}

}  // namespace merlin::message
