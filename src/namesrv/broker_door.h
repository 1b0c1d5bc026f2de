// What brokers ask of the nameserver, and what happens when they go silent or away.
//
// Owns:    the connections over which brokers registered, and the closed ones that wait for their removal.
// Threads: handlers on reactors and workers; on_close() on reactors; scan() on a worker.
// Fails:   a removal that finds the queue or the workers full is done at once, on the reactor.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "config/options.h"
#include "merlin/base/worker_pool.h"
#include "namesrv/kv_table.h"
#include "namesrv/route_table.h"
#include "rpc/dispatcher.h"

namespace merlin::namesrv {

class BrokerDoor {
 public:
  // Sends a one-way request to the address.
  using Notify = std::function<void(const std::string& address, rpc::Call call)>;

  BrokerDoor(RouteTable& table, const KvTable& kv, const config::Settings& settings, WorkerPool& workers,
             Notify notify);

  void add_to(rpc::Dispatcher& dispatcher);

  void on_close(net::Connection& connection);
  // Closes and removes the brokers that went silent.
  void scan();
  // From now on closed connections are no news: the program is stopping.
  void stop() { stopping_ = true; }

 private:
  void register_broker(rpc::Request& request);
  void unregister_broker(rpc::Request& request);
  void query_data_version(rpc::Request& request);
  void broker_heartbeat(rpc::Request& request);
  void broker_member_group(rpc::Request& request);
  void register_topic(rpc::Request& request);

  void remember(net::Connection& connection);
  void remove_closed();
  void unregister(const std::vector<Unregistration>& requests);
  void notify_min_id(const MinIdChange& change);

  RouteTable& table_;
  const KvTable& kv_;
  WorkerPool& workers_;
  const Notify notify_;
  const size_t closed_max_;
  const std::atomic<int64_t>& notify_min_id_changed_;
  const std::atomic<int64_t>& return_order_config_;
  std::atomic<bool> stopping_{false};

  std::mutex mutex_;
  // Guarded by mutex_.
  std::map<uint64_t, std::weak_ptr<net::Connection>> connections_;
  std::vector<uint64_t> closed_;
  bool is_removing_ = false;
};

}  // namespace merlin::namesrv
