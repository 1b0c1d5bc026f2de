#include "histogram.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace merlin::bench {
namespace {

TEST(HistogramTest, EmptyAndSingle) {
  Histogram h;
  EXPECT_EQ(h.quantile_ns(0.5), 0);
  h.add(12'345);
  EXPECT_EQ(h.quantile_ns(0.5), 12'345);  // never above the largest value seen
  EXPECT_EQ(h.quantile_ns(1), 12'345);
  EXPECT_EQ(h.max_ns(), 12'345);
  EXPECT_EQ(h.count(), 1U);
}

TEST(HistogramTest, OutOfRangeCountsAsTheEnds) {
  Histogram h;
  h.add(-5);
  h.add(INT64_MAX);
  EXPECT_EQ(h.count(), 2U);
  EXPECT_EQ(h.quantile_ns(0.5), 0);
  EXPECT_EQ(h.max_ns(), int64_t{1} << 40);
  EXPECT_EQ(h.quantile_ns(1), h.max_ns());
}

TEST(HistogramTest, QuantilesAreWithinTwoPercentOfTheTruth) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::lognormal_distribution<double> spread(12, 2.5);  // from below 1 us to above 1 s
  Histogram h;
  std::vector<int64_t> all;
  for (int i = 0; i < 50'000; ++i) {
    const auto ns = static_cast<int64_t>(std::min(spread(random), 1e12));
    all.push_back(ns);
    h.add(ns);
  }
  std::sort(all.begin(), all.end());
  for (const double q : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<size_t>(q * static_cast<double>(all.size()) + 0.5);
    const auto truth = static_cast<double>(all[std::max<size_t>(rank, 1) - 1]);
    const auto said = static_cast<double>(h.quantile_ns(q));
    EXPECT_GE(said, truth) << q;
    EXPECT_LE(said, truth * 1.02 + 1) << q;
  }
}

}  // namespace
}  // namespace merlin::bench
