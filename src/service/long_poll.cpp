#include "service/long_poll.h"

#include <algorithm>

namespace merlin::service {

class LongPoll::Properties {
 public:
  explicit Properties(const Records& records) : records_(records) {}

  void next(const store::Arrival& arrival) {
    arrival_ = &arrival;
    is_read_ = false;
  }
  // nullptr: they cannot be read now.
  const filter::PropertyList* get() {
    if (!is_read_) {
      is_read_ = true;
      is_known_ = read();
    }
    return is_known_ ? &list_ : nullptr;
  }

 private:
  bool read() {
    bytes_.clear();
    if (!records_ || !records_(*arrival_, bytes_) || bytes_.slices.size() != 1) return false;
    const auto record = message::decode_record(bytes_.slices.front(), false);
    if (!record) return false;
    list_.assign(record->properties);
    return true;
  }

  const Records& records_;
  const store::Arrival* arrival_ = nullptr;
  bool is_read_ = false;
  bool is_known_ = false;
  store::LogBytes bytes_;
  filter::PropertyList list_;
};

static bool needs_properties(const LongPoll::Waiter& waiter) {
  return waiter.filter != nullptr && waiter.filter->needs_record();
}

// The index begins with all that wait when there are enough of them, and stays until the last has gone.
void LongPoll::add_to_index(Queue& queue, uint64_t token, const Waiter& waiter, size_t indexed_from) {
  if (queue.index != nullptr) return queue.index->add(token, waiter.filter.get());
  if (queue.waiters.size() < indexed_from) return;
  queue.index = std::make_unique<WaiterIndex>();
  for (const auto& [each, held] : queue.waiters) queue.index->add(each, held.waiter.filter.get());
}

uint64_t LongPoll::hold(Waiter waiter) {
  if (held_.fetch_add(1, std::memory_order_seq_cst) >= held_max_) {
    held_.fetch_sub(1);
    return 0;
  }
  const uint64_t token = next_token_.fetch_add(1, std::memory_order_relaxed);
  Shard& s = shard(waiter.queue);
  std::lock_guard lock(s.mutex);
  s.earliest_ms = std::min(s.earliest_ms, waiter.deadline_ms);
  Queue& queue = s.queues[waiter.queue];
  if (needs_properties(waiter)) ++queue.need_properties;
  const bool is_behind = waiter.offset < queue.shown_to;
  const auto it = queue.waiters.emplace(token, Held{std::move(waiter), is_behind}).first;
  add_to_index(queue, token, it->second.waiter, indexed_from_);
  return token;
}

// Removes the waiter; its wake, with the offset to begin at, goes to `woken`.
LongPoll::Waiters::iterator LongPoll::take(Queue& queue, Waiters::iterator it, Woken* woken) {
  Waiter& waiter = it->second.waiter;
  if (needs_properties(waiter)) --queue.need_properties;
  if (queue.index != nullptr) queue.index->remove(it->first, waiter.filter.get());
  if (woken != nullptr) woken->emplace_back(std::move(waiter.wake), begin_of(queue, it->second));
  return queue.waiters.erase(it);
}

int64_t LongPoll::begin_of(const Queue& queue, const Held& held) {
  const int64_t offset = held.waiter.offset;
  return held.is_behind || offset < queue.shown_from ? offset : std::max(offset, queue.shown_to);
}

bool LongPoll::cancel(const store::ConsumeQueue* name, uint64_t token) {
  Shard& s = shard(name);
  std::lock_guard lock(s.mutex);
  const auto queue = s.queues.find(name);
  if (queue == s.queues.end()) return false;
  const auto it = queue->second.waiters.find(token);
  if (it == queue->second.waiters.end()) return false;
  take(queue->second, it, nullptr);
  if (queue->second.waiters.empty()) s.queues.erase(queue);
  held_.fetch_sub(1);
  return true;
}

bool LongPoll::concerns(const Waiter& waiter, const store::Arrival& arrival, Properties& properties) {
  if (arrival.queue_offset + arrival.count <= waiter.offset) return false;
  if (waiter.filter == nullptr) return true;
  if (!waiter.filter->matches_tags_code(arrival.tags_code)) return false;
  if (!waiter.filter->needs_record()) return true;
  const filter::PropertyList* list = properties.get();
  return list == nullptr || waiter.filter->matches_properties(*list);
}

void LongPoll::show(Queue& queue, const store::Arrival& arrival, Properties& properties, Woken& woken) const {
  properties.next(arrival);
  if (queue.shown_to != arrival.queue_offset) {
    // Nothing is known of what came before this one.
    queue.shown_from = arrival.queue_offset;
    queue.shown_to = arrival.queue_offset;
  }
  if (queue.index != nullptr) {
    show_indexed(queue, arrival, properties, woken);
  } else {
    for (auto it = queue.waiters.begin(); it != queue.waiters.end();) {
      it = concerns(it->second.waiter, arrival, properties) ? take(queue, it, &woken) : std::next(it);
    }
  }
  queue.shown_to = arrival.queue_offset + arrival.count;
}

void LongPoll::show_indexed(Queue& queue, const store::Arrival& arrival, Properties& properties, Woken& woken) const {
  std::vector<uint64_t> tokens;
  queue.index->find_by_tag(arrival.tags_code, tokens);
  if (queue.need_properties > 0) {
    if (const filter::PropertyList* list = properties.get()) {
      queue.index->find_by_properties(*list, tokens);
    } else {
      for (const auto& [token, held] : queue.waiters) {
        if (needs_properties(held.waiter)) tokens.push_back(token);
      }
    }
  }
  for (const uint64_t token : tokens) {
    const auto it = queue.waiters.find(token);
    if (it != queue.waiters.end() && concerns(it->second.waiter, arrival, properties)) take(queue, it, &woken);
  }
}

void LongPoll::on_arrivals(std::span<const store::Arrival> arrivals) {
  // Most of the time nobody waits: one load. hold() counts itself before it registers, and its caller looks at the
  // queue again afterwards, so a waiter this load misses sees the message itself.
  if (held_.load(std::memory_order_seq_cst) == 0) return;
  Woken woken;
  Properties properties(records_);
  size_t i = 0;
  while (i < arrivals.size()) {
    const store::ConsumeQueue* name = arrivals[i].queue;
    size_t end = i + 1;
    while (end < arrivals.size() && arrivals[end].queue == name) ++end;
    Shard& s = shard(name);
    std::lock_guard lock(s.mutex);
    const auto it = s.queues.find(name);
    if (it != s.queues.end()) {
      Queue& queue = it->second;
      for (; i < end && !queue.waiters.empty(); ++i) show(queue, arrivals[i], properties, woken);
      if (queue.waiters.empty()) s.queues.erase(it);
    }
    i = end;
  }
  held_.fetch_sub(woken.size());
  for (auto& [wake, offset] : woken) wake(Wake::arrival, offset);
}

void LongPoll::wake_all(const store::ConsumeQueue* name) {
  Woken woken;
  {
    Shard& s = shard(name);
    std::lock_guard lock(s.mutex);
    const auto it = s.queues.find(name);
    if (it == s.queues.end()) return;
    Waiters& waiters = it->second.waiters;
    for (auto each = waiters.begin(); each != waiters.end();) each = take(it->second, each, &woken);
    s.queues.erase(it);
  }
  held_.fetch_sub(woken.size());
  for (auto& [wake, offset] : woken) wake(Wake::arrival, offset);
}

void LongPoll::sweep() {
  if (held() == 0) return;
  const int64_t now_ms = clock_.wall_ms();
  // A clock that was set back shall not stretch the pause.
  if (now_ms >= swept_ms_ && now_ms - swept_ms_ < pause_ms_) return;
  Woken woken;
  size_t looked_at = 0;
  for (Shard& s : shards_) {
    std::lock_guard lock(s.mutex);
    if (s.earliest_ms > now_ms) continue;
    s.earliest_ms = INT64_MAX;
    for (auto it = s.queues.begin(); it != s.queues.end();) {
      Queue& queue = it->second;
      looked_at += queue.waiters.size();
      for (auto each = queue.waiters.begin(); each != queue.waiters.end();) {
        const int64_t deadline_ms = each->second.waiter.deadline_ms;
        if (deadline_ms > now_ms) s.earliest_ms = std::min(s.earliest_ms, deadline_ms);
        each = deadline_ms <= now_ms ? take(queue, each, &woken) : std::next(each);
      }
      it = queue.waiters.empty() ? s.queues.erase(it) : std::next(it);
    }
  }
  swept_ms_ = now_ms;
  pause_ms_ = static_cast<int64_t>(looked_at) / held_per_sweep_ms;
  held_.fetch_sub(woken.size());
  for (auto& [wake, offset] : woken) wake(Wake::deadline, offset);
}

}  // namespace merlin::service
