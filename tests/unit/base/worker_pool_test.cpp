#include "merlin/base/worker_pool.h"

#include <atomic>
#include <future>

#include <gtest/gtest.h>

namespace merlin {
namespace {

TEST(WorkerPool, runs_what_is_submitted_and_finishes_it_before_it_stops) {
  std::atomic<int> ran{0};
  WorkerPool pool("test", 3, 1'000);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.submit([&] { ++ran; }));
  pool.stop();
  EXPECT_EQ(ran.load(), 500);
  EXPECT_FALSE(pool.submit([&] { ++ran; }));
  EXPECT_EQ(ran.load(), 500);
}

TEST(WorkerPool, refuses_beyond_its_limit_and_takes_again_when_there_is_room) {
  std::promise<void> started;
  std::promise<void> gate;
  WorkerPool pool("test", 1, 2);
  ASSERT_TRUE(pool.submit([&] {
    started.set_value();
    gate.get_future().wait();
  }));
  started.get_future().wait();
  std::promise<void> done;
  ASSERT_TRUE(pool.submit([] {}));
  ASSERT_TRUE(pool.submit([&] { done.set_value(); }));
  EXPECT_EQ(pool.queued(), 2U);
  EXPECT_FALSE(pool.submit([] {}));
  gate.set_value();
  done.get_future().wait();
  EXPECT_TRUE(pool.submit([] {}));
}

TEST(WorkerPool, refuses_what_would_hold_too_many_bytes) {
  std::promise<void> gate;
  std::promise<void> started;
  WorkerPool pool("test", 1, 100);
  ASSERT_TRUE(pool.submit([&, wait = gate.get_future().share()] {
    started.set_value();
    wait.wait();
  }));
  started.get_future().wait();
  EXPECT_TRUE(pool.submit([] {}, 2 * WorkerPool::queue_bytes_max)) << "one large job is taken when nothing else waits";
  EXPECT_FALSE(pool.submit([] {}, 1));
  std::promise<void> done;
  EXPECT_TRUE(pool.submit([&] { done.set_value(); })) << "a job that holds nothing is";
  gate.set_value();
  done.get_future().wait();
  EXPECT_EQ(pool.queued_bytes(), 0U);
  EXPECT_TRUE(pool.submit([] {}, 1));
}

TEST(WorkerPool, destroys_a_job_before_the_next_wait) {
  auto owned = std::make_shared<int>(1);
  std::weak_ptr<int> watched = owned;
  std::promise<void> next;
  WorkerPool pool("test", 1, 10);
  ASSERT_TRUE(pool.submit([held = std::move(owned)] {}));
  ASSERT_TRUE(pool.submit([&] { next.set_value(); }));
  next.get_future().wait();
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace merlin
