// The remoting frame.
//
//   off  type    content
//   0    i32     length of everything after this field (4 + header + body)
//   4    i8      header serialisation: 0 JSON, 1 ROCKETMQ binary
//   5    u24     header length
//   8    bytes   header
//   ..   bytes   body (absent and empty are the same)
//
// Pure: bytes in, views or an error out. No sockets, threads or clocks; server, load tool, fuzzers and tests share it.
// Source of the format: RemotingCommand and NettyDecoder of Apache RocketMQ.
#pragma once

#include <cstdint>

#include "merlin/base/bytes.h"
#include "merlin/base/result.h"

namespace merlin::wire {

enum class Serialization : uint8_t { json = 0, rocketmq = 1 };

inline constexpr size_t frame_prefix_bytes = 8;                // length, serialisation, header length
inline constexpr size_t frame_limit_bytes_default = 16777216;  // counted on the length field, as Apache's decoder does

// Views into the caller's buffer.
struct Frame {
  Serialization serialization = Serialization::json;
  ByteView header;
  ByteView body;
};

struct FrameScan {
  enum class State { need_more, frame, broken } state = State::need_more;
  size_t consumed = 0;      // state == frame: bytes of this frame, from the start of the input
  size_t bytes_needed = 0;  // state == need_more: total bytes from the start that complete the frame (or its prefix)
  Frame frame;              // state == frame
  std::string why;          // state == broken: names the value and the limit, for the log line
};

// Looks at the first frame of `input`.
FrameScan scan_frame(ByteView input, size_t frame_limit_bytes);

}  // namespace merlin::wire
