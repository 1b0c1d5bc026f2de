#include "store/log/log_reader.h"

namespace merlin::store {

LogSlice log_slice(const SegmentList& segments, int64_t offset) {
  const auto segment = segments.find(offset);
  if (segment == nullptr) return {};
  return {{segment->at(offset), static_cast<size_t>(segment->end() - offset)}, segment->mapping()};
}

int64_t peek_store_timestamp(const SegmentList& segments, int64_t offset, int32_t size, int64_t end) {
  // The longest prefix that is looked at: up to the store timestamp behind a v6 born host.
  constexpr int32_t prefix = static_cast<int32_t>(message::store_timestamp_at(true)) + 8;
  if (offset < 0 || size < prefix || size > end - offset) return -1;
  const LogSlice slice = log_slice(segments, offset);
  if (slice.bytes.size() < static_cast<size_t>(size)) return -1;
  const auto sys_flag = load_be<int32_t>(slice.bytes.data() + message::sys_flag_at);
  const bool v6 = (sys_flag & message::sys_flag::born_host_v6) != 0;
  return load_be<int64_t>(slice.bytes.data() + message::store_timestamp_at(v6));
}

LogReader::Step LogReader::broken(std::string why) {
  error_ = Error{Errc::corrupt, std::move(why)};
  return Step::broken;
}

LogReader::Step LogReader::next(int64_t limit) {
  for (;;) {
    if (position_ >= limit) return Step::end;
    if (segment_ == nullptr || position_ < segment_->start() || position_ >= segment_->end()) {
      segment_ = segments_.find(position_);
      if (segment_ == nullptr) return broken("no segment holds the offset");
    }
    const auto available = static_cast<size_t>(std::min(segment_->end(), limit) - position_);
    const uint8_t* at = segment_->at(position_);
    if (available < message::blank_bytes) return broken("fewer than 8 bytes are left");
    if (load_be<int32_t>(at + 4) == message::magic_blank) {
      position_ = segment_->end();
      continue;
    }
    auto record = message::decode_record({at, available}, check_crc_);
    if (!record) {
      error_ = record.error();
      return Step::broken;
    }
    if (record->physical_offset != position_) {
      return broken("the record there says it is at " + std::to_string(record->physical_offset));
    }
    record_ = std::move(*record);
    position_ += record_.total_size;
    return Step::record;
  }
}

}  // namespace merlin::store
