// Which brokers are alive, which topics they carry, and the routes that follow.
//
// Owns:     all tables of the nameserver. Pure state: no wire, no sockets, no threads of its own; time comes from a
// Clock. Threads:  anywhere; one reader-writer lock, held only for work in memory. Survives: nothing; brokers register
// again within their period after a restart. Fails:    a registration past the limits is refused; everything else
// answers from what is known.
//
// Differences to Apache's RouteInfoManager, on purpose:
//   - a first registration that is refused leaves no empty broker entry behind;
//   - a connection that closes takes all brokers with it that registered over it, not only one;
//   - an expired address that its broker has left is forgotten, not kept for ever;
//   - the queue mapping of a static topic goes when the last broker of the topic goes;
//   - a single-topic registration (217) that names an unknown broker changes nothing at all.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/clock.h"
#include "namesrv/route_types.h"

namespace merlin::namesrv {

inline constexpr int64_t broker_expires_ms_default = 120'000;

struct RouteLimits {
  size_t brokers_max = 10'000;  // broker names, addresses alive, and clusters, each
  size_t topics_max = 1'000'000;
  size_t queues_max = 10'000'000;  // pairs of topic and broker
  size_t addresses_per_broker_max = 100;
};

struct RegisterOutcome {
  enum class State {
    registered,
    older,  // another address of this broker id is alive with a newer state version: ignored, answered as success
    single_topic,  // the first registration of a broker must bring its whole table
    limit,         // `why` names the limit
  };
  State state = State::registered;
  std::optional<std::string> master_addr;  // for slaves with a live master
  std::optional<std::string> ha_server_addr;
  std::optional<MinIdChange> min_id_change;
  std::string why;
};

class RouteTable {
 public:
  explicit RouteTable(const Clock& clock, RouteLimits limits = {});

  void set_support_acting_master(bool on) { support_acting_master_ = on; }
  void set_delete_topics_with_registration(bool on) { delete_topics_with_registration_ = on; }

  RegisterOutcome register_broker(const Registration& registration);
  // Removes brokers in one pass over the topics; gives back the groups whose smallest id changed.
  std::vector<MinIdChange> unregister_brokers(const std::vector<Unregistration>& requests);

  // All brokers that registered over the connection, as requests for unregister_brokers().
  std::vector<Unregistration> brokers_of_connection(uint64_t connection_id) const;
  struct Expired {
    uint64_t connection_id = 0;
    BrokerIdentity identity;
    int64_t timeout_ms = 0;
    std::optional<Unregistration> request;  // absent: no broker has this address any more
  };
  // Brokers not heard of for longer than their time limit. Those without a request are forgotten here.
  std::vector<Expired> take_expired();

  // The version known for the broker; with `refresh`, it also counts as a sign of life.
  std::optional<DataVersion> version_of(const BrokerIdentity& broker) const;
  void refresh(const BrokerIdentity& broker);

  void register_topic(const std::string& topic, const std::vector<NamedQueueData>& queues);
  void delete_topic(const std::string& topic);
  void delete_topic(const std::string& topic, const std::string& cluster);
  // Both give the number of topics touched.
  int32_t wipe_write_perm(const std::string& broker_name);
  int32_t add_write_perm(const std::string& broker_name);

  std::optional<TopicRoute> route(const std::string& topic) const;
  ClusterInfo clusters() const;
  std::map<int64_t, std::string> members(const std::string& broker_name) const;
  TopicList all_topics() const;
  TopicList topics_of_cluster(const std::string& cluster) const;
  TopicList system_topics() const;
  TopicList unit_topics() const;
  TopicList unit_sub_topics() const;
  TopicList unit_sub_ununit_topics() const;

 private:
  using QueuesByBroker = std::map<std::string, QueueData>;
  struct Live {
    int64_t last_update_ms = 0;
    int64_t timeout_ms = broker_expires_ms_default;
    DataVersion version;
    uint64_t connection_id = 0;
    std::string ha_server_addr;
  };
  struct Changed;

  int64_t now_ms() const { return clock_.monotonic_ns() / 1'000'000; }
  // REQUIRES of all below: mutex_ is held.
  std::string limit_reached(const Registration& r) const;
  std::string broker_limit_reached(const Registration& r) const;
  bool is_older(const Registration& r, const BrokerData& broker) const;
  void take_topics(const Registration& r, BrokerData& broker, bool is_first, bool is_prime_slave);
  void drop_topics_not_in(const Registration& r);
  void drop_topic_of_broker(std::map<std::string, QueuesByBroker>::iterator& topic, const std::string& broker_name);
  void forget_empty_broker(const std::string& cluster, const std::string& broker_name);
  void unregister_one(const Unregistration& request, Changed& changed);
  void clean_topics(const Changed& changed);
  std::optional<Unregistration> request_for(const BrokerIdentity& identity) const;
  void present_acting_masters(TopicRoute& route) const;
  template <class Wanted>
  TopicList topics_by_flag(Wanted wanted) const;

  const Clock& clock_;
  const RouteLimits limits_;
  std::atomic<bool> support_acting_master_{false};
  std::atomic<bool> delete_topics_with_registration_{false};

  mutable std::shared_mutex mutex_;
  // Guarded by mutex_.
  std::map<std::string, QueuesByBroker> topics_;
  size_t queue_count_ = 0;  // pairs of topic and broker in topics_
  std::map<std::string, BrokerData> brokers_;
  std::map<std::string, std::set<std::string>> clusters_;
  std::map<BrokerIdentity, Live> live_;
  std::map<BrokerIdentity, std::vector<std::string>> filter_servers_;
  std::map<std::string, std::map<std::string, TopicMapping>> mappings_;  // topic -> broker name -> mapping
};

}  // namespace merlin::namesrv
