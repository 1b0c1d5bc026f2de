// merlin.progress: how far the log and the queues are known to be on disk. Ours; Apache ignores it.
//
//   0  8  "MRLNPROG"             32  8  start of the last record below dispatched (-1: none)
//   8  4  version (1)            40  8  store time of that record
//   12 4  queues with files      48  4  CRC-32 of the 48 bytes before
//   16 8  log synced offset
//   24 8  dispatched offset: all units below are synced
//
// Survives: written to a second file and renamed; a torn or foreign file reads as none.
#pragma once

#include <optional>
#include <string>

#include "merlin/base/file_system.h"

namespace merlin::store {

struct Progress {
  int64_t log_synced_offset = 0;
  int64_t dispatched_offset = 0;
  int64_t last_record_offset = -1;
  int64_t last_record_timestamp_ms = 0;
  int32_t queue_count = 0;
  bool operator==(const Progress&) const = default;
};

std::optional<Progress> read_progress(FileSystem& files, const std::string& path);
Status write_progress(FileSystem& files, const std::string& path, const Progress& progress);

}  // namespace merlin::store
