// A log-linear histogram of durations, in the manner of HDR histograms: 64 steps per power of two over the whole range
// of int64, so a quantile is never below the truth and at most 1/64 (1.6 %) above it, and nothing saturates.
//
// Threads: plain value. Memory: 30 KiB, whatever is added.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

namespace merlin::bench {

class Histogram {
 public:
  static constexpr double relative_error_max = 1.0 / 64;

  Histogram() : counts_(bucket_count) {}

  // A negative duration, as of clocks that disagree, counts as 0.
  void add(int64_t ns) {
    const auto v = static_cast<uint64_t>(std::max<int64_t>(ns, 0));
    ++counts_[bucket_of(v)];
    ++count_;
    sum_ += static_cast<double>(v);
    max_ = std::max(max_, static_cast<int64_t>(v));
  }

  void merge(const Histogram& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
  }

  uint64_t count() const { return count_; }
  int64_t max_ns() const { return max_; }
  double mean_ns() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

  // The smallest value that is not below the q-th part of all values, 0 < q <= 1; 0 when there are none.
  int64_t quantile_ns(double q) const {
    // The rank is rounded up: with ten values, the 99th percentile is the largest.
    const auto rank = static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_) - 1e-6));
    const uint64_t wanted = std::clamp<uint64_t>(rank, 1, std::max<uint64_t>(count_, 1));
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted) return std::min(upper_bound_of(i), max_);
    }
    return max_;
  }

 private:
  static constexpr int step_bits = 6;
  static constexpr uint64_t steps = 1 << step_bits;
  static constexpr size_t bucket_count = (63 - step_bits + 1) * steps;

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
  double sum_ = 0;
  int64_t max_ = 0;
};

}  // namespace merlin::bench
