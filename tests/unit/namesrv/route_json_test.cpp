// Every body that the nameserver sends, byte for byte what Apache's classes send for the same history.
#include "namesrv/route_json.h"

#include <gtest/gtest.h>

#include "golden.h"
#include "namesrv/route_table.h"

namespace merlin::namesrv::test {
namespace {

void expect_route(const RouteTable& table, const std::string& topic, const std::string& name) {
  const auto route = table.route(topic);
  ASSERT_TRUE(route.has_value()) << topic;
  EXPECT_EQ(to_json(*route, JsonStyle::java), golden(name + ".loose"));
  EXPECT_EQ(to_json(*route, JsonStyle::standard), golden(name + ".strict"));
}

class RouteJson : public ::testing::Test {
 protected:
  void register_pair() {
    table.register_broker(registration("c1", "broker-a", 0, "10.0.0.1:10911", {0, 1, 1},
                                       {{"T", 4, 8}, {"U", 1, 1, 6, 3}, {"V", 1, 1, 6, 2}}));
    slave = registration("c1", "broker-a", 1, "10.0.0.2:10911", {0, 1, 1}, {{"T", 4, 8}, {"U"}});
    slave.enable_acting_master = true;
    slave.zone_name = "zone-1";
  }

  ManualClock clock{1'000'000};
  RouteTable table{clock};
  Registration slave;
};

TEST_F(RouteJson, routes) {
  register_pair();
  expect_route(table, "T", "plain");
  table.register_broker(slave);
  expect_route(table, "T", "slave");
  auto ordered = *table.route("T");
  ordered.order_topic_conf = "broker-a:4";
  EXPECT_EQ(to_json(ordered, JsonStyle::java), golden("ordered.loose"));
  EXPECT_EQ(to_json(ordered, JsonStyle::standard), golden("ordered.strict"));
  Registration filters = registration("c1", "broker-a", 0, "10.0.0.1:10911", {0, 2, 2}, {{"T", 4, 8}, {"W"}});
  filters.enable_acting_master = false;
  filters.body.filter_servers = {"10.0.0.1:5000", "10.0.0.1:5001"};
  table.register_broker(filters);
  expect_route(table, "T", "filter");
}

TEST_F(RouteJson, clusters_and_lists) {
  register_pair();
  table.register_broker(slave);
  EXPECT_EQ(to_json(table.clusters()), golden("cluster"));
  EXPECT_EQ(to_json(table.unit_topics()), golden("topics.unit"));
  EXPECT_EQ(to_json(table.unit_sub_topics()), golden("topics.unitsub"));
  EXPECT_EQ(to_json(table.unit_sub_ununit_topics()), golden("topics.unitsub_ununit"));
  EXPECT_EQ(to_json(table.system_topics()), golden("topics.system"));
  EXPECT_EQ(to_json(table.topics_of_cluster("c1")), golden("topics.cluster"));
  EXPECT_EQ(to_json(table.topics_of_cluster("nope")), golden("topics.cluster.unknown"));
  EXPECT_EQ(members_json("c1", "broker-a", table.members("broker-a")), golden("members"));
  EXPECT_EQ(members_json("c1", "nope", table.members("nope")), golden("members.unknown"));
  EXPECT_EQ(to_json(*table.version_of({"c1", "10.0.0.1:10911"})), golden("version"));
}

TEST_F(RouteJson, nothing_registered) {
  EXPECT_EQ(to_json(table.all_topics()), golden("topics.all.empty"));
  EXPECT_EQ(to_json(table.clusters()), golden("cluster.empty"));
  EXPECT_EQ(to_json(table.system_topics()), golden("topics.system.empty"));
}

TEST_F(RouteJson, acting_master_and_static_topic) {
  table.set_support_acting_master(true);
  Registration acting = registration("c1", "b", 2, "10.0.0.2:1", {0, 1, 1}, {{"T", 4, 8}, {"U"}});
  acting.enable_acting_master = true;
  table.register_broker(acting);
  expect_route(table, "T", "acting");
  Registration mapped = registration("c1", "b2", 0, "10.0.0.3:1", {0, 5, 5}, {{"S", 4, 8}, {"U"}});
  TopicMapping& mapping = mapped.body.mappings["S"];
  mapping.topic = "S";
  mapping.broker_name = "b2";
  mapping.total_queues = 3;
  mapping.epoch = 9;
  mapping.current_ids = {{0, 1}, {1, 2}, {2, 3}};
  table.register_broker(mapped);
  expect_route(table, "S", "mapped");
}

TEST_F(RouteJson, odd_names) {
  const std::string odd = from_hex(golden("odd.hex"));
  Registration r = registration("c" + odd, "n" + odd, 0, "10.0.0.4:1", {0, 5, 5}, {{"odd"}, {"U"}});
  r.zone_name = odd;
  table.register_broker(r);
  EXPECT_EQ(to_json(*table.route("odd"), JsonStyle::standard), golden("odd.strict"));
  EXPECT_EQ(to_json(*table.route("odd"), JsonStyle::java), from_hex(golden("odd.loose.hex")));
  const std::string latin = "<caf\xC3\xA9>(a)/'";
  r = registration(latin, "latin", 0, "10.0.0.5:1", {0, 5, 5}, {{"latin"}, {"U"}});
  r.zone_name = latin;
  table.register_broker(r);
  expect_route(table, "latin", "latin");
}

TEST(KvJson, tables) {
  EXPECT_EQ(kv_table_json({{"k", "v"}, {"l", "w\"x"}}), golden("kv.table"));
  EXPECT_EQ(kv_table_json({}), golden("kv.table.empty"));
  EXPECT_EQ(kv_file_json({{"NS", {{"k", "v"}, {"l", "w\"x"}}}}), golden("kv.file"));
  EXPECT_EQ(kv_file_json({}), golden("kv.file.empty"));
}

}  // namespace
}  // namespace merlin::namesrv::test
