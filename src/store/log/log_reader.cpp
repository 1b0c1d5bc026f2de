#include "store/log/log_reader.h"

#include <algorithm>

#include "store/log/resync.h"

namespace merlin::store {

int64_t peek_store_timestamp(const SegmentList& segments, int64_t offset, int32_t size, int64_t end) {
  // The longest prefix that is looked at: up to the store timestamp behind a v6 born host.
  constexpr int32_t prefix = static_cast<int32_t>(message::store_timestamp_at(true)) + 8;
  if (offset < 0 || size < prefix || size > end - offset) return -1;
  const auto segment = segments.find(offset);
  if (segment == nullptr || offset + prefix > segment->end()) return -1;
  uint8_t head[prefix];
  if (!segment->read(head, offset)) return -1;
  const auto magic = load_be<int32_t>(head + 4);
  if (magic != message::magic_v1 && magic != message::magic_v2) return -1;
  if (load_be<int64_t>(head + message::physical_offset_at) != offset) return -1;
  const bool v6 = (load_be<int32_t>(head + message::sys_flag_at) & message::sys_flag::born_host_v6) != 0;
  return load_be<int64_t>(head + message::store_timestamp_at(v6));
}

LogReader::Step LogReader::broken(std::string why) {
  error_ = Error{Errc::corrupt, std::move(why)};
  return Step::broken;
}

// At least `wanted` bytes from position_ on; `available` may be read ahead.
Result<ByteView> LogReader::fetch(size_t wanted, size_t available) {
  const int64_t filled_end = buffer_begin_ + static_cast<int64_t>(buffer_filled_);
  if (position_ < buffer_begin_ || position_ + static_cast<int64_t>(wanted) > filled_end) {
    const size_t size = std::max(wanted, std::min(available, buffer_bytes_));
    buffer_filled_ = 0;
    if (buffer_.size() < size || (buffer_.size() > buffer_bytes_ && size <= buffer_bytes_)) {
      buffer_ = std::vector<uint8_t>(std::max(size, buffer_bytes_));
    }
    Status status = segment_->read({buffer_.data(), size}, position_);
    size_t filled = size;
    if (!status && wanted < size) {
      // What was asked for may be readable although something behind it is not.
      filled = wanted;
      status = segment_->read({buffer_.data(), wanted}, position_);
    }
    if (!status) return status.error();
    buffer_begin_ = position_;
    buffer_filled_ = filled;
  }
  const auto at = static_cast<size_t>(position_ - buffer_begin_);
  return ByteView(buffer_.data() + at, buffer_filled_ - at);
}

LogReader::Step LogReader::next(int64_t limit) {
  for (;;) {
    if (damage_ != nullptr) {
      if (const auto range = damage_->find(position_)) {
        position_ = std::min(range->end, limit);
        continue;
      }
    }
    const Step done = step(limit);
    if (done != Step::broken || damage_ == nullptr || position_ < segments_.first_start()) return done;
    const int64_t behind = find_next_record(segments_, position_, limit);
    damage_->add({position_, behind, error_.message});
    position_ = behind;
  }
}

LogReader::Step LogReader::step(int64_t limit) {
  for (;;) {
    if (position_ >= limit) return Step::end;
    if (segment_ == nullptr || position_ < segment_->start() || position_ >= segment_->end()) {
      segment_ = segments_.find(position_);
      if (segment_ == nullptr) return broken("no segment holds the offset");
    }
    const auto available = static_cast<size_t>(std::min(segment_->end(), limit) - position_);
    if (available < message::blank_bytes) return broken("fewer than 8 bytes are left");
    auto head = fetch(message::blank_bytes, available);
    if (!head) return broken(head.error().message);
    const auto size = load_be<int32_t>(head->data());
    if (load_be<int32_t>(head->data() + 4) == message::magic_blank) {
      if (size != segment_->end() - position_) return broken("a filler of " + std::to_string(size) + " bytes");
      position_ = segment_->end();
      continue;
    }
    auto bytes = *head;
    if (size > 0 && static_cast<size_t>(size) <= available && size <= record_bytes_limit) {
      auto whole = fetch(static_cast<size_t>(size), available);
      if (!whole) return broken(whole.error().message);
      bytes = *whole;
    }
    auto record = message::decode_record(bytes, check_crc_);
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

bool lacks_a_sector(const message::RecordView& record, int64_t segment_size_bytes) {
  constexpr int64_t sector_bytes = 512;
  const char* const record_end = record.properties.data() + record.properties.size();
  // Without properties the record rightly ends with their length, zero.
  const char* const end = record.properties.empty() ? record.topic.data() + record.topic.size() : record_end;
  const char* at = record.topic.data();
  int64_t place = record.physical_offset % segment_size_bytes + record.total_size - (record_end - at);
  while (at < end) {
    const char* const stop = at + std::min<int64_t>(sector_bytes - place % sector_bytes, end - at);
    if (std::all_of(at, stop, [](char c) { return c == 0; })) return true;
    place += stop - at;
    at = stop;
  }
  return false;
}

}  // namespace merlin::store
