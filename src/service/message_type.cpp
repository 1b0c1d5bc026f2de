#include "service/message_type.h"

#include <array>

#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "merlin/message/record.h"

namespace merlin::service {

namespace {

constexpr std::array<std::string_view, 6> type_names = {"NORMAL",      "FIFO",  "DELAY",
                                                        "TRANSACTION", "MIXED", "UNSPECIFIED"};
constexpr std::string_view sharding_key = "__SHARDINGKEY";
constexpr std::string_view transfer_flag = "TRANSFER_FLAG";  // moved here by a tool that was asked to

}  // namespace

std::string_view message_type_name(MessageType type) {
  return type_names[static_cast<size_t>(type)];
}

MessageType message_type_of(std::string_view properties) {
  namespace p = message::property;
  bool transaction = false;
  bool delay = false;
  bool fifo = false;
  message::for_each_property(properties, [&](std::string_view name, std::string_view value) {
    if (name == p::transaction_prepared) transaction = value == "true";
    if (name == p::delay_level || name == p::timer_deliver_ms || name == p::timer_delay_sec ||
        name == p::timer_delay_ms)
      delay = true;
    if (name == sharding_key) fifo = true;
    return true;
  });
  if (transaction) return MessageType::transaction;
  if (delay) return MessageType::delay;
  return fifo ? MessageType::fifo : MessageType::normal;
}

MessageType message_type_of(const meta::TopicConfig& topic) {
  const auto it = topic.attributes.find("message.type");
  if (it == topic.attributes.end()) return MessageType::normal;
  for (size_t i = 0; i < type_names.size(); ++i) {
    if (type_names[i] == it->second) return static_cast<MessageType>(i);
  }
  return MessageType::normal;
}

std::optional<std::string> message_type_error(const meta::TopicConfig& topic, std::string_view properties) {
  const MessageType expected = message_type_of(topic);
  const MessageType actual = message_type_of(properties);
  if (expected == MessageType::mixed || expected == actual) return std::nullopt;
  if (message::is_retry_topic(topic.name) || message::is_dlq_topic(topic.name)) return std::nullopt;
  if (message::find_property(properties, transfer_flag)) return std::nullopt;
  return "TopicMessageType validate failed, the expected type is " + std::string(message_type_name(expected)) +
         ", but actual type is " + std::string(message_type_name(actual));
}

std::optional<std::string> message_type_error_in_batch(const meta::TopicConfig& topic, ByteView body) {
  while (!body.empty()) {
    const auto entry = message::take_batch_entry(body);
    if (!entry) return std::nullopt;  // told by who stores it
    if (auto error = message_type_error(topic, entry->properties)) return error;
  }
  return std::nullopt;
}

}  // namespace merlin::service
