// The KV config and the nameserver's own configuration, over the wire.
//
// Threads: what writes a file runs on workers.
// Fails:   a change that holds in memory but did not reach its file is answered with 1 and the reason.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "config/options.h"
#include "merlin/base/file_system.h"
#include "namesrv/kv_table.h"
#include "rpc/dispatcher.h"

namespace merlin::namesrv {

class ConfigDoor {
 public:
  ConfigDoor(KvTable& kv, config::Settings& settings, FileSystem& files);

  void add_to(rpc::Dispatcher& dispatcher);

 private:
  void put_kv(rpc::Request& request);
  void get_kv(rpc::Request& request);
  void delete_kv(rpc::Request& request);
  void kv_list(rpc::Request& request);
  void update_config(rpc::Request& request);
  void get_config(rpc::Request& request);

  bool is_black_listed(const config::KeyValues& changes) const;
  Status persist_settings();

  KvTable& kv_;
  config::Settings& settings_;
  FileSystem& files_;
  std::set<std::string, std::less<>> black_list_;
  std::mutex update_mutex_;                       // one remote update at a time, so that the file holds the last one
  std::set<std::string, std::less<>> unwritten_;  // keys changed that the file lacks; guarded by update_mutex_
};

}  // namespace merlin::namesrv
