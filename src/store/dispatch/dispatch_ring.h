// The bounded ring between the append lane and the dispatcher.
//
// Owns:     the slots.
// Threads:  one producer at a time (the append lane), one consumer at a time (who holds the dispatcher).
// Fails:    push() answers false when full; the dispatcher then reads the log.
#pragma once

#include <atomic>
#include <bit>
#include <memory>

#include "store/message_store.h"

namespace merlin::store {

class DispatchRing {
 public:
  explicit DispatchRing(size_t items)
      : mask_(std::bit_ceil(std::max<size_t>(items, 2)) - 1), slots_(std::make_unique<Arrival[]>(mask_ + 1)) {}

  bool push(const Arrival& item) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) > mask_) return false;
    slots_[tail & mask_] = item;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // The oldest item; nullptr when empty. Valid until pop().
  const Arrival* front() const {
    const size_t head = head_.load(std::memory_order_relaxed);
    return head == tail_.load(std::memory_order_acquire) ? nullptr : &slots_[head & mask_];
  }
  void pop() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  const size_t mask_;
  const std::unique_ptr<Arrival[]> slots_;
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
};

}  // namespace merlin::store
