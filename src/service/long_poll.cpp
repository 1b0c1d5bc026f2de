#include "service/long_poll.h"

#include <algorithm>

namespace merlin::service {

uint64_t LongPoll::hold(Waiter waiter) {
  if (held_.fetch_add(1, std::memory_order_seq_cst) >= held_max_) {
    held_.fetch_sub(1);
    return 0;
  }
  const uint64_t token = next_token_.fetch_add(1, std::memory_order_relaxed);
  Shard& s = shard(waiter.queue);
  std::lock_guard lock(s.mutex);
  s.earliest_ms = std::min(s.earliest_ms, waiter.deadline_ms);
  Waiters& waiters = s.queues[waiter.queue];
  waiters.emplace(token, std::move(waiter));
  return token;
}

bool LongPoll::cancel(const store::ConsumeQueue* queue, uint64_t token) {
  Shard& s = shard(queue);
  std::lock_guard lock(s.mutex);
  const auto it = s.queues.find(queue);
  if (it == s.queues.end()) return false;
  const size_t removed = it->second.erase(token);
  if (it->second.empty()) s.queues.erase(it);
  held_.fetch_sub(removed);
  return removed > 0;
}

template <class Match>
void LongPoll::take_where(Waiters& waiters, std::vector<std::function<void(Wake)>>& woken, Match match) {
  for (auto it = waiters.begin(); it != waiters.end();) {
    if (!match(it->second)) {
      ++it;
      continue;
    }
    woken.push_back(std::move(it->second.wake));
    it = waiters.erase(it);
  }
}

void LongPoll::on_arrivals(std::span<const store::Arrival> arrivals) {
  // Most of the time nobody waits: one load. hold() counts itself before it registers, and its caller looks at the
  // queue again afterwards, so a waiter this load misses sees the message itself.
  if (held_.load(std::memory_order_seq_cst) == 0) return;
  std::vector<std::function<void(Wake)>> woken;
  size_t i = 0;
  while (i < arrivals.size()) {
    const store::ConsumeQueue* queue = arrivals[i].queue;
    size_t end = i + 1;
    while (end < arrivals.size() && arrivals[end].queue == queue) ++end;
    Shard& s = shard(queue);
    std::lock_guard lock(s.mutex);
    const auto it = s.queues.find(queue);
    if (it != s.queues.end()) {
      const auto run = arrivals.subspan(i, end - i);
      take_where(it->second, woken, [&run](const Waiter& waiter) {
        return std::any_of(run.begin(), run.end(), [&](const store::Arrival& a) {
          return a.queue_offset + a.count > waiter.offset &&
                 (!waiter.filter || waiter.filter->matches_tags_code(a.tags_code));
        });
      });
      if (it->second.empty()) s.queues.erase(it);
    }
    i = end;
  }
  held_.fetch_sub(woken.size());
  for (auto& wake : woken) wake(Wake::arrival);
}

void LongPoll::wake_all(const store::ConsumeQueue* queue) {
  std::vector<std::function<void(Wake)>> woken;
  {
    Shard& s = shard(queue);
    std::lock_guard lock(s.mutex);
    const auto it = s.queues.find(queue);
    if (it == s.queues.end()) return;
    take_where(it->second, woken, [](const Waiter&) { return true; });
    s.queues.erase(it);
  }
  held_.fetch_sub(woken.size());
  for (auto& wake : woken) wake(Wake::arrival);
}

void LongPoll::sweep() {
  if (held() == 0) return;
  const int64_t now_ms = clock_.wall_ms();
  // A clock that was set back shall not stretch the pause.
  if (now_ms >= swept_ms_ && now_ms - swept_ms_ < pause_ms_) return;
  std::vector<std::function<void(Wake)>> woken;
  size_t looked_at = 0;
  for (Shard& s : shards_) {
    std::lock_guard lock(s.mutex);
    if (s.earliest_ms > now_ms) continue;
    s.earliest_ms = INT64_MAX;
    for (auto it = s.queues.begin(); it != s.queues.end();) {
      looked_at += it->second.size();
      take_where(it->second, woken, [now_ms, &s](const Waiter& waiter) {
        if (waiter.deadline_ms <= now_ms) return true;
        s.earliest_ms = std::min(s.earliest_ms, waiter.deadline_ms);
        return false;
      });
      it = it->second.empty() ? s.queues.erase(it) : std::next(it);
    }
  }
  swept_ms_ = now_ms;
  pause_ms_ = static_cast<int64_t>(looked_at) / held_per_sweep_ms;
  held_.fetch_sub(woken.size());
  for (auto& wake : woken) wake(Wake::deadline);
}

}  // namespace merlin::service
