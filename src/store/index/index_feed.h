// Carries the keys of placed records to the key index, so that nobody has to read the log again for them.
//
// Owns:     a ring of entries, one for each key.
// Threads:  prepare() from anywhere; placed() under the append lane, as is whatever comes with the lane held; the other
//           half belongs to the index follower.
// Survives: nothing; after a crash the index is fed from the log.
// Fails:    a full ring passes records over: the follower then reads the log up to where the ring goes on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "store/message_store.h"

namespace merlin::store {

class IndexFeed {
 public:
  explicit IndexFeed(size_t items);

  // Hashes the keys of what is about to be appended.
  static void prepare(std::span<AppendItem> items);

  // --- the append lane is held
  void placed(std::span<const AppendItem> items);
  // Records are taken in again. REQUIRES: drained() and the records up to now come from the log.
  void go_on() { overflowed_.store(false, std::memory_order_release); }

  // --- the follower
  // What waits, oldest first, as far as it lies together; `end` is the log offset up to which the ring has everything,
  // once it is empty.
  std::span<const IndexEntry> front(int64_t& end) const;
  void pop(size_t count) { head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release); }
  bool drained() const { return head_.load(std::memory_order_relaxed) == tail_.load(std::memory_order_acquire); }
  // Records were passed over.
  bool overflowed() const { return overflowed_.load(std::memory_order_acquire); }

 private:
  bool push(const AppendItem& item, size_t& tail);

  const size_t mask_;
  const std::unique_ptr<IndexEntry[]> entries_;
  alignas(64) std::atomic<size_t> head_{0};
  alignas(64) std::atomic<size_t> tail_{0};
  std::atomic<int64_t> end_{0};
  std::atomic<bool> overflowed_{false};
};

}  // namespace merlin::store
