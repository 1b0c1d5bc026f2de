// Questions to the route table. Changes are in route_table.cpp.
#include <mutex>

#include "namesrv/route_table.h"

namespace merlin::namesrv {

namespace {

// Topics by which the members of a group find each other must show the real ids.
constexpr std::string_view sync_member_topic_prefix = "rmq_sys_SYNC_BROKER_MEMBER_";

constexpr int32_t sys_flag_unit = 1;
constexpr int32_t sys_flag_unit_sub = 2;

}  // namespace

std::optional<DataVersion> RouteTable::version_of(const BrokerIdentity& broker) const {
  const std::shared_lock lock(mutex_);
  const auto live = live_.find(broker);
  if (live == live_.end()) return std::nullopt;
  return live->second.version;
}

std::optional<TopicRoute> RouteTable::route(const std::string& topic) const {
  const std::shared_lock lock(mutex_);
  const auto at = topics_.find(topic);
  if (at == topics_.end()) return std::nullopt;
  TopicRoute route;
  for (const auto& [name, queues] : at->second) {
    route.queues.push_back({name, queues});
    const auto broker = brokers_.find(name);
    if (broker == brokers_.end()) continue;
    route.brokers.push_back(broker->second);
    if (filter_servers_.empty()) continue;
    for (const auto& [id, addr] : broker->second.addrs) {
      const auto servers = filter_servers_.find({broker->second.cluster, addr});
      if (servers != filter_servers_.end()) route.filter_servers[addr] = servers->second;
    }
  }
  if (route.brokers.empty()) return std::nullopt;
  const auto mapping = mappings_.find(topic);
  if (mapping != mappings_.end()) route.mappings = mapping->second;
  if (support_acting_master_ && !topic.starts_with(sync_member_topic_prefix)) present_acting_masters(route);
  return route;
}

void RouteTable::present_acting_masters(TopicRoute& route) const {
  for (BrokerData& broker : route.brokers) {
    if (broker.addrs.empty() || broker.addrs.contains(master_id) || !broker.enable_acting_master) continue;
    for (const NamedQueueData& q : route.queues) {
      if (q.broker_name != broker.broker_name) continue;
      // Queues that still take writes show that the registration of the acting master has not arrived yet.
      if ((q.queues.perm & perm_write) == 0) {
        auto acting = broker.addrs.extract(broker.addrs.begin());
        acting.key() = master_id;
        broker.addrs.insert(std::move(acting));
      }
      break;
    }
  }
}

ClusterInfo RouteTable::clusters() const {
  const std::shared_lock lock(mutex_);
  ClusterInfo info;
  info.brokers = brokers_;
  for (const auto& [cluster, names] : clusters_) info.clusters[cluster].assign(names.begin(), names.end());
  return info;
}

std::map<int64_t, std::string> RouteTable::members(const std::string& broker_name) const {
  const std::shared_lock lock(mutex_);
  const auto broker = brokers_.find(broker_name);
  if (broker == brokers_.end()) return {};
  return broker->second.addrs;
}

TopicList RouteTable::all_topics() const {
  const std::shared_lock lock(mutex_);
  TopicList list;
  list.topics.reserve(topics_.size());
  for (const auto& [topic, table] : topics_) list.topics.push_back(topic);
  return list;
}

TopicList RouteTable::topics_of_cluster(const std::string& cluster) const {
  const std::shared_lock lock(mutex_);
  TopicList list;
  const auto names = clusters_.find(cluster);
  if (names == clusters_.end()) return list;
  for (const auto& [topic, table] : topics_) {
    for (const auto& [name, queues] : table) {
      if (!names->second.contains(name)) continue;
      list.topics.push_back(topic);
      break;
    }
  }
  return list;
}

TopicList RouteTable::system_topics() const {
  const std::shared_lock lock(mutex_);
  // Clusters and brokers each have a topic of their own name; a set, for both may have the same.
  std::set<std::string> topics;
  for (const auto& [cluster, names] : clusters_) {
    topics.insert(cluster);
    topics.insert(names.begin(), names.end());
  }
  TopicList list;
  list.topics.assign(topics.begin(), topics.end());
  for (const auto& [name, broker] : brokers_) {
    if (broker.addrs.empty()) continue;
    list.broker_addr = broker.addrs.begin()->second;
    break;
  }
  return list;
}

template <class Wanted>
TopicList RouteTable::topics_by_flag(Wanted wanted) const {
  const std::shared_lock lock(mutex_);
  TopicList list;
  for (const auto& [topic, table] : topics_) {
    if (!table.empty() && wanted(table.begin()->second.topic_sys_flag)) list.topics.push_back(topic);
  }
  return list;
}

TopicList RouteTable::unit_topics() const {
  return topics_by_flag([](int32_t flag) { return (flag & sys_flag_unit) != 0; });
}

TopicList RouteTable::unit_sub_topics() const {
  return topics_by_flag([](int32_t flag) { return (flag & sys_flag_unit_sub) != 0; });
}

TopicList RouteTable::unit_sub_ununit_topics() const {
  return topics_by_flag([](int32_t flag) { return (flag & sys_flag_unit) == 0 && (flag & sys_flag_unit_sub) != 0; });
}

}  // namespace merlin::namesrv
