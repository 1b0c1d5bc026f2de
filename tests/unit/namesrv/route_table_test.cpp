// What the random histories do not reach: time, connections, refusals, limits, notices.
#include "namesrv/route_table.h"

#include <gtest/gtest.h>

#include "golden.h"
#include "merlin/base/log.h"

namespace merlin::namesrv::test {
namespace {

using State = RegisterOutcome::State;

class Table : public ::testing::Test {
 protected:
  Registration broker(int64_t id, const std::string& addr, uint64_t connection_id = 1) {
    Registration r = registration("c", "b", id, addr, {0, 1, 1}, {{"T", 4, 4}, {"U"}});
    r.connection_id = connection_id;
    return r;
  }
  Registration acting(int64_t id, const std::string& addr) {
    Registration r = broker(id, addr);
    r.enable_acting_master = true;
    return r;
  }
  std::map<int64_t, std::string> addrs() const { return table.members("b"); }

  ManualClock clock{1'000'000};
  RouteTable table{clock};
};

TEST_F(Table, first_registration_with_one_topic_is_refused_without_a_trace) {
  Registration r = registration("c", "b", 0, "h:1", {0, 1, 1}, {{"T"}});
  EXPECT_EQ(table.register_broker(r).state, State::single_topic);
  EXPECT_TRUE(table.clusters().brokers.empty());
  EXPECT_TRUE(table.clusters().clusters.empty());
  EXPECT_FALSE(table.route("T").has_value());
  table.register_broker(broker(0, "h:1"));
  r.body.version.counter = 2;
  EXPECT_EQ(table.register_broker(r).state, State::registered) << "a known broker may send one topic";
}

TEST_F(Table, single_topic_of_a_second_id_is_refused_and_the_first_stays) {
  table.register_broker(broker(0, "h:1"));
  EXPECT_EQ(table.register_broker(registration("c", "b", 1, "h:2", {0, 1, 1}, {{"T"}})).state, State::single_topic);
  EXPECT_EQ(addrs(), (std::map<int64_t, std::string>{{0, "h:1"}}));
}

TEST_F(Table, older_state_version_does_not_take_over_an_id) {
  Registration leader = broker(0, "h:1");
  leader.body.version.state_version = 5;
  table.register_broker(leader);
  Registration late = broker(0, "h:2");
  late.body.version.state_version = 4;
  EXPECT_EQ(table.register_broker(late).state, State::older);
  EXPECT_EQ(addrs().at(0), "h:1");
  EXPECT_FALSE(table.version_of({"c", "h:2"}).has_value());
  late.body.version.state_version = 5;
  EXPECT_EQ(table.register_broker(late).state, State::registered);
  EXPECT_EQ(addrs().at(0), "h:2");
}

TEST_F(Table, slave_learns_its_live_master) {
  table.register_broker(broker(0, "h:1"));
  const RegisterOutcome outcome = table.register_broker(broker(1, "h:2"));
  EXPECT_EQ(outcome.master_addr, "h:1");
  EXPECT_EQ(outcome.ha_server_addr, "10.0.0.9:10912");
}

TEST_F(Table, broker_expires_after_its_own_time_limit) {
  Registration quick = broker(1, "h:2");
  quick.heartbeat_timeout_ms = 3'000;
  table.register_broker(broker(0, "h:1"));
  table.register_broker(quick);
  clock.advance_ms(3'000);
  EXPECT_TRUE(table.take_expired().empty());
  table.refresh({"c", "h:2"});
  clock.advance_ms(3'000);
  EXPECT_TRUE(table.take_expired().empty()) << "a heartbeat counts";
  clock.advance_ms(1);
  const auto expired = table.take_expired();
  ASSERT_EQ(expired.size(), 1U);
  EXPECT_EQ(expired[0].identity, (BrokerIdentity{"c", "h:2"}));
  ASSERT_TRUE(expired[0].request.has_value());
  table.unregister_brokers({*expired[0].request});
  EXPECT_EQ(addrs(), (std::map<int64_t, std::string>{{0, "h:1"}}));
  clock.advance_ms(broker_expires_ms_default);
  EXPECT_EQ(table.take_expired().size(), 1U);
}

TEST_F(Table, hostile_time_limits_neither_overflow_nor_hold) {
  Registration r = broker(0, "h:1");
  r.heartbeat_timeout_ms = INT64_MAX;
  table.register_broker(r);
  clock.advance_ms(1'000'000);
  EXPECT_TRUE(table.take_expired().empty());
  r.heartbeat_timeout_ms = INT64_MIN;
  table.register_broker(r);
  EXPECT_EQ(table.take_expired().size(), 1U);
}

TEST_F(Table, address_left_behind_is_forgotten_when_it_expires) {
  table.register_broker(broker(0, "h:1"));
  table.register_broker(broker(0, "h:2"));
  EXPECT_TRUE(table.version_of({"c", "h:1"}).has_value());
  clock.advance_ms(broker_expires_ms_default + 1);
  table.refresh({"c", "h:2"});
  const auto expired = table.take_expired();
  ASSERT_EQ(expired.size(), 1U);
  EXPECT_FALSE(expired[0].request.has_value());
  EXPECT_FALSE(table.version_of({"c", "h:1"}).has_value());
  EXPECT_TRUE(table.take_expired().empty());
  EXPECT_TRUE(table.route("T").has_value());
}

TEST_F(Table, closed_connection_takes_all_its_brokers_but_not_those_that_came_back_on_another) {
  table.register_broker(broker(0, "h:1", 7));
  table.register_broker(broker(1, "h:2", 7));
  table.register_broker(broker(2, "h:3", 7));
  table.register_broker(broker(2, "h:3", 8));
  table.unregister_brokers(table.brokers_of_connection(7));
  EXPECT_EQ(addrs(), (std::map<int64_t, std::string>{{2, "h:3"}}));
}

TEST_F(Table, last_broker_takes_its_topics_and_their_mappings) {
  Registration r = broker(0, "h:1");
  r.body.mappings["T"] = {.topic = "T", .broker_name = "b", .total_queues = 1, .current_ids = {{0, 0}}};
  table.register_broker(r);
  ASSERT_TRUE(table.route("T")->mappings.has_value());
  table.unregister_brokers({{"c", "b", "h:1", 0}});
  EXPECT_FALSE(table.route("T").has_value());
  EXPECT_TRUE(table.all_topics().topics.empty());
  r.body.mappings.clear();
  table.register_broker(r);
  EXPECT_FALSE(table.route("T")->mappings.has_value()) << "a topic made anew is not static";
}

TEST_F(Table, min_id_change_is_told_to_the_right_brokers) {
  EXPECT_FALSE(table.register_broker(acting(2, "h:2")).min_id_change.has_value());
  EXPECT_FALSE(table.register_broker(acting(3, "h:3")).min_id_change.has_value());
  const auto joined = table.register_broker(acting(1, "h:1")).min_id_change;
  ASSERT_TRUE(joined.has_value());
  EXPECT_EQ(joined->min_broker_id, 1);
  EXPECT_EQ(joined->min_broker_addr, "h:1");
  EXPECT_EQ(joined->notify_addrs, (std::vector<std::string>{"h:2", "h:3"}));
  EXPECT_EQ(joined->ha_broker_addr, "10.0.0.9:10912");
  EXPECT_FALSE(joined->offline_broker_addr.has_value());
  const auto left = table.unregister_brokers({{"c", "b", "h:1", 1}});
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].min_broker_id, 2);
  EXPECT_EQ(left[0].offline_broker_addr, "h:1");
  EXPECT_EQ(left[0].notify_addrs, (std::vector<std::string>{"h:2", "h:3"}));
  EXPECT_TRUE(table.unregister_brokers({{"c", "b", "h:3", 3}}).empty()) << "the smallest id stayed";
}

TEST_F(Table, lost_master_leaves_an_acting_one_without_writes) {
  table.set_support_acting_master(true);
  table.register_broker(acting(0, "h:0"));
  table.register_broker(acting(1, "h:1"));
  table.unregister_brokers({{"c", "b", "h:0", 0}});
  const auto route = table.route("T");
  ASSERT_TRUE(route.has_value());
  EXPECT_EQ(route->queues[0].queues.perm, perm_read);
  EXPECT_EQ(route->brokers[0].addrs, (std::map<int64_t, std::string>{{0, "h:1"}}));
  EXPECT_EQ(addrs(), (std::map<int64_t, std::string>{{1, "h:1"}})) << "only routes show it as master";
  table.register_broker(acting(0, "h:0"));
  EXPECT_EQ(table.route("T")->queues[0].queues.perm, perm_read | perm_write);
}

TEST_F(Table, single_topic_registration_needs_known_brokers) {
  table.register_broker(broker(0, "h:1"));
  table.register_topic("X", {{"b", {1, 1, 6, 0}}, {"stranger", {1, 1, 6, 0}}});
  EXPECT_FALSE(table.route("X").has_value());
  table.register_topic("X", {{"b", {2, 3, 6, 0}}});
  ASSERT_TRUE(table.route("X").has_value());
  EXPECT_EQ(table.route("X")->queues[0].queues.write_queue_nums, 3);
}

TEST_F(Table, limits_refuse_and_name_themselves) {
  RouteTable small(clock, {.brokers_max = 1, .topics_max = 2});
  EXPECT_EQ(small.register_broker(broker(0, "h:1")).state, State::registered);
  const RegisterOutcome second = small.register_broker(broker(1, "h:2"));
  EXPECT_EQ(second.state, State::limit);
  EXPECT_NE(second.why.find("limit is 1"), std::string::npos) << second.why;
  Registration more = broker(0, "h:1");
  more.body.topics.push_back({"V", {}});
  EXPECT_EQ(small.register_broker(more).state, State::limit);
  EXPECT_EQ(small.register_broker(broker(0, "h:1")).state, State::registered) << "what is known may come again";
  small.register_topic("V", {{"b", {1, 1, 6, 0}}});
  EXPECT_FALSE(small.route("V").has_value());
}

TEST_F(Table, one_address_cannot_claim_names_without_end) {
  RouteTable small(clock, {.brokers_max = 3});
  State last = State::registered;
  for (int i = 0; i < 10; ++i) {
    Registration r = broker(0, "h:1");
    r.broker_name = "b" + std::to_string(i);
    last = small.register_broker(r).state;
  }
  EXPECT_EQ(last, State::limit);
  EXPECT_EQ(small.clusters().brokers.size(), 3U);
}

TEST_F(Table, one_name_cannot_collect_addresses_without_end) {
  RouteTable small(clock, {.addresses_per_broker_max = 3});
  for (int i = 0; i < 10; ++i) {
    small.register_broker(broker(i, "h:" + std::to_string(i)));
    // The address is no longer alive, but its broker still has it.
    (void)small.unregister_brokers({{"c", "another", "h:" + std::to_string(i), i}});
  }
  EXPECT_EQ(small.members("b").size(), 3U);
}

TEST_F(Table, ignored_registrations_leave_no_cluster_behind) {
  Registration first = broker(0, "h:1");
  first.body.version.state_version = 5;
  table.register_broker(first);
  for (int i = 0; i < 5; ++i) {
    Registration late = broker(0, "h:2");
    late.cluster = "c" + std::to_string(i);
    (void)table.register_broker(late);
    (void)table.unregister_brokers({{late.cluster, "b", "h:2", 0}});
  }
  EXPECT_LE(table.clusters().clusters.size(), 6U);
}

TEST_F(Table, topics_of_brokers_have_a_limit_that_gives_back) {
  RouteTable small(clock, {.queues_max = 3});
  EXPECT_EQ(small.register_broker(broker(0, "h:1")).state, State::registered);
  Registration other = broker(0, "h:2");
  other.broker_name = "other";
  const RegisterOutcome refused = small.register_broker(other);
  EXPECT_EQ(refused.state, State::limit);
  EXPECT_NE(refused.why.find("limit is 3"), std::string::npos) << refused.why;
  small.delete_topic("T");
  EXPECT_EQ(small.register_broker(other).state, State::registered) << "U of b, T and U of other";
}

TEST_F(Table, names_have_a_length_limit) {
  Registration r = broker(0, "h:1");
  r.broker_name.assign(5000, 'x');
  EXPECT_EQ(table.register_broker(r).state, State::limit);
  r = broker(0, "h:1");
  r.body.topics.push_back({std::string(5000, 't'), {}});
  EXPECT_EQ(table.register_broker(r).state, State::limit);
}

}  // namespace
}  // namespace merlin::namesrv::test
