// The frames that core_path feeds: what a Java 5.5 client sends, encoded once and patched for each send.
#pragma once

#include <cstdint>
#include <string>

#include "merlin/base/bytes.h"
#include "merlin/wire/frame.h"

namespace merlin::bench {

inline constexpr int32_t body_bytes = 128;

// SEND_MESSAGE_V2 with one message, or SEND_BATCH_MESSAGE with `batch` of them.
class SendTemplate {
 public:
  SendTemplate(wire::Serialization form, int32_t batch);
  // Appends one frame with its own opaque, queue and unique keys; `number` counts the frames.
  void append_to(Buffer& out, int64_t number, int32_t queues) const;

 private:
  const int32_t batch_;
  std::string bytes_;
  size_t opaque_at_ = 0;
  size_t queue_at_ = 0;
  std::vector<size_t> keys_at_;
  bool binary_ = false;
};

// PULL_MESSAGE for `count` messages of a queue; it may be held when there are none.
void append_pull(Buffer& out, wire::Serialization form, int32_t queue, int64_t offset, int32_t count, bool may_wait);

}  // namespace merlin::bench
