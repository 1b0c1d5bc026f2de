// Held pulls: register first, look again, then wait for an arrival that concerns one, or the deadline.
//
// Owns:    which waiter stands in which queue, sharded by queue; the waiters belong to others (waiter.h). Holding and
//          waking one makes no allocation once its queue has had one.
// Threads: hold(), cancel() on reactors; on_arrivals() on whichever thread dispatches, one at a time; sweep() on one
//          thread. Waiter::wake() runs on the thread that found the reason, outside all locks: it only posts.
// Filters: a message wakes only those that it matches. Its properties are looked at when a waiter of its queue needs
//          them: walked once, and shown to all of them; with many waiters, only to those that an index finds. When its
//          bytes cannot be read without waiting, all that need them wake and look for themselves.
// Work:    whoever dispatches spends no more on filters than WakeBudgets says; beyond that a waiter is not asked, but
//          looks for itself on its own reactor, and holds again when it found nothing. Such looks have a budget of
//          their own: at once while it lasts, then one after the other with each sweep(), those that wait longest
//          first.
// Limits:  held_max waiters in all; empty_queues_max queues remembered without one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"
#include "service/waiter.h"
#include "service/waiter_index.h"
#include "store/message_store.h"

namespace merlin::service {

// In units of about 10 ns, see Filter::units_per_step().
struct WakeBudgets {
  int64_t asked_per_call = int64_t{1} << 19;    // of on_arrivals(), for all waiters together
  int64_t asked_per_sweep = int64_t{1} << 21;   // of all calls between two sweeps
  int64_t looked_per_sweep = int64_t{1} << 21;  // of the waiters that look for themselves
};

class LongPoll final : public store::ArrivalListener {
 public:
  // The bytes of a message that has just come; false when they are not at hand.
  using Records = std::function<bool(const store::Arrival&, store::LogBytes&)>;
  // A queue with so many waiters gets an index.
  static constexpr size_t indexed_from_default = 16;
  // So many queues of a shard keep their place when nobody waits any more: mostly the next pull comes soon.
  static constexpr size_t empty_queues_max = 1024;

  // What a look costs beside the filter, and the most that it is counted with: one pull does no more.
  static constexpr int64_t look_units_min = 256;
  static constexpr int64_t look_units_max = int64_t{1} << 20;

  LongPoll(const Clock& clock, size_t held_max, size_t indexed_from = indexed_from_default, WakeBudgets budgets = {})
      : clock_(clock),
        held_max_(held_max),
        indexed_from_(indexed_from),
        budgets_(budgets),
        ask_units_(budgets.asked_per_sweep),
        look_units_(budgets.looked_per_sweep) {}
  // REQUIRES: before the first hold(). Without it, each message wakes those that need its properties.
  void set_records(Records records) { records_ = std::move(records); }

  // False when held_max is reached.
  bool hold(Waiter& waiter);
  // True when the waiter was still held: its wake() will not be called any more.
  bool cancel(Waiter& waiter);
  void on_arrivals(std::span<const store::Arrival> arrivals) override;
  // Something else than a message has come, for one of those who wait for this queue: they all look again.
  void wake_all(const store::ConsumeQueue* queue);
  // The same for those with this Waiter::group only.
  void wake_group(const store::ConsumeQueue* queue, std::string_view group);
  // There is something at or behind its offset that it has not been asked about: it looks when there is budget for it.
  void look_soon(Waiter& waiter);
  // Renews the budgets, and wakes what waits for them or is over its deadline. To be called every 50 ms or so: it looks
  // at the waiters only when a deadline has passed, and waits a millisecond for each held_per_sweep_ms of them until it
  // looks again, so that many cost little.
  static constexpr int64_t held_per_sweep_ms = 50;
  void sweep();
  size_t held() const { return held_.load(std::memory_order_relaxed); }
  size_t held_max() const { return held_max_; }

 private:
  // Linked in the order of hold().
  struct Queue {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
    size_t count = 0;
    size_t need_properties = 0;  // of the waiters that are not due
    size_t due = 0;              // of the waiters
    int64_t units_per_step = 1;  // of the messages shown lately
    // All messages in [shown_from, shown_to) were shown to all that waited for them.
    int64_t shown_from = 0;
    int64_t shown_to = -1;
    std::unique_ptr<WaiterIndex> index;  // once there were many
  };
  using Queues = std::unordered_map<const store::ConsumeQueue*, Queue>;
  // Those to be woken, linked by their own `next_`.
  struct Woken {
    Waiter* first = nullptr;
    Waiter* last = nullptr;
    size_t count = 0;
  };
  struct Shard {
    std::mutex mutex;
    Queues queues;                    // guarded by mutex
    int64_t earliest_ms = INT64_MAX;  // guarded by mutex; no deadline is before it
    std::map<uint64_t, Waiter*> due;  // guarded by mutex; by number: the oldest first
  };
  // Of one call of on_arrivals().
  struct Round {
    Shard* shard = nullptr;
    int64_t units_left = 0;
    Woken woken;
  };
  // Of the message at hand: read and walked when the first one asks.
  class Properties;
  enum class Concern : uint8_t { none, yes, unknown };

  void show(Queue& queue, const store::Arrival& arrival, Properties& properties, Round& round);
  void show_indexed(Queue& queue, const store::Arrival& arrival, Properties& properties, Round& round);
  void show_one(Queue& queue, Waiter& waiter, const store::Arrival& arrival, Properties& properties, Round& round);
  static Concern concerns(const Waiter& waiter, const store::Arrival& arrival, Properties& properties, Round& round);
  void look(Shard& shard, Queue& queue, Waiter& waiter, int64_t queue_end, Woken& woken);
  static int64_t look_units(const Queue& queue, const Waiter& waiter, int64_t queue_end);
  void look_due();
  void look_due(Shard& shard, Woken& woken);
  // group: nullptr, all of them.
  void wake_if(const store::ConsumeQueue* queue, const std::string_view* group);
  static void add_to_index(Queue& queue, Waiter& waiter, size_t indexed_from);
  static void remove_from_index(Queue& queue, Waiter& waiter);
  static void take(Shard& shard, Queue& queue, Waiter& waiter, Woken* woken);
  static Queues::iterator leave(Shard& shard, Queues::iterator queue);
  static int64_t begin_of(const Queue& queue, const Waiter& waiter);
  void wake(const Woken& woken, Wake why);
  Shard& shard(const store::ConsumeQueue* queue) {
    return shards_[(reinterpret_cast<uintptr_t>(queue) >> 6) % shards_.size()];
  }

  const Clock& clock_;
  const size_t held_max_;
  const size_t indexed_from_;
  const WakeBudgets budgets_;
  Records records_;
  std::array<Shard, 16> shards_;
  std::atomic<size_t> held_{0};
  std::atomic<uint64_t> next_number_{1};
  std::atomic<int64_t> ask_units_;    // left until the next sweep()
  std::atomic<int64_t> look_units_;   // the same
  std::atomic<bool> has_due_{false};  // some shard has
  size_t due_shard_ = 0;              // of sweep(): where it begins, so that all have their turn
  int64_t swept_ms_ = 0;              // of sweep(): when it looked at waiters last
  int64_t pause_ms_ = 0;              // of sweep(): so long it does not look again
};

}  // namespace merlin::service
