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
  // What it costs to show them to a filter. REQUIRES: get() gave some.
  int64_t units(const Filter& filter) const {
    return static_cast<int64_t>(list_.entries().size()) + static_cast<int64_t>(filter.steps()) * units_per_step();
  }
  int64_t units_per_step() const { return Filter::units_per_step(list_.longest_value()); }

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
  for (Waiter* each = queue.first; each != nullptr; each = each->next_) {
    if (!each->is_due_) queue.index->add(*each);
  }
}

void LongPoll::remove_from_index(Queue& queue, Waiter& waiter) {
  if (needs_properties(waiter)) --queue.need_properties;
  if (queue.index != nullptr) queue.index->remove(waiter);
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
  waiter.is_due_ = false;
  waiter.before_ = queue.last;
  waiter.next_ = nullptr;
  (queue.last == nullptr ? queue.first : queue.last->next_) = &waiter;
  queue.last = &waiter;
  ++queue.count;
  add_to_index(queue, waiter, indexed_from_);
  return true;
}

// Takes the waiter out of the queue and puts it among `woken`.
void LongPoll::take(Shard& s, Queue& queue, Waiter& waiter, Woken* woken) {
  if (waiter.is_due_) {
    s.due.erase(waiter.number_);
    --queue.due;
  } else {
    remove_from_index(queue, waiter);
  }
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
  take(s, queue->second, waiter, nullptr);
  leave(s, queue);
  held_.fetch_sub(1);
  return true;
}

// Asks the filter while there is budget for it.
LongPoll::Concern LongPoll::concerns(const Waiter& waiter, const store::Arrival& arrival, Properties& properties,
                                     Round& round) {
  if (arrival.queue_offset + arrival.count <= waiter.offset) return Concern::none;
  if (waiter.filter == nullptr) return Concern::yes;
  if (!waiter.filter->matches_tags_code(arrival.tags_code)) return Concern::none;
  if (!waiter.filter->needs_record()) return Concern::yes;
  const filter::PropertyList* list = properties.get();
  if (list == nullptr) return Concern::unknown;
  const int64_t units = properties.units(*waiter.filter);
  if (units > round.units_left) return Concern::unknown;
  round.units_left -= units;
  return waiter.filter->matches_properties(*list) ? Concern::yes : Concern::none;
}

int64_t LongPoll::look_units(const Queue& queue, const Waiter& waiter, int64_t queue_end) {
  const auto steps = waiter.filter == nullptr ? int64_t{1} : static_cast<int64_t>(waiter.filter->steps());
  const int64_t one = std::min(steps, look_units_max) * queue.units_per_step;
  const int64_t messages = std::clamp<int64_t>(queue_end - waiter.offset, 1, look_units_max);
  return std::min(look_units_min + std::min(one, look_units_max) * messages, look_units_max);
}

// Lets a waiter look for itself: now, or when sweep() has budget for it. Until then it is asked nothing any more.
void LongPoll::look(Shard& s, Queue& queue, Waiter& waiter, int64_t queue_end, Woken& woken) {
  if (waiter.is_due_) return;
  const int64_t units = look_units(queue, waiter, queue_end);
  if (look_units_.fetch_sub(units, std::memory_order_relaxed) >= units) return take(s, queue, waiter, &woken);
  look_units_.fetch_add(units, std::memory_order_relaxed);
  remove_from_index(queue, waiter);
  waiter.offset = begin_of(queue, waiter);
  waiter.is_behind_ = true;
  waiter.is_due_ = true;
  ++queue.due;
  s.due.emplace(waiter.number_, &waiter);
  has_due_.store(true, std::memory_order_relaxed);
}

void LongPoll::show_one(Queue& queue, Waiter& waiter, const store::Arrival& arrival, Properties& properties,
                        Round& round) {
  if (waiter.is_due_) return;
  const Concern concern = concerns(waiter, arrival, properties, round);
  if (concern == Concern::yes) take(*round.shard, queue, waiter, &round.woken);
  if (concern != Concern::unknown) return;
  look(*round.shard, queue, waiter, arrival.queue_offset + arrival.count, round.woken);
}

void LongPoll::show(Queue& queue, const store::Arrival& arrival, Properties& properties, Round& round) {
  properties.next(arrival);
  if (queue.shown_to != arrival.queue_offset) {
    // Nothing is known of what came before this one.
    queue.shown_from = arrival.queue_offset;
    queue.shown_to = arrival.queue_offset;
  }
  if (queue.need_properties + queue.due > 0 && properties.get() != nullptr) {
    // So that looks are counted with what they will cost; a single long message is forgotten after a while.
    const int64_t faded = queue.units_per_step - (queue.units_per_step + 7) / 8;
    queue.units_per_step = std::max(properties.units_per_step(), faded);
  }
  if (queue.index != nullptr) {
    show_indexed(queue, arrival, properties, round);
  } else {
    for (Waiter* each = queue.first; each != nullptr;) {
      Waiter& waiter = *each;
      each = waiter.next_;
      show_one(queue, waiter, arrival, properties, round);
    }
  }
  queue.shown_to = arrival.queue_offset + arrival.count;
}

void LongPoll::show_indexed(Queue& queue, const store::Arrival& arrival, Properties& properties, Round& round) {
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
    if (each->is_held_) show_one(queue, *each, arrival, properties, round);
  }
}

void LongPoll::on_arrivals(std::span<const store::Arrival> arrivals) {
  // Most of the time nobody waits: one load. hold() counts itself before it registers, and its caller looks at the
  // queue again afterwards, so a waiter this load misses sees the message itself.
  if (held_.load(std::memory_order_seq_cst) == 0) return;
  Round round;
  const int64_t units = std::clamp<int64_t>(ask_units_.load(std::memory_order_relaxed), 0, budgets_.asked_per_call);
  round.units_left = units;
  Properties properties(records_);
  size_t i = 0;
  while (i < arrivals.size()) {
    const store::ConsumeQueue* name = arrivals[i].queue;
    size_t end = i + 1;
    while (end < arrivals.size() && arrivals[end].queue == name) ++end;
    Shard& s = shard(name);
    round.shard = &s;
    std::lock_guard lock(s.mutex);
    const auto it = s.queues.find(name);
    if (it != s.queues.end()) {
      Queue& queue = it->second;
      const size_t before = round.woken.count;
      for (; i < end && queue.count > 0; ++i) show(queue, arrivals[i], properties, round);
      if (round.woken.count > before) leave(s, it);
    }
    i = end;
  }
  if (round.units_left != units) ask_units_.fetch_sub(units - round.units_left, std::memory_order_relaxed);
  wake(round.woken, Wake::arrival);
}

void LongPoll::wake_if(const store::ConsumeQueue* name, const std::string_view* group) {
  Woken woken;
  {
    Shard& s = shard(name);
    std::lock_guard lock(s.mutex);
    const auto it = s.queues.find(name);
    if (it == s.queues.end()) return;
    for (Waiter* each = it->second.first; each != nullptr;) {
      Waiter& waiter = *each;
      each = waiter.next_;
      if (group == nullptr || waiter.group == *group) take(s, it->second, waiter, &woken);
    }
    leave(s, it);
  }
  wake(woken, Wake::arrival);
}

void LongPoll::wake_all(const store::ConsumeQueue* name) {
  wake_if(name, nullptr);
}

void LongPoll::wake_group(const store::ConsumeQueue* name, std::string_view group) {
  wake_if(name, &group);
}

void LongPoll::look_soon(Waiter& waiter) {
  Woken woken;
  {
    Shard& s = shard(waiter.queue);
    std::lock_guard lock(s.mutex);
    if (!waiter.is_held_) return;
    waiter.is_behind_ = true;
    const auto queue = s.queues.find(waiter.queue);
    look(s, queue->second, waiter, waiter.offset, woken);
    leave(s, queue);
  }
  wake(woken, Wake::arrival);
}

// Those that wait for budget, as far as it goes.
void LongPoll::look_due(Shard& s, Woken& woken) {
  std::lock_guard lock(s.mutex);
  while (!s.due.empty() && look_units_.load(std::memory_order_relaxed) > 0) {
    Waiter& waiter = *s.due.begin()->second;
    const auto queue = s.queues.find(waiter.queue);
    const int64_t units = look_units(queue->second, waiter, queue->second.shown_to);
    look_units_.fetch_sub(units, std::memory_order_relaxed);
    take(s, queue->second, waiter, &woken);
    leave(s, queue);
  }
  if (!s.due.empty()) has_due_.store(true, std::memory_order_relaxed);
}

void LongPoll::look_due() {
  if (!has_due_.exchange(false, std::memory_order_relaxed)) return;
  Woken woken;
  for (size_t i = 0; i < shards_.size(); ++i) look_due(shards_[(due_shard_ + i) % shards_.size()], woken);
  due_shard_ = (due_shard_ + 1) % shards_.size();
  wake(woken, Wake::arrival);
}

void LongPoll::sweep() {
  ask_units_.store(budgets_.asked_per_sweep, std::memory_order_relaxed);
  look_units_.store(budgets_.looked_per_sweep, std::memory_order_relaxed);
  if (held() == 0) return;
  look_due();
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
          take(s, queue, waiter, &woken);
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
