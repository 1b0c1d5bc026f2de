#include <thread>

#include <gmock/gmock.h>

#include "meta/subscription_group.h"
#include "support.h"

namespace merlin::meta {
namespace {

class GroupsTest : public testing::Test {
 protected:
  FaultyFileSystem files_;
  ManualClock clock_{start_ms};
  SubscriptionGroups groups_{files_, clock_, "/store"};
  const std::string path_ = "/store/config/subscriptionGroup.json";

  static SubscriptionGroup group(std::string name) {
    SubscriptionGroup out;
    out.name = std::move(name);
    return out;
  }
};

TEST_F(GroupsTest, SystemGroupsAsApache) {
  ASSERT_TRUE(groups_.open());
  const nlohmann::json apache = json_of(golden("subscriptionGroup.json"))["subscriptionGroupTable"];
  const nlohmann::json ours = json_of(groups_.json())["subscriptionGroupTable"];
  for (const auto& [name, config] : ours.items()) EXPECT_EQ(config, apache.value(name, nlohmann::json())) << name;
  EXPECT_EQ(ours.size() + 2, apache.size());
}

TEST_F(GroupsTest, ReadsApachesFileAndWritesTheSameBack) {
  write_file(files_, path_, golden("subscriptionGroup.json"));
  ASSERT_TRUE(groups_.open());
  EXPECT_EQ(json_of(groups_.json()), json_of(golden("subscriptionGroup.json")));
  EXPECT_TRUE(groups_.is_read_forbidden("G1", "Orders"));
  EXPECT_FALSE(groups_.is_read_forbidden("G1", "Other"));
  EXPECT_EQ(
      groups_.find("G1")->json(),
      R"({"attributes":{},"brokerId":0,"consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,)"
      R"("consumeMessageOrderly":false,"consumeTimeoutMinute":15,"groupName":"G1","groupRetryPolicy":)"
      R"({"exponentialRetryPolicy":{"initial":1000,"max":60000,"multiplier":3},"type":"EXPONENTIAL"},"groupSysFlag":0,)"
      R"("notifyConsumerIdsChangedEnable":true,"retryMaxTimes":3,"retryQueueNums":1,"subscriptionDataSet":)"
      R"([{"expression":"a||b","expressionType":"TAG","topic":"Orders","version":7}],)"
      R"("whichBrokerWhenConsumeSlowly":1})");
}

TEST_F(GroupsTest, RetryDelaysAsApache) {
  ASSERT_TRUE(groups_.open());
  RetryPolicy exponential;
  exponential.kind = RetryPolicy::Kind::exponential;
  exponential.exponential = {1000, 60000, 3};
  RetryPolicy own;
  own.customized_ms = {1, 2, 3};
  const int64_t expected[] = {10000,  30000,  60000,  120000,  180000,  240000,  300000,  360000, 420000,
                              480000, 540000, 600000, 1200000, 1800000, 3600000, 7200000, 7200000};
  for (int32_t i = 0; i < 17; ++i) EXPECT_EQ(RetryPolicy().next_delay_ms(i), expected[i]) << i;
  const int64_t grown[] = {1000, 3000, 9000, 27000, 60000, 60000};
  for (int32_t i = 0; i < 6; ++i) EXPECT_EQ(exponential.next_delay_ms(i), grown[i]) << i;
  EXPECT_EQ(exponential.next_delay_ms(-1), 1000);
  EXPECT_EQ(exponential.next_delay_ms(INT32_MAX), 60000);
  EXPECT_EQ(own.next_delay_ms(0), 3);
  EXPECT_EQ(own.next_delay_ms(INT32_MAX), 3);
  own.customized_ms = std::vector<int64_t>();
  EXPECT_EQ(own.next_delay_ms(0), 10000);
  exponential.exponential = {INT64_MAX / 2, INT64_MAX, 1000};
  EXPECT_EQ(exponential.next_delay_ms(32), INT64_MAX);  // no overflow
}

TEST_F(GroupsTest, FindOrCreate) {
  ASSERT_TRUE(groups_.open());
  EXPECT_EQ(groups_.find("g"), nullptr);
  const GroupPtr made = groups_.find_or_create("g");
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(groups_.find_or_create("g"), made);
  EXPECT_EQ(groups_.version().counter, 1);
  EXPECT_EQ(groups_.find_or_create("bad name!"), nullptr);
  EXPECT_EQ(groups_.find_or_create(""), nullptr);
  EXPECT_EQ(groups_.find_or_create(std::string(121, 'a')), nullptr);
  EXPECT_FALSE(files_.exists(path_));  // memory only: may run on a reactor
  ASSERT_TRUE(groups_.persist_if_dirty());
  EXPECT_TRUE(json_of(read_file(files_, path_))["subscriptionGroupTable"].contains("g"));
  groups_.set_auto_create(false, true);
  EXPECT_EQ(groups_.find_or_create("h"), nullptr);
  EXPECT_NE(groups_.find_or_create("CID_RMQ_SYS_x"), nullptr);
  groups_.set_auto_create(false, false);
  EXPECT_EQ(groups_.find_or_create("CID_RMQ_SYS_y"), nullptr);
}

TEST_F(GroupsTest, UpdateRemoveForbid) {
  ASSERT_TRUE(groups_.open());
  SubscriptionGroup g = group("g");
  g.retry_max_times = 3;
  g.attributes = {{"+priority.factor", "7"}};
  ASSERT_TRUE(groups_.update(g).ok());
  EXPECT_EQ(groups_.find("g")->retry_max_times, 3);
  EXPECT_EQ(groups_.find("g")->attributes, (Attributes{{"priority.factor", "7"}}));
  g.attributes = {{"+nope", "7"}};
  EXPECT_EQ(groups_.update(g).error().message, "unsupported key: nope");
  groups_.disable_consume("g");
  EXPECT_FALSE(groups_.find("g")->consume_enable);
  ASSERT_TRUE(groups_.set_forbidden("g", "T", 2, true));
  ASSERT_TRUE(groups_.set_forbidden("g", "U", 2, true));
  ASSERT_TRUE(groups_.set_forbidden("g", "T", 2, false));
  EXPECT_FALSE(groups_.is_read_forbidden("g", "T"));
  EXPECT_TRUE(groups_.is_read_forbidden("g", "U"));
  EXPECT_FALSE(groups_.set_forbidden("g", "T", 31, true));
  ASSERT_TRUE(groups_.remove("g"));
  EXPECT_EQ(groups_.forbidden("g", "U"), 0);
  EXPECT_EQ(groups_.remove("g").error().code, Errc::not_found);
  SubscriptionGroups again(files_, clock_, "/store");
  ASSERT_TRUE(again.open());
  EXPECT_EQ(again.find("g"), nullptr);
}

TEST_F(GroupsTest, ListAndPages) {
  ASSERT_TRUE(groups_.open());
  ASSERT_TRUE(groups_.update_list({group("a"), group("b")}));
  EXPECT_EQ(groups_.version().counter, 2);
  ASSERT_TRUE(groups_.set_forbidden("a", "T", 2, true));
  ASSERT_TRUE(groups_.set_forbidden("b", "T", 2, true));
  const std::string version = groups_.version().json();
  const std::vector<GroupPtr> tail = groups_.page(version, static_cast<int64_t>(groups_.size()) - 1, 10);
  ASSERT_EQ(tail.size(), 1U);
  const nlohmann::json page = json_of(groups_.json(tail));
  EXPECT_EQ(page["subscriptionGroupTable"].size(), 1U);
  EXPECT_EQ(page["forbiddenTable"].size(), tail[0]->name == "b" ? 1U : 0U);
  EXPECT_EQ(groups_.page("", 3, 2)[0], groups_.all()[0]);
  EXPECT_EQ(SubscriptionGroup::parse_list(R"({"groupConfigList":[{"groupName":"A"}]})")->size(), 1U);
}

TEST_F(GroupsTest, WrongShapesAreErrorsNotCrashes) {
  for (const std::string_view text :
       {"3", "{\"subscriptionGroupTable\":3}", "{\"subscriptionGroupTable\":{\"g\":{\"groupRetryPolicy\":3}}}",
        "{\"subscriptionGroupTable\":{\"g\":{\"groupRetryPolicy\":{\"type\":\"X\"}}}}",
        "{\"subscriptionGroupTable\":{\"g\":{\"groupRetryPolicy\":{\"customizedRetryPolicy\":{\"next\":[\"x\"]}}}}}",
        "{\"subscriptionGroupTable\":{\"g\":{\"subscriptionDataSet\":{}}}}", "{\"forbiddenTable\":{\"g\":[]}}",
        "{\"forbiddenTable\":{\"g\":{\"t\":[]}}}"}) {
    FaultyFileSystem files;
    write_file(files, path_, text);
    SubscriptionGroups groups(files, clock_, "/store");
    const Status opened = groups.open();
    ASSERT_FALSE(opened) << text;
    EXPECT_EQ(opened.error().code, Errc::corrupt) << text;
  }
}

TEST_F(GroupsTest, ManyThreadsMakeTheSameGroupOnce) {
  ASSERT_TRUE(groups_.open());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 300; ++i) ASSERT_NE(groups_.find_or_create("g" + std::to_string(i)), nullptr);
    });
  }
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(groups_.persist_if_dirty());
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(groups_.version().counter, 300);
  ASSERT_TRUE(groups_.persist_if_dirty());
  EXPECT_EQ(json_of(read_file(files_, path_)), json_of(groups_.json()));
}

}  // namespace
}  // namespace merlin::meta
