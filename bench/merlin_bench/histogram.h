// A log-linear histogram of durations: 64 steps per power of two, so a quantile is off by at most 1.6 %.
//
// Threads: plain value. Limits: 1 ns to 2^40 ns (18 minutes); longer ones count as the longest.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

namespace merlin::bench {

class Histogram {
 public:
  Histogram() : counts_(bucket_count) {}

  void add(int64_t ns) {
    const uint64_t v = std::clamp<int64_t>(ns, 0, value_max);
    ++counts_[bucket_of(v)];
    ++count_;
    max_ = std::max(max_, static_cast<int64_t>(v));
  }

  uint64_t count() const { return count_; }
  int64_t max_ns() const { return max_; }

  // The smallest value that is not below the q-th part of all values, 0 < q <= 1; 0 when there are none.
  int64_t quantile_ns(double q) const {
    const auto wanted = static_cast<uint64_t>(q * static_cast<double>(count_) + 0.5);
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted && seen > 0) return std::min(upper_bound_of(i), max_);
    }
    return max_;
  }

 private:
  static constexpr int step_bits = 6;
  static constexpr uint64_t steps = 1 << step_bits;
  static constexpr int64_t value_max = int64_t{1} << 40;
  static constexpr size_t bucket_count = (40 - step_bits + 2) * steps;

  // Values below `steps` have a bucket each; above, the leading bit picks the row and the next step_bits the column.
  static size_t bucket_of(uint64_t v) {
    if (v < steps) return v;
    const int shift = static_cast<int>(std::bit_width(v)) - 1 - step_bits;
    return static_cast<size_t>(shift + 1) * steps + ((v >> shift) - steps);
  }
  static int64_t upper_bound_of(size_t bucket) {
    if (bucket < steps) return static_cast<int64_t>(bucket);
    const size_t shift = bucket / steps - 1;
    return static_cast<int64_t>(((bucket % steps + steps + 1) << shift) - 1);
  }

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace merlin::bench
