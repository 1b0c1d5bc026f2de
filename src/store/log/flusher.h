// Makes the log durable, in groups.
//
// Owns:     the flusher thread, the durable offset, and those who wait for it.
// Threads:  wait(), notify(), sync_to() and the readings from anywhere; callbacks run on the thread that made the
// progress. Survives: everything below durable() survives a power cut. Fails:    the first failed fdatasync is final:
// fail_stop is called once, every waiter is told `failed`, durable() stands.
//
// Sync mode has no timers: while one group syncs the next one forms, and the thread sleeps only when nothing is new.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "merlin/base/clock.h"
#include "store/log/commit_log.h"

namespace merlin::store {

struct FlusherOptions {
  bool sync_flush = false;
  int32_t interval_ms = 500;
  int32_t least_pages = 4;
  int32_t thorough_interval_ms = 10'000;
};

class Flusher {
 public:
  using Done = std::function<void(DurableCode)>;

  // `on_durable` runs after each group, before its waiters are told.
  Flusher(FlusherOptions options, CommitLog& log, const Clock& clock, std::function<void(const Error&)> fail_stop,
          std::function<void()> on_durable);
  ~Flusher();

  // Everything below `durable` is on disk already.
  void start(int64_t durable);
  // Flushes once more, then fails whoever still waits. REQUIRES: nobody appends any more.
  void stop();
  // Stops without flushing: what a crash would leave.
  void abandon();

  // The log has grown.
  void notify();
  void wait(int64_t end_offset, int32_t timeout_ms, Done done);
  // Syncs on this thread until everything below `offset` is durable.
  Status sync_to(int64_t offset);

  int64_t durable() const { return durable_.load(std::memory_order_acquire); }
  const std::atomic<int64_t>& durable_word() const { return durable_; }
  // Store time of a record below durable() or shortly before.
  int64_t durable_timestamp_ms() const { return durable_timestamp_.load(std::memory_order_acquire); }
  bool failed() const { return failed_.load(std::memory_order_acquire); }

 private:
  struct Waiter {
    int64_t end_offset = 0;
    int64_t deadline_ns = 0;
    Done done;
  };

  void join();
  void run_timer();
  // Tells those whose time is over.
  void expire();
  void run_sync();
  void run_async();
  bool flush_group();
  void fail(const Error& error);
  template <class Due>
  std::vector<Waiter> take(Due&& due);
  void tell(bool all, DurableCode code);

  const FlusherOptions options_;
  CommitLog& log_;
  const Clock& clock_;
  const std::function<void(const Error&)> fail_stop_;
  const std::function<void()> on_durable_;

  std::atomic<int64_t> durable_{0};
  std::atomic<int64_t> durable_timestamp_{0};
  std::atomic<bool> failed_{false};
  std::mutex sync_mutex_;  // one sync at a time

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> sleeping_{false};  // written under mutex_
  bool stopping_ = false;              // guarded by mutex_
  std::vector<Waiter> waiters_;        // guarded by mutex_
  std::thread thread_;
  // Does nothing but look at the clock: a hanging disk cannot hold the waiters longer than they want.
  std::condition_variable timer_wake_;
  std::thread timer_;
};

}  // namespace merlin::store
