#include "service/queue_locks.h"

#include <algorithm>

#include "merlin/base/log.h"

namespace merlin::service {

namespace {

// From this version on a Java client heartbeats when a connection to a broker has been made.
constexpr int32_t version_5_2_0 = 453;

bool heartbeats_on_reconnect(const ClientInfo& client) {
  return client.language == "JAVA" && client.version >= version_5_2_0;
}

}  // namespace

void QueueLocks::Group::take_away(Locks::value_type& lock) {
  const auto it = by_client.find(lock.second.client_id);
  if (it == by_client.end()) return;
  it->second.erase(&lock);
  if (it->second.empty()) by_client.erase(it);
}

void QueueLocks::Group::give(Locks::value_type& lock, std::string_view client_id) {
  if (lock.second.client_id == client_id) return;
  take_away(lock);
  lock.second.client_id = client_id;
  by_client[lock.second.client_id].insert(&lock);
}

size_t QueueLocks::Group::erase_expired(int64_t now_ms) {
  return std::erase_if(locks, [&](auto& lock) {
    if (lock.second.expires_ms >= now_ms) return false;
    // erase_if gives away const elements of a map; the node is ours.
    take_away(const_cast<Locks::value_type&>(lock));
    return true;
  });
}

std::vector<QueueId> QueueLocks::lock(std::string_view group, std::string_view client_id,
                                      const std::vector<QueueId>& queues) {
  const int64_t now = now_ms();
  std::vector<QueueId> held;
  if (group.size() > name_max || client_id.size() > name_max || client_id.empty()) return held;
  std::lock_guard guard(mutex_);
  auto it = groups_.find(group);
  if (it == groups_.end()) it = groups_.emplace(std::string(group), Group()).first;
  Group& g = it->second;
  for (const QueueId& queue : queues) {
    auto at = g.locks.find(queue);
    if (at == g.locks.end()) {
      if (count_ >= locks_max || queue.topic.size() > name_max || queue.broker_name.size() > name_max) continue;
      at = g.locks.emplace(queue, Holder{}).first;
      ++count_;
    }
    Holder& holder = at->second;
    if (holder.client_id != client_id && !holder.client_id.empty() && now <= holder.expires_ms) {
      holder.wanted = true;
      continue;
    }
    if (holder.client_id != client_id) holder.wanted = false;
    g.give(*at, client_id);
    holder.renewed_ms = now;
    holder.expires_ms = now + lock_lifetime_ms;
    held.push_back(queue);
  }
  if (g.locks.empty()) groups_.erase(it);
  return held;
}

void QueueLocks::unlock(std::string_view group, std::string_view client_id, const std::vector<QueueId>& queues) {
  std::lock_guard guard(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  for (const QueueId& queue : queues) {
    const auto lock = it->second.locks.find(queue);
    if (lock == it->second.locks.end() || lock->second.client_id != client_id) continue;
    if (lock->second.wanted) given_back_.insert(it->first);
    it->second.take_away(*lock);
    it->second.locks.erase(lock);
    --count_;
  }
  if (!given_back_.empty()) any_orphans_ = true;
  if (it->second.locks.empty()) groups_.erase(it);
}

bool QueueLocks::all_expired(std::string_view group) const {
  const int64_t now = now_ms();
  std::lock_guard guard(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return true;
  const Locks& locks = it->second.locks;
  return std::none_of(locks.begin(), locks.end(), [&](const auto& e) { return now <= e.second.expires_ms; });
}

void QueueLocks::member_came(const std::string& group, const ClientInfo& client) {
  if (!any_orphans_.load(std::memory_order_relaxed)) return;
  std::lock_guard guard(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  const auto held = it->second.by_client.find(client.client_id);
  if (held == it->second.by_client.end()) return;
  const int64_t now = now_ms();
  for (Locks::value_type* lock : held->second) {
    Holder& holder = lock->second;
    // What has become free stays free: somebody may have been told.
    if (now <= holder.expires_ms) holder.expires_ms = holder.renewed_ms + lock_lifetime_ms;
  }
}

void QueueLocks::member_left(const std::string& group, const ClientInfo& client, Leave how) {
  std::lock_guard guard(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  const auto held = it->second.by_client.find(client.client_id);
  if (held == it->second.by_client.end()) return;
  const int64_t now = now_ms();
  size_t locks = 0;
  int64_t last_ms = now - 1;
  std::set<int64_t> times;
  for (Locks::value_type* lock : held->second) {
    Holder& holder = lock->second;
    if (holder.expires_ms < now) continue;
    int64_t free_ms = now - 1;
    if (how == Leave::closed) free_ms = now + grace_ms;
    // One that expired may still be there and renew its locks, with heartbeats that are refused.
    if (how == Leave::expired || (how == Leave::closed && !heartbeats_on_reconnect(client))) {
      free_ms = std::max(free_ms, holder.renewed_ms + client_belief_ms);
    }
    holder.expires_ms = std::min(holder.expires_ms, free_ms);
    last_ms = std::max(last_ms, holder.expires_ms);
    times.insert(holder.expires_ms);
    ++locks;
  }
  if (locks == 0) return;
  for (const int64_t time_ms : times) orphans_.emplace(time_ms, group);
  any_orphans_ = true;
  if (last_ms < now) {
    log_info("locks", "{} queues of group {} are free: client {} left", locks, group, client.client_id);
  } else {
    log_info("locks", "{} queues of group {} will be free in {} ms: the last connection of client {} closed", locks,
             group, last_ms - now, client.client_id);
  }
}

std::vector<std::string> QueueLocks::take_freed() {
  std::vector<std::string> out;
  if (!any_orphans_.load(std::memory_order_relaxed)) return out;
  std::lock_guard guard(mutex_);
  const int64_t now = now_ms();
  std::set<std::string> groups = std::move(given_back_);
  given_back_.clear();
  out.assign(groups.begin(), groups.end());
  while (!orphans_.empty() && orphans_.begin()->first < now) {
    groups.insert(std::move(orphans_.extract(orphans_.begin()).value().second));
  }
  any_orphans_ = !orphans_.empty();
  for (const std::string& name : groups) {
    const auto it = groups_.find(name);
    if (it == groups_.end()) continue;
    const size_t freed = it->second.erase_expired(now);
    count_ -= freed;
    if (it->second.locks.empty()) groups_.erase(it);
    if (freed > 0 && std::ranges::find(out, name) == out.end()) out.push_back(name);
  }
  return out;
}

void QueueLocks::drop_expired() {
  const int64_t now = now_ms();
  std::lock_guard guard(mutex_);
  for (auto& [name, group] : groups_) count_ -= group.erase_expired(now);
  std::erase_if(groups_, [](const auto& e) { return e.second.locks.empty(); });
}

}  // namespace merlin::service
