// One queue in files of Apache's format.
//
// Owns:     the queue's files and the newest units, which wait in memory for theirs.
// Threads:  see QueueIndex.
// Survives: nothing needs to: all units can be dispatched again from the log. What sync_files() covered is on disk.
// Fails:    a put() whose page cannot be written changes nothing and may be repeated.
#pragma once

#include <atomic>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "store/queue/queue_db.h"
#include "store/queue/queue_files.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

class FileQueue final : public ConsumeQueue {
 public:
  // `dir` is the folder of all queues: <root>/consumequeue.
  FileQueue(FileSystem& files, const std::string& dir, QueueTopic& topic, int32_t queue_id, int32_t file_bytes);

  Result<Put> put(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) override;
  Status fill_hole(int64_t queue_offset) override;
  // Removes the files, too.
  Status reset() override;
  // Up to the end of the file the first one lies in.
  size_t read(int64_t from, std::span<QueueUnit> out) const override;
  int64_t next_file(int64_t offset) const override;

  // The files were left like this by a clean stop: they are looked at when the queue is first used.
  void adopt(const QueueBounds& bounds);
  // Whether what the files hold was another thing than adopt() had been told.
  bool misfit() const { return misfit_.load(std::memory_order_acquire); }
  QueueBounds bounds() const;
  // Whether nobody has used the queue since adopt().
  bool is_adopted() const;
  // Whether all units lie in one file, for all that is known.
  bool in_one_file() const;

  // --- opening, in this order, before anything else
  Status load();
  bool cut_short() const;
  // Before the files are read, when one was cut short.
  Status extend_cut_short();
  // One past the last written unit's record, as the files say; -1 when there is none.
  Result<int64_t> loaded_max_physical();
  // Keeps the units whose records lie below `physical_limit`; with zero_rest the files are cleared behind them.
  Status cut(int64_t physical_limit, bool zero_rest);
  // An empty queue without a file goes on at `offset`: a file is made whose blanks remember it.
  Status start_at(int64_t offset);
  // Drops the last unit.
  Status drop_last();

  // --- background
  // Whether units wait in memory or files wait for a sync.
  bool dirty() const { return dirty_.load(std::memory_order_acquire); }
  Status write_back();
  Status sync_files();
  void release_idle();
  // Closes what is open, and keeps nothing that can be read again.
  void close_files();
  // Deletes files whose units all lie below `offset`.
  Status drop_files_below(int64_t offset);
  bool has_files() const;

 private:
  int64_t first_offset() const override;
  Status flush_tail();  // REQUIRES: mutex_ held
  Status append_unit(const QueueUnit& unit);
  void settle(int64_t end);
  Status look() const;  // REQUIRES: mutex_ held

  FileSystem& fs_;
  std::atomic<bool> dirty_{false};

  mutable std::atomic<bool> misfit_{false};

  mutable std::mutex mutex_;
  mutable bool looked_ = true;  // guarded by mutex_; false: files_ knows nothing yet, the bounds were adopted
  mutable QueueFiles files_;    // guarded by mutex_; reading maps files
  std::vector<uint8_t> tail_;  // guarded by mutex_; encoded units from tail_begin_ on, never past the end of their file
  int64_t tail_begin_ = 0;     // guarded by mutex_; units in front of it are in files
  int64_t tail_written_ = 0;   // guarded by mutex_; units in front of it are in files, too
  int64_t life_ = 0;           // guarded by mutex_; counts resets
};

}  // namespace merlin::store
