// Reading the commit log record by record.
//
// Owns:    a buffer of buffer_bytes, larger while a larger record passes. The bytes come by pread: a sector that cannot
//          be read is an error value here, where a mapping would end the process.
// Threads: a LogReader is used by one thread; the log may grow meanwhile.
// Fails:   with a DamageList, damage is entered there and passed over; without one it ends the reading.
#pragma once

#include <memory>
#include <vector>

#include "merlin/message/record.h"
#include "store/log/damage.h"
#include "store/log/segment_list.h"

namespace merlin::store {

// No record is larger; a size beyond it is damage, not a wish for memory.
inline constexpr int64_t record_bytes_limit = int64_t{64} << 20;

// Store time of the record at `offset`, read without decoding all of it; -1 when none of this size is there below
// `end`.
int64_t peek_store_timestamp(const SegmentList& segments, int64_t offset, int32_t size, int64_t end);

class LogReader {
 public:
  enum class Step {
    record,  // record() is the one at the offset before; position() is behind it
    end,     // position() has reached the limit
    broken,  // what stands at position() is no record; error() says why
  };
  static constexpr size_t default_buffer_bytes = 256 * 1024;

  LogReader(const SegmentList& segments, int64_t position, bool check_crc, DamageList* damage = nullptr,
            size_t buffer_bytes = default_buffer_bytes)
      : segments_(segments), damage_(damage), check_crc_(check_crc), buffer_bytes_(buffer_bytes), position_(position) {}

  // Goes on by one record; blank fillers are passed over. Bytes at or behind `limit` are not looked at.
  // With a DamageList REQUIRES: a record begins at `limit`, or the log ends there.
  Step next(int64_t limit);
  // Valid until the next call.
  const message::RecordView& record() const { return record_; }
  const Error& error() const { return error_; }
  int64_t position() const { return position_; }
  void seek(int64_t position) { position_ = position; }

 private:
  Step step(int64_t limit);
  Step broken(std::string why);
  Result<ByteView> fetch(size_t wanted, size_t available);

  const SegmentList& segments_;
  DamageList* const damage_;
  const bool check_crc_;
  const size_t buffer_bytes_;
  std::shared_ptr<Segment> segment_;
  int64_t position_;
  std::vector<uint8_t> buffer_;
  int64_t buffer_begin_ = 0;  // log offset of its first byte
  size_t buffer_filled_ = 0;
  message::RecordView record_;
  Error error_;
};

// Whether a sector of the record's topic or properties is missing. The CRC covers the body only; a power cut can lose
// one sector of the rest while all others reached the disk. Segments are zero before they are written, so such a sector
// holds nothing but zeros of this record.
bool lacks_a_sector(const message::RecordView& record, int64_t segment_size_bytes);

}  // namespace merlin::store
