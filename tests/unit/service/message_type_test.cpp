#include "service/message_type.h"

#include <gtest/gtest.h>

namespace merlin::service {
namespace {

meta::TopicConfig topic_for(const std::string& type, const std::string& name = "T") {
  meta::TopicConfig config;
  config.name = name;
  if (!type.empty()) config.attributes["message.type"] = type;
  return config;
}

TEST(MessageType, ComesFromTheProperties) {
  EXPECT_EQ(message_type_of(""), MessageType::normal);
  EXPECT_EQ(message_type_of("TAGS\1a\2"), MessageType::normal);
  EXPECT_EQ(message_type_of("__SHARDINGKEY\1k\2"), MessageType::fifo);
  EXPECT_EQ(message_type_of("__SHARDINGKEY\1k\2DELAY\1"
                            "3\2"),
            MessageType::delay);
  EXPECT_EQ(message_type_of("TIMER_DELIVER_MS\1"
                            "5\2"),
            MessageType::delay);
  EXPECT_EQ(message_type_of("DELAY\1"
                            "3\2TRAN_MSG\1true\2"),
            MessageType::transaction);
  EXPECT_EQ(message_type_of("TRAN_MSG\1false\2"), MessageType::normal);
}

TEST(MessageType, ATopicTakesItsOwnAndMixedTakesAll) {
  const std::string fifo = "__SHARDINGKEY\1k\2";
  EXPECT_EQ(message_type_error(topic_for("FIFO"), fifo), std::nullopt);
  EXPECT_EQ(message_type_error(topic_for("MIXED"), fifo), std::nullopt);
  EXPECT_EQ(message_type_error(topic_for("FIFO"), ""),
            "TopicMessageType validate failed, the expected type is FIFO, but actual type is NORMAL");
  EXPECT_EQ(message_type_error(topic_for(""), fifo),
            "TopicMessageType validate failed, the expected type is NORMAL, but actual type is FIFO");
  EXPECT_EQ(message_type_error(topic_for(""), ""), std::nullopt);
  EXPECT_NE(message_type_error(topic_for("UNSPECIFIED"), ""), std::nullopt) << "no message is unspecified";
  EXPECT_EQ(message_type_error(topic_for("", "%RETRY%g"), fifo), std::nullopt);
  EXPECT_EQ(message_type_error(topic_for("", "%DLQ%g"), fifo), std::nullopt);
  EXPECT_EQ(message_type_error(topic_for(""), fifo + "TRANSFER_FLAG\1true\2"), std::nullopt);
}

}  // namespace
}  // namespace merlin::service
