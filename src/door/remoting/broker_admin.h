// The broker about itself: runtime numbers, configuration, statistics.
//
// Threads: workers.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "config/options.h"
#include "door/remoting/headers.h"
#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/worker_pool.h"
#include "merlin/wire/request_code.h"
#include "rpc/dispatcher.h"
#include "service/broker_stats.h"
#include "service/long_poll.h"
#include "store/message_store.h"

namespace merlin::door {

class BrokerAdminDoor {
 public:
  // `config_path` empty: changes are kept in memory only.
  BrokerAdminDoor(config::Settings& settings, std::string config_path, FileSystem& files, const Clock& clock,
                  store::MessageStore& store, service::BrokerStats& stats, service::LongPoll& long_poll,
                  WorkerPool& workers);
  // More rows of GET_BROKER_RUNTIME_INFO; names that Apache does not have begin with "merlin".
  using Table = std::map<std::string, std::string>;
  void add_runtime_rows(std::function<void(Table&)> fill) { more_rows_.push_back(std::move(fill)); }
  // Called after brokerPermission changed: every topic's route is different now.
  void set_permission_changed(std::function<void()> callback) { permission_changed_ = std::move(callback); }

 private:
  void runtime_info(rpc::Request& request);
  void get_config(rpc::Request& request);
  void update_config(rpc::Request& request);
  void delete_expired_log(rpc::Request& request);
  void clean_expired_queues(rpc::Request& request);

  void add_store_numbers(Table& table) const;
  void add_traffic(Table& table) const;
  void add_queues(Table& table) const;
  Status write_config_file();

  config::Settings& settings_;
  const std::string config_path_;
  FileSystem& files_;
  const Clock& clock_;
  store::MessageStore& store_;
  service::BrokerStats& stats_;
  service::LongPoll& long_poll_;
  WorkerPool& workers_;
  std::function<void()> permission_changed_;
  std::vector<std::function<void(Table&)>> more_rows_;  // constant after start
  std::mutex update_mutex_;                             // one update of the configuration at a time
  std::set<std::string, std::less<>> unwritten_;        // keys changed that the file lacks; guarded by update_mutex_

 public:
  static constexpr rpc::Row<BrokerAdminDoor> rows[] = {
      {wire::request_code::get_broker_runtime_info, rpc::Lane::worker, rpc::Ports::all, &BrokerAdminDoor::runtime_info},
      {wire::request_code::get_broker_config, rpc::Lane::worker, rpc::Ports::all, &BrokerAdminDoor::get_config},
      {wire::request_code::update_broker_config, rpc::Lane::worker, rpc::Ports::all, &BrokerAdminDoor::update_config},
      {wire::request_code::delete_expired_commitlog, rpc::Lane::worker, rpc::Ports::all,
       &BrokerAdminDoor::delete_expired_log},
      {wire::request_code::clean_expired_consumequeue, rpc::Lane::worker, rpc::Ports::all,
       &BrokerAdminDoor::clean_expired_queues},
  };
};

}  // namespace merlin::door
