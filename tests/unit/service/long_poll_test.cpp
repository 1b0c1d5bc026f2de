#include "service/long_poll.h"

#include <thread>

#include <gtest/gtest.h>

#include "service/subscription.h"

namespace merlin::service {
namespace {

// The table only compares queue pointers.
const store::ConsumeQueue* queue(uintptr_t n) {
  return reinterpret_cast<const store::ConsumeQueue*>(n * 64);
}

store::Arrival arrival(uintptr_t n, int64_t offset, int64_t tags_code = 0) {
  store::Arrival a;
  a.queue = const_cast<store::ConsumeQueue*>(queue(n));
  a.queue_offset = offset;
  a.tags_code = tags_code;
  return a;
}

class LongPollTest : public testing::Test {
 protected:
  uint64_t hold(uintptr_t n, int64_t offset, std::shared_ptr<const Filter> filter = nullptr) {
    return poll.hold({queue(n), offset, std::move(filter), clock.wall_ms() + 1000, [this](Wake w, int64_t from) {
                        woken.push_back(w);
                        begins.push_back(from);
                      }});
  }
  void arrive(std::vector<store::Arrival> arrivals) { poll.on_arrivals(arrivals); }
  ManualClock clock{1'000'000};
  LongPoll poll{clock, 3};
  std::vector<Wake> woken;
  std::vector<int64_t> begins;
};

TEST_F(LongPollTest, AllOfAQueueLookAgainWhenTheyAreTold) {
  hold(1, 5);
  hold(1, 7);
  hold(2, 5);
  poll.wake_all(queue(1));
  EXPECT_EQ(woken.size(), 2U);
  EXPECT_EQ(poll.held(), 1U);
  poll.wake_all(queue(3));
  arrive({arrival(1, 9)});
  EXPECT_EQ(woken.size(), 2U);
  arrive({arrival(2, 5)});
  EXPECT_EQ(woken.size(), 3U);
}

TEST_F(LongPollTest, WakesOnlyTheQueueAndOffsetThatArrived) {
  hold(1, 5);
  hold(2, 5);
  arrive({arrival(1, 4)});
  EXPECT_TRUE(woken.empty());
  arrive({arrival(3, 9), arrival(1, 5)});
  EXPECT_EQ(woken, std::vector<Wake>{Wake::arrival});
  EXPECT_EQ(poll.held(), 1U);
  arrive({arrival(1, 6)});
  EXPECT_EQ(woken.size(), 1U) << "a waiter wakes once";
}

TEST_F(LongPollTest, EveryArrivalOfABurstIsTestedAgainstTheFilter) {
  hold(1, 0, make_filter(build_subscription("T", "a", "TAG")));
  arrive({arrival(1, 0, 98), arrival(1, 1, 99)});
  EXPECT_TRUE(woken.empty());
  arrive({arrival(1, 2, 97), arrival(1, 3, 99)});
  EXPECT_EQ(woken.size(), 1U);
}

TEST_F(LongPollTest, DeadlineWakesAndCancelDoesNot) {
  const uint64_t token = hold(1, 0);
  EXPECT_TRUE(poll.cancel(queue(1), token));
  EXPECT_FALSE(poll.cancel(queue(1), token));
  hold(1, 0);
  clock.advance_ms(999);
  poll.sweep();
  EXPECT_TRUE(woken.empty());
  clock.advance_ms(1);
  poll.sweep();
  EXPECT_EQ(woken, std::vector<Wake>{Wake::deadline});
  EXPECT_EQ(poll.held(), 0U);
}

TEST_F(LongPollTest, ManyHeldPullsAreNotLookedAtEachTime) {
  LongPoll many(clock, 10'000);
  int ended = 0;
  const auto hold_for = [&](int64_t ms) {
    ASSERT_NE(many.hold({queue(7), 0, nullptr, clock.wall_ms() + ms, [&ended](Wake, int64_t) { ++ended; }}), 0U);
  };
  for (int i = 0; i < 1000; ++i) hold_for(5000);
  hold_for(10);
  hold_for(12);
  many.sweep();
  EXPECT_EQ(ended, 0);
  clock.advance_ms(10);
  many.sweep();
  EXPECT_EQ(ended, 1) << "one that looked at nothing makes no pause";
  clock.advance_ms(2);
  many.sweep();
  EXPECT_EQ(ended, 1) << "a thousand were looked at just now";
  clock.advance_ms(1002 / LongPoll::held_per_sweep_ms - 2);
  many.sweep();
  EXPECT_EQ(ended, 2);
  clock.advance_ms(5000);
  many.sweep();
  EXPECT_EQ(ended, 1002);
  EXPECT_EQ(many.held(), 0U);
}

TEST_F(LongPollTest, LimitRefuses) {
  for (uintptr_t n = 1; n <= 3; ++n) EXPECT_NE(hold(n, 0), 0U);
  EXPECT_EQ(hold(4, 0), 0U);
  EXPECT_EQ(poll.held(), 3U);
  arrive({arrival(1, 0)});
  EXPECT_NE(hold(4, 0), 0U);
}

// Registers, looks again, waits; a producer publishes its offset before it tells. No interleaving may lose the message.
TEST(LongPollRace, RegisterThenRecheckLosesNothing) {
  SystemClock clock;
  LongPoll poll(clock, 1000);
  constexpr int64_t rounds = 20'000;
  std::atomic<int64_t> published{0};
  std::atomic<int64_t> consumed{0};
  std::thread producer([&] {
    for (int64_t i = 0; i < rounds; ++i) {
      published.store(i + 1);
      const store::Arrival a = arrival(1, i);
      poll.on_arrivals({&a, 1});
      while (consumed.load() < i + 1) std::this_thread::yield();
    }
  });
  for (int64_t next = 0; next < rounds; ++next) {
    std::atomic<bool> woken{false};
    const uint64_t token = poll.hold({queue(1), next, nullptr, INT64_MAX, [&](Wake, int64_t) { woken = true; }});
    ASSERT_NE(token, 0U);
    if (published.load() > next && poll.cancel(queue(1), token)) woken = true;
    while (!woken.load()) std::this_thread::yield();
    consumed.store(next + 1);
  }
  producer.join();
  EXPECT_EQ(poll.held(), 0U);
}

}  // namespace
}  // namespace merlin::service
