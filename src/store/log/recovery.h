// Finding the end of the log after a stop of any kind.
//
// Owns:    nothing; works on segments that nobody else uses yet.
// Fails:   what cannot be read counts as damage. The end of the log is where the first thing stands that is no record
//          and had not been synced; what had been synced is never cut.
#pragma once

#include <functional>
#include <optional>

#include "store/checkpoint.h"
#include "store/log/damage.h"
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

// What is known about how far the log had reached the disk.
struct Synced {
  int64_t offset = 0;  // everything below was synced; a record begins here, or the log ends
  // Where no offset is known: records stored before this time were synced (Apache's checkpoint); 0: not known either.
  int64_t before_ms = 0;
  bool everything = false;  // after a clean stop: whatever stands behind a gap was synced
};

struct LogEnd {
  int64_t offset = 0;               // the log ends here
  int64_t last_timestamp_ms = 0;    // of the last record seen; 0: none
  int64_t last_record_offset = -1;  // its start; -1: none
  int64_t records = 0;
  std::string why;  // what stands there instead of a record
};

// Goes through the records from `start` on and checks each; nothing is changed. Damage is entered in the list.
LogEnd check_log(const SegmentList& segments, int64_t start, bool check_crc, const Synced& synced, DamageList& damage);

// The start of the last segment whose first record is whole; the begin of the log when there is none.
int64_t last_written_segment(const SegmentList& segments);

// Makes `end` the end of the files: later segments go, the rest of the segment is cleared.
Status cut_log(SegmentList& segments, int64_t end);

// Syncs [begin, end): bytes that only the page cache holds must not be called durable. Those from `unsynced` on are
// written again before: after a failed fsync, also one of an earlier process, the kernel holds pages to be clean that
// the disk does not have, and would sync nothing.
Status settle_tail(const SegmentList& segments, int64_t begin, int64_t unsynced, int64_t end);

}  // namespace merlin::store
