// Message ids.
//
//   offsetMsgId: upper-case hex of store ip (4|16) + i32 port + i64 physical offset; 32 or 56 characters.
//   UNIQ_KEY:    upper-case hex of ip + i16 pid + i32 class-loader hash + i32 ms since start of month + i16 counter.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "merlin/base/clock.h"
#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin::message {

// Writes the id to `out` and returns its length (32 or 56). `out` holds at least 56 characters.
size_t write_offset_msg_id(const HostPort& store_host, int64_t physical_offset, char* out);
std::string offset_msg_id(const HostPort& store_host, int64_t physical_offset);

struct OffsetMsgId {
  HostPort store_host;
  int64_t physical_offset = 0;
};
Result<OffsetMsgId> parse_offset_msg_id(std::string_view text);

// Makes UNIQ_KEYs for messages whose producer set none. Threads: next() from anywhere.
class UniqKeyMaker {
 public:
  UniqKeyMaker(const HostPort& host, const Clock& clock);
  // Writes 32 (or 56) characters and returns their number.
  size_t next(char* out);
  std::string next();

 private:
  const Clock& clock_;
  char prefix_[64] = {};  // hex of ip, pid and a random word
  size_t prefix_size_ = 0;
  std::atomic<uint32_t> counter_{0};
  std::atomic<int64_t> month_start_ms_{0};  // local time; recomputed when the clock leaves the month
  std::atomic<int64_t> next_month_start_ms_{0};
};

}  // namespace merlin::message
