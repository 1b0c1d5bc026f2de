// One batch queue (queue.type=BatchCQ) in files of Apache's format: <root>/batchconsumequeue/<topic>/<queue
// id>/<start>. A unit stands for one record with all its messages, so units are found by a search for their queue
// offset.
//
// Owns, Survives, Fails: as FileQueue.
// Threads:  see QueueIndex.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "store/queue/file_queue.h"

namespace merlin::store {

class BatchQueue final : public FileQueue {
 public:
  BatchQueue(FileQueueHome& home, QueueTopic& topic, int32_t queue_id) : FileQueue(home, home.batch, topic, queue_id) {}

  bool is_batch() const override { return true; }
  Result<Put> put(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) override;
  // A gap needs no units.
  Status fill_hole(int64_t queue_offset) override;
  // One unit for each record, the first being the one that holds `from`, or comes next when that is in a gap.
  size_t read(int64_t from, std::span<QueueUnit> out) const override;
  size_t read_batches(int64_t from, std::span<BatchUnit> out) const override;
  int64_t base_by_time(int64_t timestamp_ms, bool upper) const override;
  int64_t next_file(int64_t offset) const override { return offset + 1; }
  bool in_one_file() const override { return false; }

  Status cut(int64_t physical_limit, bool zero_rest) override;
  // A unit that names no record remembers it.
  Status start_at(int64_t offset) override;
  Status drop_files_below(int64_t offset) override;

 private:
  // Reads units by number; keeps the mapping of the file it looked at last.
  class Cursor;

  int64_t first_offset() const override;
  Status settle(int64_t end) override;
  Status look_first() const override;
  Result<BatchUnit> in_file(int64_t number) const;                 // REQUIRES: mutex_ held
  Status append(const BatchUnit& batch);                           // REQUIRES: mutex_ held
  size_t read_tail(int64_t from, std::span<BatchUnit> out) const;  // the same; 0: not all of them are in the tail
  BatchUnit in_tail(int64_t number) const;                         // the same
  std::pair<int64_t, int64_t> numbers() const;                     // of the units there are: [first, second)
  std::optional<int64_t> number_of(Cursor& cursor, int64_t offset) const;
};

}  // namespace merlin::store
