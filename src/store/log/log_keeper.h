// The log's housekeeper: makes the next segment ahead and watches how full the disk is.
//
// Owns:     its thread, which does nothing else that waits for the disk.
// Threads:  prepare_segment() from the append lane, the rest from anywhere.
// Fails:    a segment that cannot be made ahead is made by the append that needs it. A full disk closes the log to
//           appends, within look_interval_ms of the disk; it opens again as soon as there is space.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "store/log/commit_log.h"

namespace merlin::store {

struct LogKeeperOptions {
  std::string root_dir;
  int32_t used_percent_max = 90;  // beyond it appends are refused
};

class LogKeeper {
 public:
  static constexpr int look_interval_ms = 200;

  LogKeeper(LogKeeperOptions options, FileSystem& files, CommitLog& log);
  ~LogKeeper();

  void start();
  void stop();
  void prepare_segment(int64_t start);
  // Looks at the disk now.
  void look_at_space();
  void set_used_percent_max(int32_t percent) { used_percent_max_.store(percent, std::memory_order_relaxed); }
  // Why appends are refused: resource, value, limit. Empty: they are not.
  std::string refusal() const;

 private:
  void run();
  void prepare();
  std::string too_full(const std::string& dir, bool after_failure) const;

  const LogKeeperOptions options_;
  std::atomic<int32_t> used_percent_max_;
  FileSystem& files_;
  CommitLog& log_;
  std::atomic<int64_t> wanted_segment_{-1};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::string refusal_;    // guarded by mutex_
  std::thread thread_;
};

// Percent of the disk in use, rounded up as df and Apache do; -1: nobody knows.
int32_t used_percent(FileSystem& files, const std::string& dir);

}  // namespace merlin::store
