#include "service/clients.h"

#include <gtest/gtest.h>

namespace merlin::service {
namespace {

class FakeChannel final : public ClientChannel {
 public:
  explicit FakeChannel(uint64_t id) : id_(id), remote_("127.0.0.1:" + std::to_string(id)) {}
  uint64_t id() const override { return id_; }
  const std::string& remote_text() const override { return remote_; }
  void notify_consumer_ids_changed(const std::string& group) override { told.push_back(group); }
  std::vector<std::string> told;

 private:
  uint64_t id_;
  std::string remote_;
};

class ClientsTest : public testing::Test {
 protected:
  ClientInfo client(const std::shared_ptr<FakeChannel>& channel) {
    return {channel, "client" + std::to_string(channel->id()), "JAVA", 513, clock.wall_ms()};
  }
  static ConsumerHeartbeat heartbeat(std::string model = "CLUSTERING") {
    ConsumerHeartbeat h;
    h.group = "g";
    h.consume_type = "CONSUME_PASSIVELY";
    h.message_model = std::move(model);
    h.consume_from_where = "CONSUME_FROM_LAST_OFFSET";
    Subscription s = build_subscription("T", "a || b", "TAG");
    s.sub_version = 1;
    h.subscriptions.push_back(s);
    return h;
  }
  ManualClock clock{1'700'000'000'000};
  Clients clients{clock};
  std::shared_ptr<FakeChannel> one = std::make_shared<FakeChannel>(1);
  std::shared_ptr<FakeChannel> two = std::make_shared<FakeChannel>(2);
};

TEST_F(ClientsTest, MembersAreToldWhenOneComesAndWhenOneGoes) {
  EXPECT_TRUE(clients.register_consumer(heartbeat(), client(one), false, true));
  EXPECT_FALSE(clients.register_consumer(heartbeat(), client(one), false, true))
      << "the same heartbeat again changes nothing";
  EXPECT_EQ(one->told.size(), 1U);
  EXPECT_TRUE(clients.register_consumer(heartbeat(), client(two), false, true));
  EXPECT_EQ(one->told.size(), 2U);
  EXPECT_EQ(two->told.size(), 1U);
  EXPECT_EQ(clients.consumer_ids("g").size(), 2U);
  clients.channel_closed(2, [](const std::string&) { return true; });
  EXPECT_EQ(one->told.size(), 3U);
  EXPECT_EQ(two->told.size(), 1U) << "a closed channel is not told";
  EXPECT_EQ(clients.consumer_ids("g"), std::vector<std::string>{"client1"});
}

TEST_F(ClientsTest, BroadcastingMembersAreNotTold) {
  clients.register_consumer(heartbeat("BROADCASTING"), client(one), false, true);
  clients.register_consumer(heartbeat("BROADCASTING"), client(two), false, true);
  EXPECT_TRUE(one->told.empty());
  EXPECT_TRUE(clients.is_broadcasting("g"));
}

TEST_F(ClientsTest, SubscriptionFollowsTheNewerVersionAndForgetsTopicsLeftOut) {
  clients.register_consumer(heartbeat(), client(one), false, true);
  ConsumerHeartbeat older = heartbeat();
  older.subscriptions[0] = build_subscription("T", "old", "TAG");
  older.subscriptions[0].sub_version = 0;
  clients.register_consumer(older, client(one), false, true);
  EXPECT_EQ(clients.subscription("g", "T")->sub_string, "a || b");
  ConsumerHeartbeat newer = heartbeat();
  newer.subscriptions[0] = build_subscription("T2", "*", "TAG");
  EXPECT_TRUE(clients.register_consumer(newer, client(one), false, true));
  EXPECT_EQ(clients.subscription("g", "T"), nullptr);
  EXPECT_NE(clients.subscription("g", "T2"), nullptr);
}

TEST_F(ClientsTest, HeartbeatWithoutSubscriptionsKeepsThem) {
  clients.register_consumer(heartbeat(), client(one), false, true);
  ConsumerHeartbeat bare = heartbeat();
  bare.subscriptions.clear();
  EXPECT_FALSE(clients.register_consumer(bare, client(one), true, true));
  EXPECT_NE(clients.subscription("g", "T"), nullptr);
}

TEST_F(ClientsTest, FingerprintDiffersOnlyFromAKnownOne) {
  EXPECT_FALSE(clients.fingerprint_changed("g", 7));
  EXPECT_FALSE(clients.fingerprint_changed("g", 7));
  EXPECT_TRUE(clients.fingerprint_changed("g", 8));
}

TEST_F(ClientsTest, SilentChannelsExpire) {
  clients.register_consumer(heartbeat(), client(one), false, true);
  clients.register_producer("p", client(one));
  clock.advance_ms(60'000);
  clients.register_consumer(heartbeat(), client(two), false, true);
  clock.advance_ms(61'000);
  EXPECT_EQ(clients.drop_expired(120'000), 2U);
  EXPECT_EQ(clients.consumer_ids("g"), std::vector<std::string>{"client2"});
  EXPECT_TRUE(clients.producers("p").empty());
}

TEST_F(ClientsTest, LastMemberTakesTheGroupAway) {
  clients.register_consumer(heartbeat(), client(one), false, true);
  clients.unregister_consumer("g", 1, true);
  EXPECT_FALSE(clients.has_consumer_group("g"));
  EXPECT_FALSE(clients.consumer_group("g").has_value());
}

TEST_F(ClientsTest, SubscriptionsHaveALimitInBytes) {
  ConsumerHeartbeat big = heartbeat();
  big.subscriptions.front().sub_string.assign(Clients::subscription_bytes_max / 2, 'x');
  clients.register_consumer(big, client(one), false, true);
  EXPECT_NE(clients.subscription("g", "T"), nullptr);
  big.group = "second";
  clients.register_consumer(big, client(one), false, true);
  EXPECT_EQ(clients.subscription("second", "T"), nullptr) << "both together are over the limit";
  clients.unregister_consumer("g", 1, true);
  clients.register_consumer(big, client(one), false, true);
  EXPECT_NE(clients.subscription("second", "T"), nullptr) << "a group that left gives its bytes back";
}

TEST_F(ClientsTest, HundredThousandGroupsAndSubscriptionsOfOneClientAreQuick) {
  ConsumerHeartbeat wide = heartbeat();
  for (int i = 0; i < 100'000; ++i)
    wide.subscriptions.push_back(build_subscription("T" + std::to_string(i), "*", "TAG"));
  clients.register_consumer(wide, client(one), false, true);
  clients.register_consumer(heartbeat(), client(one), false, true);
  EXPECT_EQ(clients.subscription("g", "T99999"), nullptr);
  for (int i = 0; i < 100'000; ++i) clients.register_producer("P" + std::to_string(i), client(one));
  clients.channel_closed(1, [](const std::string&) { return true; });
  EXPECT_TRUE(clients.all_producers().empty());
}

TEST(Subscription, KeepsToItsNumberOfTags) {
  std::string expression;
  for (size_t i = 0; i < tags_max; ++i) expression += "t" + std::to_string(i) + "||";
  const Subscription most = build_subscription("T", expression, "TAG");
  EXPECT_FALSE(most.has_too_many_tags());
  for (const int32_t code : most.codes) ASSERT_TRUE(make_filter(most)->matches_tags_code(code));
  EXPECT_TRUE(build_subscription("T", expression + "one||more", "TAG").has_too_many_tags());
}

TEST(Subscription, SplitsTagsAndFiltersByLowBits) {
  const Subscription s = build_subscription("T", " a ||b|| ", "");
  EXPECT_EQ(s.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(s.codes, (std::vector<int32_t>{97, 98}));
  const auto filter = make_filter(s);
  ASSERT_NE(filter, nullptr);
  EXPECT_TRUE(filter->matches_tags_code(97));
  EXPECT_FALSE(filter->matches_tags_code(99));
  EXPECT_EQ(make_filter(build_subscription("T", "*", "TAG")), nullptr);
  EXPECT_EQ(make_filter(build_subscription("T", "", "TAG")), nullptr);
  EXPECT_FALSE(build_subscription("T", "a > 1", "SQL92").is_tag_type());
}

}  // namespace
}  // namespace merlin::service
