// The KV config: small tables by namespace that administrators keep on the nameserver (order of topics and the like).
//
// Owns:     the tables and their file (kvConfigPath), in Apache's shape.
// Threads:  reads anywhere; put() and remove() where blocking is allowed, one at a time writes the file.
// Survives: every change that was answered as done; a broken file falls back to its .bak with a warning.
// Fails:    a change that does not reach the disk is reported, though it holds in memory until the restart.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>

#include "merlin/base/file_system.h"
#include "merlin/base/result.h"

namespace merlin::namesrv {

inline constexpr const char* order_topic_namespace = "ORDER_TOPIC_CONFIG";

class KvTable {
 public:
  static constexpr size_t bytes_max = size_t{16} << 20;  // of all namespaces, keys and values together

  KvTable(FileSystem& files, std::string path);

  // An absent file is an empty table; a broken one without a good .bak is an error, so that it is not written over.
  Status load();

  Status put(const std::string& name_space, const std::string& key, const std::string& value);
  Status remove(const std::string& name_space, const std::string& key);
  std::optional<std::string> get(const std::string& name_space, const std::string& key) const;
  // {"table":{...}}, absent when the namespace was never used.
  std::optional<std::string> table_json(const std::string& name_space) const;

 private:
  using Namespaces = std::map<std::string, std::map<std::string, std::string>>;

  Status persist();
  Result<Namespaces> read(const std::string& path) const;

  FileSystem& files_;
  const std::string path_;
  std::mutex persist_mutex_;  // taken before mutex_; keeps files in the order of the changes

  mutable std::shared_mutex mutex_;
  // Guarded by mutex_.
  Namespaces namespaces_;
  size_t bytes_ = 0;
};

}  // namespace merlin::namesrv
