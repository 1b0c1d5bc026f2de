// Reading: the semantics of Apache's DefaultMessageStore.getMessage and its neighbours.
#include <algorithm>
#include <array>

#include "store/log/log_reader.h"
#include "store/store_impl.h"

namespace merlin::store {

// Units copied out of a queue at a time.
static constexpr size_t units_per_read = 64;

void add_record(LogBytes& out, ByteView record, const std::shared_ptr<const void>& pin) {
  out.bytes += record.size();
  if (!out.slices.empty() && out.slices.back().data() + out.slices.back().size() == record.data() &&
      out.pins.back() == pin) {
    out.slices.back() = {out.slices.back().data(), out.slices.back().size() + record.size()};
    return;
  }
  out.slices.push_back(record);
  if (out.pins.empty() || out.pins.back() != pin) out.pins.push_back(pin);
}

namespace {

// The state of one get(), and the decision about each unit.
class Collector {
 public:
  Collector(const CommitLog& log, const GetLimits& limits, const MessageFilter* filter, GetResult& out)
      : segments_(log.segments()), end_(log.end()), limits_(limits), filter_(filter), out_(out) {}

  int64_t log_end() const { return end_; }

  // Apache's isTheBatchFull.
  bool full(const QueueUnit& unit, bool in_memory) const {
    if (out_.bytes.bytes == 0 || out_.message_count == 0) return false;
    if (out_.message_count + 1 > limits_.count_max) return true;
    const int64_t bytes = static_cast<int64_t>(out_.bytes.bytes) + unit.size;
    if (in_memory) return bytes > limits_.bytes_in_memory_max || out_.message_count >= limits_.count_in_memory_max;
    return bytes > limits_.bytes_on_disk_max || out_.message_count >= limits_.count_on_disk_max;
  }

  void take(const QueueUnit& unit) {
    if (unit.physical_offset < skip_below_) return;
    if (filter_ != nullptr && !filter_->matches_tags_code(unit.tags_code)) return miss(GetStatus::no_matched_message);
    const ByteView record = find(unit);
    if (record.empty()) {
      // Its segment is gone; so is everything up to the next one.
      const int64_t size = segments_.segment_size_bytes();
      skip_below_ = unit.physical_offset + size - unit.physical_offset % size;
      return miss(GetStatus::message_was_removing);
    }
    if (filter_ != nullptr && filter_->needs_record()) {
      const auto view = message::decode_record(record, false);
      if (!view || !filter_->matches_record(*view)) return miss(GetStatus::no_matched_message);
    }
    add_record(out_.bytes, record, pin_);
    ++out_.message_count;
    out_.status = GetStatus::found;
    skip_below_ = INT64_MIN;
  }

 private:
  void miss(GetStatus status) {
    if (out_.bytes.bytes == 0) out_.status = status;
  }

  ByteView find(const QueueUnit& unit) {
    if (unit.physical_offset < 0 || unit.size <= 0 || unit.size > end_ - unit.physical_offset) return {};
    if (segment_ == nullptr || unit.physical_offset < segment_->start() || unit.physical_offset >= segment_->end()) {
      segment_ = segments_.find(unit.physical_offset);
      if (segment_ == nullptr) return {};
      pin_ = segment_->mapping();
    }
    if (unit.physical_offset + unit.size > segment_->end()) return {};
    return {segment_->at(unit.physical_offset), static_cast<size_t>(unit.size)};
  }

  const SegmentList& segments_;
  const int64_t end_;
  const GetLimits& limits_;
  const MessageFilter* const filter_;
  GetResult& out_;
  std::shared_ptr<Segment> segment_;
  std::shared_ptr<const void> pin_;
  int64_t skip_below_ = INT64_MIN;
};

}  // namespace

void MessageStore::Impl::get(const ConsumeQueue& queue, int64_t offset, const GetLimits& limits,
                             const MessageFilter* filter, GetResult& out) {
  out.min_offset = queue.min_offset();
  out.max_offset = queue.max_offset();
  const auto answer = [&](GetStatus status, int64_t next) {
    out.status = status;
    out.next_begin_offset = next;
  };
  if (out.max_offset == 0) return answer(GetStatus::no_message_in_queue, 0);
  if (offset < out.min_offset) return answer(GetStatus::offset_too_small, out.min_offset);
  if (offset == out.max_offset) return answer(GetStatus::offset_overflow_one, offset);
  if (offset > out.max_offset) return answer(GetStatus::offset_overflow_badly, out.max_offset);

  Collector collector(log, limits, filter, out);
  answer(GetStatus::no_matched_message, offset);
  // One call looks at one file of the queue at most, and at this many bytes of units.
  const int64_t file_end = queue.next_file(offset);
  const int64_t unit_bytes_max = std::max<int64_t>(limits.scanned_max, int64_t{limits.count_max} * queue_unit_bytes);
  const int64_t scan_end = offset + (unit_bytes_max + queue_unit_bytes - 1) / queue_unit_bytes;
  const int64_t stop = std::min({file_end, scan_end, out.max_offset});
  int64_t last_physical = 0;
  std::array<QueueUnit, units_per_read> units;
  bool full = false;
  for (int64_t next = offset; next < stop && !full;) {
    const auto wanted = static_cast<size_t>(std::min<int64_t>(stop - next, units_per_read));
    const size_t count = queue.read(next, {units.data(), wanted});
    if (count == 0) {
      if (next == offset) answer(GetStatus::offset_found_null, file_end);
      break;
    }
    for (size_t i = 0; i < count; ++i, ++next) {
      full = collector.full(units[i], hot(units[i].physical_offset, collector.log_end()));
      if (full) break;
      last_physical = units[i].physical_offset;
      out.next_begin_offset = next + 1;
      collector.take(units[i]);
    }
  }
  out.behind_memory = collector.log_end() - last_physical > hot_bytes;
}

int64_t MessageStore::Impl::store_timestamp(const ConsumeQueue& queue, int64_t offset) const {
  QueueUnit unit;
  if (offset < queue.min_offset() || queue.read(offset, {&unit, 1}) == 0) return -1;
  return peek_store_timestamp(log.segments(), unit.physical_offset, unit.size, log.end());
}

int64_t MessageStore::Impl::offset_by_time(const ConsumeQueue& queue, int64_t timestamp_ms, Boundary boundary) const {
  const int64_t min = queue.min_offset();
  const int64_t max = queue.max_offset();
  // The first offset whose record is younger (upper) or at least as young (lower). Units whose record is gone are
  // older.
  int64_t low = min;
  int64_t high = max;
  while (low < high) {
    const int64_t mid = low + (high - low) / 2;
    const int64_t stored_ms = store_timestamp(queue, mid);
    const bool before = boundary == Boundary::lower ? stored_ms < timestamp_ms : stored_ms <= timestamp_ms;
    if (before) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  if (boundary == Boundary::lower) return low;
  return std::max(min, low - 1);  // the last that is not younger
}

Status MessageStore::Impl::record_at(int64_t physical_offset, LogBytes& out) const {
  const int64_t end = log.end();
  const LogSlice slice =
      physical_offset >= 0 && physical_offset < end ? log_slice(log.segments(), physical_offset) : LogSlice{};
  const auto limit = static_cast<size_t>(std::max(end - physical_offset, int64_t{0}));
  const ByteView bytes = slice.bytes.first(std::min(slice.bytes.size(), limit));
  const auto record = bytes.empty() ? Result<message::RecordView>(Error{Errc::not_found, "outside of the log"})
                                    : message::decode_record(bytes, false);
  if (!record || record->physical_offset != physical_offset) {
    return Error{Errc::not_found, "no record starts at physical offset " + std::to_string(physical_offset)};
  }
  add_record(out, bytes.first(static_cast<size_t>(record->total_size)), slice.pin);
  return {};
}

}  // namespace merlin::store
