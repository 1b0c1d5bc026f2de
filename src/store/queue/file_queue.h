// One queue in files of Apache's format.
//
// Owns:     the queue's files and the newest units, which wait in memory until their records are on disk.
// Threads:  see QueueIndex.
// Survives: nothing needs to: all units can be dispatched again from the log. What synced() vouches for is on disk, and
//           no unit reaches a file before its record is durable: what stands behind that is right, too, or not there.
// Fails:    a put() whose page cannot be written changes nothing and may be repeated.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "store/queue/queue_db.h"
#include "store/queue/queue_files.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

class FileQueue;

// Of all queues of one kind.
struct QueueFolder {
  std::string dir;
  int32_t file_bytes = 0;
  int32_t unit_bytes = queue_unit_bytes;
};

// What the queues of one index share.
struct FileQueueHome {
  // Units that wait for the log beyond one page of each queue, all queues together.
  static constexpr int64_t waiting_units_max = 2'000'000;

  FileQueueHome(FileSystem& fs, QueueFolder plain_folder, QueueFolder batch_folder = {})
      : files(fs), plain(std::move(plain_folder)), batch(std::move(batch_folder)) {}
  // Units of records behind it must not be written yet.
  int64_t limit() const {
    const auto* word = durable.load(std::memory_order_acquire);
    return word == nullptr ? INT64_MAX : word->load(std::memory_order_acquire);
  }

  FileSystem& files;
  const QueueFolder plain;  // <root>/consumequeue
  const QueueFolder batch;  // <root>/batchconsumequeue
  // Null while opening: what is dispatched then is durable.
  std::atomic<const std::atomic<int64_t>*> durable{nullptr};
  std::atomic<int64_t> waiting_units{0};
  std::atomic<int64_t> queues_with_files{0};
  std::atomic<bool> misfit{false};     // the files of a queue were another thing than adopt() had been told
  std::atomic<bool> leftovers{false};  // a queue that is made now may find files that nobody knows
  std::mutex mutex;
  std::vector<FileQueue*> active;  // guarded by mutex: those that have something to write, to sync, to close or to free
};

class FileQueue : public ConsumeQueue {
 public:
  // `home` outlives the queue.
  FileQueue(FileQueueHome& home, QueueTopic& topic, int32_t queue_id) : FileQueue(home, home.plain, topic, queue_id) {}

  Result<Put> put(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) override;
  size_t put_run(std::span<const Arrival> items) override;
  Status fill_hole(int64_t queue_offset) override;
  // Removes the files, too.
  Status reset() override;
  // Up to the end of the file the first one lies in.
  size_t read(int64_t from, std::span<QueueUnit> out) const override;
  int64_t next_file(int64_t offset) const override;
  bool untouched() const override { return max_offset() == 0 && !has_files(); }

  // What is on disk for good: units in front of `max`, whose records are durable.
  struct Synced {
    int64_t first = 0;  // of the first file
    QueueBounds bounds;
  };
  // The files hold at least this: they are looked at when they are first read or written.
  virtual void adopt(const Synced& synced);
  // None when there are no files.
  std::optional<Synced> synced() const;
  // Whether nobody has needed the files since adopt().
  bool is_adopted() const;
  // Whether all units lie in one file, for all that is known.
  virtual bool in_one_file() const;

  // --- opening, in this order, before anything else
  Status load();
  bool cut_short() const;
  // Before the files are read, when one was cut short.
  Status extend_cut_short();
  // One past the last written unit's record, as the files say; -1 when there is none.
  Result<int64_t> loaded_max_physical();
  // Keeps the units whose records lie below `physical_limit`; with zero_rest the files are cleared behind them.
  virtual Status cut(int64_t physical_limit, bool zero_rest);
  // An empty queue without a file goes on at `offset`: a file is made whose blanks remember it.
  virtual Status start_at(int64_t offset);
  // Drops the last unit.
  Status drop_last();

  // --- background
  // Whether units wait in memory or files wait for a sync.
  bool dirty() const { return dirty_.load(std::memory_order_acquire); }
  // Writes the units whose records are durable.
  Status write_back();
  Status sync_files();
  // The same in two steps, around a sync of the whole disk.
  struct Capture {
    int64_t life = 0;
    int64_t max = 0;
    int64_t max_physical = -1;
  };
  Capture before_sync();
  void after_sync(const Capture& written);
  // Closes what was not used since the last call. False: there is nothing left to do for the queue, it is off the list
  // of the active ones.
  bool stay_active();
  // Closes what is open, and keeps nothing that can be read again.
  void close_files();
  // Deletes files whose messages all lie below `offset`.
  virtual Status drop_files_below(int64_t offset);
  bool has_files() const;

 protected:
  FileQueue(FileQueueHome& home, const QueueFolder& folder, QueueTopic& topic, int32_t queue_id);

  int64_t first_offset() const override;
  // REQUIRES, all of them: mutex_ held.
  Status flush_tail();
  // Room for units from number end_ on, which are counted then: one at least, `count` at most, which it is set to.
  Result<uint8_t*> add_to_tail(int64_t& count);
  // The units in front of number `end` are all there is; the tail is empty or written.
  virtual Status settle(int64_t end);
  void settle_at(int64_t end, int64_t max, int64_t max_physical);
  Status cut_files(int64_t physical_limit, bool zero_rest);
  Status look() const;
  // The first use of the files after adopt().
  virtual Status look_first() const;
  void tell_misfit() const;
  Status load_files() const;
  Status remove_files();
  void count() const;
  void list() const;
  void mark_dirty();

  FileQueueHome& home_;
  std::atomic<bool> dirty_{false};

  mutable std::mutex mutex_;
  mutable bool looked_ = true;    // guarded by mutex_; false: files_ knows nothing yet, the bounds were adopted
  mutable bool listed_ = false;   // guarded by mutex_; home_ has the queue among the active ones
  mutable bool counted_ = false;  // guarded by mutex_; home_ has counted the queue as one with files
  mutable QueueFiles files_;      // guarded by mutex_; reading maps files
  // Units are counted as in QueueFiles; in a plain queue their number is their queue offset.
  std::vector<uint8_t> tail_;         // guarded by mutex_; encoded units from tail_begin_ to end_, and room for more
  mutable int64_t tail_begin_ = 0;    // guarded by mutex_; units in front of it are in files
  mutable int64_t tail_written_ = 0;  // guarded by mutex_; units in front of it are in files, too
  mutable int64_t end_ = 0;           // guarded by mutex_; one past the last unit
  int64_t written_max_ = 0;           // guarded by mutex_; one past the last message of those in files
  int64_t written_physical_ = -1;     // guarded by mutex_; one past its record
  int64_t first_ = 0;                 // guarded by mutex_; as adopted
  Capture synced_;                    // guarded by mutex_
  int64_t waiting_counted_ = 0;       // guarded by mutex_; so many units home_ has counted as waiting
  int64_t life_ = 0;                  // guarded by mutex_; counts resets
  mutable int64_t room_end_ = 0;      // guarded by mutex_; units in front of it need not ask for room

 private:
  // REQUIRES, all of them: mutex_ held.
  Status append_unit(const QueueUnit& unit);
  void begin_at(int64_t offset);
  Status make_room();
  void drop_written();
  void wrote(const uint8_t* from, int64_t end);
  Result<bool> last_unit_fits() const;
  Capture capture() const;

  const int32_t unit_bytes_;
};

}  // namespace merlin::store
