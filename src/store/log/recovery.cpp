#include "store/log/recovery.h"

#include <algorithm>
#include <chrono>

#include "merlin/base/log.h"
#include "store/log/log_reader.h"
#include "store/log/resync.h"

namespace merlin::store {

static bool holds(const SegmentList& segments, const Progress& progress) {
  const int64_t offset = progress.dispatched_offset;
  if (offset == 0 && segments.first_start() == 0) return true;
  if (progress.last_record_offset < segments.first_start() || segments.find(progress.last_record_offset) == nullptr) {
    return false;
  }
  LogReader reader(segments, progress.last_record_offset, true);
  return reader.next(INT64_MAX) == LogReader::Step::record && reader.position() == offset &&
         reader.record().store_timestamp_ms == progress.last_record_timestamp_ms;
}

ScanStart find_scan_start(const SegmentList& segments, const std::optional<Progress>& progress, bool any_units,
                          const Checkpoint& checkpoint, bool clean,
                          const std::function<Result<int64_t>()>& queues_end) {
  if (segments.empty()) return {};
  if (progress) {
    if (holds(segments, *progress)) return {progress->dispatched_offset, true};
    log_warn("store", "merlin.progress does not fit this log: another broker wrote here, or files are missing");
  }
  if (!any_units) return {segments.first_start(), false};
  int64_t queues_end_offset = 0;
  if (clean) {
    const auto end = queues_end();
    if (!end) return {segments.first_start(), false};
    queues_end_offset = *end;
  }
  const auto all = segments.all();
  for (size_t i = all.size(); i-- > 0;) {
    LogReader reader(segments, all[i]->start(), true);
    if (reader.next(all[i]->end()) != LogReader::Step::record) continue;
    const message::RecordView& first = reader.record();
    const bool known = clean ? first.physical_offset <= queues_end_offset
                             : first.store_timestamp_ms <= checkpoint.trusted_timestamp_ms();
    if (known) return {all[i]->start(), false};
  }
  return {segments.first_start(), false};
}

int64_t last_written_segment(const SegmentList& segments) {
  const auto all = segments.all();
  for (size_t i = all.size(); i-- > 0;) {
    LogReader reader(segments, all[i]->start(), true);
    if (reader.next(all[i]->end()) == LogReader::Step::record) return all[i]->start();
  }
  return segments.first_start();
}

namespace {

// A line now and then, so that a long start explains itself.
class Lines {
 public:
  Lines(int64_t begin, int64_t end) : begin_(begin), end_(end) {}
  void tell(int64_t position) {
    if (position < next_look_) return;
    next_look_ = position + (int64_t{64} << 20);
    const auto now = std::chrono::steady_clock::now();
    if (now < next_line_) return;
    next_line_ = now + std::chrono::seconds(2);
    log_info("store", "checking the commit log: {} MiB since {}, at most {} MiB to go", (position - begin_) >> 20,
             begin_, (end_ - position) >> 20);
  }

 private:
  const int64_t begin_;
  const int64_t end_;
  int64_t next_look_ = 0;
  std::chrono::steady_clock::time_point next_line_ = std::chrono::steady_clock::now() + std::chrono::seconds(2);
};

}  // namespace

// Where no offset tells how far the log was synced, a record behind the gap may.
static bool vouched(const SegmentList& segments, int64_t offset, const Synced& synced) {
  if (synced.everything) return true;
  LogReader reader(segments, offset, true);
  return reader.next(INT64_MAX) == LogReader::Step::record && reader.record().store_timestamp_ms < synced.before_ms;
}

LogEnd check_log(const SegmentList& segments, int64_t start, bool check_crc, const Synced& synced, DamageList& damage) {
  LogEnd end;
  const auto all = segments.all();
  const int64_t limit = all.empty() ? start : all.back()->end();
  LogReader reader(segments, start, check_crc, nullptr, size_t{1} << 20);
  Lines lines(start, limit);
  for (;;) {
    LogReader::Step step = reader.next(limit);
    end.offset = reader.position();
    if (step == LogReader::Step::end) return end;
    std::string why;
    if (step == LogReader::Step::broken) {
      why = reader.error().message;
    } else if (check_crc && lacks_a_sector(reader.record(), segments.segment_size_bytes())) {
      end.offset = reader.record().physical_offset;
      why = "a sector of topic or properties is missing";
    } else {
      end.last_timestamp_ms = reader.record().store_timestamp_ms;
      end.last_record_offset = reader.record().physical_offset;
      ++end.records;
      lines.tell(end.offset);
      continue;
    }
    int64_t behind = end.offset;
    if (end.offset < synced.offset) {
      behind = find_next_record(segments, end.offset, std::min(synced.offset, limit));
    } else if (synced.everything || synced.before_ms > 0) {
      behind = find_next_record(segments, end.offset, limit);
      if (behind == limit || !vouched(segments, behind, synced)) behind = end.offset;
    }
    if (behind == end.offset) {
      end.why = std::move(why);
      return end;
    }
    why += synced.offset > end.offset ? "; the log had been synced up to " + std::to_string(synced.offset)
                                      : "; what stands behind had been synced";
    damage.add({end.offset, behind, std::move(why)});
    reader.seek(behind);
  }
}

static Status write_again(Segment& segment, int64_t begin, int64_t end) {
  static constexpr int64_t step_bytes = 1 << 20;
  std::vector<uint8_t> bytes;
  for (int64_t at = begin; at < end; at += step_bytes) {
    bytes.resize(static_cast<size_t>(std::min(step_bytes, end - at)));
    if (Status s = segment.read(bytes, at); !s) return s;
    if (Status s = segment.write(bytes, at); !s) return s;
  }
  return {};
}

Status settle_tail(const SegmentList& segments, int64_t begin, int64_t unsynced, int64_t end) {
  for (const auto& segment : segments.covering(begin, end)) {
    if (Status s = write_again(*segment, std::max(unsynced, segment->start()), std::min(end, segment->end())); !s)
      return s;
    if (Status s = segment->sync(); !s) return s;
  }
  return {};
}

Status cut_log(SegmentList& segments, int64_t end) {
  // A segment that would start right at the end stays only if it is the first one.
  if (Status s = segments.drop_from(std::max(end, segments.first_start() + 1)); !s) return s;
  if (const auto segment = segments.find(end)) return segment->zero_from(end);
  return {};
}

}  // namespace merlin::store
