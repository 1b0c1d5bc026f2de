// What clients and tools ask: routes, clusters, lists of topics, permissions.
//
// Threads: handlers on reactors; those that walk over all topics on workers.
#pragma once

#include <atomic>

#include "config/options.h"
#include "merlin/base/clock.h"
#include "namesrv/kv_table.h"
#include "namesrv/route_table.h"
#include "rpc/dispatcher.h"

namespace merlin::namesrv {

class RouteDoor {
 public:
  RouteDoor(RouteTable& table, const KvTable& kv, const config::Settings& settings, const Clock& clock);

  void add_to(rpc::Dispatcher& dispatcher);

 private:
  void route(rpc::Request& request);
  void cluster_info(rpc::Request& request);
  void wipe_write_perm(rpc::Request& request);
  void add_write_perm(rpc::Request& request);
  void delete_topic(rpc::Request& request);
  void all_topics(rpc::Request& request);
  void topics_of_cluster(rpc::Request& request);
  void system_topics(rpc::Request& request);
  void unit_topics(rpc::Request& request);
  void unit_sub_topics(rpc::Request& request);
  void unit_sub_ununit_topics(rpc::Request& request);

  bool is_ready() const;
  void reply_list(rpc::Request& request, const std::atomic<int64_t>& enabled, TopicList (RouteTable::*list)() const);

  RouteTable& table_;
  const KvTable& kv_;
  const Clock& clock_;
  const int64_t started_ns_;
  const std::atomic<int64_t>& need_wait_;
  const std::atomic<int64_t>& wait_seconds_;
  const std::atomic<int64_t>& order_enabled_;
  const std::atomic<int64_t>& all_topics_enabled_;
  const std::atomic<int64_t>& lists_enabled_;
};

// Keeps what a client of this zone should use: brokers of its zone, and those whose master is away.
void keep_zone(TopicRoute& route, std::string_view zone);

}  // namespace merlin::namesrv
