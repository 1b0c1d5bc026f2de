#include "store/queue/file_queue.h"

#include <algorithm>

#include "merlin/base/log.h"

namespace merlin::store {

// Units that wait in memory: one page's worth.
static constexpr int64_t tail_units_max = 204;

FileQueue::FileQueue(FileSystem& files, const std::string& dir, QueueTopic& topic, int32_t queue_id, int32_t file_bytes)
    : ConsumeQueue(topic, queue_id),
      fs_(files),
      files_(files, dir + "/" + topic.name + "/" + std::to_string(queue_id), file_bytes) {}

Status FileQueue::load() {
  const std::lock_guard lock(mutex_);
  looked_ = true;
  return files_.load();
}

void FileQueue::adopt(const QueueBounds& bounds) {
  const std::lock_guard lock(mutex_);
  looked_ = false;
  tail_begin_ = tail_written_ = bounds.max;
  set_min(bounds.min, bounds.min_physical);
  max_physical_.store(bounds.max_physical, std::memory_order_release);
  max_.store(bounds.max, std::memory_order_release);
}

QueueBounds FileQueue::bounds() const {
  const auto [min, min_physical] = known_min();
  return {min, min_physical, max_offset(), max_physical()};
}

bool FileQueue::is_adopted() const {
  const std::lock_guard lock(mutex_);
  return !looked_;
}

bool FileQueue::in_one_file() const {
  return min_hint() / files_.units_per_file() == std::max(max_offset() - 1, int64_t{0}) / files_.units_per_file();
}

// The first use after adopt(). What does not fit is told, and the next start compares all queues with the log; until
// then each message is checked when it is read.
Status FileQueue::look() const {
  if (looked_) return {};
  // A folder that is gone is an empty one: dispatch goes on, in a file that begins with blanks.
  if (Status s = files_.load(); !s && s.error().code != Errc::not_found) return s;
  looked_ = true;
  const int64_t max = max_offset();
  bool fits = !files_.cut_short() && !files_.empty() && files_.unit_limit() >= max;
  if (Status s = files_.extend_cut_short(); !s) return s;
  if (fits && max_physical() >= 0) {
    const auto map = files_.map(max - 1);
    if (!map) return map.error();
    const QueueUnit last = load_unit((*map)->data() + (max - 1) % files_.units_per_file() * queue_unit_bytes);
    fits = last.physical_end() == max_physical();
  }
  if (!fits) {
    misfit_.store(true, std::memory_order_release);
    log_error("store", "queue {}-{}: its files are not as the last stop left them", topic(), id());
  }
  return {};
}

bool FileQueue::cut_short() const {
  const std::lock_guard lock(mutex_);
  return files_.cut_short();
}

Status FileQueue::extend_cut_short() {
  const std::lock_guard lock(mutex_);
  return files_.extend_cut_short();
}

bool FileQueue::has_files() const {
  const std::lock_guard lock(mutex_);
  return !looked_ || !files_.empty();
}

// REQUIRES: mutex_ held; the tail is empty or written. The units in front of `end` are all there is.
void FileQueue::settle(int64_t end) {
  tail_.clear();
  tail_begin_ = end;
  tail_written_ = end;
  set_min(std::min(files_.first_unit(), end), -1);
  max_.store(end, std::memory_order_release);
  int64_t max_physical = -1;
  if (end > files_.first_unit()) {
    if (const auto map = files_.map(end - 1)) {
      const QueueUnit last = load_unit((*map)->data() + (end - 1) % files_.units_per_file() * queue_unit_bytes);
      if (!last.blank()) max_physical = last.physical_end();
    }
  }
  max_physical_.store(max_physical, std::memory_order_release);
}

Result<int64_t> FileQueue::loaded_max_physical() {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s.error();
  const auto end = files_.written_end(INT64_MAX);
  if (!end) return end.error();
  settle(*end);
  return max_physical();
}

Status FileQueue::cut(int64_t physical_limit, bool zero_rest) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  const auto end = files_.written_end(physical_limit);
  if (!end) return end.error();
  if (Status s = files_.cut(*end, zero_rest); !s) return s;
  if (zero_rest) dirty_.store(true, std::memory_order_release);
  settle(*end);
  return {};
}

Status FileQueue::start_at(int64_t offset) {
  const std::lock_guard lock(mutex_);
  looked_ = true;
  if (Status s = files_.remove_all(); !s) return s;
  settle(0);
  tail_begin_ = tail_written_ = offset - 1;
  max_.store(offset - 1, std::memory_order_release);
  if (Status s = append_unit(blank_unit); !s) return s;
  set_min(offset, -1);
  return flush_tail();
}

Status FileQueue::drop_last() {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  const int64_t end = max_offset() - 1;
  if (Status s = files_.cut(end, true); !s) return s;
  dirty_.store(true, std::memory_order_release);
  settle(end);
  return {};
}

Result<ConsumeQueue::Put> FileQueue::put(int64_t queue_offset, const QueueUnit& unit, int64_t) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s.error();
  const int64_t max = max_.load(std::memory_order_relaxed);
  if (queue_offset < max) return Put::already_there;
  if (queue_offset > max) {
    if (max != 0 || !files_.empty()) return Put::hole;
    // A queue whose first messages are gone starts where the log has it.
    tail_begin_ = tail_written_ = queue_offset;
    max_.store(queue_offset, std::memory_order_release);
  }
  const bool first = tail_.empty() && files_.empty();
  // In this order: a reader that sees the unit knows its record to be there.
  const int64_t before = max_physical_.exchange(unit.physical_end(), std::memory_order_acq_rel);
  if (Status s = append_unit(unit); !s) {
    max_physical_.store(before, std::memory_order_release);
    return s.error();
  }
  if (first) set_min(queue_offset, unit.physical_offset);
  return Put::stored;
}

// REQUIRES: mutex_ held.
Status FileQueue::append_unit(const QueueUnit& unit) {
  const int64_t max = max_.load(std::memory_order_relaxed);
  const bool file_full = max % files_.units_per_file() == 0;
  if (!tail_.empty() && (file_full || max - tail_begin_ >= tail_units_max)) {
    if (Status s = flush_tail(); !s) return s;
    tail_.clear();
    tail_begin_ = max;
  }
  if (tail_.capacity() == 0) tail_.reserve(tail_units_max * queue_unit_bytes);
  const size_t at = tail_.size();
  tail_.resize(at + queue_unit_bytes);
  store_unit(tail_.data() + at, unit);
  max_.store(max + 1, std::memory_order_release);
  if (!dirty_.load(std::memory_order_relaxed)) dirty_.store(true, std::memory_order_release);
  return {};
}

Status FileQueue::flush_tail() {
  const int64_t max = max_.load(std::memory_order_relaxed);
  if (tail_written_ == max) return {};
  const size_t skip = static_cast<size_t>(tail_written_ - tail_begin_) * queue_unit_bytes;
  if (Status s = files_.write(tail_written_, ByteView(tail_).subspan(skip)); !s) return s;
  tail_written_ = max;
  return {};
}

Status FileQueue::fill_hole(int64_t queue_offset) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  // A hole longer than a file is not filled unit by unit: what lies in front of it is given up.
  if (queue_offset - max_offset() > files_.units_per_file()) {
    if (Status s = files_.remove_all(); !s) return s;
    settle(0);
    tail_begin_ = tail_written_ = queue_offset;
    set_min(queue_offset, -1);
    max_.store(queue_offset, std::memory_order_release);
    return {};
  }
  while (max_offset() < queue_offset) {
    if (Status s = append_unit(blank_unit); !s) return s;
  }
  return {};
}

Status FileQueue::reset() {
  const std::lock_guard lock(mutex_);
  looked_ = true;
  ++life_;
  Status status = files_.remove_all();
  dirty_.store(false, std::memory_order_release);
  settle(0);
  return status;
}

size_t FileQueue::read(int64_t from, std::span<QueueUnit> out) const {
  std::shared_ptr<Mapping> map;
  size_t count = 0;
  const int64_t in_file = from % files_.units_per_file();
  {
    const std::lock_guard lock(mutex_);
    const int64_t max = max_.load(std::memory_order_relaxed);
    if (from < 0 || from >= max || out.empty()) return 0;
    if (from >= tail_begin_) {
      count = std::min(out.size(), static_cast<size_t>(max - from));
      const uint8_t* at = tail_.data() + (from - tail_begin_) * queue_unit_bytes;
      for (size_t i = 0; i < count; ++i) out[i] = load_unit(at + i * queue_unit_bytes);
      return count;
    }
    const int64_t file_rest = files_.units_per_file() - in_file;
    count = std::min(out.size(), static_cast<size_t>(std::min(tail_begin_ - from, file_rest)));
    auto mapped = look() ? files_.map(from) : Error{Errc::io, "its files cannot be read"};
    if (!mapped) {
      log_error("store", "queue {}-{}: {}", topic(), id(), mapped.error().message);
      return 0;
    }
    map = std::move(*mapped);
  }
  // Outside the lock: a page that must come from the disk shall not hold up the dispatcher.
  const uint8_t* at = map->data() + in_file * queue_unit_bytes;
  for (size_t i = 0; i < count; ++i) out[i] = load_unit(at + i * queue_unit_bytes);
  return count;
}

int64_t FileQueue::next_file(int64_t offset) const {
  return offset - offset % files_.units_per_file() + files_.units_per_file();
}

int64_t FileQueue::first_offset() const {
  const std::lock_guard lock(mutex_);
  if (!look()) return min_hint();
  return files_.empty() ? tail_begin_ : files_.first_unit();
}

Status FileQueue::write_back() {
  const std::lock_guard lock(mutex_);
  return flush_tail();
}

Status FileQueue::sync_files() {
  std::vector<std::shared_ptr<File>> unsynced;
  bool new_names = false;
  int64_t life = 0;
  {
    const std::lock_guard lock(mutex_);
    life = life_;
    auto taken = files_.take_unsynced();
    if (!taken) return taken.error();
    unsynced = std::move(*taken);
    new_names = files_.take_new_names();
    // Set again by the next put(); a unit that came since the write-back keeps it.
    if (tail_written_ == max_.load(std::memory_order_relaxed)) dirty_.store(false, std::memory_order_release);
  }
  for (const auto& file : unsynced) {
    if (Status s = file->sync_data(); !s) return s;
  }
  if (new_names) {
    std::string dir = files_.dir();
    for (int level = 0; level < 3; ++level) {  // <id>, <topic>, consumequeue
      if (Status s = fs_.sync_dir(dir); !s) {
        // The topic may have been deleted under our hands: then its folder owes nobody anything.
        const std::lock_guard lock(mutex_);
        return life_ == life ? s : Status();
      }
      dir.resize(dir.rfind('/'));
    }
  }
  return {};
}

void FileQueue::close_files() {
  const std::lock_guard lock(mutex_);
  files_.close_all();
  if (tail_written_ == max_.load(std::memory_order_relaxed)) {
    tail_ = {};
    tail_begin_ = tail_written_;
  }
}

void FileQueue::release_idle() {
  const std::lock_guard lock(mutex_);
  files_.release_idle();
  if (tail_written_ == max_.load(std::memory_order_relaxed) && !dirty()) {
    tail_ = {};
    tail_begin_ = tail_written_;
  }
}

Status FileQueue::drop_files_below(int64_t offset) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  return files_.drop_below(offset);
}

}  // namespace merlin::store
