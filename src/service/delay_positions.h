// How far each level of delayed messages has been delivered, in config/delayOffset.json as Apache writes it.
//
// Owns:     the table level -> queue offset, and the file.
// Threads:  any (one mutex, not held while the file is written); persist() one at a time.
// Survives: the file never claims a delivery that is not on disk: it has the last position behind which the log was
//           durable. After a crash what came later is delivered again.
// Fails:    file broken: its .bak; both broken: an error line, and every level begins at its queue's minimum.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "meta/data_version.h"

namespace merlin::service {

class DelayPositions {
 public:
  static constexpr size_t levels_kept_max = 1024;    // of the file; Apache has as many as messageDelayLevel names
  static constexpr size_t marks_per_level_max = 64;  // positions that wait for the disk; beyond it the newest two join

  DelayPositions(FileSystem& files, const Clock& clock, std::string_view store_root);

  void open();
  // Of the next message to deliver; 0 when nothing is known.
  int64_t position(int32_t level) const;
  // Everything below `position` has been delivered, by records that end below `log_end`.
  void set(int32_t level, int64_t position, int64_t log_end);
  std::map<int32_t, int64_t> all() const;
  // {"dataVersion":{..},"offsetTable":{1:30}}: GET_ALL_DELAY_OFFSET.
  std::string json() const;

  // Whether the file lacks positions that are not on disk yet.
  bool waits_for_disk(int64_t durable_offset);
  // Writes what is new and lies below `durable_offset` of the log.
  Status persist(int64_t durable_offset);

 private:
  struct Mark {
    int64_t position = 0;
    int64_t log_end = 0;
  };
  struct Level {
    int64_t delivered = 0;
    int64_t durable = 0;
    std::deque<Mark> marks;
  };
  using Table = std::map<int32_t, int64_t>;

  Status decode(std::string_view text);
  void take_durable(int64_t durable_offset);
  static std::string json_of(const meta::DataVersion& version, const Table& table);

  FileSystem& files_;
  const Clock& clock_;
  const std::string path_;
  mutable std::mutex mutex_;
  std::map<int32_t, Level> levels_;  // guarded by mutex_
  meta::DataVersion version_;        // guarded by mutex_
  bool has_news_ = false;            // guarded by mutex_; a durable position has moved since the file was written
};

}  // namespace merlin::service
