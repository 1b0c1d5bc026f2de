#include "open_loop.h"

#include <gtest/gtest.h>

namespace merlin::bench {
namespace {

constexpr int64_t ms = 1'000'000;

TEST(OpenLoopTest, IntendedTimesDoNotDrift) {
  OpenLoop loop(5 * ms, 3000);  // an interval that is no whole number of ns
  EXPECT_EQ(loop.intended_ns(0), 5 * ms);
  EXPECT_EQ(loop.intended_ns(3), 6 * ms);
  EXPECT_EQ(loop.intended_ns(3'000'000'000), 5 * ms + int64_t{1'000'000} * 1000 * ms);
}

TEST(OpenLoopTest, NothingBeforeItsTimeAndEverythingAfterAStall) {
  OpenLoop loop(0, 1000);  // one per ms
  EXPECT_TRUE(loop.is_due(0));
  EXPECT_EQ(loop.take(0, true), 0);
  EXPECT_FALSE(loop.is_due(1 * ms - 1));
  EXPECT_EQ(loop.next_ns(), 1 * ms);
  // The tool wakes 100 ms late: the requests of that time leave at once, each with the time it was meant for.
  int64_t expected = 1 * ms;
  while (loop.is_due(101 * ms)) {
    EXPECT_EQ(loop.take(101 * ms, true), expected);
    expected += ms;
  }
  EXPECT_EQ(loop.requests(), 102);
  EXPECT_EQ(loop.lag().count(), 102U);
  EXPECT_EQ(loop.lag().max_ns(), 100 * ms);
  EXPECT_EQ(loop.held(), 0);
}

TEST(OpenLoopTest, WaitingForTheBrokerIsNotTheToolsLag) {
  OpenLoop loop(0, 1000);
  EXPECT_EQ(loop.take(0, true), 0);
  loop.hold(50 * ms);  // at 50 ms, everything due was still waiting for answers
  for (int64_t i = 1; i <= 50; ++i) EXPECT_EQ(loop.take(60 * ms, true), i * ms);
  EXPECT_EQ(loop.held(), 50);
  EXPECT_EQ(loop.lag().max_ns(), 0);
  EXPECT_EQ(loop.take(60 * ms, true), 51 * ms);
  EXPECT_EQ(loop.held(), 50);
  EXPECT_EQ(loop.lag().max_ns(), 9 * ms);
}

TEST(OpenLoopTest, WarmUpIsNotCounted) {
  OpenLoop loop(0, 1000);
  loop.take(70 * ms, false);
  loop.hold(70 * ms);
  loop.take(70 * ms, false);
  EXPECT_EQ(loop.lag().count(), 0U);
  EXPECT_EQ(loop.held(), 0);
}

}  // namespace
}  // namespace merlin::bench
