// How many messages the filters of each group have passed over, since the start.
//
// Threads: any; adding to a group that is known takes a shared lock.
// Limits:  groups_max groups; the others are counted together, without a name.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

namespace merlin::service {

class FilteredCounts {
 public:
  static constexpr size_t groups_max = 100'000;

  void add(std::string_view group, int64_t messages);
  int64_t of(std::string_view group) const;
  int64_t total() const { return total_.load(std::memory_order_relaxed); }
  std::map<std::string, int64_t> all() const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::atomic<int64_t>, std::less<>> groups_;  // guarded by mutex_
  std::atomic<int64_t> total_{0};
};

}  // namespace merlin::service
