#include "service/queue_locks.h"

#include <algorithm>

namespace merlin::service {

std::vector<QueueId> QueueLocks::lock(std::string_view group, std::string_view client_id,
                                      const std::vector<QueueId>& queues) {
  const int64_t now_ms = clock_.wall_ms();
  std::vector<QueueId> held;
  if (group.size() > name_max || client_id.size() > name_max) return held;
  std::lock_guard guard(mutex_);
  auto it = groups_.find(group);
  if (it == groups_.end()) it = groups_.emplace(std::string(group), std::map<QueueId, Holder>()).first;
  for (const QueueId& queue : queues) {
    auto at = it->second.find(queue);
    if (at == it->second.end()) {
      if (count_ >= locks_max || queue.topic.size() > name_max || queue.broker_name.size() > name_max) continue;
      at = it->second.emplace(queue, Holder{}).first;
      ++count_;
    }
    Holder& holder = at->second;
    if (holder.client_id != client_id && !holder.client_id.empty() && alive(holder, now_ms)) continue;
    holder.client_id = client_id;
    holder.renewed_ms = now_ms;
    held.push_back(queue);
  }
  if (it->second.empty()) groups_.erase(it);
  return held;
}

void QueueLocks::unlock(std::string_view group, std::string_view client_id, const std::vector<QueueId>& queues) {
  std::lock_guard guard(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  for (const QueueId& queue : queues) {
    const auto lock = it->second.find(queue);
    if (lock == it->second.end() || lock->second.client_id != client_id) continue;
    it->second.erase(lock);
    --count_;
  }
  if (it->second.empty()) groups_.erase(it);
}

bool QueueLocks::all_expired(std::string_view group) const {
  const int64_t now_ms = clock_.wall_ms();
  std::lock_guard guard(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return true;
  return std::none_of(it->second.begin(), it->second.end(), [&](const auto& e) { return alive(e.second, now_ms); });
}

void QueueLocks::drop_expired() {
  const int64_t now_ms = clock_.wall_ms();
  std::lock_guard guard(mutex_);
  for (auto& [name, locks] : groups_) {
    count_ -= std::erase_if(locks, [&](const auto& e) { return !alive(e.second, now_ms); });
  }
  std::erase_if(groups_, [](const auto& e) { return e.second.empty(); });
}

}  // namespace merlin::service
