// merlin.floors: what the log cannot tell an index that is built from it. Which messages in the log belong to a topic
// that was deleted, and the next offset of a queue whose messages have all expired.
//
//   rows: CRC-32 of the rest u32, topic length u16, topic, queue id i32 (-1: a deleted topic), offset i64 (of a deleted
//         topic: records in front of it are dead), end of the queue's last record i64
//
// Owns:     the file; both forms of the queue index write it, and it stays when the form changes.
// Threads:  one at a time.
// Survives: rewritten as a second file, synced and renamed; a row that is appended counts when it is whole.
#pragma once

#include <string>
#include <vector>

#include "merlin/base/file_system.h"

namespace merlin::store {

struct FloorRow {
  static constexpr int32_t deleted_topic = -1;
  std::string topic;
  int32_t queue_id = deleted_topic;
  int64_t offset = 0;
  int64_t max_physical = -1;
  bool operator==(const FloorRow&) const = default;
};

class FloorsFile {
 public:
  FloorsFile(FileSystem& files, const std::string& root_dir);

  // What a deleted topic had is not among them.
  Result<std::vector<FloorRow>> read();
  // Does nothing when these are the rows that stand there.
  Status write(const std::vector<FloorRow>& rows);
  Status append(const FloorRow& row);

 private:
  FileSystem& files_;
  const std::string root_dir_;
  const std::string path_;
  std::string content_;  // as it stands in the file
};

}  // namespace merlin::store
