// What happened since the last line of progress.
#pragma once

#include <algorithm>
#include <cstdint>

namespace merlin::bench {

struct Second {
  int64_t messages = 0;
  int64_t answers = 0;
  int64_t sum_ns = 0;  // of the answers' latencies
  int64_t max_ns = 0;
  int64_t refused = 0;
  // Of received messages, by the clocks of producer, broker and this tool.
  int64_t received = 0;
  int64_t born_sum_ms = 0;
  int64_t born_max_ms = 0;
  int64_t stored_sum_ms = 0;
  int64_t stored_max_ms = 0;

  void answered(int64_t count, int64_t latency_ns) {
    messages += count;
    ++answers;
    sum_ns += latency_ns;
    max_ns = std::max(max_ns, latency_ns);
  }
  void took(int64_t since_born_ms, int64_t since_stored_ms) {
    ++received;
    born_sum_ms += since_born_ms;
    born_max_ms = std::max(born_max_ms, since_born_ms);
    stored_sum_ms += since_stored_ms;
    stored_max_ms = std::max(stored_max_ms, since_stored_ms);
  }
};

}  // namespace merlin::bench
