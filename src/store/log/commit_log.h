// The commit log: every record in one sequence, and the append lane that gives each its place.
//
// Owns:     the segments and the end of the log.
// Threads:  append() from anywhere; it encodes outside and holds the lane for a stamp loop and one write per burst.
// Reads
//           of bytes below end() from anywhere.
// Survives: whatever the kernel has when the process dies; the flusher makes it survive the machine.
// Fails:    a failed write places nothing of its burst: the queue offsets are given back and the bytes behind the end
// are
//           made zero again, before anything else is appended.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "store/log/segment_list.h"
#include "store/message_store.h"

namespace merlin::store {

// What the append lane asks of the rooms behind it. All calls come with the lane held.
class LaneHooks {
 public:
  virtual ~LaneHooks() = default;
  // The item's first queue offset; its queue goes on behind the item's last.
  virtual int64_t take_queue_offset(const AppendItem& item) = 0;
  // Gives the ones taken last back. Calls come in reverse order of taking.
  virtual void give_back_queue_offset(const AppendItem& item) = 0;
  // Writes the properties that depend on the item's place, in their encoded form, and returns their size. Nothing has
  // been taken for the item yet. `out` holds its late_bytes_max; a greater size says that it is too small.
  virtual size_t late_properties(const AppendItem& item, std::span<char> out) = 0;
  // The items with code ok are placed; a moment later end() covers them.
  virtual void placed(std::span<const AppendItem> items) = 0;
};

struct CommitLogOptions {
  std::string dir;
  int64_t segment_size_bytes = 0;
  int64_t record_bytes_max = 0;
};

class CommitLog {
 public:
  // Of late properties of one record: as long as properties may be.
  static constexpr int32_t late_bytes_limit = static_cast<int32_t>(message::properties_length_max);
  // A clock that steps back by no more than this is held until it has caught up.
  static constexpr int64_t step_back_ms_max = 60'000;

  CommitLog(CommitLogOptions options, FileSystem& files, const Clock& clock, LaneHooks& hooks);

  SegmentList& segments() { return segments_; }
  const SegmentList& segments() const { return segments_; }
  int64_t begin() const { return segments_.first_start(); }
  int64_t end() const { return end_.load(std::memory_order_acquire); }
  const std::atomic<int64_t>& end_word() const { return end_; }
  // Store time of a record at or shortly before end().
  int64_t last_store_timestamp_ms() const { return last_timestamp_.load(std::memory_order_acquire); }
  // REQUIRES: nobody appends.
  void set_end(int64_t end, int64_t last_store_timestamp_ms);

  // See MessageStore::append.
  int64_t append(std::span<AppendItem> items, Buffer& scratch);
  // Appends answer `closed` from now on. Returns once none is inside.
  void close();
  bool closed() const { return closed_.load(std::memory_order_acquire); }
  // The lane itself, for those who must see it quiet.
  std::unique_lock<std::mutex> hold_lane() { return std::unique_lock(lane_); }

  // Called after a roll, under the lane: the segment behind `start` may be prepared now.
  void set_on_roll(std::function<void(int64_t next_start)> on_roll) { on_roll_ = std::move(on_roll); }
  // While set, appends answer no_space without a try. Set by an append that found no space, too.
  bool disk_full() const { return disk_full_.load(std::memory_order_relaxed); }
  void set_disk_full() { disk_full_.store(true, std::memory_order_relaxed); }
  void clear_disk_full() { disk_full_.store(false, std::memory_order_relaxed); }

 private:
  struct Run;  // bytes of the burst that lie in one segment and are not written yet

  void encode(std::span<AppendItem> items, Buffer& scratch) const;
  Status place(std::span<AppendItem> items, const Buffer& scratch, size_t& placed);
  bool add_late_properties(AppendItem& item, uint8_t* record);
  int64_t store_time_ms() const;
  Status roll(int64_t& end);
  Status write_run(Run& run);
  void undo(std::span<AppendItem> items, size_t placed, const Error& error);
  Status clean_tail();
  void say_once(const std::string& why);

  const CommitLogOptions options_;
  const Clock& clock_;
  LaneHooks& hooks_;
  SegmentList segments_;
  std::function<void(int64_t)> on_roll_;

  std::mutex lane_;
  std::shared_ptr<Segment> current_;  // guarded by lane_; holds end_, or nullptr when that segment is not made yet
  bool tail_dirty_ = false;           // guarded by lane_; bytes of a failed burst may lie behind end_
  std::string refusal_said_;          // guarded by lane_; the last error logged since an append succeeded

  std::atomic<int64_t> end_{0};
  std::atomic<int64_t> last_timestamp_{0};
  std::atomic<bool> closed_{false};
  std::atomic<bool> disk_full_{false};
};

}  // namespace merlin::store
