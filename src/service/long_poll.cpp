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

static bool needs_properties(const Waiter& waiter) {
  return waiter.filter != nullptr && waiter.filter->needs_record();
}

// The index begins with all that wait when there are enough of them, and stays until the last has gone.
void LongPoll::add_to_index(Queue& queue, Waiter& waiter, size_t indexed_from) {
  if (queue.index != nullptr) return queue.index->add(waiter);
  if (queue.count < indexed_from) return;
  queue.index = std::make_unique<WaiterIndex>();
  for (Waiter* each = queue.first; each != nullptr; each = each->next_) queue.index->add(*each);
}

bool LongPoll::hold(Waiter& waiter) {
  if (held_.fetch_add(1, std::memory_order_seq_cst) >= held_max_) {
    held_.fetch_sub(1);
    return false;
  }
  Shard& s = shard(waiter.queue);
  std::lock_guard lock(s.mutex);
  s.earliest_ms = std::min(s.earliest_ms, waiter.deadline_ms);
  Queue& queue = s.queues[waiter.queue];
  if (needs_properties(waiter)) ++queue.need_properties;
  waiter.number_ = next_number_.fetch_add(1, std::memory_order_relaxed);
  waiter.is_behind_ = waiter.offset < queue.shown_to;
  waiter.is_held_ = true;
  waiter.before_ = queue.last;
  waiter.next_ = nullptr;
  (queue.last == nullptr ? queue.first : queue.last->next_) = &waiter;
  queue.last = &waiter;
  ++queue.count;
  add_to_index(queue, waiter, indexed_from_);
  return true;
}

// Takes the waiter out of the queue and puts it among `woken`.
void LongPoll::take(Queue& queue, Waiter& waiter, Woken* woken) {
  if (needs_properties(waiter)) --queue.need_properties;
  if (queue.index != nullptr) queue.index->remove(waiter);
  (waiter.before_ == nullptr ? queue.first : waiter.before_->next_) = waiter.next_;
  (waiter.next_ == nullptr ? queue.last : waiter.next_->before_) = waiter.before_;
  --queue.count;
  waiter.is_held_ = false;
  if (woken == nullptr) return;
  waiter.begin_ = begin_of(queue, waiter);
  waiter.next_ = nullptr;
  (woken->last == nullptr ? woken->first : woken->last->next_) = &waiter;
  woken->last = &waiter;
  ++woken->count;
}

// To be called for a queue that somebody has left; gives the one behind it.
LongPoll::Queues::iterator LongPoll::leave(Shard& s, Queues::iterator queue) {
  if (queue->second.count > 0) return std::next(queue);
  if (s.queues.size() > empty_queues_max) return s.queues.erase(queue);
  queue->second = Queue{};
  return std::next(queue);
}

void LongPoll::wake(const Woken& woken, Wake why) {
  if (woken.first == nullptr) return;
  held_.fetch_sub(woken.count);
  for (Waiter* each = woken.first; each != nullptr;) {
    // Its owner may end it as soon as it is told.
    Waiter& waiter = *each;
    each = waiter.next_;
    waiter.wake(why, waiter.begin_);
  }
}

int64_t LongPoll::begin_of(const Queue& queue, const Waiter& waiter) {
  const int64_t offset = waiter.offset;
  return waiter.is_behind_ || offset < queue.shown_from ? offset : std::max(offset, queue.shown_to);
}

bool LongPoll::cancel(Waiter& waiter) {
  Shard& s = shard(waiter.queue);
  std::lock_guard lock(s.mutex);
  if (!waiter.is_held_) return false;
  const auto queue = s.queues.find(waiter.queue);
  take(queue->second, waiter, nullptr);
  leave(s, queue);
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
    for (Waiter* each = queue.first; each != nullptr;) {
      Waiter& waiter = *each;
      each = waiter.next_;
      if (concerns(waiter, arrival, properties)) take(queue, waiter, &woken);
    }
  }
  queue.shown_to = arrival.queue_offset + arrival.count;
}

void LongPoll::show_indexed(Queue& queue, const store::Arrival& arrival, Properties& properties, Woken& woken) const {
  std::vector<Waiter*> found;
  queue.index->find_by_tag(arrival.tags_code, found);
  if (queue.need_properties > 0) {
    if (const filter::PropertyList* list = properties.get()) {
      queue.index->find_by_properties(*list, found);
    } else {
      for (Waiter* each = queue.first; each != nullptr; each = each->next_) {
        if (needs_properties(*each)) found.push_back(each);
      }
    }
  }
  std::sort(found.begin(), found.end(), [](const Waiter* a, const Waiter* b) { return a->number_ < b->number_; });
  for (Waiter* each : found) {
    // One may have been found twice.
    if (each->is_held_ && concerns(*each, arrival, properties)) take(queue, *each, &woken);
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
      const size_t before = woken.count;
      for (; i < end && queue.count > 0; ++i) show(queue, arrivals[i], properties, woken);
      if (woken.count > before) leave(s, it);
    }
    i = end;
  }
  wake(woken, Wake::arrival);
}

void LongPoll::wake_all(const store::ConsumeQueue* name) {
  Woken woken;
  {
    Shard& s = shard(name);
    std::lock_guard lock(s.mutex);
    const auto it = s.queues.find(name);
    if (it == s.queues.end()) return;
    while (it->second.first != nullptr) take(it->second, *it->second.first, &woken);
    leave(s, it);
  }
  wake(woken, Wake::arrival);
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
      looked_at += queue.count;
      for (Waiter* each = queue.first; each != nullptr;) {
        Waiter& waiter = *each;
        each = waiter.next_;
        if (waiter.deadline_ms > now_ms) {
          s.earliest_ms = std::min(s.earliest_ms, waiter.deadline_ms);
        } else {
          take(queue, waiter, &woken);
        }
      }
      it = leave(s, it);
    }
  }
  swept_ms_ = now_ms;
  pause_ms_ = static_cast<int64_t>(looked_at) / held_per_sweep_ms;
  wake(woken, Wake::deadline);
}

}  // namespace merlin::service
