// One queue of a topic: the units that say where its messages lie in the log, dense by queue offset.
//
// Owns:     the queue's files and the newest units, which wait in memory for theirs.
// Threads:  next_offset belongs to the append lane. put() from the dispatcher, write_back() and sync_files() from the
//           housekeeper, reads from anywhere.
// Survives: nothing needs to: all units can be dispatched again from the log. What sync_files() covered is on disk.
// Fails:    a put() whose page cannot be written changes nothing and may be repeated.
#pragma once

#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "store/queue/queue_files.h"

namespace merlin::store {

class ConsumeQueue {
 public:
  // `dir` is the folder of all queues: <root>/consumequeue.
  ConsumeQueue(FileSystem& files, const std::string& dir, std::string topic, int32_t queue_id, int32_t file_bytes);

  const std::string& topic() const { return topic_; }
  int32_t id() const { return id_; }
  int32_t units_per_file() const { return files_.units_per_file(); }

  // Guarded by the append lane: the queue offset of the next message.
  int64_t next_offset = 0;
  // Guarded by the append lane: records below this physical offset belong to a topic that was deleted since.
  int64_t dead_below = 0;

  // Offsets that readers may see: [min, max).
  int64_t min_offset() const { return min_.load(std::memory_order_acquire); }
  int64_t max_offset() const { return max_.load(std::memory_order_acquire); }
  // One past the record of the last unit; -1 when there is none.
  int64_t max_physical() const { return max_physical_.load(std::memory_order_acquire); }

  // --- opening, in this order, before anything else
  Status load();
  bool cut_short() const;
  // One past the last written unit's record, as the files say; -1 when there is none.
  Result<int64_t> loaded_max_physical();
  // Keeps the units whose records lie below `physical_limit`; with zero_rest the files are cleared behind them.
  Status cut(int64_t physical_limit, bool zero_rest);
  // Drops the last unit.
  Status drop_last();

  // --- dispatch
  enum class Put {
    stored,
    already_there,  // at or before max_offset()
    hole,           // beyond max_offset(): units are missing in between
  };
  Result<Put> put(int64_t queue_offset, const QueueUnit& unit);
  // Puts blank units up to `queue_offset`, when the records for them are gone.
  Status fill_hole(int64_t queue_offset);
  // Forgets all units and files; the queue starts again at 0.
  Status reset();

  // --- reading
  // Copies units from `from` on, up to the end of the file they lie in; returns how many. 0: none there, or unreadable.
  size_t read(int64_t from, std::span<QueueUnit> out) const;
  // The first unit with a record at or behind `log_begin` becomes the minimum.
  void correct_min(int64_t log_begin);

  // --- background
  // Whether units wait in memory or files wait for a sync.
  bool dirty() const { return dirty_.load(std::memory_order_acquire); }
  Status write_back();
  Status sync_files();
  void release_idle();
  Status drop_files_below_min();
  bool has_files() const;

 private:
  Status flush_tail();  // REQUIRES: mutex_ held
  Status append_unit(const QueueUnit& unit);
  void settle(int64_t end);

  FileSystem& fs_;
  const std::string topic_;
  const int32_t id_;

  std::atomic<int64_t> min_{0};
  std::atomic<int64_t> max_{0};
  std::atomic<int64_t> max_physical_{-1};
  std::atomic<bool> dirty_{false};

  mutable std::mutex mutex_;
  mutable QueueFiles files_;   // guarded by mutex_; reading maps files
  std::vector<uint8_t> tail_;  // guarded by mutex_; encoded units from tail_begin_ on, never past the end of their file
  int64_t tail_begin_ = 0;     // guarded by mutex_; units in front of it are in files
  int64_t tail_written_ = 0;   // guarded by mutex_; units in front of it are in files, too
};

}  // namespace merlin::store
