// merlin.synced: how far the commit log is known to be on disk. Ours; Apache ignores it.
//
//   0  8  "MRLNSYNC"    8  4  version (1)    12  4  zero    16  8  offset    24  8  store time there    32  4  CRC-32
//
// Survives: one sector, written in place after the log's own sync; a torn or foreign file reads as none.
#pragma once

#include <optional>
#include <string>

#include "merlin/base/file_system.h"

namespace merlin::store {

struct SyncedPoint {
  int64_t offset = 0;  // a record begins here, or the log ends
  // Store time of a record shortly before. A checkpoint with a later one was written by another broker.
  int64_t timestamp_ms = 0;
  bool operator==(const SyncedPoint&) const = default;
};

std::optional<SyncedPoint> read_synced_point(FileSystem& files, const std::string& path);
Status write_synced_point(FileSystem& files, const std::string& path, const SyncedPoint& point);

}  // namespace merlin::store
