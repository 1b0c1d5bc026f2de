// Which segments go, and when: Apache's rules for fileReservedTime, deleteWhen and the fill of the disk.
//
// Owns:     nothing but the time of its last look.
// Threads:  look() and pressing() on the housekeeper; expire_soon() and set_limits() from anywhere.
// Survives: deletions are synced one by one, oldest first: no crash leaves a gap.
// Fails:    what cannot be deleted is tried again at the next look.
#pragma once

#include <atomic>
#include <bitset>
#include <mutex>
#include <string_view>

#include "merlin/base/clock.h"
#include "store/log/commit_log.h"

namespace merlin::store {

inline constexpr size_t hours_per_day = 24;

// What may change while the store is open.
struct RetentionLimits {
  int64_t reserved_ms = 0;
  std::bitset<hours_per_day> hours;  // local hours at which expired segments go
  int32_t used_percent_max = 75;
  int32_t forcibly_percent = 85;
};

struct RetentionOptions {
  RetentionLimits limits;
  int32_t interval_ms = 10'000;
  int32_t first_delay_ms = 60'000;
  int32_t files_max = 10;
  bool forcibly = true;
};

// "04;16": what is no hour is ignored, as Apache does.
std::bitset<hours_per_day> parse_hours(std::string_view text);

class Retention {
 public:
  Retention(RetentionOptions options, FileSystem& files, const Clock& clock, CommitLog& log)
      : options_(options), files_(files), clock_(clock), log_(log), limits_(options.limits) {}

  // Deletes what its time has come for; segments that reach beyond `settled` stay. Returns how many went.
  int32_t look(int64_t settled);
  // Whether the disk is so full that the oldest go at any age.
  bool pressing() const { return pressing_; }
  // The next look is due at once, and finds the hour right, whatever it is.
  void expire_soon();
  void set_limits(const RetentionLimits& limits);

 private:
  enum class Need { nothing, expired, oldest };

  Need need(const RetentionLimits& limits);
  RetentionLimits limits() const;
  bool due();
  int64_t last_store_timestamp_ms(const Segment& segment) const;

  const RetentionOptions options_;
  FileSystem& files_;
  const Clock& clock_;
  CommitLog& log_;
  // As Apache: so many looks follow one wish, since one look deletes a few files only.
  static constexpr int manual_looks_max = 20;
  std::atomic<int> manual_looks_{0};
  std::atomic<bool> look_now_{false};
  mutable std::mutex mutex_;
  RetentionLimits limits_;  // guarded by mutex_
  int64_t next_look_ns_ = -1;
  bool pressing_ = false;
};

}  // namespace merlin::store
