#include "service/filtered_counts.h"

namespace merlin::service {

void FilteredCounts::add(std::string_view group, int64_t messages) {
  total_.fetch_add(messages, std::memory_order_relaxed);
  {
    const std::shared_lock lock(mutex_);
    if (const auto it = groups_.find(group); it != groups_.end()) {
      it->second.fetch_add(messages, std::memory_order_relaxed);
      return;
    }
  }
  const std::lock_guard lock(mutex_);
  if (groups_.size() < groups_max || groups_.contains(group)) groups_[std::string(group)] += messages;
}

int64_t FilteredCounts::of(std::string_view group) const {
  const std::shared_lock lock(mutex_);
  const auto it = groups_.find(group);
  return it == groups_.end() ? 0 : it->second.load(std::memory_order_relaxed);
}

std::map<std::string, int64_t> FilteredCounts::all() const {
  const std::shared_lock lock(mutex_);
  std::map<std::string, int64_t> out;
  for (const auto& [group, count] : groups_) out.emplace(group, count.load(std::memory_order_relaxed));
  return out;
}

}  // namespace merlin::service
