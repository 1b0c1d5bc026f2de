// The end of a FileQueue: units that wait in memory, and their way to the files.

#include <algorithm>
#include <cstring>

#include "merlin/base/log.h"
#include "store/message_store.h"
#include "store/queue/file_queue.h"

namespace merlin::store {

// So many units wait in memory for each other: one page's worth.
static constexpr int64_t tail_units_max = 204;
static constexpr int64_t tail_units_first = 8;

Result<ConsumeQueue::Put> FileQueue::put(int64_t queue_offset, const QueueUnit& unit, int64_t) {
  const std::lock_guard lock(mutex_);
  const int64_t max = max_.load(std::memory_order_relaxed);
  if (queue_offset < max) return Put::already_there;
  if (queue_offset > max) {
    if (max != 0 || !looked_ || !files_.empty()) return Put::hole;
    // A queue whose first messages are gone starts where the log has it.
    begin_at(queue_offset);
  }
  const bool first = looked_ && end_ == tail_begin_ && files_.empty();
  // In this order: a reader that sees the unit knows its record to be there.
  const int64_t before = max_physical_.exchange(unit.physical_end(), std::memory_order_acq_rel);
  if (Status s = append_unit(unit); !s) {
    max_physical_.store(before, std::memory_order_release);
    return s.error();
  }
  if (first) set_min(queue_offset, unit.physical_offset);
  return Put::stored;
}

size_t FileQueue::put_run(std::span<const Arrival> items) {
  const std::lock_guard lock(mutex_);
  const int64_t max = max_.load(std::memory_order_relaxed);
  // The first one of all is put()'s, and so is what follows it nowhere.
  if (is_batch() || max == 0 || end_ != max || (looked_ && end_ == tail_begin_ && files_.empty())) return 0;
  size_t done = 0;
  while (done < items.size() && items[done].queue_offset == end_) {
    int64_t room = std::ssize(items) - static_cast<int64_t>(done);
    const auto in_a_row = [&](int64_t i) { return items[done + static_cast<size_t>(i)].queue_offset == end_ + i; };
    for (int64_t i = 1; i < room; ++i) {
      if (!in_a_row(i)) room = i;
    }
    const auto at = add_to_tail(room);
    if (!at) break;
    uint8_t* to = *at;
    for (int64_t i = 0; i < room; ++i, to += queue_unit_bytes) {
      const Arrival& item = items[done++];
      store_unit(to, QueueUnit{item.physical_offset, item.size, 1, item.tags_code});
    }
  }
  if (done == 0) return 0;
  // In this order: a reader that sees the units knows their records to be there.
  max_physical_.store(items[done - 1].physical_offset + items[done - 1].size, std::memory_order_release);
  max_.store(end_, std::memory_order_release);
  return done;
}

// REQUIRES: mutex_ held.
Status FileQueue::append_unit(const QueueUnit& unit) {
  int64_t one = 1;
  auto at = add_to_tail(one);
  if (!at) return at.error();
  store_unit(*at, unit);
  max_.store(end_, std::memory_order_release);
  return {};
}

Result<uint8_t*> FileQueue::add_to_tail(int64_t& count) {
  if (end_ >= room_end_) {
    if (Status s = make_room(); !s) return s.error();
  }
  count = std::min(count, room_end_ - end_);
  const int64_t at = (end_ - tail_begin_) * unit_bytes_;
  const int64_t needed = at + count * unit_bytes_;
  if (needed > std::ssize(tail_)) {
    // Small at first: there may be a million queues.
    tail_.resize(static_cast<size_t>(std::max({needed, std::ssize(tail_) * 2, tail_units_first * unit_bytes_})));
  }
  end_ += count;
  mark_dirty();
  return tail_.data() + at;
}

// Writes what may be written and gives its memory to the next units. What waits for the log goes on waiting, within
// limits; it is looked at again when a page more has come.
Status FileQueue::make_room() {
  if (Status s = flush_tail(); !s) return s;
  drop_written();
  const int64_t waiting = end_ - tail_begin_;
  if (waiting < tail_units_max) return {};
  if (home_.waiting_units.load(std::memory_order_relaxed) >= FileQueueHome::waiting_units_max) {
    return Error{Errc::no_space, std::to_string(FileQueueHome::waiting_units_max) +
                                     " units wait for the log to be on disk (waiting_units_max)"};
  }
  home_.waiting_units.fetch_add(waiting - waiting_counted_, std::memory_order_relaxed);
  waiting_counted_ = waiting;
  room_end_ = end_ + tail_units_max;
  return {};
}

// REQUIRES: mutex_ held.
void FileQueue::drop_written() {
  const int64_t left = (end_ - tail_written_) * unit_bytes_;
  const int64_t begin = (tail_written_ - tail_begin_) * unit_bytes_;
  if (begin > 0 && left > 0) std::memmove(tail_.data(), tail_.data() + begin, static_cast<size_t>(left));
  tail_begin_ = tail_written_;
  room_end_ = tail_begin_ + tail_units_max;
  if (waiting_counted_ == 0) return;
  home_.waiting_units.fetch_sub(waiting_counted_, std::memory_order_relaxed);
  waiting_counted_ = 0;
}

Status FileQueue::flush_tail() {
  const int64_t limit = home_.limit();
  const auto in_tail = [this](int64_t number) { return tail_.data() + (number - tail_begin_) * unit_bytes_; };
  int64_t end = tail_written_;
  for (; end < end_; ++end) {
    const QueueUnit unit = load_unit(in_tail(end));
    if (!unit.blank() && unit.physical_end() > limit) break;
  }
  if (end == tail_written_) return {};
  if (Status s = look(); !s) return s;
  while (tail_written_ < end) {
    const int64_t file_end = tail_written_ - tail_written_ % files_.units_per_file() + files_.units_per_file();
    const int64_t piece_end = std::min(end, file_end);
    const auto bytes = static_cast<size_t>((piece_end - tail_written_) * unit_bytes_);
    const Status written = files_.write(tail_written_, ByteView(in_tail(tail_written_), bytes));
    count();
    if (!written) return written;
    wrote(in_tail(tail_written_), piece_end);
  }
  return {};
}

// The units from tail_written_ on, `from`, are in files up to number `end`.
void FileQueue::wrote(const uint8_t* from, int64_t end) {
  const int64_t count = end - tail_written_;
  const uint8_t* const last = from + (count - 1) * unit_bytes_;
  for (const uint8_t* at = last; at >= from; at -= unit_bytes_) {
    if (const QueueUnit written = load_unit(at); !written.blank()) {
      written_physical_ = written.physical_end();
      break;
    }
  }
  written_max_ = unit_bytes_ == batch_unit_bytes ? load_batch_unit(last).end() : end;
  tail_written_ = end;
}

Status FileQueue::fill_hole(int64_t queue_offset) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  // A hole longer than a file is not filled unit by unit: what lies in front of it is given up.
  if (queue_offset - max_offset() > files_.units_per_file()) {
    if (Status s = remove_files(); !s) return s;
    if (Status s = settle(0); !s) return s;
    set_min(queue_offset, -1);
    begin_at(queue_offset);
    return {};
  }
  while (max_offset() < queue_offset) {
    if (Status s = append_unit(blank_unit); !s) return s;
  }
  return {};
}

}  // namespace merlin::store
