// merlin.bounds: what all queue files hold, written by a clean stop. With it a store of many queues opens without
// opening their files.
//
//   0   8  "MRLNBNDS"            20  ..  rows: topic length u16, topic, queue id i32, min, its physical offset, max,
//   8   8  dispatched offset             max physical (i64 each)
//   16  4  number of rows        end 4   CRC-32 of everything before
//
// Survives: written to a second file, synced and renamed; it is removed before the store changes anything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "store/queue/queue_db.h"

namespace merlin::store {

struct BoundsRow {
  std::string topic;
  int32_t queue_id = 0;
  QueueBounds bounds;
};

// None when there is no such file, or one that is not whole, or one that belongs to another mark.
std::optional<std::vector<BoundsRow>> read_bounds(FileSystem& files, const std::string& path,
                                                  int64_t dispatched_offset);
Status write_bounds(FileSystem& files, const std::string& path, int64_t dispatched_offset,
                    const std::vector<BoundsRow>& rows);

}  // namespace merlin::store
