// The database of the queue index: the one place that knows RocksDB.
//
//   u <queue number u32> <queue offset u64>   the unit, 20 bytes as in Apache's files
//   q <queue number u32>                      queue id i32, topic
//   b <queue number u32>                      bounds: four i64: min, its physical offset, max, max physical
//   n                                         the next queue number u32: numbers are never used twice
//   d <topic>                                 i64: records of the topic below it belong to a deleted one
//   p                                         progress: three i64
//
// Numbers in keys are big-endian. There is no write-ahead log: a batch is lost or there as a whole, with all before it.
//
// Threads:  the batch belongs to one thread; reads from anywhere.
// Survives: what flush() covered, and a prefix of the batches behind it.
// Fails:    every error of the library becomes one of ours; nothing is thrown.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "merlin/base/result.h"
#include "store/progress.h"
#include "store/queue/queue_unit.h"

namespace merlin::store {

struct QueueBounds {
  int64_t min = 0;
  int64_t min_physical = -1;
  int64_t max = 0;
  int64_t max_physical = -1;
};

class QueueDb {
 public:
  static constexpr size_t write_buffer_bytes = size_t{64} << 20;  // each of two memtables
  static constexpr size_t block_cache_bytes = size_t{32} << 20;
  static constexpr int open_files_max = 256;

  // Units of records below `log_begin` may be dropped at any time. Nothing is compacted before start_upkeep().
  static Result<std::unique_ptr<QueueDb>> open(const std::string& dir, const std::atomic<int64_t>& log_begin);
  ~QueueDb();

  struct Content {
    std::function<void(uint32_t number, std::string_view topic, int32_t id)> queue;
    std::function<void(uint32_t number, const QueueBounds& bounds)> bounds;  // after all queues
    std::function<void(std::string_view topic, int64_t below)> dead;
  };
  // Hands out all rows but the units.
  Status load(const Content& content);
  // Compactions may begin: they shall not take the processors while the rows are read.
  Status start_upkeep();
  std::optional<Progress> progress() const;
  uint32_t next_number() const;

  // --- one batch
  // Rows of one kind in ascending order of their keys are put much faster.
  void add_queue(uint32_t number, std::string_view topic, int32_t id);
  void add_next_number(uint32_t number);  // behind those of all queues
  void add_unit(uint32_t number, int64_t offset, const QueueUnit& unit);
  void add_bounds(uint32_t number, const QueueBounds& bounds);
  void add_progress(const Progress& progress);
  void add_dead(std::string_view topic, int64_t below);
  void remove_dead(std::string_view topic);
  void remove_queue(uint32_t number);
  void remove_progress();
  // Writes what was added; on failure nothing is written and the batch is empty all the same.
  Status write();
  void discard();

  // Brings everything written so far to the disk.
  Status flush();

  // Units from `from` on without a gap; 0: there is none at `from`.
  Result<size_t> read(uint32_t number, int64_t from, std::span<QueueUnit> out) const;
  // The lowest offset at or behind `from` that has a unit; `limit` when there is none below it.
  Result<int64_t> first_from(uint32_t number, int64_t from, int64_t limit) const;

 private:
  struct Impl;
  explicit QueueDb(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace merlin::store
