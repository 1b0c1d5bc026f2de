// A random history of registrations, played against Apache's RouteInfoManager (the files) and against ours: the same
// routes and clusters after every step. The seed is in the file's name.
#include <gtest/gtest.h>

#include "golden.h"
#include "merlin/base/crc32.h"
#include "namesrv/route_table.h"

namespace merlin::namesrv::test {
namespace {

constexpr int topics = 5;

std::string text(const BrokerData& b) {
  std::string out =
      b.broker_name + "{" + b.cluster + "," + (b.enable_acting_master ? "1" : "0") + "," + b.zone_name.value_or("-");
  for (const auto& [id, addr] : b.addrs) out += "," + std::to_string(id) + "=" + addr;
  return out + "}";
}

std::string state(const RouteTable& table) {
  std::string out;
  for (int t = 0; t < topics; ++t) {
    const std::string topic = "t" + std::to_string(t);
    const auto route = table.route(topic);
    out += topic + ":";
    if (!route) {
      out += "-\n";
      continue;
    }
    for (const auto& [name, q] : route->queues) {
      out += name + " " + std::to_string(q.read_queue_nums) + " " + std::to_string(q.write_queue_nums) + " " +
             std::to_string(q.perm) + " " + std::to_string(q.topic_sys_flag) + ";";
    }
    for (const BrokerData& b : route->brokers) out += text(b) + ";";
    out += "\n";
  }
  const ClusterInfo info = table.clusters();
  for (const auto& [name, broker] : info.brokers) out += text(broker) + "\n";
  for (const auto& [cluster, names] : info.clusters) {
    out += cluster + ":";
    for (size_t i = 0; i < names.size(); ++i) out += (i == 0 ? "" : ",") + names[i];
    out += "\n";
  }
  return out;
}

std::string play_register(RouteTable& table, const std::vector<std::string>& w) {
  Registration r =
      registration(w[1], w[2], std::stoll(w[3]), w[4], {std::stoll(w[7]), 1, std::stoll(w[8])}, {{"fill"}, {"fill2"}});
  r.ha_server_addr = "ha-" + w[4];
  if (w[5] != "-") r.enable_acting_master = w[5] == "1";
  if (w[6] != "-") r.zone_name = w[6];
  for (const std::string& topic : split(w[9], '/')) {
    const auto p = split(topic, ' ');
    if (p.size() == 5)
      r.body.topics.push_back({p[0], {std::stoi(p[1]), std::stoi(p[2]), std::stoi(p[3]), std::stoi(p[4])}});
  }
  const RegisterOutcome outcome = table.register_broker(r);
  return outcome.master_addr.value_or("null") + "," + outcome.ha_server_addr.value_or("null");
}

std::string play(RouteTable& table, const std::string& step) {
  const auto w = split(step, ',');
  if (w[0] == "register") return play_register(table, w);
  if (w[0] == "unregister") table.unregister_brokers({{w[1], w[2], w[4], std::stoll(w[3])}});
  if (w[0] == "wipe") return std::to_string(table.wipe_write_perm(w[1]));
  if (w[0] == "add") return std::to_string(table.add_write_perm(w[1]));
  if (w[0] == "delete" && w[2].empty()) table.delete_topic(w[1]);
  if (w[0] == "delete" && !w[2].empty()) table.delete_topic(w[1], w[2]);
  return "";
}

class History : public ::testing::TestWithParam<int> {};

TEST_P(History, same_as_apache) {
  ManualClock clock(1'000'000);
  RouteTable table(clock);
  const auto lines = lines_of("history-" + std::to_string(GetParam()) + ".txt");
  ASSERT_GT(lines.size(), 100U);
  const auto options = split(lines[0], ',');
  table.set_support_acting_master(options[1] == "true");
  table.set_delete_topics_with_registration(options[2] == "true");
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto parts = split(lines[i], '\t');
    ASSERT_EQ(parts.size(), 3U) << lines[i];
    ASSERT_EQ(play(table, parts[0]), parts[1]) << "step " << i << ": " << lines[i];
    const std::string now = state(table);
    ASSERT_EQ(std::to_string(crc32(as_bytes(now))), parts[2]) << "step " << i << ": " << lines[i] << "\n" << now;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, History, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace merlin::namesrv::test
