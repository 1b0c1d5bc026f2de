// What kind of message a topic is for (its attribute message.type) and what kind a message is (its properties).
//
// Apache's proxy refuses a message that does not fit its topic, Apache's broker never does; here merlinCheckMessageType
// decides. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "merlin/base/bytes.h"
#include "meta/topic_config.h"

namespace merlin::service {

enum class MessageType : uint8_t { normal, fifo, delay, transaction, mixed, unspecified };

std::string_view message_type_name(MessageType type);
// TransactionPrepared before any delay, a delay before a sharding key, as Apache.
MessageType message_type_of(std::string_view properties);
// NORMAL where the topic says nothing.
MessageType message_type_of(const meta::TopicConfig& topic);

// Why the message does not fit the topic, or nullopt. Retry and dead-letter topics take anything.
std::optional<std::string> message_type_error(const meta::TopicConfig& topic, std::string_view properties);

// The same for each message of a batch's body.
std::optional<std::string> message_type_error_in_batch(const meta::TopicConfig& topic, ByteView body);

}  // namespace merlin::service
