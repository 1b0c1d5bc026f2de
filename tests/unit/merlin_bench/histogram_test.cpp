#include "histogram.h"

#include <algorithm>
#include <cmath>
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

TEST(HistogramTest, NothingSaturates) {
  Histogram h;
  h.add(-5);  // clocks may disagree
  h.add(INT64_MAX);
  EXPECT_EQ(h.count(), 2U);
  EXPECT_EQ(h.quantile_ns(0.5), 0);
  EXPECT_EQ(h.max_ns(), INT64_MAX);
  EXPECT_EQ(h.quantile_ns(1), INT64_MAX);
  // An hour is as exact as a microsecond.
  Histogram hour;
  const int64_t ns = int64_t{3600} * 1'000'000'000;
  hour.add(ns);
  hour.add(2 * ns);
  EXPECT_GE(hour.quantile_ns(0.5), ns);
  EXPECT_LE(static_cast<double>(hour.quantile_ns(0.5)), static_cast<double>(ns) * (1 + Histogram::relative_error_max));
}

TEST(HistogramTest, FewValuesHaveTheirLargestAsHighQuantiles) {
  Histogram h;
  for (int64_t ns = 1; ns <= 10; ++ns) h.add(ns);
  EXPECT_EQ(h.quantile_ns(0.5), 5);
  EXPECT_EQ(h.quantile_ns(0.91), 10);
  EXPECT_EQ(h.quantile_ns(0.9999), 10);
  EXPECT_DOUBLE_EQ(h.mean_ns(), 5.5);
}

TEST(HistogramTest, MergedIsAsIfAddedToOne) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Histogram all;
  Histogram parts[3];
  for (int i = 0; i < 3000; ++i) {
    const auto ns = static_cast<int64_t>(random() >> (random() % 60 + 2));
    all.add(ns);
    parts[i % 3].add(ns);
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.merge(part);
  EXPECT_EQ(merged.count(), all.count());
  EXPECT_EQ(merged.max_ns(), all.max_ns());
  for (const double q : {0.01, 0.5, 0.99, 0.9999, 1.0}) EXPECT_EQ(merged.quantile_ns(q), all.quantile_ns(q)) << q;
}

TEST(HistogramTest, QuantilesAreWithinTheStatedError) {
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
    const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(all.size()) - 1e-6));
    const auto truth = static_cast<double>(all[std::max<size_t>(rank, 1) - 1]);
    const auto said = static_cast<double>(h.quantile_ns(q));
    EXPECT_GE(said, truth) << q;
    EXPECT_LE(said, truth * (1 + Histogram::relative_error_max) + 1) << q;
  }
}

}  // namespace
}  // namespace merlin::bench
