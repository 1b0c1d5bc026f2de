// The bounded ring between the append lane and the dispatcher.
//
// Owns:     the slots.
// Threads:  one producer at a time (the append lane), one consumer at a time (who holds the dispatcher).
// Fails:    push() answers false when full; the dispatcher then reads the log.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <memory>
#include <span>

#include "store/message_store.h"

namespace merlin::store {

class DispatchRing {
 public:
  explicit DispatchRing(size_t items)
      : mask_(std::bit_ceil(std::max<size_t>(items, 2)) - 1), slots_(std::make_unique<Arrival[]>(mask_ + 1)) {}

  // --- the producer
  // Seen by the consumer after publish().
  bool push(const Arrival& item) {
    if (filled_ - head_seen_ > mask_) {
      head_seen_ = head_.load(std::memory_order_acquire);
      if (filled_ - head_seen_ > mask_) return false;
    }
    slots_[filled_++ & mask_] = item;
    return true;
  }
  void publish() { tail_.store(filled_, std::memory_order_release); }

  // --- the consumer
  // The oldest items, as far as they lie together; none when empty. Valid until pop().
  std::span<const Arrival> front() const {
    const size_t head = head_.load(std::memory_order_relaxed);
    const size_t at = head & mask_;
    return {&slots_[at], std::min(tail_.load(std::memory_order_acquire) - head, mask_ + 1 - at)};
  }
  void pop(size_t count) { head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release); }

 private:
  const size_t mask_;
  const std::unique_ptr<Arrival[]> slots_;
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
  size_t filled_ = 0;     // the producer's: one past the last item
  size_t head_seen_ = 0;  // the same: head_ as it was seen last
};

}  // namespace merlin::store
