// The tags code of a unit, from a record or an item about to be stored.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "merlin/message/record.h"

namespace merlin::store {

// Whether records of this kind enter consume queues: prepared and rolled-back halves do not.
inline bool enters_queue(int32_t sys_flag) {
  const int32_t kind = sys_flag & message::sys_flag::transaction_mask;
  return kind == message::sys_flag::transaction_none || kind == message::sys_flag::transaction_commit;
}

// For scheduled messages the delivery time stands in place of the hash of the tag.
class TagsCoder {
 public:
  // Milliseconds of level 1, 2, ... ; empty: Apache's default levels.
  explicit TagsCoder(std::vector<int64_t> delay_level_ms);

  // The level in the properties of a message of the schedule topic; 0 when it has none.
  int32_t delay_level(std::string_view topic, std::string_view properties) const;
  int64_t deliver_time_ms(int32_t level, int64_t store_timestamp_ms) const;
  int64_t of_record(const message::RecordView& record) const;

 private:
  const std::vector<int64_t> delay_level_ms_;
};

}  // namespace merlin::store
