#include "store/queue/file_queue.h"

#include <algorithm>
#include <cstring>

#include "merlin/base/log.h"
#include "store/message_store.h"

namespace merlin::store {

FileQueue::FileQueue(FileQueueHome& home, const QueueFolder& folder, QueueTopic& topic, int32_t queue_id)
    : ConsumeQueue(topic, queue_id),
      home_(home),
      files_(home.files, folder.dir + "/" + topic.name + "/" + std::to_string(queue_id), folder.file_bytes,
             folder.unit_bytes),
      unit_bytes_(folder.unit_bytes) {
  if (home.leftovers.load(std::memory_order_acquire)) files_.expect_leftovers();
}

Status FileQueue::load() {
  const std::lock_guard lock(mutex_);
  return load_files();
}

Status FileQueue::load_files() const {
  looked_ = true;
  const Status status = files_.load();
  count();
  return status;
}

// REQUIRES: mutex_ held.
void FileQueue::count() const {
  const bool now = !looked_ || !files_.empty();
  if (now == counted_) return;
  counted_ = now;
  home_.queues_with_files.fetch_add(now ? 1 : -1, std::memory_order_relaxed);
}

// REQUIRES: mutex_ held.
void FileQueue::list() const {
  if (listed_) return;
  listed_ = true;
  const std::lock_guard lock(home_.mutex);
  home_.active.push_back(const_cast<FileQueue*>(this));
}

// REQUIRES: mutex_ held.
void FileQueue::mark_dirty() {
  if (!dirty_.load(std::memory_order_relaxed)) dirty_.store(true, std::memory_order_release);
  list();
}

void FileQueue::adopt(const Synced& synced) {
  const std::lock_guard lock(mutex_);
  const QueueBounds& bounds = synced.bounds;
  looked_ = false;
  first_ = synced.first;
  tail_begin_ = tail_written_ = end_ = room_end_ = bounds.max;
  written_max_ = bounds.max;
  written_physical_ = bounds.max_physical;
  synced_ = {life_, bounds.max, bounds.max_physical};
  set_min(bounds.min, bounds.min_physical);
  max_physical_.store(bounds.max_physical, std::memory_order_release);
  max_.store(bounds.max, std::memory_order_release);
  count();
}

std::optional<FileQueue::Synced> FileQueue::synced() const {
  const auto [min, min_physical] = known_min();
  const std::lock_guard lock(mutex_);
  if ((looked_ && files_.empty()) || synced_.life != life_ || synced_.max == 0) return std::nullopt;
  const int64_t first = looked_ ? files_.first_unit() : first_;
  // The minimum may be newer than the last sync.
  const bool ahead = min > synced_.max;
  return Synced{first, {ahead ? synced_.max : min, ahead ? -1 : min_physical, synced_.max, synced_.max_physical}};
}

bool FileQueue::is_adopted() const {
  const std::lock_guard lock(mutex_);
  return !looked_;
}

bool FileQueue::in_one_file() const {
  const int64_t first = [this] {
    const std::lock_guard lock(mutex_);
    return looked_ ? files_.first_unit() : first_;
  }();
  return first / files_.units_per_file() == std::max(max_offset() - 1, int64_t{0}) / files_.units_per_file();
}

// REQUIRES: mutex_ held. After an error the next use looks again.
Status FileQueue::look() const {
  if (looked_) return {};
  const Status status = look_first();
  looked_ = status.ok();
  count();
  return status;
}

// REQUIRES: mutex_ held. What does not fit is told, and the next start
// compares all queues with the log; until then each message is checked when it is read.
Status FileQueue::look_first() const {
  const auto adopted = files_.adopt(first_, tail_written_);
  if (!adopted) return adopted.error();
  list();
  bool fits = *adopted;
  if (!fits) {
    // A folder that is gone is an empty one: dispatch goes on, in a file that begins with blanks.
    if (Status s = load_files(); !s && s.error().code != Errc::not_found) return s;
    // Retention may have taken the first ones since.
    fits =
        !files_.cut_short() && !files_.empty() && files_.first_unit() >= first_ && files_.unit_limit() >= tail_written_;
    if (Status s = files_.extend_cut_short(); !s) return s;
  }
  if (fits) {
    const auto last_fits = last_unit_fits();
    if (!last_fits) return last_fits.error();
    fits = *last_fits;
  }
  if (!fits) tell_misfit();
  return {};
}

void FileQueue::tell_misfit() const {
  home_.misfit.store(true, std::memory_order_release);
  log_error("store", "queue {}-{}: its files are not as they were left", topic(), id());
}

Result<bool> FileQueue::last_unit_fits() const {
  if (tail_written_ <= files_.first_unit()) return true;
  const auto last = files_.unit_at(tail_written_ - 1);
  if (!last) return last.error();
  return last->blank() || last->physical_end() == written_physical_;
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
Status FileQueue::settle(int64_t end) {
  int64_t max_physical = -1;
  if (end > files_.first_unit()) {
    const auto last = files_.unit_at(end - 1);
    // A queue that did not know where its last unit points would be taken for the one of a deleted topic.
    if (!last) return last.error();
    if (!last->blank()) max_physical = last->physical_end();
  }
  set_min(std::min(files_.first_unit(), end), -1);
  settle_at(end, end, max_physical);
  return {};
}

void FileQueue::settle_at(int64_t end, int64_t max, int64_t max_physical) {
  tail_begin_ = tail_written_ = end_ = end;
  drop_written();
  max_.store(max, std::memory_order_release);
  max_physical_.store(max_physical, std::memory_order_release);
  written_max_ = max;
  written_physical_ = max_physical;
  synced_ = {life_, max, max_physical};
  count();
}

Result<int64_t> FileQueue::loaded_max_physical() {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s.error();
  const auto end = files_.written_end(INT64_MAX);
  if (!end) return end.error();
  if (Status s = settle(*end); !s) return s.error();
  return max_physical();
}

Status FileQueue::cut(int64_t physical_limit, bool zero_rest) {
  const std::lock_guard lock(mutex_);
  return cut_files(physical_limit, zero_rest);
}

Status FileQueue::cut_files(int64_t physical_limit, bool zero_rest) {
  if (Status s = look(); !s) return s;
  const auto end = files_.written_end(physical_limit);
  if (!end) return end.error();
  if (Status s = files_.cut(*end, zero_rest); !s) return s;
  if (zero_rest) mark_dirty();
  return settle(*end);
}

void FileQueue::begin_at(int64_t offset) {
  tail_begin_ = tail_written_ = end_ = room_end_ = written_max_ = offset;
  max_.store(offset, std::memory_order_release);
}

Status FileQueue::start_at(int64_t offset) {
  const std::lock_guard lock(mutex_);
  looked_ = true;
  if (Status s = remove_files(); !s) return s;
  if (Status s = settle(0); !s) return s;
  begin_at(offset - 1);
  if (Status s = append_unit(blank_unit); !s) return s;
  set_min(offset, -1);
  return flush_tail();
}

Status FileQueue::drop_last() {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  const int64_t end = end_ - 1;
  if (Status s = files_.cut(end, true); !s) return s;
  mark_dirty();
  return settle(end);
}

// REQUIRES: mutex_ held. A new life begins: what was synced is no more.
Status FileQueue::remove_files() {
  ++life_;
  const Status status = files_.remove_all();
  count();
  return status;
}

Status FileQueue::reset() {
  const std::lock_guard lock(mutex_);
  looked_ = true;
  const Status status = remove_files();
  dirty_.store(false, std::memory_order_release);
  if (Status s = settle(0); !s) return s;
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
    list();
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

// REQUIRES of the caller: what is written now is synced before after_sync().
FileQueue::Capture FileQueue::before_sync() {
  const std::lock_guard lock(mutex_);
  files_.forget_unsynced();
  if (tail_written_ == end_) dirty_.store(false, std::memory_order_release);
  return capture();
}

// REQUIRES: mutex_ held. Without a file nothing is on disk, wherever the queue begins.
FileQueue::Capture FileQueue::capture() const {
  return {life_, files_.empty() && looked_ ? 0 : written_max_, written_physical_};
}

void FileQueue::after_sync(const Capture& written) {
  const std::lock_guard lock(mutex_);
  if (written.life == life_) synced_ = written;
}

Status FileQueue::sync_files() {
  std::vector<std::shared_ptr<File>> unsynced;
  bool new_names = false;
  Capture written;
  {
    const std::lock_guard lock(mutex_);
    written = capture();
    auto taken = files_.take_unsynced();
    if (!taken) return taken.error();
    unsynced = std::move(*taken);
    new_names = files_.take_new_names();
    // Set again by the next put(); a unit that came since the write-back keeps it.
    if (tail_written_ == end_) dirty_.store(false, std::memory_order_release);
  }
  for (const auto& file : unsynced) {
    if (Status s = file->sync_data(); !s) return s;
  }
  if (new_names) {
    std::string dir = files_.dir();
    // <id>, <topic>, consumequeue; and the root, where batchconsumequeue comes with its first queue.
    const int levels = unit_bytes_ == batch_unit_bytes ? 4 : 3;
    for (int level = 0; level < levels; ++level) {
      if (Status s = home_.files.sync_dir(dir); !s) {
        // The topic may have been deleted under our hands: then its folder owes nobody anything.
        const std::lock_guard lock(mutex_);
        return life_ == written.life ? s : Status();
      }
      dir.resize(dir.rfind('/'));
    }
  }
  after_sync(written);
  return {};
}

void FileQueue::close_files() {
  const std::lock_guard lock(mutex_);
  files_.close_all();
  if (tail_written_ != end_) return;
  drop_written();
  tail_ = {};
}

bool FileQueue::stay_active() {
  const std::lock_guard lock(mutex_);
  files_.release_idle();
  if (dirty()) return true;
  if (tail_written_ == end_) {
    drop_written();
    tail_ = {};
  }
  listed_ = files_.in_use();
  return listed_;
}

Status FileQueue::drop_files_below(int64_t offset) {
  const std::lock_guard lock(mutex_);
  if (Status s = look(); !s) return s;
  return files_.drop_below(offset);
}

}  // namespace merlin::store
