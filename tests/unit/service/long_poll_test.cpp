#include "service/long_poll.h"

#include <deque>
#include <functional>
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

struct TestWaiter final : Waiter {
  TestWaiter(uintptr_t n, int64_t from, int64_t until_ms, std::function<void(Wake, int64_t)> told)
      : on_wake(std::move(told)) {
    queue = service::queue(n);
    offset = from;
    deadline_ms = until_ms;
  }
  void wake(Wake why, int64_t begin) override { on_wake(why, begin); }
  std::function<void(Wake, int64_t)> on_wake;
};

class LongPollTest : public testing::Test {
 protected:
  bool hold(uintptr_t n, int64_t offset, std::shared_ptr<const Filter> filter = nullptr) {
    TestWaiter& waiter = waiters.emplace_back(n, offset, clock.wall_ms() + 1000, [this](Wake w, int64_t from) {
      woken.push_back(w);
      begins.push_back(from);
    });
    waiter.filter = filters.emplace_back(std::move(filter)).get();
    return poll.hold(waiter);
  }
  void arrive(std::vector<store::Arrival> arrivals) { poll.on_arrivals(arrivals); }
  ManualClock clock{1'000'000};
  LongPoll poll{clock, 3};
  std::deque<TestWaiter> waiters;
  std::deque<std::shared_ptr<const Filter>> filters;
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
  hold(1, 0);
  EXPECT_TRUE(poll.cancel(waiters.back()));
  EXPECT_FALSE(poll.cancel(waiters.back()));
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
    ASSERT_TRUE(
        many.hold(waiters.emplace_back(uintptr_t{7}, 0, clock.wall_ms() + ms, [&ended](Wake, int64_t) { ++ended; })));
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

TEST_F(LongPollTest, TheOldestWakesFirstAndTheOthersStay) {
  std::vector<int> order;
  const auto hold_as = [&](int id, int64_t offset, int64_t ms) {
    ASSERT_TRUE(poll.hold(waiters.emplace_back(uintptr_t{1}, offset, clock.wall_ms() + ms,
                                               [&order, id](Wake, int64_t) { order.push_back(id); })));
  };
  // Taken out of the front, the middle and the back.
  hold_as(1, 0, 1000);
  hold_as(2, 9, 1000);
  hold_as(3, 0, 1000);
  arrive({arrival(1, 0)});
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
  hold_as(4, 1, 1000);
  hold_as(5, 1, 10);
  EXPECT_TRUE(poll.cancel(waiters[3]));
  clock.advance_ms(10);
  poll.sweep();
  EXPECT_EQ(order, (std::vector<int>{1, 3, 5}));
  hold_as(6, 1, 1000);
  arrive({arrival(1, 9)});
  EXPECT_EQ(order, (std::vector<int>{1, 3, 5, 2, 6}));
  EXPECT_EQ(poll.held(), 0U);
}

// What a queue was shown is forgotten with its last waiter, though its place stays.
TEST_F(LongPollTest, AnEmptyQueueKnowsNothing) {
  hold(1, 0);
  arrive({arrival(1, 0), arrival(1, 1)});
  ASSERT_EQ(woken.size(), 1U);
  hold(1, 1, make_filter(build_subscription("T", "a", "TAG")));
  poll.wake_all(queue(1));
  EXPECT_EQ(begins, (std::vector<int64_t>{0, 1}));
}

TEST_F(LongPollTest, LimitRefuses) {
  for (uintptr_t n = 1; n <= 3; ++n) EXPECT_TRUE(hold(n, 0));
  EXPECT_FALSE(hold(4, 0));
  EXPECT_EQ(poll.held(), 3U);
  arrive({arrival(1, 0)});
  EXPECT_TRUE(hold(4, 0));
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
    TestWaiter waiter(1, next, INT64_MAX, [&](Wake, int64_t) { woken = true; });
    ASSERT_TRUE(poll.hold(waiter));
    if (published.load() > next && poll.cancel(waiter)) woken = true;
    while (!woken.load()) std::this_thread::yield();
    consumed.store(next + 1);
  }
  producer.join();
  EXPECT_EQ(poll.held(), 0U);
}

}  // namespace
}  // namespace merlin::service
