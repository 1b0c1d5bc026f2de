#include "store/log/damage.h"

#include <algorithm>
#include <mutex>

#include "merlin/base/log.h"

namespace merlin::store {

std::string text(const DamagedRange& range) {
  return "the commit log is damaged from " + std::to_string(range.begin) + " to " + std::to_string(range.end) + " (" +
         range.why + ")";
}

static auto first_behind(std::vector<DamagedRange>& ranges, int64_t offset) {
  return std::find_if(ranges.begin(), ranges.end(), [&](const DamagedRange& r) { return r.end >= offset; });
}

void DamageList::add(DamagedRange range) {
  if (range.end <= range.begin) return;
  const std::unique_lock lock(mutex_);
  auto at = first_behind(ranges_, range.begin);
  if (at != ranges_.end() && at->begin <= range.begin && at->end >= range.end) return;  // known
  if (lines_ < ranges_max) {
    ++lines_;
    log_error("store", "{}: what was there is answered with an error, all else goes on", text(range));
  }
  while (at != ranges_.end() && at->begin <= range.end) {
    if (at->begin <= range.begin) range.why = at->why;
    range.begin = std::min(range.begin, at->begin);
    range.end = std::max(range.end, at->end);
    at = ranges_.erase(at);
  }
  ranges_.insert(at, std::move(range));
  if (ranges_.size() > ranges_max) {
    size_t closest = 0;
    for (size_t i = 1; i + 1 < ranges_.size(); ++i) {
      if (ranges_[i + 1].begin - ranges_[i].end < ranges_[closest + 1].begin - ranges_[closest].end) closest = i;
    }
    ranges_[closest].end = ranges_[closest + 1].end;
    ranges_.erase(ranges_.begin() + static_cast<ptrdiff_t>(closest) + 1);
  }
  count_.store(static_cast<int64_t>(ranges_.size()), std::memory_order_release);
}

std::optional<DamagedRange> DamageList::find(int64_t offset) const {
  if (empty()) return std::nullopt;
  const std::shared_lock lock(mutex_);
  for (const DamagedRange& range : ranges_) {
    if (range.holds(offset)) return range;
  }
  return std::nullopt;
}

std::vector<DamagedRange> DamageList::all() const {
  const std::shared_lock lock(mutex_);
  return ranges_;
}

int64_t DamageList::bytes() const {
  const std::shared_lock lock(mutex_);
  int64_t sum = 0;
  for (const DamagedRange& range : ranges_) sum += range.end - range.begin;
  return sum;
}

void DamageList::drop_below(int64_t offset) {
  if (empty()) return;
  const std::unique_lock lock(mutex_);
  std::erase_if(ranges_, [&](const DamagedRange& r) { return r.end <= offset; });
  count_.store(static_cast<int64_t>(ranges_.size()), std::memory_order_release);
}

void DamageList::cut(int64_t end) {
  if (empty()) return;
  const std::unique_lock lock(mutex_);
  std::erase_if(ranges_, [&](const DamagedRange& r) { return r.begin >= end; });
  for (DamagedRange& r : ranges_) r.end = std::min(r.end, end);
  count_.store(static_cast<int64_t>(ranges_.size()), std::memory_order_release);
}

}  // namespace merlin::store
