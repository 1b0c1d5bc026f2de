// The whole nameserver over loopback: what each request code answers.
#include "namesrv/name_server.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "golden.h"
#include "merlin/base/crc32.h"
#include "merlin/wire/request_code.h"
#include "merlin/wire/response_code.h"
#include "namesrv/namesrv_options.h"
#include "unit/net/raw_client.h"

namespace merlin::namesrv::test {
namespace {

namespace code = wire::request_code;
namespace rc = wire::response_code;
using merlin::test::eventually;
using merlin::test::Ext;
using merlin::test::parse;
using merlin::test::ParsedCommand;
using merlin::test::RawClient;

constexpr int32_t version_v4_9_3 = 399;

struct Answer {
  int32_t code = -1;
  std::string remark;
  std::string body;
  mutable std::map<std::string, std::string> ext;
};

class NameServerTest : public ::testing::Test {
 protected:
  NameServerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "merlin-namesrv-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    set("listenPort", "0");
    set("bindAddress", "127.0.0.1");
    set("kvConfigPath", folder + "/kv/kvConfig.json");
    set("configStorePath", folder + "/conf/namesrv.properties");
    set("defaultThreadPoolNums", "2");
  }
  ~NameServerTest() override {
    server.reset();
    std::filesystem::remove_all(folder);
  }
  void set(const char* key, const std::string& value) { ASSERT_TRUE(settings.set(key, value).ok()) << key; }
  void start() {
    server = std::make_unique<NameServer>(settings, posix_file_system(), clock);
    const Status started = server->start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    client = std::make_unique<RawClient>(server->port());
    ASSERT_TRUE(client->connected());
  }

  static std::string frame(int32_t request_code, const Ext& ext, std::string_view body, int32_t version,
                           int32_t flag = 0) {
    Buffer out;
    wire::CommandHead head;
    head.code = request_code;
    head.opaque = 7;
    head.flag = flag;
    head.version = static_cast<int16_t>(version);
    wire::CommandWriter writer(out, wire::Serialization::json, head);
    for (const auto& [key, value] : ext) writer.field(key, std::string_view(value));
    writer.finish(body.size());
    out.append(body);
    return std::string(as_text(out.view()));
  }
  static Answer ask_on(RawClient& on, int32_t request_code, const Ext& ext = {}, std::string_view body = {},
                       int32_t version = wire::version_claimed) {
    EXPECT_TRUE(on.send(frame(request_code, ext, body, version)));
    const auto parsed = parse(on.read_frame());
    EXPECT_NE(parsed, nullptr) << request_code;
    if (!parsed) return {};
    EXPECT_EQ(parsed->view.opaque, 7);
    EXPECT_TRUE(parsed->view.is_response());
    Answer answer{parsed->view.code, std::string(parsed->view.remark), std::string(as_text(parsed->view.body)), {}};
    for (const auto& field : parsed->view.ext) answer.ext[std::string(field.key)] = field.value;
    return answer;
  }
  Answer ask(int32_t request_code, const Ext& ext = {}, std::string_view body = {},
             int32_t version = wire::version_claimed) {
    return ask_on(*client, request_code, ext, body, version);
  }

  static Ext broker(const std::string& id = "0", const std::string& addr = "10.0.0.1:10911") {
    return {{"brokerName", "broker-a"},         {"brokerAddr", addr}, {"clusterName", "c1"},
            {"haServerAddr", "10.0.0.9:10912"}, {"brokerId", id},     {"compressed", "false"}};
  }
  static std::string body(
      const std::string& topics =
          R"("T":{"perm":6,"readQueueNums":4,"topicName":"T","topicSysFlag":0,"writeQueueNums":8},)"
          R"("U":{"perm":6,"readQueueNums":1,"topicName":"U","topicSysFlag":3,"writeQueueNums":1})") {
    return R"({"filterServerList":[],"topicConfigSerializeWrapper":{"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1},)"
           R"("topicConfigTable":{)" +
           topics + "}}}";
  }
  bool has_route(const std::string& topic = "T") {
    return ask(code::get_routeinfo_by_topic, {{"topic", topic}}).code == rc::success;
  }

  std::string folder;
  ManualClock clock{1'700'000'000'000};
  config::Settings settings{namesrv_options(), namesrv_unused_keys()};
  std::unique_ptr<NameServer> server;
  std::unique_ptr<RawClient> client;
};

TEST_F(NameServerTest, register_and_route_in_both_json_forms) {
  start();
  const Answer registered = ask(code::register_broker, broker(), body());
  EXPECT_EQ(registered.code, rc::success) << registered.remark;
  EXPECT_TRUE(registered.body.empty());
  EXPECT_TRUE(registered.ext.empty());
  const Ext topic = {{"topic", "T"}};
  EXPECT_EQ(ask(code::get_routeinfo_by_topic, topic).body, golden("plain.strict"));
  EXPECT_EQ(ask(code::get_routeinfo_by_topic, topic, {}, wire::version_v4_9_4).body, golden("plain.strict"));
  EXPECT_EQ(ask(code::get_routeinfo_by_topic, topic, {}, version_v4_9_3).body, golden("plain.loose"));
  EXPECT_EQ(
      ask(code::get_routeinfo_by_topic, {{"topic", "T"}, {"acceptStandardJsonOnly", "true"}}, {}, version_v4_9_3).body,
      golden("plain.strict"));
  const Answer none = ask(code::get_routeinfo_by_topic, {{"topic", "none"}});
  EXPECT_EQ(none.code, rc::topic_not_exist);
  EXPECT_EQ(none.remark,
            "No topic route info in name server for the topic: none\nSee "
            "https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.");
  EXPECT_EQ(ask(code::get_routeinfo_by_topic).code, rc::system_error);
  EXPECT_EQ(ask(999'999).code, rc::request_code_not_supported);
}

TEST_F(NameServerTest, registration_in_every_form) {
  start();
  Ext with_crc = broker();
  with_crc.emplace_back("bodyCrc32", std::to_string(crc32_31(as_bytes(body()))));
  EXPECT_EQ(ask(code::register_broker, with_crc, body()).code, rc::success);
  with_crc.back().second = "1";
  const Answer mismatch = ask(code::register_broker, with_crc, body());
  EXPECT_EQ(mismatch.code, rc::system_error);
  EXPECT_EQ(mismatch.remark, "crc32 not match");
  EXPECT_EQ(ask(code::register_broker, with_crc).remark, "crc32 not match") << "no body, but a CRC";
  const Answer deflated =
      ask(code::register_broker, broker("0", "10.0.0.1:10911"), from_hex(golden("register.body.deflated")));
  EXPECT_EQ(deflated.code, rc::success) << deflated.remark;
  EXPECT_TRUE(has_route("TopicB"));
  EXPECT_NE(ask(code::get_routeinfo_by_topic, {{"topic", "TopicA"}})
                .body.find("\"topicQueueMappingByBroker\":{\"broker-a\":"),
            std::string::npos);
  EXPECT_EQ(ask(code::register_broker, broker(), "{broken").code, rc::system_error);
  const Answer single = ask(code::register_broker, broker("1", "10.0.0.2:10911"), body(R"("T":{"topicName":"T"})"));
  EXPECT_EQ(single.code, rc::system_error);
  EXPECT_EQ(single.remark, "register broker failed");
}

TEST_F(NameServerTest, slave_is_told_its_master_and_the_order_config) {
  start();
  ask(code::register_broker, broker(), body());
  ask(code::put_kv_config, {{"namespace", "ORDER_TOPIC_CONFIG"}, {"key", "T"}, {"value", "broker-a:4"}});
  const Answer slave = ask(code::register_broker, broker("1", "10.0.0.2:10911"), body());
  EXPECT_EQ(slave.ext["masterAddr"], "10.0.0.1:10911");
  EXPECT_EQ(slave.ext["haServerAddr"], "10.0.0.9:10912");
  EXPECT_EQ(slave.body, R"({"table":{"T":"broker-a:4"}})");
}

TEST_F(NameServerTest, data_version_and_heartbeat) {
  start();
  const std::string same = R"({"counter":1,"stateVersion":0,"timestamp":1})";
  EXPECT_EQ(ask(code::query_data_version, broker(), same).ext["changed"], "true");
  ask(code::register_broker, broker(), body());
  const Answer unchanged = ask(code::query_data_version, broker(), same);
  EXPECT_EQ(unchanged.ext["changed"], "false");
  EXPECT_EQ(unchanged.body, golden("version"));
  EXPECT_EQ(ask(code::query_data_version, broker(), R"({"counter":2,"timestamp":1})").ext["changed"], "true");
  EXPECT_EQ(ask(code::query_data_version, broker(), "").code, rc::system_error);
  EXPECT_EQ(ask(code::broker_heartbeat, broker()).code, rc::success);
}

TEST_F(NameServerTest, closed_connection_removes_its_broker) {
  start();
  RawClient broker_side(server->port());
  ASSERT_EQ(ask_on(broker_side, code::register_broker, broker(), body()).code, rc::success);
  EXPECT_TRUE(has_route());
  broker_side.close();
  EXPECT_TRUE(eventually([&] { return !has_route(); }));
}

TEST_F(NameServerTest, silent_broker_is_closed_and_removed) {
  set("scanNotActiveBrokerInterval", "10");
  start();
  RawClient broker_side(server->port());
  Ext header = broker();
  header.emplace_back("heartbeatTimeoutMillis", "1000");
  ASSERT_EQ(ask_on(broker_side, code::register_broker, header, body()).code, rc::success);
  clock.advance_ms(1000);
  EXPECT_EQ(ask(code::broker_heartbeat, broker()).code, rc::success);
  clock.advance_ms(1000);
  EXPECT_TRUE(has_route());
  clock.advance_ms(1);
  EXPECT_TRUE(broker_side.closed_by_peer());
  EXPECT_TRUE(eventually([&] { return !has_route(); }));
}

TEST_F(NameServerTest, unregister_is_done_when_it_is_answered) {
  start();
  ask(code::register_broker, broker(), body());
  EXPECT_EQ(ask(code::unregister_broker, broker()).code, rc::success);
  EXPECT_FALSE(has_route());
  EXPECT_EQ(ask(code::get_broker_cluster_info).body, golden("cluster.empty"));
}

TEST_F(NameServerTest, lists_members_and_permissions) {
  start();
  ask(code::register_broker, broker(), body());
  EXPECT_EQ(ask(code::get_all_topic_list_from_nameserver).body, R"({"topicList":["T","U"]})");
  EXPECT_EQ(ask(code::get_topics_by_cluster, {{"cluster", "c1"}}).body, R"({"topicList":["T","U"]})");
  EXPECT_EQ(ask(code::get_system_topic_list_from_ns).body, golden("topics.system"));
  EXPECT_EQ(ask(code::get_unit_topic_list).body, golden("topics.unit"));
  EXPECT_EQ(ask(code::get_has_unit_sub_topic_list).body, R"({"topicList":["U"]})");
  EXPECT_EQ(ask(code::get_has_unit_sub_ununit_topic_list).body, R"({"topicList":[]})");
  EXPECT_EQ(ask(code::get_broker_member_group, {{"clusterName", "c1"}, {"brokerName", "nope"}}).body,
            golden("members.unknown"));
  EXPECT_EQ(ask(code::wipe_write_perm_of_broker, {{"brokerName", "broker-a"}}).ext["wipeTopicCount"], "2");
  EXPECT_NE(ask(code::get_routeinfo_by_topic, {{"topic", "T"}}).body.find("\"perm\":4"), std::string::npos);
  EXPECT_EQ(ask(code::add_write_perm_of_broker, {{"brokerName", "broker-a"}}).ext["addTopicCount"], "2");
  EXPECT_NE(ask(code::get_routeinfo_by_topic, {{"topic", "T"}}).body.find("\"perm\":6"), std::string::npos);
  EXPECT_EQ(
      ask(code::register_topic_in_namesrv, {{"topic", "X"}},
          R"({"queueDatas":[{"brokerName":"broker-a","perm":6,"readQueueNums":1,"topicSysFlag":0,"writeQueueNums":1}]})")
          .code,
      rc::success);
  EXPECT_TRUE(has_route("X"));
  EXPECT_EQ(ask(code::delete_topic_in_namesrv, {{"topic", "X"}, {"clusterName", "other"}}).code, rc::success);
  EXPECT_TRUE(has_route("X"));
  ask(code::delete_topic_in_namesrv, {{"topic", "X"}, {"clusterName", "c1"}});
  EXPECT_FALSE(has_route("X"));
  ask(code::delete_topic_in_namesrv, {{"topic", "T"}});
  EXPECT_FALSE(has_route("T"));
}

TEST_F(NameServerTest, lists_can_be_switched_off) {
  set("enableTopicList", "false");
  set("enableAllTopicList", "false");
  start();
  for (const int32_t list :
       {code::get_all_topic_list_from_nameserver, code::get_topics_by_cluster, code::get_unit_topic_list,
        code::get_has_unit_sub_topic_list, code::get_has_unit_sub_ununit_topic_list}) {
    const Answer answer = ask(list, {{"cluster", "c1"}});
    EXPECT_EQ(answer.code, rc::system_error) << list;
    EXPECT_EQ(answer.remark, "disable") << list;
  }
}

TEST_F(NameServerTest, waits_for_brokers_when_told_to) {
  set("needWaitForService", "true");
  start();
  ask(code::register_broker, broker(), body());
  const Answer early = ask(code::get_routeinfo_by_topic, {{"topic", "T"}});
  EXPECT_EQ(early.code, rc::system_error);
  EXPECT_EQ(early.remark, "name server not ready");
  clock.advance_ms(45'000);
  EXPECT_TRUE(has_route());
}

TEST_F(NameServerTest, zones) {
  start();
  Ext header = broker();
  header.emplace_back("__ZONE_NAME", "z1");
  ask(code::register_broker, header, body());
  EXPECT_NE(ask(code::get_routeinfo_by_topic, {{"topic", "T"}, {"__ZONE_MODE", "true"}, {"__ZONE_NAME", "Z1"}})
                .body.find("\"brokerName\":\"broker-a\""),
            std::string::npos);
  EXPECT_EQ(ask(code::get_routeinfo_by_topic, {{"topic", "T"}, {"__ZONE_MODE", "true"}, {"__ZONE_NAME", "z2"}}).body,
            R"({"brokerDatas":[],"filterServerTable":{},"queueDatas":[]})");
}

TEST_F(NameServerTest, kv_config) {
  start();
  const Ext key = {{"namespace", "N"}, {"key", "k"}};
  const Answer missing = ask(code::get_kv_config, key);
  EXPECT_EQ(missing.code, rc::query_not_found);
  EXPECT_EQ(missing.remark, "No config item, Namespace: N Key: k");
  const Answer no_list = ask(code::get_kvlist_by_namespace, {{"namespace", "N"}});
  EXPECT_EQ(no_list.code, rc::query_not_found);
  EXPECT_EQ(no_list.remark, "No config item, Namespace: N");
  EXPECT_EQ(ask(code::put_kv_config, {{"namespace", "N"}, {"key", "k"}, {"value", "v"}}).code, rc::success);
  EXPECT_EQ(ask(code::get_kv_config, key).ext["value"], "v");
  EXPECT_EQ(ask(code::get_kvlist_by_namespace, {{"namespace", "N"}}).body, R"({"table":{"k":"v"}})");
  server.reset();
  start();
  EXPECT_EQ(ask(code::get_kv_config, key).ext["value"], "v") << "after a restart";
  EXPECT_EQ(ask(code::delete_kv_config, key).code, rc::success);
  EXPECT_EQ(ask(code::get_kv_config, key).code, rc::query_not_found);
  EXPECT_EQ(ask(code::put_kv_config, key).code, rc::system_error) << "no value";
}

TEST_F(NameServerTest, order_config_in_routes_is_switched_live_and_kept) {
  start();
  ask(code::register_broker, broker(), body());
  ask(code::put_kv_config, {{"namespace", "ORDER_TOPIC_CONFIG"}, {"key", "T"}, {"value", "broker-a:4"}});
  EXPECT_EQ(ask(code::get_routeinfo_by_topic, {{"topic", "T"}}).body, golden("plain.strict"));
  const Answer updated = ask(code::update_namesrv_config, {}, "orderMessageEnable=true\nunknownToThisVersion=1\n");
  EXPECT_EQ(updated.code, rc::success) << updated.remark;
  EXPECT_NE(ask(code::get_routeinfo_by_topic, {{"topic", "T"}}).body.find(R"("orderTopicConf":"broker-a:4")"),
            std::string::npos);
  EXPECT_NE(ask(code::get_namesrv_config).body.find("orderMessageEnable=true\n"), std::string::npos);
  std::ifstream file(folder + "/conf/namesrv.properties");
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(content.find("orderMessageEnable=true"), std::string::npos) << content;
}

TEST_F(NameServerTest, remote_updates_have_bounds) {
  start();
  for (const char* key : {"configBlackList", "configStorePath", "kvConfigPath", "rocketmqHome"}) {
    const Answer refused = ask(code::update_namesrv_config, {}, std::string(key) + "=x\norderMessageEnable=true");
    EXPECT_EQ(refused.code, rc::no_permission) << key;
    EXPECT_EQ(refused.remark, "Can not update config in black list.");
  }
  const Answer restart = ask(code::update_namesrv_config, {}, "listenPort=1\norderMessageEnable=true");
  EXPECT_EQ(restart.code, rc::system_error);
  EXPECT_NE(restart.remark.find("listenPort"), std::string::npos) << restart.remark;
  EXPECT_EQ(ask(code::update_namesrv_config, {}, "waitSecondsForService=many").code, rc::system_error);
  EXPECT_FALSE(settings.boolean("orderMessageEnable")) << "all or nothing";
  EXPECT_EQ(ask(code::update_namesrv_config).code, rc::success);
}

TEST_F(NameServerTest, min_broker_id_change_is_told_to_the_group) {
  set("notifyMinBrokerIdChanged", "true");
  start();
  // A nameserver of its own stands in for the broker that is told: it answers any frame, and its own answer is not
  // waited for.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string slave_addr = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  Ext slave = broker("1", slave_addr);
  slave.emplace_back("enableActingMaster", "true");
  Ext master = broker();
  master.emplace_back("enableActingMaster", "true");
  ASSERT_EQ(ask(code::register_broker, slave, body()).code, rc::success);
  ASSERT_EQ(ask(code::register_broker, master, body()).code, rc::success);
  const int told = ::accept(listener, nullptr, nullptr);
  ASSERT_GE(told, 0);
  std::string bytes;
  for (char c = 0; bytes.find("10.0.0.9:10912") == std::string::npos && ::read(told, &c, 1) == 1;) bytes.push_back(c);
  EXPECT_NE(bytes.find("\"code\":905"), std::string::npos) << bytes;
  EXPECT_NE(bytes.find("\"minBrokerId\":\"0\""), std::string::npos) << bytes;
  EXPECT_NE(bytes.find("\"minBrokerAddr\":\"10.0.0.1:10911\""), std::string::npos) << bytes;
  ::close(told);
  ::close(listener);
}

TEST_F(NameServerTest, taken_port_is_named) {
  start();
  set("listenPort", std::to_string(server->port()));
  NameServer second(settings, posix_file_system(), clock);
  const Status started = second.start();
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find(std::to_string(server->port())), std::string::npos) << started.error().message;
}

TEST(NamesrvOptions, conf_file_is_the_table) {
  const config::Settings settings(namesrv_options(), namesrv_unused_keys());
  const std::string expected = settings.to_commented_file("Name server");
  const std::string path = std::string(MERLIN_CONF_DIR) + "/namesrv.conf";
  if (std::getenv("MERLIN_WRITE_CONF") != nullptr) std::ofstream(path) << expected;
  std::ifstream file(path);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(content, expected) << "run this test with MERLIN_WRITE_CONF=1 to write the file again";
}

}  // namespace
}  // namespace merlin::namesrv::test
