// The segments of the commit log, oldest first, without gaps.
//
// Owns:     the Segment objects and, in advance, the next segment's file, so that a roll does not wait for the file
//           system.
// Threads:  find(), covering(), trim() and the bounds from anywhere; next_after() under the append lane; prepare_next()
//           and drop_first() on the housekeeper; load() and drop_from() while nobody else is there.
// Survives: a segment's directory entry is synced before the segment takes records.
// Fails:    load() refuses a directory whose files have the wrong size or a gap, and says which and what to do; foreign
//           names are ignored with a warning.
// Limits:   open_segments_max files are open at a time, besides the newest newest_kept, which stay so.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "store/log/segment.h"

namespace merlin::store {

class SegmentList {
 public:
  static constexpr int64_t open_segments_max = 64;
  static constexpr size_t newest_kept = 2;

  SegmentList(FileSystem& files, std::string dir, int64_t segment_size_bytes);

  Status load();

  const std::string& dir() const { return dir_; }
  int64_t segment_size_bytes() const { return segment_size_; }
  bool empty() const;
  int64_t first_start() const;  // 0 when empty
  std::vector<std::shared_ptr<Segment>> all() const;
  // The segment that holds `offset`; nullptr when there is none.
  std::shared_ptr<Segment> find(int64_t offset) const;
  // Those that overlap [begin, end).
  std::vector<std::shared_ptr<Segment>> covering(int64_t begin, int64_t end) const;

  // The segment that starts at `start`, made when absent. REQUIRES: it is the one behind the last.
  Result<std::shared_ptr<Segment>> next_after(int64_t start);
  // Makes the file of the segment that starts at `start` and keeps it ready for next_after().
  Status prepare_next(int64_t start);

  // Closes those that were not used for the longest time, down to open_segments_max.
  void trim() const;
  int64_t open_count() const { return use_->open_count.load(std::memory_order_relaxed); }

  // Deletes the files of all segments that start at or behind `offset`.
  Status drop_from(int64_t offset);
  // Takes the oldest segment out and deletes its file; readers that hold its mapping keep it. The last one stays.
  Status drop_first();

 private:
  Result<std::shared_ptr<Segment>> make(int64_t start);

  FileSystem& files_;
  const std::string dir_;
  const int64_t segment_size_;
  const std::shared_ptr<SegmentUse> use_ = std::make_shared<SegmentUse>();

  mutable std::shared_mutex mutex_;
  std::vector<std::shared_ptr<Segment>> segments_;  // guarded by mutex_

  std::mutex prepare_mutex_;
  std::shared_ptr<Segment> prepared_;  // guarded by prepare_mutex_
};

}  // namespace merlin::store
