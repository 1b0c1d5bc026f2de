#include "store/log/commit_log.h"

#include <array>
#include <cassert>
#include <cstring>

#include "merlin/base/log.h"

namespace merlin::store {

struct CommitLog::Run {
  Segment* segment = nullptr;
  int64_t offset = 0;  // where in the log its first byte goes
  const uint8_t* bytes = nullptr;
  size_t size = 0;
};

CommitLog::CommitLog(CommitLogOptions options, FileSystem& files, const Clock& clock, LaneHooks& hooks)
    : options_(std::move(options)),
      clock_(clock),
      hooks_(hooks),
      segments_(files, options_.dir, options_.segment_size_bytes) {}

void CommitLog::set_end(int64_t end, int64_t last_store_timestamp_ms) {
  const std::lock_guard lock(lane_);
  end_.store(end, std::memory_order_release);
  last_timestamp_.store(last_store_timestamp_ms, std::memory_order_release);
  current_ = segments_.find(end);
}

void CommitLog::close() {
  closed_.store(true, std::memory_order_release);
  const std::lock_guard lock(lane_);
}

// One past the last item of the group that starts at `first`: items joined to it must share its segment.
static size_t group_end(std::span<const AppendItem> items, size_t first) {
  size_t end = first + 1;
  while (end < items.size() && items[end].joined_to_previous) ++end;
  return end;
}

// Recovery takes a stretch of zeros in topic or properties for a sector that a power cut lost. No client writes any,
// and nobody shall cut the log with them.
static bool texts_fit(const message::RecordSpec& spec) {
  const auto has_zero = [](std::string_view text) { return text.find('\0') != std::string_view::npos; };
  return spec.topic.size() <= message::topic_length_max &&
         spec.properties.size() + spec.properties_tail.size() < message::properties_length_max &&
         !has_zero(spec.topic) && !has_zero(spec.properties) && !has_zero(spec.properties_tail);
}

// What the record may grow by in the lane: its late properties, and a separator in front of them.
static size_t late_room(const AppendItem& item) {
  return item.late_bytes_max == 0 ? 0 : static_cast<size_t>(item.late_bytes_max) + 1;
}

void CommitLog::encode(std::span<AppendItem> items, Buffer& scratch) const {
  scratch.clear();
  const int64_t segment_room = options_.segment_size_bytes - static_cast<int64_t>(message::blank_bytes);
  for (size_t first = 0; first < items.size();) {
    const size_t end = group_end(items, first);
    int64_t bytes = 0;
    bool fits = true;
    for (size_t i = first; i < end; ++i) {
      const message::RecordSpec& spec = items[i].spec;
      const size_t size = message::record_size(spec);
      bytes += static_cast<int64_t>(size);
      fits =
          fits && static_cast<int64_t>(size) <= options_.record_bytes_max && bytes <= segment_room && texts_fit(spec);
      items[i].size = static_cast<int32_t>(size);
    }
    for (size_t i = first; i < end; ++i) {
      items[i].code = fits ? AppendCode::ok : AppendCode::record_too_large;
      if (!fits) continue;
      const size_t room = static_cast<size_t>(items[i].size) + late_room(items[i]);
      message::encode_record(items[i].spec, scratch.prepare(room));
      scratch.commit(room);
    }
    first = end;
  }
}

int64_t CommitLog::append(std::span<AppendItem> items, Buffer& scratch) {
  encode(items, scratch);
  const std::lock_guard lock(lane_);
  if (closed()) {
    for (AppendItem& item : items) item.code = AppendCode::closed;
    return end();
  }
  if (scratch.empty()) return end();
  if (disk_full()) {
    // Whoever watches the disk says when to try again: a failing append costs a sync of the cleaned tail.
    for (AppendItem& item : items) {
      if (item.code == AppendCode::ok) item.code = AppendCode::no_space;
    }
    return end();
  }
  size_t placed = 0;
  Status status = tail_dirty_ ? clean_tail() : Status();
  if (status) status = place(items, scratch, placed);
  if (status) {
    if (!refusal_said_.empty()) refusal_said_.clear();
  } else {
    undo(items, placed, status.error());
  }
  return end();
}

// Store times do not step back with the clock: readers search by them, and the checkpoint's rule compares them. A large
// step is a correction and is followed.
int64_t CommitLog::store_time_ms() const {
  const int64_t now_ms = clock_.wall_ms();
  const int64_t last_ms = last_timestamp_.load(std::memory_order_relaxed);
  return now_ms < last_ms && last_ms - now_ms <= step_back_ms_max ? last_ms : now_ms;
}

// The width of what is added is known only here, so the limits are looked at again.
bool CommitLog::add_late_properties(AppendItem& item, uint8_t* record) {
  std::array<char, late_bytes_limit> text;
  assert(item.late_bytes_max <= late_bytes_limit);
  const size_t size = hooks_.late_properties(item, std::span(text).first(static_cast<size_t>(item.late_bytes_max)));
  if (size > static_cast<size_t>(item.late_bytes_max)) return false;
  const int32_t extended = message::extend_properties(item.spec, record, {text.data(), size});
  const auto segment_room = options_.segment_size_bytes - static_cast<int64_t>(message::blank_bytes);
  if (extended == 0 || extended > options_.record_bytes_max || extended > segment_room) return false;
  item.size = extended;
  return true;
}

// Stamps all records and writes them; `placed` counts the items that were looked at, for undo().
Status CommitLog::place(std::span<AppendItem> items, const Buffer& scratch, size_t& placed) {
  const int64_t now_ms = store_time_ms();
  // The scratch belongs to the caller, who lent it for writing; stamping is the last touch.
  auto* bytes = const_cast<uint8_t*>(scratch.data());
  uint8_t* to = bytes;  // records move up behind one that did not need all of its room
  int64_t end = end_.load(std::memory_order_relaxed);
  Run run;
  while (placed < items.size()) {
    const size_t group = group_end(items, placed);
    if (items[placed].code != AppendCode::ok) {
      placed = group;
      continue;
    }
    const bool has_late = items[placed].late_bytes_max > 0;
    uint8_t* const behind_room = bytes + items[placed].size + late_room(items[placed]);
    if (has_late && !add_late_properties(items[placed], bytes)) {
      items[placed++].code = AppendCode::record_too_large;
      bytes = behind_room;
      continue;
    }
    int64_t group_bytes = 0;
    for (size_t i = placed; i < group; ++i) group_bytes += items[i].size;
    if (current_ == nullptr || end + group_bytes + static_cast<int64_t>(message::blank_bytes) > current_->end()) {
      if (Status s = write_run(run); !s) return s;
      if (Status s = roll(end); !s) return s;
    }
    if (run.size == 0) run = Run{current_.get(), end, to, 0};
    for (; placed < group; ++placed) {
      AppendItem& item = items[placed];
      item.physical_offset = end;
      item.queue_offset = item.queue == nullptr ? 0 : hooks_.take_queue_offset(item);
      item.store_timestamp_ms = now_ms;
      message::stamp_record(bytes, item.queue_offset, end, now_ms);
      if (bytes != to) std::memmove(to, bytes, static_cast<size_t>(item.size));
      bytes += item.size;
      to += item.size;
      run.size += static_cast<size_t>(item.size);
      end += item.size;
    }
    if (has_late) bytes = behind_room;
  }
  if (Status s = write_run(run); !s) return s;
  hooks_.placed(items);
  last_timestamp_.store(now_ms, std::memory_order_release);
  end_.store(end, std::memory_order_release);
  return {};
}

Status CommitLog::write_run(Run& run) {
  if (run.size == 0) return {};
  const Status status = run.segment->write({run.bytes, run.size}, run.offset);
  run = Run{};
  return status;
}

// Fills the rest of the current segment with the blank mark and goes to the next one.
Status CommitLog::roll(int64_t& end) {
  if (current_ != nullptr) {
    uint8_t blank[message::blank_bytes];
    store_be<int32_t>(blank, static_cast<int32_t>(current_->end() - end));
    store_be<int32_t>(blank + 4, message::magic_blank);
    if (Status s = current_->write(blank, end); !s) return s;
    end = current_->end();
  }
  auto next = segments_.next_after(end - end % options_.segment_size_bytes);
  if (!next) return next.error();
  current_ = std::move(*next);
  if (on_roll_) on_roll_(current_->end());
  return {};
}

void CommitLog::undo(std::span<AppendItem> items, size_t placed, const Error& error) {
  AppendCode code = AppendCode::io_error;
  if (error.code == Errc::no_space) {
    code = AppendCode::no_space;
    if (!disk_full_.exchange(true)) log_error("store", "commit log append: {}", error.message);
  } else {
    say_once(error.message);
  }
  for (size_t i = placed; i-- > 0;) {
    if (items[i].code == AppendCode::ok && items[i].queue != nullptr) hooks_.give_back_queue_offset(items[i]);
  }
  for (AppendItem& item : items) {
    if (item.code == AppendCode::ok) item.code = code;
  }
  tail_dirty_ = true;
  if (Status s = clean_tail(); !s) say_once("cannot clear the tail: " + s.error().message);
}

// A broken disk refuses every send, and a line for each would fill what is left of it.
void CommitLog::say_once(const std::string& why) {
  if (refusal_said_ == why) return;
  refusal_said_ = why;
  log_error("store", "commit log append: {}", why);
}

// Bytes of a failed burst could pass for records after a crash, so they go before the next append.
Status CommitLog::clean_tail() {
  const int64_t end = end_.load(std::memory_order_relaxed);
  current_ = segments_.find(end);
  // The last first: a power cut may leave a segment short in the midst, and then those behind it must hold nothing.
  const auto dirty = segments_.covering(end, INT64_MAX);
  for (auto segment = dirty.rbegin(); segment != dirty.rend(); ++segment) {
    if (Status s = (*segment)->zero_from(std::max(end, (*segment)->start())); !s) return s;
  }
  tail_dirty_ = false;
  return {};
}

}  // namespace merlin::store
