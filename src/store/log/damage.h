// The places of the log that hold no records although they had been synced: what recovery and readers found.
//
// Owns:     the list of ranges, in order, apart from each other.
// Threads:  any.
// Survives: nothing; a range is found again when somebody scans or reads it.
// Fails:    never. Beyond ranges_max the two neighbours that lie closest become one range, with what is between them.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <string>
#include <vector>

namespace merlin::store {

struct DamagedRange {
  int64_t begin = 0;
  int64_t end = 0;  // the next place that holds a record, or the end of what was looked at
  std::string why;
  bool holds(int64_t offset) const { return begin <= offset && offset < end; }
};

// "the commit log is damaged from 100 to 200 (body CRC 5 does not fit)"
std::string text(const DamagedRange& range);

class DamageList {
 public:
  static constexpr size_t ranges_max = 1024;

  // Logs it, once (ranges_max lines at most); joined with those it touches.
  void add(DamagedRange range);
  std::optional<DamagedRange> find(int64_t offset) const;
  std::vector<DamagedRange> all() const;
  bool empty() const { return count_.load(std::memory_order_acquire) == 0; }
  int64_t count() const { return count_.load(std::memory_order_acquire); }
  int64_t bytes() const;
  // Retention has taken what lies below.
  void drop_below(int64_t offset);
  // Ranges end at `end` at the latest.
  void cut(int64_t end);

 private:
  mutable std::shared_mutex mutex_;
  std::vector<DamagedRange> ranges_;  // guarded by mutex_
  size_t lines_ = 0;                  // guarded by mutex_
  std::atomic<int64_t> count_{0};
};

}  // namespace merlin::store
