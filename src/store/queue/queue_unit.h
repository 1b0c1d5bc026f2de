// One unit of a consume queue, 20 bytes: i64 physical offset, i32 record size, i64 tags code.
//
// In a batch queue it has 46 bytes and stands for all messages of its record: the same, then i64 store time, i64 queue
// offset of the first message, i16 number of messages, i32 -1 (Apache's compacted offset), i32 0.
#pragma once

#include <cstdint>
#include <limits>

#include "merlin/base/bytes.h"

namespace merlin::store {

inline constexpr int32_t queue_unit_bytes = 20;
inline constexpr int32_t batch_unit_bytes = 46;

struct QueueUnit {
  int64_t physical_offset = 0;
  int32_t size = 0;
  int32_t count = 1;  // messages in the record; the files know it only in batch queues
  int64_t tags_code = 0;

  // Apache's filler in front of a first unit that starts in the middle of a file.
  bool blank() const { return physical_offset == 0 && size == std::numeric_limits<int32_t>::max(); }
  // Its record is damaged: the offset stays, and names where in the log the damage begins. Apache passes over it.
  bool damaged() const { return physical_offset != 0 && size == std::numeric_limits<int32_t>::max(); }
  // One past the record.
  int64_t physical_end() const { return physical_offset + (damaged() ? 1 : size); }
  bool written() const { return physical_offset >= 0 && size > 0; }
};

inline constexpr QueueUnit blank_unit{0, std::numeric_limits<int32_t>::max(), 1, 0};

inline QueueUnit damaged_unit(int64_t damage_begin) {
  return {damage_begin == 0 ? 1 : damage_begin, std::numeric_limits<int32_t>::max(), 1, 0};
}

inline void store_unit(uint8_t* out, const QueueUnit& unit) {
  store_be<int64_t>(out, unit.physical_offset);
  store_be<int32_t>(out + 8, unit.size);
  store_be<int64_t>(out + 12, unit.tags_code);
}

inline QueueUnit load_unit(const uint8_t* in) {
  return {load_be<int64_t>(in), load_be<int32_t>(in + 8), 1, load_be<int64_t>(in + 12)};
}

// One unit of a batch queue. Those of a queue ascend; there may be gaps between them.
struct BatchUnit {
  QueueUnit unit;
  int64_t store_timestamp_ms = 0;
  int64_t base = 0;  // queue offset of the first message

  int64_t end() const { return base + unit.count; }
  bool written() const { return unit.written() && base >= 0 && unit.count > 0; }
};

inline void store_batch_unit(uint8_t* out, const BatchUnit& batch) {
  store_unit(out, batch.unit);
  store_be<int64_t>(out + 20, batch.store_timestamp_ms);
  store_be<int64_t>(out + 28, batch.base);
  store_be<int16_t>(out + 36, static_cast<int16_t>(batch.unit.count));
  store_be<int32_t>(out + 38, -1);
  store_be<int32_t>(out + 42, 0);
}

inline BatchUnit load_batch_unit(const uint8_t* in) {
  BatchUnit batch{load_unit(in), load_be<int64_t>(in + 20), load_be<int64_t>(in + 28)};
  batch.unit.count = load_be<int16_t>(in + 36);
  return batch;
}

}  // namespace merlin::store
