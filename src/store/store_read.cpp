// Reading: the semantics of Apache's DefaultMessageStore.getMessage and its neighbours.
#include <algorithm>
#include <array>

#include "merlin/message/names.h"
#include "store/dispatch/light_places.h"
#include "store/log/log_reader.h"
#include "store/log/resync.h"
#include "store/store_impl.h"

namespace merlin::store {

// Units copied out of a queue at a time.
static constexpr size_t units_per_read = 64;
static constexpr size_t record_read_bytes = 16 * 1024;

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

// The state of one get(), and the decision about each unit.
class MessageStore::Impl::Collector {
 public:
  Collector(Impl& store, const ConsumeQueue& queue, const GetLimits& limits, const MessageFilter* filter,
            GetResult& out, ReadMode mode)
      : store_(store),
        end_(store.log.end()),
        mapped_from_(end_ - store.options.mapped_tail_bytes),
        hot_from_(end_ - store.hot_bytes),
        mode_(mode),
        queue_(queue),
        is_light_(message::is_lmq(queue.topic())),
        queue_id_(queue.id()),
        limits_(limits),
        filter_(filter),
        looks_into_records_(is_light_ || (filter != nullptr && filter->needs_record())),
        out_(out) {}

  int64_t log_end() const { return end_; }

  // Apache's isTheBatchFull.
  bool full(const QueueUnit& unit, bool in_memory) const {
    if (out_.bytes.bytes == 0 || out_.message_count == 0) return false;
    if (out_.message_count + unit.count > limits_.count_max) return true;
    const int64_t bytes = static_cast<int64_t>(out_.bytes.bytes) + unit.size;
    if (in_memory) return bytes > limits_.bytes_in_memory_max || out_.message_count >= limits_.count_in_memory_max;
    return bytes > limits_.bytes_on_disk_max || out_.message_count >= limits_.count_on_disk_max;
  }

  // The usual case, told quickly: takes the first of `units` as long as their records stand in the mapping at hand,
  // where memory has them, are what the units say, and there is room for them. Returns how many it took; full() and
  // take() are to look at the next one.
  size_t take_run(std::span<const QueueUnit> units, int64_t queue_offset) {
    if (plain_end_ == 0 || looks_into_records_) return 0;
    const int64_t begin = std::max(plain_begin_, hot_from_);
    const auto places =
        static_cast<size_t>(std::max(0, std::min(limits_.count_max, limits_.count_in_memory_max) - out_.message_count));
    const uint8_t* segment = mapping_->data();
    const int64_t start = segment_->start();
    ByteView last = out_.bytes.slices.back();
    auto bytes = static_cast<int64_t>(out_.bytes.bytes);
    size_t taken = 0;
    for (; taken < std::min(units.size(), places); ++taken) {
      const QueueUnit& unit = units[taken];
      const int64_t end = unit.physical_offset + unit.size;
      if (unit.physical_offset < begin || end > plain_end_ || unit.size < int32_t{record_head_bytes}) break;
      if (bytes + unit.size > limits_.bytes_in_memory_max || unit.count != 1) break;
      if (filter_ != nullptr && !filter_->matches_tags_code(unit.tags_code)) break;
      const uint8_t* at = segment + (unit.physical_offset - start);
      if (head_misfit(at, unit, queue_offset + static_cast<int64_t>(taken)) != nullptr) break;
      const auto size = static_cast<size_t>(unit.size);
      if (last.data() + last.size() != at) {
        out_.bytes.slices.back() = last;
        last = out_.bytes.slices.emplace_back(at, size_t{0});
      }
      last = {last.data(), last.size() + size};
      bytes += unit.size;
    }
    out_.bytes.slices.back() = last;
    out_.bytes.bytes = static_cast<size_t>(bytes);
    out_.message_count += static_cast<int32_t>(taken);
    return taken;
  }

  // False: the answer ends in front of the first of `units`. The others may be read along with it.
  bool take(std::span<const QueueUnit> units, int64_t queue_offset) {
    const QueueUnit& unit = units.front();
    // A filler stands where the log had no record: it says nothing about the ones behind it.
    if (unit.blank()) return miss(GetStatus::message_was_removing);
    if (unit.physical_offset < skip_below_) return true;
    if (unit.damaged()) return damaged(unit, queue_offset, "its record is lost");
    if (filter_ != nullptr && !filter_->matches_tags_code(unit.tags_code)) return miss(GetStatus::no_matched_message);
    plain_end_ = 0;
    if (!find_segment(unit)) {
      // Its segment is gone; so is everything up to the next one.
      const int64_t size = store_.options.segment_size_bytes;
      skip_below_ = unit.physical_offset + size - unit.physical_offset % size;
      return miss(GetStatus::message_was_removing);
    }
    if (unit.physical_offset + unit.size > segment_->end()) {
      return damaged(unit, queue_offset, "it would end behind its segment");
    }
    const auto record = unit.physical_offset >= mapped_from_ || in_page_cache(units) ? map(unit) : copy(units);
    if (!record) return unreadable(queue_offset, record.error());
    if (record->empty()) {  // not in memory
      out_.cold = out_.message_count == 0;
      return false;
    }
    if (const char* why = misfit(*record, unit, queue_offset)) return damaged(unit, queue_offset, why);
    if (from_disk_) {
      // Nobody may have looked at these bytes for long; the CRC costs little beside the disk.
      if (const auto whole = message::decode_record(*record, true); !whole) {
        return damaged(unit, queue_offset, whole.error().message);
      }
    }
    if (filter_ != nullptr && filter_->needs_record()) {
      const auto view = message::decode_record(*record, false);
      if (!view || !filter_->matches_record(*view)) return miss(GetStatus::no_matched_message);
    }
    add_record(out_.bytes, *record, pin_);
    out_.message_count += unit.count;
    out_.status = GetStatus::found;
    skip_below_ = INT64_MIN;
    if (pin_ == mapping_ && mapped_ == segment_) {
      set_plain(unit);
      if (filter_ == nullptr) fetch_heads(units.subspan(1));
    }
    return true;
  }

 private:
  // From here on take_run() may answer: what was just taken stands in the mapping, as the last slice.
  void set_plain(const QueueUnit& unit) {
    const bool is_tail = unit.physical_offset >= mapped_from_;
    plain_begin_ = is_tail ? std::max(mapped_from_, segment_->start()) : cached_begin_;
    plain_end_ = is_tail ? std::min(end_, segment_->end()) : cached_end_;
  }

  // The heads of records are far apart in memory: fetched all at once they are waited for once. Does nothing where
  // take_run() would not look.
  void fetch_heads(std::span<const QueueUnit> units) const {
    for (const QueueUnit& unit : units) {
      if (unit.physical_offset < plain_begin_ || unit.physical_offset + unit.size > plain_end_) return;
      const uint8_t* at = mapping_->data() + (unit.physical_offset - segment_->start());
      __builtin_prefetch(at);
      __builtin_prefetch(at + record_head_bytes - 1);
    }
  }

  bool miss(GetStatus status) {
    if (out_.bytes.bytes == 0) out_.status = status;
    return true;
  }

  bool find_segment(const QueueUnit& unit) {
    if (unit.physical_offset < 0 || unit.size <= 0 || unit.size > end_ - unit.physical_offset) return false;
    if (segment_ != nullptr && segment_->start() <= unit.physical_offset && unit.physical_offset < segment_->end()) {
      return true;
    }
    segment_ = store_.log.segments().find(unit.physical_offset);
    return segment_ != nullptr;
  }

  Result<ByteView> map(const QueueUnit& unit) {
    from_disk_ = false;
    if (mapped_ != segment_) {
      auto mapping = segment_->mapping();
      if (!mapping) return mapping.error();
      mapping_ = std::move(*mapping);
      mapped_ = segment_;
    }
    pin_ = mapping_;
    return ByteView(mapping_->data() + (unit.physical_offset - segment_->start()), static_cast<size_t>(unit.size));
  }

  // Whether old bytes are in memory all the same: asked for the records that stand close together at once. What was
  // there a moment ago is read through the mapping; should it be gone again, the kernel brings it back.
  bool in_page_cache(std::span<const QueueUnit> units) {
    const QueueUnit& unit = units.front();
    if (unit.physical_offset >= cached_begin_ && unit.physical_end() <= cached_end_) return true;
    if (copied(unit)) return false;
    const int64_t end = span_end(units, mapped_gap_max, mapped_bytes_max);
    auto mapping = segment_->mapping();
    if (!mapping || !(*mapping)->in_memory(static_cast<size_t>(unit.physical_offset - segment_->start()),
                                           static_cast<size_t>(end - unit.physical_offset))) {
      return false;
    }
    cached_begin_ = unit.physical_offset;
    cached_end_ = end;
    return true;
  }

  bool copied(const QueueUnit& unit) const {
    return copy_ != nullptr && unit.physical_offset >= copy_begin_ &&
           unit.physical_end() <= copy_begin_ + static_cast<int64_t>(copy_->size());
  }

  // Old bytes are copied, the records that stand close together at once. Empty: the disk would have to be waited for.
  Result<ByteView> copy(std::span<const QueueUnit> units) {
    const QueueUnit& unit = units.front();
    if (!copied(unit)) {
      const int64_t end = span_end(units, copied_gap_max, copied_bytes_max);
      auto bytes = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(end - unit.physical_offset));
      const auto got = segment_->read_now(*bytes, unit.physical_offset);
      if (!got) return got.error();
      from_disk_ = *got < bytes->size();
      if (from_disk_ && mode_ == ReadMode::no_wait) return ByteView();
      if (from_disk_) {
        if (Status s = segment_->read(*bytes, unit.physical_offset); !s) return s.error();
        // They are on their way; what is read by newer readers shall not make room for them.
        segment_->forget(unit.physical_offset, end - unit.physical_offset);
      }
      copy_ = std::move(bytes);
      copy_begin_ = unit.physical_offset;
    }
    pin_ = copy_;
    return ByteView(*copy_).subspan(static_cast<size_t>(unit.physical_offset - copy_begin_),
                                    static_cast<size_t>(unit.size));
  }

  // Where the run of records ends that is worth reading at once.
  int64_t span_end(std::span<const QueueUnit> units, int64_t gap_max, int64_t bytes_max) const {
    int64_t end = units.front().physical_end();
    const int64_t limit = std::min({units.front().physical_offset + bytes_max, segment_->end(), mapped_from_});
    for (const QueueUnit& next : units.subspan(1)) {
      // The size of a damaged one is beyond any limit.
      const int64_t next_end = next.physical_offset + next.size;
      if (next.physical_offset < end || next.physical_offset - end > gap_max || next_end > limit) break;
      if (next.size <= 0) break;
      end = next_end;
    }
    return end;
  }

  // What does not fit at fixed places of the record; nullptr: nothing. A unit may be stale, a sector lost.
  const char* misfit(ByteView record, const QueueUnit& unit, int64_t queue_offset) const {
    if (record.size() < record_head_bytes) return "the record is too short";
    if (!is_light_) return head_misfit(record.data(), unit, queue_offset);
    if (const char* why = place_misfit(record.data(), unit)) return why;
    // Such records carry the place in another queue, and those in this kind in their properties.
    const auto view = message::decode_record(record, false);
    if (!view) return "the record's parts do not add up to its size";
    return stands_in(*view, queue_.topic(), queue_.id(), queue_offset) ? nullptr : "the record is no message of it";
  }

  static const char* place_misfit(const uint8_t* record, const QueueUnit& unit) {
    const auto magic = load_be<int32_t>(record + 4);
    if (magic != message::magic_v1 && magic != message::magic_v2) return "the record's magic does not fit";
    if (load_be<int32_t>(record) != unit.size) return "the record's size does not fit";
    if (load_be<int64_t>(record + message::physical_offset_at) != unit.physical_offset) {
      return "the record says it stands elsewhere";
    }
    return nullptr;
  }

  const char* head_misfit(const uint8_t* record, const QueueUnit& unit, int64_t queue_offset) const {
    if (const char* why = place_misfit(record, unit)) return why;
    if (load_be<int32_t>(record + queue_id_at) != queue_id_) return "the record is of another queue";
    if (load_be<int64_t>(record + message::queue_offset_at) != queue_offset) {
      return "the record has another queue offset";
    }
    return nullptr;
  }

  // The system refuses: nothing is said about what is on the disk.
  bool unreadable(int64_t queue_offset, const Error& error) {
    if (out_.message_count > 0) return false;
    out_.status = GetStatus::damaged;
    out_.read_failed = true;
    out_.error = "queue offset " + std::to_string(queue_offset) + " cannot be read: " + error.message;
    return false;
  }

  // A pull that begins with such a message is told so; one that has others ends in front of it.
  bool damaged(const QueueUnit& unit, int64_t queue_offset, const std::string& why) {
    if (out_.message_count > 0) return false;
    const auto range = store_.damage_at(unit, why);
    out_.status = GetStatus::damaged;
    out_.error = "queue offset " + std::to_string(queue_offset) + " cannot be read: " + text(range) +
                 "; reset the consumer's offset to go on behind it";
    return false;
  }

  static constexpr int64_t copied_gap_max = 4096;
  static constexpr int64_t copied_bytes_max = 256 * 1024;
  static constexpr int64_t mapped_gap_max = 32 * 1024;
  static constexpr int64_t mapped_bytes_max = 1024 * 1024;
  static constexpr size_t queue_id_at = 12;
  static constexpr size_t record_head_bytes = message::physical_offset_at + 8;

  Impl& store_;
  const int64_t end_;
  const int64_t mapped_from_;
  const int64_t hot_from_;
  const ReadMode mode_;
  const ConsumeQueue& queue_;
  const bool is_light_;
  const int32_t queue_id_;
  const GetLimits& limits_;
  const MessageFilter* const filter_;
  const bool looks_into_records_;
  GetResult& out_;
  std::shared_ptr<Segment> segment_;
  std::shared_ptr<const void> pin_;  // of the record at hand
  std::shared_ptr<Segment> mapped_;
  std::shared_ptr<Mapping> mapping_;
  std::shared_ptr<std::vector<uint8_t>> copy_;
  int64_t copy_begin_ = 0;
  int64_t cached_begin_ = 0;  // these bytes of the log were in memory when the call asked
  int64_t cached_end_ = 0;
  int64_t plain_begin_ = 0;  // in these take_run() answers; empty at first
  int64_t plain_end_ = 0;
  bool from_disk_ = false;  // the record at hand was waited for
  int64_t skip_below_ = INT64_MIN;
};

void MessageStore::Impl::get(const ConsumeQueue& queue, int64_t offset, const GetLimits& limits,
                             const MessageFilter* filter, GetResult& out, ReadMode mode) {
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

  Collector collector(*this, queue, limits, filter, out, mode);
  answer(GetStatus::no_matched_message, offset);
  if (queue.is_batch()) return get_batches(queue, offset, limits, collector, out);
  // One call looks at one file of the queue at most, and at this many bytes of units.
  const int64_t unit_bytes_max = std::max<int64_t>(limits.scanned_max, int64_t{limits.count_max} * queue_unit_bytes);
  const int64_t scan_end = offset + (unit_bytes_max + queue_unit_bytes - 1) / queue_unit_bytes;
  const int64_t stop = std::min({queue.scan_limit(offset), scan_end, out.max_offset});
  int64_t last_physical = 0;
  // Kept: emptying it for each call costs more than reading a unit.
  thread_local std::array<QueueUnit, units_per_read> units;
  // Without a filter each unit is a message of the answer: no more are looked at than it may have.
  const int64_t useful =
      filter != nullptr
          ? INT64_MAX
          : std::max(1, std::min(limits.count_max, std::max(limits.count_in_memory_max, limits.count_on_disk_max)));
  bool full = false;
  for (int64_t next = offset; next < stop && !full;) {
    const auto wanted =
        static_cast<size_t>(std::min({stop - next, useful - out.message_count, int64_t{units_per_read}}));
    if (wanted == 0) break;
    const size_t count = queue.read(next, {units.data(), wanted});
    if (count == 0) {
      if (next == offset) answer(GetStatus::offset_found_null, queue.next_file(offset));
      break;
    }
    for (size_t i = 0; i < count;) {
      const auto rest = std::span<const QueueUnit>(units).subspan(i, count - i);
      size_t taken = collector.take_run(rest, next);
      if (taken == 0) {
        full = collector.full(rest.front(), hot(rest.front().physical_offset, collector.log_end())) ||
               !collector.take(rest, next);
        if (full) break;
        taken = 1;
      }
      i += taken;
      next += static_cast<int64_t>(taken);
      last_physical = units[i - 1].physical_offset;
      out.next_begin_offset = next;
    }
  }
  out.behind_memory = collector.log_end() - last_physical > hot_bytes;
}

// The records of a batch queue come whole, also the one in whose midst the pull begins; its consumer passes over what
// it has.
void MessageStore::Impl::get_batches(const ConsumeQueue& queue, int64_t offset, const GetLimits& limits,
                                     Collector& collector, GetResult& out) {
  const int64_t unit_bytes_max = std::max<int64_t>(limits.scanned_max, int64_t{limits.count_max} * batch_unit_bytes);
  int64_t last_physical = 0;
  std::array<BatchUnit, units_per_read> batches;
  std::array<QueueUnit, units_per_read> units;
  bool full = false;
  while (out.next_begin_offset < out.max_offset && !full) {
    const size_t count = queue.read_batches(out.next_begin_offset, batches);
    if (count == 0) {
      if (out.next_begin_offset == offset) {
        out.status = GetStatus::offset_found_null;
        out.next_begin_offset = queue.next_file(offset);
      }
      break;
    }
    for (size_t i = 0; i < count; ++i) units[i] = batches[i].unit;
    for (size_t i = 0; i < count && !full; ++i) {
      full = (batches[i].base - offset) * batch_unit_bytes >= unit_bytes_max ||
             collector.full(units[i], hot(units[i].physical_offset, collector.log_end())) ||
             !collector.take(std::span<const QueueUnit>(units).subspan(i, count - i), batches[i].base);
      if (full) break;
      last_physical = units[i].physical_offset;
      out.next_begin_offset = batches[i].end();
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
  if (queue.is_batch()) return std::clamp(queue.base_by_time(timestamp_ms, boundary == Boundary::upper), min, max);
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

// The damaged range that a unit's record lies in; made when nobody knew of it.
DamagedRange MessageStore::Impl::damage_at(const QueueUnit& unit, const std::string& why) {
  if (auto known = damage.find(unit.physical_offset)) return *known;
  DamagedRange range{unit.physical_offset, unit.physical_offset + 1, why};
  const auto segment = log.segments().find(unit.physical_offset);
  if (segment != nullptr) {
    range.end = unit.damaged()
                    ? find_next_record(log.segments(), unit.physical_offset, std::min(segment->end(), log.end()))
                    : std::min(unit.physical_end(), segment->end());
  }
  damage.add(range);
  return damage.find(unit.physical_offset).value_or(range);
}

Status MessageStore::Impl::record_at(int64_t physical_offset, LogBytes& out) const {
  const auto none = [&] {
    return Error{Errc::not_found, "no record starts at physical offset " + std::to_string(physical_offset)};
  };
  const int64_t end = log.end();
  const auto segment = physical_offset < 0 || physical_offset >= end ? nullptr : log.segments().find(physical_offset);
  if (segment == nullptr) return none();
  if (const auto range = damage.find(physical_offset)) return Error{Errc::corrupt, text(*range)};
  // Checked with its CRC: these reads are few, and often of what nobody has looked at for long.
  LogReader reader(log.segments(), physical_offset, true, nullptr, record_read_bytes);
  const LogReader::Step step = reader.next(std::min(end, segment->end()));
  if (step == LogReader::Step::record && reader.record().physical_offset == physical_offset) {
    const auto size = static_cast<size_t>(reader.record().total_size);
    const auto copy = std::make_shared<std::vector<uint8_t>>(size);
    if (Status s = segment->read(*copy, physical_offset); !s) return s;
    add_record(out, *copy, copy);
    return {};
  }
  // The head says that a record is meant to be here: what does not fit is damage, not a wrong question.
  uint8_t head[message::physical_offset_at + 8];
  if (physical_offset + static_cast<int64_t>(sizeof head) <= std::min(end, segment->end()) &&
      segment->read(head, physical_offset) && load_be<int64_t>(head + message::physical_offset_at) == physical_offset) {
    return Error{Errc::corrupt, "the record at physical offset " + std::to_string(physical_offset) +
                                    " is damaged: " + reader.error().message};
  }
  return none();
}

}  // namespace merlin::store
