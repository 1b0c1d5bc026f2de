#include "service/queue_locks.h"

#include <gtest/gtest.h>

namespace merlin::service {
namespace {

const QueueId q0{"T", "b", 0};
const QueueId q1{"T", "b", 1};

TEST(QueueLocks, OneHolderUntilReleaseOrExpiry) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  EXPECT_EQ(locks.lock("g", "c1", {q0, q1}).size(), 2U);
  EXPECT_TRUE(locks.lock("g", "c2", {q0}).empty());
  EXPECT_EQ(locks.lock("other", "c2", {q0}).size(), 1U) << "groups do not share locks";
  locks.unlock("g", "c2", {q0});
  EXPECT_TRUE(locks.lock("g", "c2", {q0}).empty()) << "only the holder may unlock";
  locks.unlock("g", "c1", {q0});
  EXPECT_EQ(locks.lock("g", "c2", {q0, q1}), std::vector<QueueId>{q0});
  clock.advance_ms(QueueLocks::lock_lifetime_ms);
  EXPECT_EQ(locks.lock("g", "c1", {q1}), std::vector<QueueId>{q1}) << "renewed at the last moment";
  EXPECT_FALSE(locks.all_expired("g"));
  clock.advance_ms(QueueLocks::lock_lifetime_ms + 1);
  EXPECT_TRUE(locks.all_expired("g"));
  EXPECT_EQ(locks.lock("g", "c2", {q1}), std::vector<QueueId>{q1});
}

TEST(QueueLocks, ExpiredOnesAreForgotten) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  ASSERT_EQ(locks.lock("g", "c1", {q0}).size(), 1U);
  clock.advance_ms(QueueLocks::lock_lifetime_ms + 1);
  locks.drop_expired();
  EXPECT_TRUE(locks.all_expired("g"));
  EXPECT_EQ(locks.lock("g", "c2", {q0}).size(), 1U);
}

}  // namespace
}  // namespace merlin::service
