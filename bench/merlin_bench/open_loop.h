// The schedule of an open loop: request n is meant to leave at start + n / rate, whatever the broker does. Latency
// counted from that time holds what a user would have waited while the broker stood still (no coordinated omission).
//
// Threads: plain value. The caller brings the clock.
#pragma once

#include <cstdint>

#include "histogram.h"

namespace merlin::bench {

class OpenLoop {
 public:
  OpenLoop(int64_t start_ns, double requests_per_second) : start_ns_(start_ns), per_second_(requests_per_second) {}

  // A product and a quotient per request instead of a sum of intervals: no error adds up over hours.
  int64_t intended_ns(int64_t request) const {
    return start_ns_ + static_cast<int64_t>(static_cast<double>(request) * 1e9 / per_second_);
  }
  int64_t next_ns() const { return intended_ns(requests_); }
  bool is_due(int64_t now) const { return next_ns() <= now; }
  int64_t requests() const { return requests_; }

  // Everything due up to `now` waits for the broker: no connection may take one more request.
  void hold(int64_t now) { held_until_ns_ = now; }

  // The next request leaves now. Returns its intended time. How late the tool itself was is counted when
  // `measured`, for requests that did not have to wait for the broker first.
  int64_t take(int64_t now, bool measured) {
    const int64_t intended = next_ns();
    ++requests_;
    if (!measured) return intended;
    if (intended <= held_until_ns_) {
      ++held_;
    } else {
      lag_.add(now - intended);
    }
    return intended;
  }

  const Histogram& lag() const { return lag_; }
  int64_t held() const { return held_; }

 private:
  int64_t start_ns_;
  double per_second_;
  int64_t requests_ = 0;
  int64_t held_until_ns_ = INT64_MIN;
  Histogram lag_;
  int64_t held_ = 0;
};

}  // namespace merlin::bench
