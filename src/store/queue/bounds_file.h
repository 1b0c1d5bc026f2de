// merlin.bounds: what all queue files hold, so that a store of many queues opens without opening their files.
//
//   0   8  "MRLNBND2"            36  ..  rows: topic length u16 (0: the topic of the row before), topic, queue id i32,
//   8   8  dispatched offset             first unit of the first file, min, its physical offset, max, max physical
//   16  8  last record offset            (i64 each)
//   24  8  its store time        end 4   CRC-32 of everything before
//   32  4  number of rows
//
// Each row names units that are on disk, all those of records in front of the dispatched offset among them. It holds
// as long as the log does: what came later is dispatched again.
//
// Survives: written to a second file, synced and renamed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/file_system.h"
#include "store/progress.h"
#include "store/queue/queue_db.h"

namespace merlin::store {

struct BoundsRow {
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t first = 0;
  QueueBounds bounds;
};

struct BoundsFile {
  std::string content;
  Progress progress;            // but for the number of queues and how far the log was synced
  std::vector<BoundsRow> rows;  // look into content
};

// None when there is no such file, or one that is not whole.
std::optional<BoundsFile> read_bounds(FileSystem& files, const std::string& path);
// Rows of one topic follow each other.
Status write_bounds(FileSystem& files, const std::string& path, const Progress& progress,
                    const std::vector<BoundsRow>& rows);

}  // namespace merlin::store
