#include "merlin/message/names.h"

#include <gtest/gtest.h>

namespace merlin::message {
namespace {

TEST(TopicName, good_ones) {
  EXPECT_EQ(topic_name_error("TopicTest"), std::nullopt);
  EXPECT_EQ(topic_name_error("a-b_c|d%0"), std::nullopt);
  EXPECT_EQ(topic_name_error(std::string(127, 'a')), std::nullopt);
  EXPECT_EQ(topic_name_error("%RETRY%" + std::string(248, 'a')), std::nullopt);
  EXPECT_EQ(topic_name_error("%DLQ%" + std::string(250, 'a')), std::nullopt);
}

TEST(TopicName, blank_illegal_and_long_ones_in_apaches_words) {
  EXPECT_EQ(topic_name_error(""), "The specified topic is blank.");
  EXPECT_EQ(topic_name_error(" \t"), "The specified topic is blank.");
  EXPECT_EQ(topic_name_error("\xE3\x80\x80"), "The specified topic is blank.");
  EXPECT_EQ(topic_name_error("a b"),
            "The specified topic: a b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
  EXPECT_EQ(topic_name_error("a\xC3\xA9"),
            "The specified topic: a\xC3\xA9, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
  const std::string longer(128, 'a');
  EXPECT_EQ(topic_name_error(longer), "The specified topic: " + longer + ", is longer than topic max length: 127");
  const std::string retry = "%RETRY%" + std::string(249, 'a');
  EXPECT_EQ(topic_name_error(retry),
            "The specified topic is DLQ or Retry topic: " + retry + ", and it's longer than topic max length: 255");
}

TEST(GroupName, good_and_bad_ones) {
  EXPECT_EQ(group_name_error(std::string(120, 'g')), std::nullopt);
  EXPECT_EQ(group_name_error(""), "The specified group is blank.");
  EXPECT_EQ(group_name_error("a+b"),
            "The specified group: a+b, contains illegal characters, allowing only ^[%|a-zA-Z0-9_-]+$");
  const std::string longer(121, 'g');
  EXPECT_EQ(group_name_error(longer), "The specified group: " + longer + ", is longer than group max length: 120");
}

TEST(SystemNames, topics_and_groups) {
  EXPECT_TRUE(is_system_topic("TBW102"));
  EXPECT_TRUE(is_system_topic("SCHEDULE_TOPIC_XXXX"));
  EXPECT_TRUE(is_system_topic("rmq_sys_anything"));
  EXPECT_FALSE(is_system_topic("TopicTest"));
  EXPECT_TRUE(is_send_forbidden_topic("RMQ_SYS_TRANS_HALF_TOPIC"));
  EXPECT_FALSE(is_send_forbidden_topic("TBW102"));
  EXPECT_FALSE(is_send_forbidden_topic("RMQ_SYS_TRACE_TOPIC"));
  EXPECT_TRUE(is_system_group("CID_RMQ_SYS_x"));
  EXPECT_TRUE(is_system_group("TOOLS_CONSUMER"));
  EXPECT_FALSE(is_system_group("CID_x"));
}

}  // namespace
}  // namespace merlin::message
