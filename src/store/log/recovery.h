// Finding the end of the log after a stop of any kind.
//
// Owns:    nothing; works on segments and queues that nobody else uses yet.
// Fails:   a log that cannot be read is an error; one that is broken at some point is cut there, loudly when what is
// lost
//          had been synced.
#pragma once

#include <functional>
#include <optional>

#include "merlin/message/record.h"
#include "store/checkpoint.h"
#include "store/log/segment_list.h"
#include "store/progress.h"

namespace merlin::store {

// Where to start looking.
struct ScanStart {
  int64_t offset = 0;
  bool from_progress = false;  // every unit in front of it is known to be on disk
};

// `progress` is believed when the record it names last ends where it says.
// Else Apache's rule: after a clean stop the newest segment whose first record is not behind the queues (`queues_end`),
// after a crash the newest one whose first record is not younger than the checkpoint; else the first segment.
ScanStart find_scan_start(const SegmentList& segments, const std::optional<Progress>& progress, bool any_units,
                          const Checkpoint& checkpoint, bool clean, const std::function<Result<int64_t>()>& queues_end);

struct ScanEnd {
  int64_t offset = 0;               // the log ends here
  int64_t last_timestamp_ms = 0;    // of the last record seen; 0: none
  int64_t last_record_offset = -1;  // its start; -1: none
  int64_t records = 0;
  std::string why;  // what stands there instead of a record
};

// Goes through the records from `start` on; stops at the first that does not fit, or when `visit` fails.
Result<ScanEnd> scan_log(const SegmentList& segments, int64_t start, bool check_crc,
                         const std::function<Status(const message::RecordView&)>& visit);

// Makes `end` the end of the files: later segments go, the rest of the segment is cleared.
Status cut_log(SegmentList& segments, int64_t end);

}  // namespace merlin::store
