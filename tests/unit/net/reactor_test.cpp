#include "net/reactor.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "unit/net/raw_client.h"

namespace merlin::net {
namespace {

using test::eventually;

TEST(reactor, runs_posted_work_in_order_on_its_own_thread) {
  Reactor reactor(3);
  EXPECT_EQ(reactor.index(), 3U);
  std::vector<int> order;
  std::atomic<bool> on_thread{true};
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(reactor.post([&, i] {
      order.push_back(i);
      on_thread = on_thread && reactor.on_this_thread();
    }));
  }
  reactor.start();
  EXPECT_FALSE(reactor.on_this_thread());
  reactor.stop();
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  EXPECT_TRUE(on_thread);
}

TEST(reactor, stop_runs_what_posted_work_posts_and_then_refuses) {
  Reactor reactor(0);
  reactor.start();
  int depth = 0;
  std::function<void()> again = [&] {
    const bool more = ++depth < 10;
    EXPECT_EQ(more, more && reactor.post(again));
  };
  EXPECT_TRUE(reactor.post(again));
  reactor.stop();
  EXPECT_EQ(depth, 10);
  EXPECT_FALSE(reactor.post([] { ADD_FAILURE() << "ran after stop"; }));
  reactor.stop();  // a second time does nothing
}

TEST(reactor, stop_without_start_still_runs_posted_work) {
  Reactor reactor(0);
  bool ran = false;
  EXPECT_TRUE(reactor.post([&] { ran = true; }));
  reactor.stop();
  EXPECT_TRUE(ran);
}

TEST(reactor, work_that_posts_itself_for_ever_does_not_hold_up_stop) {
  Reactor reactor(0);
  std::function<void()> again = [&] { (void)reactor.post(again); };
  EXPECT_TRUE(reactor.post(again));
  reactor.start();
  reactor.stop();
}

TEST(reactor, timers_fire_and_pending_ones_do_not_hold_up_stop) {
  Reactor reactor(0);
  std::atomic<int> ticks{0};
  std::atomic<int> once{0};
  reactor.every_ms(1, [&] { ++ticks; });
  reactor.after_ms(1, [&] { ++once; });
  reactor.after_ms(3'600'000, [&] { ADD_FAILURE() << "an hour passed quickly"; });
  reactor.start();
  EXPECT_TRUE(eventually([&] { return ticks >= 5 && once >= 1; }));
  reactor.stop();
  EXPECT_EQ(once, 1);
}

TEST(reactor, timers_keep_their_order_and_posted_work_need_not_wait_for_them) {
  Reactor reactor(0);
  std::vector<int> order;
  std::atomic<bool> ended{false};
  reactor.after_ms(30, [&] {
    order.push_back(3);
    ended = true;
  });
  reactor.after_ms(10, [&] {
    order.push_back(1);
    // From the reactor's own thread, which sleeps next.
    reactor.post([&] { order.push_back(2); });
  });
  reactor.start();
  EXPECT_TRUE(eventually([&] { return ended.load(); }));
  std::atomic<bool> ran{false};
  for (int i = 0; i < 1000; ++i) {
    ran = false;
    ASSERT_TRUE(reactor.post([&] { ASSERT_TRUE(reactor.post([&] { ran = true; })); }));
    ASSERT_TRUE(eventually([&] { return ran.load(); })) << i;
  }
  reactor.stop();
  // A machine that was away for 20 ms finds both timers due, and then the posted work is the last.
  EXPECT_TRUE(order == (std::vector<int>{1, 2, 3}) || order == (std::vector<int>{1, 3, 2}));
}

TEST(reactor, many_threads_post) {
  Reactor reactor(0);
  reactor.start();
  int count = 0;  // only the reactor touches it
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) EXPECT_TRUE(reactor.post([&] { ++count; }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  reactor.stop();
  EXPECT_EQ(count, 4000);
}

}  // namespace
}  // namespace merlin::net
