// Held pulls: register first, look again, then wait for an arrival or the deadline.
//
// Owns:    the waiters, sharded by queue.
// Threads: hold(), cancel() on reactors; on_arrivals() on whichever thread dispatches; sweep() on one thread. wake runs
// on
//          the thread that found the reason, outside all locks: it only posts.
// Limits:  held_max waiters in all.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"
#include "store/message_store.h"

namespace merlin::service {

enum class Wake : uint8_t { arrival, deadline };

class LongPoll final : public store::ArrivalListener {
 public:
  struct Waiter {
    const store::ConsumeQueue* queue = nullptr;
    int64_t offset = 0;                                  // waits for a message at or behind this offset
    std::shared_ptr<const store::MessageFilter> filter;  // null: any
    int64_t deadline_ms = 0;                             // wall clock
    std::function<void(Wake)> wake;                      // called exactly once, unless cancelled
  };

  LongPoll(const Clock& clock, size_t held_max) : clock_(clock), held_max_(held_max) {}

  // Returns a token for cancel(), or 0 when held_max is reached.
  uint64_t hold(Waiter waiter);
  // True when the waiter was still held: its wake will not be called any more.
  bool cancel(const store::ConsumeQueue* queue, uint64_t token);
  void on_arrivals(std::span<const store::Arrival> arrivals) override;
  // Something else than a message has come, for one of those who wait for this queue: they all look again.
  void wake_all(const store::ConsumeQueue* queue);
  // Wakes what is over its deadline. To be called often: it looks at the waiters only when a deadline has passed, and
  // waits a millisecond for each held_per_sweep_ms of them until it looks again, so that many cost little.
  static constexpr int64_t held_per_sweep_ms = 50;
  void sweep();
  size_t held() const { return held_.load(std::memory_order_relaxed); }
  size_t held_max() const { return held_max_; }

 private:
  // By token, so that the oldest is woken first and one is cancelled without a look at the others.
  using Waiters = std::map<uint64_t, Waiter>;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<const store::ConsumeQueue*, Waiters> queues;  // guarded by mutex
    int64_t earliest_ms = INT64_MAX;                                 // guarded by mutex; no deadline is before it
  };
  // Takes the wakes of those that match.
  template <class Match>
  static void take_where(Waiters& waiters, std::vector<std::function<void(Wake)>>& woken, Match match);
  Shard& shard(const store::ConsumeQueue* queue) {
    return shards_[(reinterpret_cast<uintptr_t>(queue) >> 6) % shards_.size()];
  }

  const Clock& clock_;
  const size_t held_max_;
  std::array<Shard, 16> shards_;
  std::atomic<size_t> held_{0};
  std::atomic<uint64_t> next_token_{1};
  int64_t swept_ms_ = 0;  // of sweep(): when it looked at waiters last
  int64_t pause_ms_ = 0;  // of sweep(): so long it does not look again
};

}  // namespace merlin::service
