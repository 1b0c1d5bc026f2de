// Rules for topic and group names, reserved topics, and the names derived from groups.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace merlin::message {

inline constexpr std::string_view retry_prefix = "%RETRY%";
inline constexpr std::string_view dlq_prefix = "%DLQ%";
inline constexpr std::string_view lmq_prefix = "%LMQ%";
// Where messages wait for their time, one queue a delay level.
inline constexpr std::string_view schedule_topic = "SCHEDULE_TOPIC_XXXX";
inline constexpr size_t topic_name_max = 127;
inline constexpr size_t group_name_max = 120;
inline constexpr size_t retry_or_dlq_topic_name_max = 255;

inline std::string retry_topic(std::string_view group) {
  return std::string(retry_prefix) + std::string(group);
}
inline std::string dlq_topic(std::string_view group) {
  return std::string(dlq_prefix) + std::string(group);
}
inline bool is_retry_topic(std::string_view topic) {
  return topic.starts_with(retry_prefix);
}
inline bool is_dlq_topic(std::string_view topic) {
  return topic.starts_with(dlq_prefix);
}
inline bool is_lmq(std::string_view topic) {
  return topic.starts_with(lmq_prefix);
}

// nullopt when the name is allowed, else Apache's wording of why not (TopicValidator, 5.5.0).
std::optional<std::string> topic_name_error(std::string_view topic);
std::optional<std::string> group_name_error(std::string_view group);

// Topics that the broker makes for itself (TopicValidator.isSystemTopic).
bool is_system_topic(std::string_view topic);
// Topics to which clients may not send (TopicValidator.isNotAllowedSendTopic).
bool is_send_forbidden_topic(std::string_view topic);
// System consumer groups (MixAll.isSysConsumerGroup and the like).
bool is_system_group(std::string_view group);

}  // namespace merlin::message
