// Apache's `checkpoint` file: 4096 bytes, five i64 at 0, 8, 16, 24, 32.
#pragma once

#include <memory>
#include <string>

#include "merlin/base/file_system.h"

namespace merlin::store {

struct Checkpoint {
  int64_t log_timestamp_ms = 0;    // records up to this store time are synced
  int64_t queue_timestamp_ms = 0;  // and these have their units synced
  int64_t index_timestamp_ms = 0;
  int64_t master_flushed_offset = 0;
  int64_t confirm_offset = 0;
  bool operator==(const Checkpoint&) const = default;

  // Apache's rule: records stored up to here need no second look.
  int64_t trusted_timestamp_ms() const {
    return std::max(int64_t{0}, std::min(log_timestamp_ms, queue_timestamp_ms) - 3000);
  }
};

// All zero when the file is absent or too short.
Checkpoint read_checkpoint(FileSystem& files, const std::string& path);
// In place: the values share one sector.
Status write_checkpoint(FileSystem& files, const std::string& path, const Checkpoint& checkpoint);

}  // namespace merlin::store
