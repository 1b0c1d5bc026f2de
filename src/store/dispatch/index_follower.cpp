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

IndexFollower::IndexFollower(KeyIndex& index, CommitLog& log, IndexFeed& feed, DamageList& damage,
                             std::function<int64_t()> limit)
    : index_(index), log_(log), feed_(feed), damage_(damage), limit_(std::move(limit)) {}

IndexFollower::~IndexFollower() {
  abandon();
}

void IndexFollower::start(int64_t from, int32_t flush_interval_ms) {
  position_.store(from, std::memory_order_release);
  flush_interval_ms_ = flush_interval_ms;
  log_until_ = log_.end();
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
    const int64_t before = position();
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
    } else if (position() > before) {
      // Under load nobody has to wake us: what comes meanwhile is taken together.
      wake_.wait_for(lock, std::chrono::milliseconds(pause_ms), [this] { return stopping_; });
    } else {
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
  const int64_t begin = log_.begin();
  if (position() < begin) position_.store(begin, std::memory_order_release);
}

bool IndexFollower::follow() {
  skip_to_log_begin();
  for (;;) {
    const int64_t limit = limit_();
    if (position() < log_until_) {
      const int64_t until = std::min(limit, log_until_);
      if (!follow_log(until)) return false;
      if (position() < log_until_) return true;
    }
    if (!follow_feed(limit)) return false;
    if (position() < log_until_) continue;
    if (!feed_.overflowed() || !feed_.drained()) return true;
    // Records were passed over: those up to now come from the log, later ones from the feed.
    const auto lane = log_.hold_lane();
    feed_.go_on();
    log_until_ = log_.end();
  }
}

// Both answer false when the index refused; what was reached is in position().
// Comes back, too, when a record has to be looked up.
bool IndexFollower::follow_feed(int64_t limit) {
  while (!abandoned_.load(std::memory_order_acquire)) {
    int64_t end = 0;
    auto entries = feed_.front(end);
    if (entries.empty()) {
      position_.store(std::max(position(), std::min(limit, end)), std::memory_order_release);
      return true;
    }
    size_t count = 0;
    while (count < entries.size() && entries[count].physical_offset < limit && !entries[count].is_whole()) ++count;
    if (count > 0) {
      const Status s = index_.put(entries.first(count), count);
      if (count > 0) position_.store(entries[count - 1].physical_offset, std::memory_order_release);
      feed_.pop(count);
      if (!s) {
        log_error("store", "key index: {}", s.error().message);
        return false;
      }
      continue;
    }
    const IndexEntry first = entries.front();
    position_.store(std::max(position(), std::min(limit, first.physical_offset)), std::memory_order_release);
    if (first.physical_offset < limit) {
      log_until_ = first.physical_end();
      feed_.pop(1);
    }
    return true;
  }
  return true;
}

bool IndexFollower::follow_log(int64_t limit) {
  LogReader reader(log_.segments(), position(), false, &damage_);
  while (!abandoned_.load(std::memory_order_acquire)) {
    const LogReader::Step step = reader.next(limit);
    if (step == LogReader::Step::end) {
      position_.store(std::max(position(), limit), std::memory_order_release);
      return true;
    }
    if (step == LogReader::Step::broken) {
      if (reader.position() < log_.begin()) return false;
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
