// One queue of the database form: its newest units in memory, all that are committed in the database.
//
// Threads:  see QueueIndex.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "store/queue/queue_index.h"

namespace merlin::store {

class RocksIndex;

class RocksQueue final : public ConsumeQueue {
 public:
  RocksQueue(RocksIndex& index, QueueTopic& topic, int32_t queue_id) : ConsumeQueue(topic, queue_id), index_(index) {}

  Result<Put> put(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) override;
  Status fill_hole(int64_t queue_offset) override;
  Status reset() override;
  size_t read(int64_t from, std::span<QueueUnit> out) const override;
  int64_t next_file(int64_t offset) const override;
  int64_t scan_limit(int64_t) const override { return INT64_MAX; }

 private:
  friend class RocksIndex;
  static constexpr int64_t hot_units_max = 128;
  // A longer hole is not filled unit by unit: what lies in front of it is given up. As in Apache's files.
  static constexpr int64_t hole_units_max = 300'000;

  struct Hot {
    int64_t begin = 0;  // units from here on are in memory
    std::vector<QueueUnit> units;
    int64_t committed = 0;       // units in front of it are in the database, too
    bool in_batch = false;       // used by the writer
    int64_t batch_end = 0;       // used by the writer: what the batch at hand commits
    int64_t batch_physical = 0;  // used by the writer
  };

  int64_t first_offset() const override { return first_offset_from(min_hint()); }
  int64_t first_offset_from(int64_t offset) const override;
  Status append_unit(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms);
  // REQUIRES: nothing of this queue is on its way to the database.
  void forget();

  RocksIndex& index_;
  std::unique_ptr<Hot> hot_;  // guarded by the stripe
  uint32_t number_ = 0;       // guarded by the stripe; 0: the database does not know the queue
  bool named_ = false;        // used by the writer: the database has its name
};

}  // namespace merlin::store
