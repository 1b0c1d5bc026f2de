#include "store/queue/rocks_queue.h"

#include <algorithm>

#include "merlin/base/log.h"
#include "store/queue/rocks_index.h"

namespace merlin::store {

Result<ConsumeQueue::Put> RocksQueue::put(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) {
  const std::lock_guard lock(index_.stripe_of(*this));
  const int64_t max = max_.load(std::memory_order_relaxed);
  if (queue_offset < max) return Put::already_there;
  // A queue whose first messages are gone starts where the log has it.
  if (queue_offset > max && max != 0) return Put::hole;
  if (Status s = append_unit(queue_offset, unit, store_timestamp_ms); !s) return s.error();
  return Put::stored;
}

// REQUIRES: the stripe is held.
Status RocksQueue::append_unit(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) {
  if (Status s = index_.reserve(); !s) return s;
  if (hot_ == nullptr) {
    hot_ = std::make_unique<Hot>();
    hot_->begin = hot_->committed = queue_offset;
    index_.add_hot(*this);
  }
  Hot& hot = *hot_;
  // At least half of them at once: while the database lags behind there are many, and each drop moves those that stay.
  const auto size = static_cast<int64_t>(hot.units.size());
  const int64_t drop = std::min<int64_t>(hot.committed - hot.begin, size - hot_units_max / 2);
  if (size >= hot_units_max && drop >= size / 2) {
    hot.units.erase(hot.units.begin(), hot.units.begin() + drop);
    hot.begin += drop;
  }
  hot.units.push_back(unit);
  if (!unit.blank()) {
    if (max_physical() < 0) set_min(queue_offset, unit.physical_offset);
    max_physical_.store(unit.physical_end(), std::memory_order_release);
  }
  max_.store(queue_offset + 1, std::memory_order_release);
  index_.add_to_round({this, queue_offset, unit, store_timestamp_ms});
  return {};
}

Status RocksQueue::fill_hole(int64_t queue_offset) {
  if (queue_offset - max_offset() > hole_units_max) {
    if (Status s = index_.forget(*this); !s) return s;
    set_min(queue_offset, -1);
    max_.store(queue_offset, std::memory_order_release);
    return {};
  }
  const std::lock_guard lock(index_.stripe_of(*this));
  while (max_offset() < queue_offset) {
    if (Status s = append_unit(max_offset(), blank_unit, 0); !s) return s;
  }
  return {};
}

Status RocksQueue::reset() {
  return index_.forget(*this);
}

void RocksQueue::forget() {
  const std::lock_guard lock(index_.stripe_of(*this));
  hot_.reset();
  number_ = 0;
  named_ = false;
  set_min(0, -1);
  max_.store(0, std::memory_order_release);
  max_physical_.store(-1, std::memory_order_release);
}

size_t RocksQueue::read(int64_t from, std::span<QueueUnit> out) const {
  uint32_t number = 0;
  int64_t limit = 0;
  {
    const std::lock_guard lock(index_.stripe_of(*this));
    limit = max_.load(std::memory_order_relaxed);
    if (from < 0 || from >= limit || out.empty()) return 0;
    if (hot_ != nullptr && from >= hot_->begin) {
      const size_t count = std::min(out.size(), static_cast<size_t>(limit - from));
      std::copy_n(hot_->units.begin() + (from - hot_->begin), count, out.begin());
      return count;
    }
    if (hot_ != nullptr) limit = hot_->begin;
    number = number_;
  }
  if (number == 0) return 0;
  const auto count = std::min(out.size(), static_cast<size_t>(limit - from));
  const auto found = index_.db_->read(number, from, out.first(count));
  if (found) return *found;
  log_error("store", "queue {}-{}: {}", topic(), id(), found.error().message);
  return 0;
}

int64_t RocksQueue::next_file(int64_t offset) const {
  return offset + 1;
}

int64_t RocksQueue::first_offset_from(int64_t offset) const {
  uint32_t number = 0;
  int64_t limit = 0;
  {
    const std::lock_guard lock(index_.stripe_of(*this));
    number = number_;
    limit = hot_ == nullptr ? max_offset() : hot_->begin;
  }
  if (number == 0 || offset >= limit) return std::min(offset, limit);
  const auto first = index_.db_->first_from(number, offset, limit);
  return first ? *first : offset;
}

}  // namespace merlin::store
