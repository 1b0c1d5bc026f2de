// What the route table knows about brokers and topics: plain values, with Apache's field names in mind.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace merlin::namesrv {

inline constexpr int64_t master_id = 0;
inline constexpr int32_t perm_write = 2;
inline constexpr int32_t perm_read = 4;

// The version of a broker's topic table; the broker counts it up with every change.
struct DataVersion {
  int64_t state_version = 0;  // term of the controller; 0 without one
  int64_t timestamp_ms = 0;
  int64_t counter = 0;
  bool operator==(const DataVersion&) const = default;
};

// One topic on one broker name.
struct QueueData {
  int32_t read_queue_nums = 0;
  int32_t write_queue_nums = 0;
  int32_t perm = 0;
  int32_t topic_sys_flag = 0;
  bool operator==(const QueueData&) const = default;
};

struct NamedQueueData {
  std::string broker_name;
  QueueData queues;
};

// All brokers of one name: a master and its slaves.
struct BrokerData {
  std::string cluster;
  std::string broker_name;
  std::map<int64_t, std::string> addrs;  // broker id -> host:port
  std::optional<std::string> zone_name;
  bool enable_acting_master = false;
};

// The part of a static topic that one broker hosts.
struct TopicMapping {
  std::string topic;
  std::string scope = "__global__";
  std::string broker_name;
  int32_t total_queues = 0;
  int64_t epoch = 0;
  bool dirty = false;
  std::map<int32_t, int32_t> current_ids;  // logic queue id -> physical queue id
};

// Answer to GET_ROUTEINFO_BY_TOPIC.
struct TopicRoute {
  std::vector<NamedQueueData> queues;
  std::vector<BrokerData> brokers;
  std::map<std::string, std::vector<std::string>> filter_servers;  // broker address -> servers
  std::optional<std::map<std::string, TopicMapping>> mappings;     // broker name -> mapping; static topics only
  std::optional<std::string> order_topic_conf;
};

struct ClusterInfo {
  std::map<std::string, BrokerData> brokers;
  std::map<std::string, std::vector<std::string>> clusters;  // cluster -> broker names
};

struct TopicList {
  std::vector<std::string> topics;
  std::optional<std::string> broker_addr;
};

// Topics, versions and mappings as a broker sends them.
struct RegistrationBody {
  struct Topic {
    std::string name;
    QueueData queues;
  };
  DataVersion version;
  std::vector<Topic> topics;
  std::map<std::string, TopicMapping> mappings;            // topic -> mapping
  std::optional<std::vector<std::string>> filter_servers;  // absent: leave what is known
};

struct BrokerIdentity {
  std::string cluster;
  std::string addr;
  auto operator<=>(const BrokerIdentity&) const = default;
};

struct Registration {
  std::string cluster;
  std::string broker_name;
  std::string broker_addr;
  int64_t broker_id = 0;
  std::string ha_server_addr;
  std::optional<std::string> zone_name;
  std::optional<int64_t> heartbeat_timeout_ms;
  std::optional<bool> enable_acting_master;  // absent: a broker from before 5.0
  uint64_t connection_id = 0;
  RegistrationBody body;
};

struct Unregistration {
  std::string cluster;
  std::string broker_name;
  std::string broker_addr;
  int64_t broker_id = 0;
};

// NOTIFY_MIN_BROKER_ID_CHANGE, and to whom it goes.
struct MinIdChange {
  int64_t min_broker_id = 0;
  std::string min_broker_addr;
  std::optional<std::string> offline_broker_addr;
  std::optional<std::string> ha_broker_addr;
  std::vector<std::string> notify_addrs;
};

}  // namespace merlin::namesrv
