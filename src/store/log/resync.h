// Finding the next record behind damaged bytes.
#pragma once

#include <cstdint>

#include "store/log/segment_list.h"

namespace merlin::store {

// The first place behind `from` where a record stands that can be believed; `limit` when there is none in front of it.
// REQUIRES: a record begins at `limit`, or the log ends there.
//
// A producer can put the image of a record, with the right offset and CRC, into the body of a message. So a place that
// was found by searching is believed only when the records that follow it one after the other lead out of any body: to
// the end of the segment, to the limit, or further than a record is long. The place that an undamaged head names (only
// the body's CRC is wrong) and the start of a segment need no such proof.
int64_t find_next_record(const SegmentList& segments, int64_t from, int64_t limit);

}  // namespace merlin::store
