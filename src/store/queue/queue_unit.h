// One unit of a consume queue, 20 bytes: i64 physical offset, i32 record size, i64 tags code.
#pragma once

#include <cstdint>
#include <limits>

#include "merlin/base/bytes.h"

namespace merlin::store {

inline constexpr int32_t queue_unit_bytes = 20;

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

}  // namespace merlin::store
