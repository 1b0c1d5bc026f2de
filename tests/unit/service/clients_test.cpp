#include "service/clients.h"

#include <gtest/gtest.h>

namespace merlin::service {
namespace {

class FakeChannel final : public ClientChannel {
 public:
  explicit FakeChannel(uint64_t id) : id_(id), remote_("127.0.0.1:" + std::to_string(id)) {}
  uint64_t id() const override { return id_; }
  const std::string& remote_text() const override { return remote_; }
  bool is_open() const override { return open; }
  void notify_consumer_ids_changed(const std::string& group) override { told.push_back(group); }
  void move_offsets(const OffsetMove&, const std::string&) override {}
  void ask(ClientQuestion, int64_t, std::function<void(Result<ClientAnswer>)>) override {}
  void push_reply(const ReplyMessage&, int64_t, std::function<void(Status)>) override {}
  bool open = true;
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
  EXPECT_TRUE(clients.register_consumer(heartbeat(), client(one), false, true).changed);
  EXPECT_FALSE(clients.register_consumer(heartbeat(), client(one), false, true).changed)
      << "the same heartbeat again changes nothing";
  EXPECT_EQ(one->told.size(), 1U);
  EXPECT_TRUE(clients.register_consumer(heartbeat(), client(two), false, true).changed);
  EXPECT_EQ(one->told.size(), 2U);
  EXPECT_EQ(two->told.size(), 1U);
  EXPECT_EQ(clients.consumer_ids("g").size(), 2U);
  clock.advance_ms(Clients::notify_interval_ms);
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
  EXPECT_TRUE(clients.register_consumer(newer, client(one), false, true).changed);
  EXPECT_EQ(clients.subscription("g", "T"), nullptr);
  EXPECT_NE(clients.subscription("g", "T2"), nullptr);
}

TEST_F(ClientsTest, HeartbeatWithoutSubscriptionsKeepsThem) {
  clients.register_consumer(heartbeat(), client(one), false, true);
  ConsumerHeartbeat bare = heartbeat();
  bare.subscriptions.clear();
  EXPECT_FALSE(clients.register_consumer(bare, client(one), true, true).changed);
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

TEST_F(ClientsTest, AStormOfJoinsIsFewNoticesForEachAndTheLastOneIsTold) {
  constexpr uint64_t joins = 1000;
  constexpr int64_t storm_ms = 5'000;
  std::vector<std::shared_ptr<FakeChannel>> all;
  for (uint64_t i = 0; i < joins; ++i) {
    all.push_back(std::make_shared<FakeChannel>(100 + i));
    clients.register_consumer(heartbeat(), client(all.back()), false, true);
    clock.advance_ms(storm_ms / static_cast<int64_t>(joins));
    clients.send_due_notices();
  }
  const size_t told_before_the_end = all.back()->told.size();
  clock.advance_ms(Clients::notify_interval_ms);
  clients.send_due_notices();
  EXPECT_EQ(all.back()->told.size(), told_before_the_end + 1) << "the last change is not lost";
  size_t most = 0;
  for (const auto& channel : all) most = std::max(most, channel->told.size());
  EXPECT_LE(most, static_cast<size_t>(storm_ms / Clients::notify_interval_ms) + 3);
  const size_t settled = all.front()->told.size();
  clock.advance_ms(10 * Clients::notify_interval_ms);
  clients.send_due_notices();
  EXPECT_EQ(all.front()->told.size(), settled) << "nothing changed since";
}

TEST_F(ClientsTest, NoticesCanBeSwitchedOffAndMadeLazy) {
  std::atomic<int64_t> enabled = 0;
  std::atomic<int64_t> real_time = 1;
  clients.set_notice_rules({&enabled, &real_time});
  clients.register_consumer(heartbeat(), client(one), false, true);
  EXPECT_TRUE(one->told.empty());
  enabled = 1;
  real_time = 0;
  clients.register_consumer(heartbeat(), client(two), false, true);
  EXPECT_EQ(one->told.size(), 1U);
  clients.channel_closed(2, [](const std::string&) { return true; });
  clock.advance_ms(Clients::lazy_notify_interval_ms - 1);
  clients.send_due_notices();
  EXPECT_EQ(one->told.size(), 1U);
  clock.advance_ms(1);
  clients.send_due_notices();
  EXPECT_EQ(one->told.size(), 2U);
}

TEST_F(ClientsTest, AReconnectedClientThatLeavesItsSubscriptionsOutIsAskedForThem) {
  EXPECT_FALSE(clients.register_consumer(heartbeat(), client(one), false, true).lacks_statement);
  EXPECT_FALSE(clients.register_consumer(heartbeat(), client(two), true, true).lacks_statement)
      << "the group's are known";
  for (const uint64_t id : {1, 2}) clients.channel_closed(id, [](const std::string&) { return true; });
  EXPECT_TRUE(clients.register_consumer(heartbeat(), client(one), true, true).lacks_statement);
}

TEST_F(ClientsTest, AProducerIsFoundByItsClientIdOnItsOpenChannel) {
  EXPECT_EQ(clients.producer_channel("client1"), nullptr);
  clients.register_producer("p", client(one));
  clients.register_producer("q", client(one));
  EXPECT_EQ(clients.producer_channel("client1"), one);
  clients.unregister_producer("p", 1);
  EXPECT_EQ(clients.producer_channel("client1"), one) << "it is still in another group";
  ClientInfo again = client(two);
  again.client_id = "client1";
  clients.register_producer("q", again);
  EXPECT_EQ(clients.producer_channel("client1"), two);
  two->open = false;
  EXPECT_EQ(clients.producer_channel("client1"), one);
  clients.channel_closed(1, [](const std::string&) { return true; });
  clients.channel_closed(2, [](const std::string&) { return true; });
  EXPECT_EQ(clients.producer_channel("client1"), nullptr);
}

TEST_F(ClientsTest, AClientWithTwoConnectionsIsOneMember) {
  ClientInfo again = client(two);
  again.client_id = "client1";
  clients.register_consumer(heartbeat(), client(one), false, true);
  clients.register_consumer(heartbeat(), again, false, true);
  EXPECT_EQ(clients.consumer_ids("g"), std::vector<std::string>{"client1"});
  EXPECT_EQ(clients.consumer_group("g")->clients.size(), 2U) << "operators see both";
  clients.channel_closed(1, [](const std::string&) { return true; });
  EXPECT_EQ(clients.consumer_ids("g"), std::vector<std::string>{"client1"});
}

TEST_F(ClientsTest, ANewHeartbeatSavesAnExpiringChannel) {
  ClientInfo late = client(one);
  clients.register_consumer(heartbeat(), late, false, true);
  clock.advance_ms(120'001);
  clients.register_consumer(heartbeat(), client(one), false, true);
  EXPECT_EQ(clients.drop_expired(120'000), 0U);
  EXPECT_TRUE(clients.has_consumer_group("g"));
}

class GuardTest : public ClientsTest {
 protected:
  ConsumerHeartbeat says(const std::string& expression, int64_t sub_version = 1) {
    ConsumerHeartbeat h = heartbeat();
    h.subscriptions = {build_subscription("T", expression, "TAG"), build_subscription("%RETRY%g", "*", "TAG")};
    for (Subscription& s : h.subscriptions) s.sub_version = sub_version;
    return h;
  }
  Registered beat(const std::shared_ptr<FakeChannel>& channel, const std::string& expression) {
    return clients.register_consumer(says(expression, ++version_), client(channel), false, true);
  }
  int64_t version_ = 0;
};

TEST_F(GuardTest, CountsEachChangeOnceAndOnlyAgainstLiveMembers) {
  beat(one, "a || b");
  beat(two, "b||a");
  EXPECT_EQ(clients.guard().mismatches, 0) << "the same tags in another order";
  beat(two, "c");
  EXPECT_EQ(clients.guard().mismatches, 1);
  EXPECT_EQ(clients.guard().groups_differing, 1);
  beat(two, "c");
  beat(one, "a || b");
  EXPECT_EQ(clients.guard().mismatches, 1) << "once per change";
  beat(one, "c");
  EXPECT_EQ(clients.guard().mismatches, 1) << "a rolling update has come to its end: its own statement is replaced";
  EXPECT_EQ(clients.guard().groups_differing, 0);
  beat(two, "d");
  EXPECT_EQ(clients.guard().groups_differing, 1);
  clients.channel_closed(1, [](const std::string&) { return true; });
  EXPECT_EQ(clients.guard().groups_differing, 0) << "who is gone says nothing";
  beat(two, "e");
  EXPECT_EQ(clients.guard().mismatches, 2);
}

TEST_F(GuardTest, RefusesNewcomersAndChangesWhenAskedTo) {
  std::atomic<int64_t> reject = 1;
  clients.set_reject_mismatch(reject);
  beat(one, "a");
  const Registered refused = beat(two, "b");
  EXPECT_NE(refused.refusal.find("client1"), std::string::npos) << refused.refusal;
  EXPECT_NE(refused.refusal.find("client2"), std::string::npos) << refused.refusal;
  EXPECT_NE(refused.refusal.find("T: \"b\" against \"a\""), std::string::npos) << refused.refusal;
  EXPECT_EQ(clients.consumer_ids("g"), std::vector<std::string>{"client1"});
  EXPECT_EQ(clients.subscription("g", "T")->sub_string, "a");
  EXPECT_EQ(clients.guard().refused, 1);
  EXPECT_TRUE(beat(one, "b").refusal.empty()) << "alone it may change its mind";
  EXPECT_TRUE(beat(two, "b").refusal.empty());
  EXPECT_FALSE(beat(two, "a").refusal.empty());
  EXPECT_TRUE(beat(two, "b").refusal.empty()) << "it is still the member it was";
}

TEST_F(GuardTest, EqualStatementsOfManyMembersCostOne) {
  constexpr uint64_t members = 10'000;
  std::string wide;
  for (int i = 0; i < 4'000; ++i) wide += "tag" + std::to_string(i) + "||";
  // Were each kept for itself, these would be over the limit of all.
  ASSERT_GT(wide.size() * members, Clients::subscription_bytes_max);
  const ConsumerHeartbeat same = says(wide);
  for (uint64_t i = 0; i < members; ++i) {
    clients.register_consumer(same, client(std::make_shared<FakeChannel>(i)), i > 0 && i % 100 != 0, false);
  }
  EXPECT_EQ(clients.guard().mismatches, 0);
  beat(one, "other");
  EXPECT_EQ(clients.guard().mismatches, 1) << "all are still guarded";
}

TEST(Statements, NameTheDifference) {
  const std::vector<Subscription> a = {build_subscription("T", "x", "TAG"), build_subscription("U", "*", "TAG")};
  const std::vector<Subscription> b = {build_subscription("T", "k = 1", "SQL92"), build_subscription("V", "*", "TAG")};
  EXPECT_EQ(statement_difference(statement_of("g", "CLUSTERING", a), statement_of("g", "BROADCASTING", b)),
            "T: \"x\" against \"SQL92: k = 1\"; U: \"*\" against nothing; messageModel: \"CLUSTERING\" against "
            "\"BROADCASTING\"; V: nothing against \"*\"");
  std::vector<Subscription> many;
  for (int i = 0; i < 1000; ++i) many.push_back(build_subscription("T" + std::to_string(i), std::string(500, 't'), ""));
  EXPECT_LE(statement_difference(statement_of("g", "CLUSTERING", many), statement_of("g", "CLUSTERING", a)).size(),
            statement_difference_max);
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
