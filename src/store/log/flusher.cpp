#include "store/log/flusher.h"

#include <chrono>
#include <pthread.h>

#include "merlin/base/log.h"

namespace merlin::store {

static constexpr int64_t page_bytes = 4096;

Flusher::Flusher(FlusherOptions options, CommitLog& log, const Clock& clock,
                 std::function<void(const Error&)> fail_stop, std::function<void()> on_durable)
    : options_(options),
      log_(log),
      clock_(clock),
      fail_stop_(std::move(fail_stop)),
      on_durable_(std::move(on_durable)) {}

Flusher::~Flusher() {
  abandon();
}

void Flusher::start(int64_t durable) {
  durable_.store(durable, std::memory_order_release);
  durable_timestamp_.store(log_.last_store_timestamp_ms(), std::memory_order_release);
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "flusher");
    options_.sync_flush ? run_sync() : run_async();
  });
  timer_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "flush-timer");
    run_timer();
  });
}

void Flusher::join() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  timer_wake_.notify_all();
  if (timer_.joinable()) timer_.join();
  if (thread_.joinable()) thread_.join();
}

void Flusher::stop() {
  join();
  flush_group();
  tell(true, DurableCode::failed);
}

void Flusher::abandon() {
  join();
  tell(true, DurableCode::failed);
}

void Flusher::notify() {
  // Async mode looks by itself. In sync mode a sleeper set sleeping_ before it looked at the end of the log the last
  // time, so one of the two sees the other.
  if (!options_.sync_flush) return;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  {
    const std::lock_guard lock(mutex_);
  }
  wake_.notify_one();
}

void Flusher::run_sync() {
  for (;;) {
    if (durable() < log_.end() && !failed()) {
      flush_group();
      continue;
    }
    std::unique_lock lock(mutex_);
    sleeping_.store(true, std::memory_order_seq_cst);
    wake_.wait(lock, [this] { return stopping_ || (durable() < log_.end() && !failed()); });
    sleeping_.store(false, std::memory_order_seq_cst);
    if (stopping_) return;
  }
}

void Flusher::run_async() {
  auto last_flush = std::chrono::steady_clock::now();
  for (;;) {
    bool waited_for = false;
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, std::chrono::milliseconds(options_.interval_ms), [this] { return stopping_; })) return;
      waited_for = !waiters_.empty();
    }
    const int64_t behind = log_.end() - durable();
    const auto now = std::chrono::steady_clock::now();
    const bool thorough = now - last_flush >= std::chrono::milliseconds(options_.thorough_interval_ms);
    if (behind > 0 && (waited_for || thorough || behind >= options_.least_pages * page_bytes)) {
      flush_group();
      last_flush = now;
    }
  }
}

void Flusher::run_timer() {
  constexpr auto interval = std::chrono::milliseconds(50);
  std::unique_lock lock(mutex_);
  while (!timer_wake_.wait_for(lock, interval, [this] { return stopping_; })) {
    if (waiters_.empty()) continue;
    lock.unlock();
    expire();
    lock.lock();
  }
}

bool Flusher::flush_group() {
  return sync_to(log_.end()).ok();
}

Status Flusher::sync_to(int64_t offset) {
  {
    const std::lock_guard lock(sync_mutex_);
    if (failed()) return Error{Errc::closed, "the log has stopped after a failed fdatasync"};
    if (durable() >= offset) return {};
    // Taken in this order, the timestamp is never newer than the records below the target.
    const int64_t timestamp = log_.last_store_timestamp_ms();
    const int64_t target = log_.end();
    for (const auto& segment : log_.segments().covering(durable(), target)) {
      if (Status s = segment->sync(); !s) {
        fail(s.error());
        return s;
      }
    }
    durable_timestamp_.store(timestamp, std::memory_order_release);
    durable_.store(target, std::memory_order_release);
  }
  if (on_durable_) on_durable_();
  tell(false, DurableCode::durable);
  return {};
}

void Flusher::fail(const Error& error) {
  if (failed_.exchange(true)) return;
  log_error("store", "{}: the commit log accepts nothing more", error.message);
  log_.close();
  tell(true, DurableCode::failed);
  if (fail_stop_) fail_stop_(error);
}

void Flusher::wait(int64_t end_offset, int32_t timeout_ms, Done done) {
  DurableCode code = DurableCode::durable;
  if (durable() < end_offset) {
    const std::lock_guard lock(mutex_);
    if (failed() || stopping_) {
      code = DurableCode::failed;
    } else if (durable() < end_offset) {
      const int64_t deadline_ns = clock_.monotonic_ns() + int64_t{timeout_ms} * 1'000'000;
      waiters_.push_back({end_offset, deadline_ns, std::move(done)});
      return;
    }
  }
  done(code);
}

// Takes the waiters that `due` chooses out of the list, in their order.
template <class Due>
std::vector<Flusher::Waiter> Flusher::take(Due&& due) {
  std::vector<Waiter> taken;
  const std::lock_guard lock(mutex_);
  auto keep = waiters_.begin();
  for (Waiter& waiter : waiters_) {
    if (due(waiter)) {
      taken.push_back(std::move(waiter));
    } else {
      if (&*keep != &waiter) *keep = std::move(waiter);
      ++keep;
    }
  }
  waiters_.erase(keep, waiters_.end());
  return taken;
}

void Flusher::tell(bool all, DurableCode code) {
  const int64_t durable_now = durable();
  for (Waiter& w : take([&](const Waiter& waiter) { return all || waiter.end_offset <= durable_now; })) {
    w.done(w.end_offset <= durable_now ? DurableCode::durable : code);
  }
}

void Flusher::expire() {
  const int64_t now_ns = clock_.monotonic_ns();
  for (Waiter& w : take([&](const Waiter& waiter) { return waiter.deadline_ns <= now_ns; })) {
    w.done(DurableCode::timed_out);
  }
}

}  // namespace merlin::store
