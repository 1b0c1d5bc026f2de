// Locks of queues for ordered consumption: one client of a group per queue, for 60 s after its last renewal.
//
// Owns:    the table group -> queue -> holder. Threads: any (one mutex). Survives: nothing; clients lock again.
// Limits:  queues_per_request_max queues in one request (checked by the door), locks_max in all, names of name_max
// bytes.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "merlin/base/clock.h"

namespace merlin::service {

struct QueueId {
  std::string topic;
  std::string broker_name;
  int32_t queue_id = 0;
  auto operator<=>(const QueueId&) const = default;
};

class QueueLocks {
 public:
  static constexpr int64_t lock_lifetime_ms = 60'000;
  static constexpr size_t queues_per_request_max = 65'536;
  static constexpr size_t locks_max = 1'000'000;  // a lock beyond it is not given
  static constexpr size_t name_max = 1024;  // of group, client, topic, broker; a lock with a longer one is not given

  explicit QueueLocks(const Clock& clock) : clock_(clock) {}

  // Returns the queues the client holds afterwards.
  std::vector<QueueId> lock(std::string_view group, std::string_view client_id, const std::vector<QueueId>& queues);
  void unlock(std::string_view group, std::string_view client_id, const std::vector<QueueId>& queues);
  // Whether no lock of the group is alive (RebalanceLockManager.isLockAllExpired).
  bool all_expired(std::string_view group) const;
  // Forgets dead locks, so that the table does not grow with groups that are gone.
  void drop_expired();

 private:
  struct Holder {
    std::string client_id;
    int64_t renewed_ms = 0;
  };
  bool alive(const Holder& holder, int64_t now_ms) const { return now_ms - holder.renewed_ms <= lock_lifetime_ms; }

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, std::map<QueueId, Holder>, std::less<>> groups_;  // guarded by mutex_; none is empty
  size_t count_ = 0;                                                      // guarded by mutex_; locks in groups_
};

}  // namespace merlin::service
