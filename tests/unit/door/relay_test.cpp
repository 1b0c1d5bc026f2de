#include "door/remoting/relay.h"

#include <gtest/gtest.h>

namespace merlin::door {
namespace {

TEST(ObjectMember, IsCutOutAsItStands) {
  const std::string body =
      R"({"consumerTable":{}, "messageQueueTable" : {{"brokerName":"b}","queueId":0,"topic":"T\""}:5,{}:6} ,"x":1})";
  EXPECT_EQ(object_member(body, "messageQueueTable"), R"({{"brokerName":"b}","queueId":0,"topic":"T\""}:5,{}:6})");
  EXPECT_EQ(object_member(body, "consumerTable"), "{}");
}

TEST(ObjectMember, OnlyOfTheOutermostObject) {
  EXPECT_EQ(object_member(R"({"a":{"t":{"x":1}},"t":{}})", "t"), "{}");
  EXPECT_EQ(object_member(R"({"a":"t","b":["t"],"t":{"y":[{}]}})", "t"), R"({"y":[{}]})");
}

TEST(ObjectMember, BrokenTextHasNone) {
  for (const char* text : {"", "{", "}", "{\"t\"", "{\"t\":", "{\"t\":{", "{\"t\":{\"", "{\"t\":{\"\\", "{\"t\":5}",
                           "{\"t\":null}", "]{\"t\":{}}", "{\"u\":{}}", "[\"t\",{}]"}) {
    EXPECT_EQ(object_member(text, "t"), "") << text;
  }
}

}  // namespace
}  // namespace merlin::door
