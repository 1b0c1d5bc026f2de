// Reading the commit log record by record or by offset.
//
// Threads: a LogReader is used by one thread; the log may grow meanwhile.
#pragma once

#include <memory>
#include <optional>

#include "merlin/message/record.h"
#include "store/log/segment_list.h"

namespace merlin::store {

// Bytes of the log from an offset to the end of its segment; valid while `pin` lives.
struct LogSlice {
  ByteView bytes;
  std::shared_ptr<const void> pin;
};

// Empty when no segment holds the offset.
LogSlice log_slice(const SegmentList& segments, int64_t offset);

// Store time of the record at `offset`, read without decoding; -1 when [offset, offset + size) is not below `end`.
int64_t peek_store_timestamp(const SegmentList& segments, int64_t offset, int32_t size, int64_t end);

class LogReader {
 public:
  enum class Step {
    record,  // record() is the one at the offset before; position() is behind it
    end,     // position() has reached the limit
    broken,  // what stands at position() is no record; error() says why
  };

  LogReader(const SegmentList& segments, int64_t position, bool check_crc)
      : segments_(segments), position_(position), check_crc_(check_crc) {}

  // Goes on by one record; blank fillers are skipped. Bytes at or behind `limit` are not looked at.
  Step next(int64_t limit);
  const message::RecordView& record() const { return record_; }
  const Error& error() const { return error_; }
  int64_t position() const { return position_; }

 private:
  Step broken(std::string why);

  const SegmentList& segments_;
  std::shared_ptr<Segment> segment_;
  int64_t position_;
  const bool check_crc_;
  message::RecordView record_;
  Error error_;
};

}  // namespace merlin::store
