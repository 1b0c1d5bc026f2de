// Locks of queues for ordered consumption: one client of a group per queue, for 60 s after its last renewal.
//
// A client that says goodbye gives its locks back at once. One whose last connection closed may be dead, or may come
// back on a new connection while it goes on with what it has: so its locks stay for a grace, unless it is seen again.
//   grace_ms              a client that heartbeats as soon as it is connected again (Java from 5.2 on)
//   client_belief_ms      after the last renewal any other client no longer trusts its lock, so it can go on
//
// Owns:    the table group -> queue -> holder. Threads: any (one mutex). Survives: nothing; clients lock again.
// Limits:  queues_per_request_max queues in one request (checked by the door), locks_max in all, names of name_max
// bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"
#include "service/clients.h"

namespace merlin::service {

struct QueueId {
  std::string topic;
  std::string broker_name;
  int32_t queue_id = 0;
  auto operator<=>(const QueueId&) const = default;
};

class QueueLocks final : public MemberListener {
 public:
  static constexpr int64_t lock_lifetime_ms = 60'000;
  static constexpr int64_t grace_ms = 5'000;
  static constexpr int64_t client_belief_ms = 30'000;
  static constexpr size_t queues_per_request_max = 65'536;
  static constexpr size_t locks_max = 1'000'000;  // a lock beyond it is not given
  static constexpr size_t name_max = 1024;  // of group, client, topic, broker; a lock with a longer one is not given

  explicit QueueLocks(const Clock& clock) : clock_(clock) {}

  // Returns the queues the client holds afterwards.
  std::vector<QueueId> lock(std::string_view group, std::string_view client_id, const std::vector<QueueId>& queues);
  void unlock(std::string_view group, std::string_view client_id, const std::vector<QueueId>& queues);
  // Whether no lock of the group is alive (RebalanceLockManager.isLockAllExpired).
  bool all_expired(std::string_view group) const;

  void member_came(const std::string& group, const ClientInfo& client) override;
  void member_left(const std::string& group, const ClientInfo& client, Leave how) override;
  // The groups in which locks have become free since the last call, those of clients that left, and those given back
  // that somebody was refused: their members may try again. Often; it costs nothing while nobody has left.
  std::vector<std::string> take_freed();

  // Forgets dead locks, so that the table does not grow with groups that are gone.
  void drop_expired();

 private:
  struct Holder {
    std::string client_id;
    int64_t renewed_ms = 0;
    int64_t expires_ms = 0;  // the last moment at which it is held
    bool wanted = false;     // somebody else was refused since it was given
  };
  using Locks = std::map<QueueId, Holder>;
  struct Group {
    Locks locks;
    // What each client holds, or held until it expired: one that leaves must not cost a look at everybody's.
    std::unordered_map<std::string, std::set<Locks::value_type*>> by_client;
    void give(Locks::value_type& lock, std::string_view client_id);
    void take_away(Locks::value_type& lock);
    size_t erase_expired(int64_t now_ms);
  };

  int64_t now_ms() const { return clock_.monotonic_ns() / 1'000'000; }

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Group, std::less<>> groups_;  // guarded by mutex_; none is empty
  size_t count_ = 0;                                  // guarded by mutex_; locks in groups_
  // When groups should be told that locks of a client that left are free, by time; guarded by mutex_.
  std::set<std::pair<int64_t, std::string>> orphans_;
  std::atomic<bool> any_orphans_{false};
  std::set<std::string> given_back_;  // groups with wanted locks that were given back; guarded by mutex_
};

}  // namespace merlin::service
