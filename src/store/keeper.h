// The store's housekeeper: what is done now and then, off the paths of messages.
//
// Owns:     its thread; the files merlin.progress and checkpoint.
// Threads:  everything from its own thread, or from open and close while the thread does not run.
// Survives: progress and checkpoint never claim more than was synced before they were written.
// Fails:    after a failed sync of a queue file progress stands still until the next start, which then dispatches
// again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "store/checkpoint.h"
#include "store/dispatch/dispatcher.h"
#include "store/log/flusher.h"
#include "store/progress.h"
#include "store/queue/queue_index.h"
#include "store/synced_point.h"

namespace merlin::store {

struct KeeperOptions {
  std::string root_dir;
  int32_t interval_ms = 1000;
  int64_t recovery_bytes_max = int64_t{128} << 20;
};

class Keeper {
 public:
  // `index_timestamp_ms` tells what the key index has on disk; 0: nothing new to say. `on_tick` runs once
  // per interval; true: the queues are to be saved now.
  Keeper(KeeperOptions options, FileSystem& files, CommitLog& log, QueueIndex& queues, Dispatcher& dispatcher,
         Flusher& flusher, std::function<int64_t()> index_timestamp_ms, std::function<bool()> on_tick);
  ~Keeper();

  void start(const Checkpoint& checkpoint);
  void stop();
  // Writes and syncs all queues, then progress and checkpoint.
  Status save_all();
  // What save_all() has saved. REQUIRES: the thread does not run.
  const Progress& saved() const { return published_; }
  // Everything below is shown by the queues on disk.
  int64_t published_offset() const { return published_offset_.load(std::memory_order_acquire); }
  // A topic was deleted: what progress says about the number of queues no longer holds. Forces a new one.
  void queues_shrank();

 private:
  void run();
  void tick();
  void save_queues(QueueIndex::Save how);
  bool is_durable(Progress& now);
  void publish();
  void publish_synced();

  const KeeperOptions options_;
  FileSystem& files_;
  CommitLog& log_;
  QueueIndex& queues_;
  Dispatcher& dispatcher_;
  Flusher& flusher_;
  const std::function<int64_t()> index_timestamp_ms_;
  const std::function<bool()> on_tick_;

  std::optional<Progress> next_;     // of files: their units are written when the log is durable up to there
  std::optional<Progress> pending_;  // units are synced, the log perhaps not yet
  Progress published_;
  Checkpoint checkpoint_;
  SyncedPoint synced_;
  int64_t next_sync_ns_ = 0;  // steady clock

  std::mutex save_mutex_;  // one save at a time; guards the six above
  std::atomic<int64_t> published_offset_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace merlin::store
