#include "merlin/wire/frame.h"

namespace merlin::wire {

namespace {

FrameScan need_more(size_t bytes) {
  FrameScan scan;
  scan.bytes_needed = bytes;
  return scan;
}

FrameScan broken(std::string why) {
  FrameScan scan;
  scan.state = FrameScan::State::broken;
  scan.why = std::move(why);
  return scan;
}

}  // namespace

FrameScan scan_frame(ByteView input, size_t frame_limit_bytes) {
  if (input.size() < 4) return need_more(frame_prefix_bytes);
  // Judged before the rest arrives, so that a hostile length never makes the reader grow its buffer.
  const int64_t length = load_be<int32_t>(input.data());
  if (length < 4) return broken("frame length " + std::to_string(length) + " is below 4");
  if (static_cast<uint64_t>(length) > frame_limit_bytes) {
    return broken("frame length " + std::to_string(length) + " is over the limit of " +
                  std::to_string(frame_limit_bytes));
  }
  const size_t total = 4 + static_cast<size_t>(length);
  if (input.size() < frame_prefix_bytes) return need_more(total);

  const uint32_t mark = load_be<uint32_t>(input.data() + 4);
  const uint32_t serialization = mark >> 24;
  const size_t header_size = mark & 0xFFFFFF;
  if (serialization > 1) return broken("unknown header serialisation " + std::to_string(serialization));
  if (header_size > static_cast<size_t>(length) - 4) {
    return broken("header length " + std::to_string(header_size) + " does not fit the frame length " +
                  std::to_string(length));
  }
  if (input.size() < total) return need_more(total);

  FrameScan scan;
  scan.state = FrameScan::State::frame;
  scan.consumed = total;
  scan.frame.serialization = static_cast<Serialization>(serialization);
  scan.frame.header = input.subspan(frame_prefix_bytes, header_size);
  scan.frame.body = input.subspan(frame_prefix_bytes + header_size, total - frame_prefix_bytes - header_size);
  return scan;
}

}  // namespace merlin::wire
