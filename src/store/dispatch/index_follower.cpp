#include "store/dispatch/index_follower.h"

#include <chrono>
#include <pthread.h>

#include "merlin/base/log.h"
#include "store/log/log_reader.h"

namespace merlin::store {

// How long to leave a refusing index alone.
static constexpr int32_t retry_interval_ms = 1000;
// The index is behind by this at least while messages come: so often at most the follower is woken.
static constexpr int32_t pause_ms = 5;

IndexFollower::IndexFollower(KeyIndex& index, const SegmentList& segments, DamageList& damage,
                             std::function<int64_t()> limit)
    : index_(index), segments_(segments), damage_(damage), limit_(std::move(limit)) {}

IndexFollower::~IndexFollower() {
  abandon();
}

void IndexFollower::start(int64_t from, int32_t flush_interval_ms) {
  position_.store(from, std::memory_order_release);
  flush_interval_ms_ = flush_interval_ms;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "index-follower");
    run();
  });
}

void IndexFollower::stop() {
  join(true);
}
void IndexFollower::abandon() {
  join(false);
}

void IndexFollower::join(bool catch_up) {
  if (!catch_up) abandoned_.store(true, std::memory_order_release);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void IndexFollower::wake() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!sleeping_.load(std::memory_order_seq_cst)) return;
  {
    const std::lock_guard lock(mutex_);
  }
  wake_.notify_one();
}

void IndexFollower::run() {
  auto next_flush = std::chrono::steady_clock::now() + std::chrono::milliseconds(flush_interval_ms_);
  bool stopping = false;
  while (!stopping) {
    const bool fine = follow();
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_flush) {
      if (Status s = index_.flush(); !s) log_error("store", "key index: {}", s.error().message);
      if (const int64_t below = drop_below_.exchange(0, std::memory_order_acq_rel); below > 0) index_.drop_below(below);
      next_flush = now + std::chrono::milliseconds(flush_interval_ms_);
    }
    std::unique_lock lock(mutex_);
    if (!fine) {
      wake_.wait_for(lock, std::chrono::milliseconds(retry_interval_ms), [this] { return stopping_; });
    } else {
      // Whoever appends need not wake us for each burst: the next ones are taken together.
      wake_.wait_for(lock, std::chrono::milliseconds(pause_ms), [this] { return stopping_; });
      sleeping_.store(true, std::memory_order_seq_cst);
      wake_.wait_until(lock, next_flush, [this] { return stopping_ || position() < limit_(); });
      sleeping_.store(false, std::memory_order_seq_cst);
    }
    stopping = stopping_;
  }
  follow();
}

// Retention may have taken records that the index never saw.
void IndexFollower::skip_to_log_begin() {
  const int64_t begin = segments_.first_start();
  if (position() < begin) position_.store(begin, std::memory_order_release);
}

bool IndexFollower::follow() {
  skip_to_log_begin();
  LogReader reader(segments_, position(), false, &damage_);
  while (!abandoned_.load(std::memory_order_acquire)) {
    const int64_t limit = limit_();
    const LogReader::Step step = reader.next(limit);
    if (step == LogReader::Step::end) {
      position_.store(std::max(position(), limit), std::memory_order_release);
      return true;
    }
    if (step == LogReader::Step::broken) {
      if (reader.position() < segments_.first_start()) return false;
      log_error("store", "key index: log offset {}: {}", reader.position(), reader.error().message);
      return false;
    }
    if (Status s = index_.put(reader.record()); !s) {
      log_error("store", "key index: {}", s.error().message);
      return false;
    }
    position_.store(reader.position(), std::memory_order_release);
  }
  return true;
}

}  // namespace merlin::store
