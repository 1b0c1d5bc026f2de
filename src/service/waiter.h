// One who waits for a message of a queue. LongPoll links it; it costs no memory beside its own.
//
// Owns:    nothing; it belongs to who made it.
// Threads: from LongPoll::hold() until wake() is called or cancel() has said true it is LongPoll's: nobody else touches
//          it, nor ends it. Only cancel() and look_soon() may be called any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "service/message_filter.h"

namespace merlin::store {
class ConsumeQueue;
}

namespace merlin::service {

enum class Wake : uint8_t { arrival, deadline };

class Waiter {
 public:
  const store::ConsumeQueue* queue = nullptr;
  int64_t offset = 0;              // waits for a message at or behind this offset
  const Filter* filter = nullptr;  // null: any
  int64_t deadline_ms = 0;         // wall clock
  std::string_view group = {};     // for LongPoll::wake_group()

  // Called exactly once, unless cancelled, on the thread that found the reason and outside all locks. `begin` is the
  // offset from which on there is something to look at: what came before it was shown to the filter and did not match.
  virtual void wake(Wake why, int64_t begin) = 0;

 protected:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() = default;

 private:
  friend class LongPoll;
  // All guarded by LongPoll's lock of the queue.
  Waiter* before_ = nullptr;
  Waiter* next_ = nullptr;
  uint64_t number_ = 0;     // grows: the oldest of a queue is woken first
  int64_t begin_ = 0;       // once taken out: of wake()
  bool is_held_ = false;    // it stands in a queue
  bool is_behind_ = false;  // messages at its offset came before it did: nothing is known of them
  bool is_due_ = false;     // there was no budget to ask it or to let it look: it is in Shard::due, and in no index
};

}  // namespace merlin::service
