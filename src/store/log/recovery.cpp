#include "store/log/recovery.h"

#include <algorithm>

#include "merlin/base/log.h"
#include "store/log/log_reader.h"

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

// The CRC covers the body only. A power cut can lose one sector of a record's topic and properties while the rest
// reached the disk; segments are zero before they are written, so such a sector holds nothing but zeros of this record.
static bool lacks_a_sector(const SegmentList& segments, const message::RecordView& record) {
  constexpr int64_t sector_bytes = 512;
  const auto segment = segments.find(record.physical_offset);
  if (segment == nullptr) return false;
  const char* const record_end = record.properties.data() + record.properties.size();
  // Without properties the record rightly ends with their length, zero.
  const char* const end = record.properties.empty() ? record.topic.data() + record.topic.size() : record_end;
  const char* at = record.topic.data();
  int64_t place = record.physical_offset - segment->start() + record.total_size - (record_end - at);
  while (at < end) {
    const char* const stop = at + std::min<int64_t>(sector_bytes - place % sector_bytes, end - at);
    if (std::all_of(at, stop, [](char c) { return c == 0; })) return true;
    place += stop - at;
    at = stop;
  }
  return false;
}

Result<ScanEnd> scan_log(const SegmentList& segments, int64_t start, bool check_crc,
                         const std::function<Status(const message::RecordView&)>& visit) {
  ScanEnd end;
  end.offset = start;
  const auto all = segments.all();
  const int64_t limit = all.empty() ? start : all.back()->end();
  LogReader reader(segments, start, check_crc);
  for (;;) {
    const LogReader::Step step = reader.next(limit);
    if (step == LogReader::Step::record && check_crc && lacks_a_sector(segments, reader.record())) {
      end.offset = reader.record().physical_offset;
      end.why = "a sector of topic or properties is missing";
      return end;
    }
    end.offset = reader.position();
    if (step == LogReader::Step::end) return end;
    if (step == LogReader::Step::broken) {
      end.why = reader.error().message;
      return end;
    }
    if (Status s = visit(reader.record()); !s) return s.error();
    end.last_timestamp_ms = reader.record().store_timestamp_ms;
    end.last_record_offset = reader.record().physical_offset;
    ++end.records;
  }
}

Status cut_log(SegmentList& segments, int64_t end) {
  // A segment that would start right at the end stays only if it is the first one.
  if (Status s = segments.drop_from(std::max(end, segments.first_start() + 1)); !s) return s;
  if (const auto segment = segments.find(end)) return segment->zero_from(end);
  return {};
}

}  // namespace merlin::store
