#include "store/queue/batch_queue.h"

#include <algorithm>
#include <array>

#include "merlin/base/log.h"
#include "store/message_store.h"

namespace merlin::store {

class BatchQueue::Cursor {
 public:
  explicit Cursor(const BatchQueue& queue) : queue_(queue) {}

  // nullopt: it is not there any more, or cannot be read.
  std::optional<BatchUnit> at(int64_t number) {
    const int64_t in_file = number % queue_.files_.units_per_file();
    if (map_ == nullptr || number - in_file != start_) {
      const std::lock_guard lock(queue_.mutex_);
      if (number >= queue_.end_) return std::nullopt;
      if (number >= queue_.tail_begin_) return queue_.in_tail(number);
      auto mapped = queue_.files_.map(number);
      if (!mapped) {
        log_error("store", "queue {}-{}: {}", queue_.topic(), queue_.id(), mapped.error().message);
        return std::nullopt;
      }
      queue_.list();
      map_ = std::move(*mapped);
      start_ = number - in_file;
      end_ = queue_.tail_begin_;
    }
    if (number >= end_) {  // written since the file was mapped, or in the tail
      map_ = nullptr;
      return at(number);
    }
    // Outside the lock: a page that must come from the disk shall not hold up the dispatcher.
    return load_batch_unit(map_->data() + in_file * batch_unit_bytes);
  }

 private:
  const BatchQueue& queue_;
  std::shared_ptr<Mapping> map_;
  int64_t start_ = 0;
  int64_t end_ = 0;  // units in front of it were in files
};

BatchUnit BatchQueue::in_tail(int64_t number) const {
  return load_batch_unit(tail_.data() + (number - tail_begin_) * batch_unit_bytes);
}

std::pair<int64_t, int64_t> BatchQueue::numbers() const {
  const std::lock_guard lock(mutex_);
  if (!look()) return {0, 0};
  return {files_.empty() ? tail_begin_ : files_.first_unit(), end_};
}

Result<BatchUnit> BatchQueue::in_file(int64_t number) const {
  const auto map = files_.map(number);
  if (!map) return map.error();
  return load_batch_unit((*map)->data() + number % files_.units_per_file() * batch_unit_bytes);
}

Status BatchQueue::settle(int64_t end) {
  if (end == files_.first_unit()) {
    set_min(0, -1);
    settle_at(end, 0, -1);
    return {};
  }
  const auto first = in_file(files_.first_unit());
  if (!first) return first.error();
  const auto last = in_file(end - 1);
  if (!last) return last.error();
  set_min(first->base, -1);
  settle_at(end, last->end(), last->unit.blank() ? -1 : last->unit.physical_end());
  return {};
}

// What adopt() was told counts messages; how many units they are is seen here. Units behind them come again.
Status BatchQueue::look_first() const {
  if (Status s = load_files(); !s && s.error().code != Errc::not_found) return s;
  list();
  const bool whole = !files_.cut_short() && !files_.empty();
  if (Status s = files_.extend_cut_short(); !s) return s;
  const auto written = files_.written_end(INT64_MAX);
  if (!written) return written.error();
  int64_t low = files_.first_unit();
  for (int64_t high = *written; low < high;) {
    const int64_t mid = low + (high - low) / 2;
    const auto unit = in_file(mid);
    if (!unit) return unit.error();
    // A file of its own may be on disk although the units in front of it are not.
    if (unit->written() && unit->end() <= max_offset()) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  tail_begin_ = tail_written_ = end_ = room_end_ = low;
  bool fits = whole && low > files_.first_unit();
  if (fits) {
    const auto last = in_file(low - 1);
    if (!last) return last.error();
    fits = last->end() == max_offset() && (last->unit.blank() || last->unit.physical_end() == written_physical_);
  }
  if (!fits) tell_misfit();
  return {};
}

Result<ConsumeQueue::Put> BatchQueue::put(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s.error();
  const int64_t max = max_.load(std::memory_order_relaxed);
  if (queue_offset < max) return Put::already_there;
  const bool first = end_ == tail_begin_ && files_.empty();
  if (queue_offset > max && !(max == 0 && first)) return Put::hole;
  BatchUnit batch{unit, store_timestamp_ms, queue_offset};
  batch.unit.count = std::clamp(unit.count, 1, inner_batch_messages_max);
  // In this order: a reader that sees the unit knows its record to be there.
  const int64_t before = max_physical_.exchange(unit.physical_end(), std::memory_order_acq_rel);
  if (Status s = append(batch); !s) {
    max_physical_.store(before, std::memory_order_release);
    return s.error();
  }
  if (first) set_min(queue_offset, unit.physical_offset);
  return Put::stored;
}

Status BatchQueue::append(const BatchUnit& batch) {
  int64_t one = 1;
  auto at = add_to_tail(one);
  if (!at) return at.error();
  store_batch_unit(*at, batch);
  max_.store(batch.end(), std::memory_order_release);
  return {};
}

Status BatchQueue::fill_hole(int64_t queue_offset) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  max_.store(std::max(max_offset(), queue_offset), std::memory_order_release);
  return {};
}

Status BatchQueue::cut(int64_t physical_limit, bool zero_rest) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  int64_t base = 0;
  if (!files_.empty()) {
    const auto first = in_file(files_.first_unit());
    if (!first) return first.error();
    if (first->written()) base = first->unit.blank() ? first->end() : first->base;
  }
  if (Status s = cut_files(physical_limit, zero_rest); !s) return s;
  if (base == 0 || max_offset() >= base) return {};
  // Nothing is left, but what came in front of it had these offsets.
  BatchUnit floor{blank_unit, 0, base - 1};
  if (Status s = append(floor); !s) return s;
  set_min(base, -1);
  return flush_tail();
}

Status BatchQueue::start_at(int64_t offset) {
  const std::lock_guard lock(mutex_);
  looked_ = true;
  if (Status s = remove_files(); !s) return s;
  if (Status s = settle(0); !s) return s;
  if (Status s = append({blank_unit, 0, offset - 1}); !s) return s;
  set_min(offset, -1);
  return flush_tail();
}

// The number of the first unit that ends behind the offset.
std::optional<int64_t> BatchQueue::number_of(Cursor& cursor, int64_t offset) const {
  auto [low, end] = numbers();
  int64_t high = end;
  while (low < high) {
    const int64_t mid = low + (high - low) / 2;
    const auto unit = cursor.at(mid);
    if (!unit) return std::nullopt;
    if (unit->end() <= offset) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

size_t BatchQueue::read_tail(int64_t from, std::span<BatchUnit> out) const {
  if (tail_.empty() || in_tail(tail_begin_).base > from) return 0;
  int64_t low = tail_begin_;
  int64_t high = end_;
  while (low < high) {
    const int64_t mid = low + (high - low) / 2;
    if (in_tail(mid).end() <= from) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  size_t count = 0;
  for (; low < end_ && count < out.size(); ++low) out[count++] = in_tail(low);
  return count;
}

size_t BatchQueue::read_batches(int64_t from, std::span<BatchUnit> out) const {
  {
    const std::lock_guard lock(mutex_);
    if (from < 0 || from >= max_.load(std::memory_order_relaxed) || out.empty()) return 0;
    if (!look()) return 0;
    if (const size_t count = read_tail(from, out); count > 0) return count;
  }
  Cursor cursor(*this);
  const auto number = number_of(cursor, from);
  if (!number) return 0;
  size_t count = 0;
  for (; count < out.size(); ++count) {
    const int64_t next = *number + static_cast<int64_t>(count);
    if (next >= numbers().second) break;
    const auto unit = cursor.at(next);
    if (!unit) break;
    out[count] = *unit;
  }
  return count;
}

size_t BatchQueue::read(int64_t from, std::span<QueueUnit> out) const {
  std::array<BatchUnit, 64> batches;
  const size_t count = read_batches(from, std::span(batches).first(std::min(out.size(), batches.size())));
  for (size_t i = 0; i < count; ++i) out[i] = batches[i].unit;
  return count;
}

// As Apache: in the last file that begins no later, the first record as young or younger (lower), the last that is not
// younger (upper); the last one of that file when none is younger. -1: no record, or it cannot be read.
int64_t BatchQueue::base_by_time(int64_t timestamp_ms, bool upper) const {
  const auto [first, end] = numbers();
  Cursor cursor(*this);
  const int64_t per_file = files_.units_per_file();
  bool unreadable = false;
  const auto stored_ms = [&](int64_t number) {
    const auto unit = cursor.at(number);
    unreadable = unreadable || !unit;
    return unit ? unit->store_timestamp_ms : 0;
  };
  if (first >= end) return -1;
  int64_t left = std::max(first, (end - 1) / per_file * per_file);
  while (left > first && stored_ms(left) > timestamp_ms) left -= per_file;
  const int64_t right = std::min(left + per_file - left % per_file, end) - 1;
  int64_t low = left;
  int64_t high = right;
  if (timestamp_ms >= stored_ms(right)) {
    low = right;
  } else {
    while (low < high) {
      const int64_t mid = low + (high - low) / 2;
      const bool before = upper ? stored_ms(mid) <= timestamp_ms : stored_ms(mid) < timestamp_ms;
      if (before) {
        low = mid + 1;
      } else {
        high = mid;
      }
    }
    if (upper) low = std::max(left, low - 1);
  }
  const auto unit = cursor.at(low);
  return unit && !unreadable ? unit->base : -1;
}

int64_t BatchQueue::first_offset() const {
  const auto [first, end] = numbers();
  if (first >= end) return max_offset();
  Cursor cursor(*this);
  const auto unit = cursor.at(first);
  return unit ? unit->base : min_hint();
}

Status BatchQueue::drop_files_below(int64_t offset) {
  Cursor cursor(*this);
  const auto number = number_of(cursor, offset);
  if (!number) return {};
  const std::lock_guard lock(mutex_);
  return files_.drop_below(*number);
}

}  // namespace merlin::store
