// What FaultyFileSystem's files share: the disk, the faults asked for, the counts. Private to the twin.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "faulty_disk.h"
#include "merlin/base/faulty_file_system.h"

namespace merlin {

struct FaultyFileSystem::State {
  State(uint64_t seed, int64_t size_max) : file_size_max(size_max), random(seed) {}

  // Constant after construction.
  const int64_t file_size_max;

  // Guarded by mutex. used_bytes outlives root: inodes report to it when they go.
  mutable std::mutex mutex;
  int64_t used_bytes = 0;
  std::shared_ptr<faulty::Directory> root = std::make_shared<faulty::Directory>();
  faulty::Random random;
  std::vector<Fault> faults;
  int64_t quota_bytes = quota_none;
  bool sync_lies = false;
  bool power_off = false;
  int64_t changes_left = forever;
  int64_t changes = 0;
  std::map<FileOp, int64_t> calls;
  std::function<void(FileOp, const std::string&)> hook;

  // Runs before each operation. An error when a fault says so; `short_bytes` gets what a failing write still writes.
  Status enter(FileOp op, const std::string& path, bool changes_disk, size_t* short_bytes = nullptr);
  void call_hook(FileOp op, const std::string& path) const;

  struct Place {
    std::shared_ptr<faulty::Directory> parent;  // null: the path leads through something absent
    std::string name;                           // empty: the root itself
    faulty::Node node;
  };
  Place find(const std::string& path) const;
};

}  // namespace merlin
