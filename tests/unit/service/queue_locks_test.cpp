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

TEST(QueueLocks, LongNamesGetNoLockAndLeaveNothing) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  const std::string long_name(QueueLocks::name_max + 1, 'x');
  EXPECT_TRUE(locks.lock(long_name, "c1", {q0}).empty());
  EXPECT_TRUE(locks.lock("g", long_name, {q0}).empty());
  EXPECT_TRUE(locks.lock("g", "c1", {{long_name, "b", 0}, {"T", long_name, 0}}).empty());
  EXPECT_TRUE(locks.all_expired("g"));
}

TEST(QueueLocks, NumberOfLocksIsLimited) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  std::vector<QueueId> many;
  for (int32_t i = 0; i < 50'000; ++i) many.push_back({"T", "b", i});
  size_t given = 0;
  for (int i = 0; i < 21; ++i) given += locks.lock("g" + std::to_string(i), "c1", many).size();
  EXPECT_EQ(given, QueueLocks::locks_max);
  locks.unlock("g0", "c1", many);
  EXPECT_EQ(locks.lock("other", "c1", many).size(), many.size()) << "what was given back can be given again";
  clock.advance_ms(QueueLocks::lock_lifetime_ms + 1);
  locks.drop_expired();
  EXPECT_EQ(locks.lock("g0", "c2", many).size(), many.size());
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
