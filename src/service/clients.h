// Who is connected: producers and consumers by group, with their subscriptions.
//
// Owns:    the tables of groups, channels and subscriptions; when a group's members are told that it changed; the
//          guard against different subscriptions inside one group.
// Threads: any; one mutex, never held while a channel is told something. The member listener is called with it held.
// Limits:  groups_max groups, channels_per_group_max channels in one, subscription_bytes_max for what groups subscribe
//          to; one notice per group in notify_interval_ms.
// Fails:   nothing here survives a restart; clients heartbeat again within 30 s.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"
#include "service/client_channel.h"
#include "service/statements.h"
#include "service/subscription.h"

namespace merlin::service {

struct ClientInfo {
  ClientChannelPtr channel;
  std::string client_id;
  std::string language;
  int32_t version = 0;
  int64_t last_update_ms = 0;
};

// Texts as in the protocol: CONSUME_PASSIVELY / CONSUME_ACTIVELY / CONSUME_POP, CLUSTERING / BROADCASTING,
// CONSUME_FROM_LAST_OFFSET ...
struct ConsumerHeartbeat {
  std::string group;
  std::string consume_type;
  std::string message_model;
  std::string consume_from_where;
  std::vector<Subscription> subscriptions;
  bool unit_mode = false;
};

struct ConsumerGroupSnapshot {
  std::string consume_type;
  std::string message_model;
  std::string consume_from_where;
  std::vector<std::shared_ptr<const Subscription>> subscriptions;
  std::vector<ClientInfo> clients;
};

struct Registered {
  bool changed = false;          // the group's members or topics
  bool lacks_statement = false;  // it left its subscriptions out, and nobody here knows them
  std::string refusal;           // not empty: the heartbeat was not taken, and why
  // Topics of which the group now wants other messages than before.
  std::vector<std::string> changed_topics;
};

// What the guard has seen since the start.
struct GuardCounters {
  std::atomic<int64_t> mismatches{0};        // times a member's statement differed from another live member's
  std::atomic<int64_t> refused{0};           // heartbeats refused for it
  std::atomic<int64_t> groups_differing{0};  // groups that disagree now
};

// Which notices are sent (the broker's keys of these names; the group has a switch of its own).
struct NoticeRules {
  const std::atomic<int64_t>* notify_consumer_ids_changed_enable = nullptr;  // nullptr: on
  const std::atomic<int64_t>* real_time_notify_consumer_change = nullptr;    // nullptr: on
};

// Told when a client id comes to a group and when its last channel has left it. Called with the tables locked, so that
// both calls keep the order of the events: must not call Clients.
class MemberListener {
 public:
  enum class Leave : uint8_t { unregistered, closed, expired };
  virtual ~MemberListener() = default;
  virtual void member_came(const std::string& group, const ClientInfo& client) = 0;
  virtual void member_left(const std::string& group, const ClientInfo& client, Leave how) = 0;
};

class Clients {
 public:
  using Leave = MemberListener::Leave;

  static constexpr size_t groups_max = 200'000;
  static constexpr size_t channels_per_group_max = 100'000;
  static constexpr size_t subscription_bytes_max = size_t{256} << 20;  // of all groups together
  static constexpr size_t members_searched_max = 10'000;               // for one that differs, to name it
  static constexpr std::string_view broadcasting = "BROADCASTING";
  // A change is told at once, further ones together when this has passed since the last notice.
  static constexpr int64_t notify_interval_ms = 500;
  static constexpr int64_t lazy_notify_interval_ms = 15'000;  // realTimeNotifyConsumerChange=false, as Apache

  explicit Clients(const Clock& clock) : clock_(clock) {}
  // REQUIRES: before the first client.
  void set_notice_rules(NoticeRules rules) { rules_ = rules; }
  void set_member_listener(MemberListener* listener) { listener_ = listener; }
  void set_reject_mismatch(const std::atomic<int64_t>& reject) { reject_mismatch_ = &reject; }

  // without_subscriptions: heartbeat v2, keep what is known. notify: tell the group's members when it changed.
  Registered register_consumer(const ConsumerHeartbeat& heartbeat, const ClientInfo& client, bool without_subscriptions,
                               bool notify);
  void register_producer(std::string_view group, const ClientInfo& client);
  void unregister_consumer(std::string_view group, uint64_t channel_id, bool notify, Leave how = Leave::unregistered);
  void unregister_producer(std::string_view group, uint64_t channel_id);
  // `notify_enabled(group)` decides whether the rest of a group is told.
  template <class NotifyEnabled>
  void channel_closed(uint64_t channel_id, NotifyEnabled&& notify_enabled) {
    for (const std::string& group : consumer_groups_of(channel_id)) {
      unregister_consumer(group, channel_id, notify_enabled(group), Leave::closed);
    }
    for (const std::string& group : producer_groups_of(channel_id)) unregister_producer(group, channel_id);
  }
  // Channels that sent no heartbeat for so long are dropped (channelExpiredTimeout).
  size_t drop_expired(int64_t expired_ms);

  // Tells the members of a group to rebalance, soon: something they wait for may be free now.
  void notify_group(std::string_view group);
  // Sends the notices that waited for their time. Call it often.
  void send_due_notices();

  // Heartbeat v2: whether the fingerprint differs from the last one of the group; remembers it. 0: heartbeat v1.
  bool fingerprint_changed(std::string_view group, int32_t fingerprint);

  std::shared_ptr<const Subscription> subscription(std::string_view group, std::string_view topic) const;
  bool has_consumer_group(std::string_view group) const;
  bool is_broadcasting(std::string_view group) const;
  std::vector<std::string> consumer_ids(std::string_view group) const;
  std::optional<ConsumerGroupSnapshot> consumer_group(std::string_view group) const;
  // The member of that client id, or nullopt.
  std::optional<ClientInfo> consumer(std::string_view group, std::string_view client_id) const;
  std::vector<ClientInfo> producers(std::string_view group) const;
  // A channel of the producer with that client id: the latest connection that is open, or nullptr.
  ClientChannelPtr producer_channel(std::string_view client_id) const;
  std::map<std::string, std::vector<ClientInfo>> all_producers() const;
  std::vector<std::string> groups_subscribing(std::string_view topic) const;
  const GuardCounters& guard() const { return guard_; }

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  template <class V>
  using ByName = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;

  struct Member {
    ClientInfo client;
    Statements::Ref statement = nullptr;  // none: it never sent its subscriptions
  };
  struct ConsumerGroup {
    std::string consume_type;
    std::string message_model;
    std::string consume_from_where;
    ByName<std::shared_ptr<const Subscription>> subscriptions;
    size_t subscription_bytes = 0;
    std::unordered_map<uint64_t, Member> channels;
    ByName<uint32_t> client_ids;  // channels of each
    Statements statements;
    size_t last_refused = 0;  // hash of client id and statement of the refusal logged last
    std::optional<int64_t> noticed_ms;
    bool notice_waits = false;
  };
  struct ProducerChannel {
    ClientChannelPtr channel;
    size_t groups = 0;
  };
  // The groups of a channel: a set, for one client may be in very many.
  using GroupsByChannel = std::unordered_map<uint64_t, std::set<std::string, std::less<>>>;
  using Channels = std::vector<ClientChannelPtr>;

  std::vector<std::string> consumer_groups_of(uint64_t channel_id) const;
  std::vector<std::string> producer_groups_of(uint64_t channel_id) const;
  static void remove_name(GroupsByChannel& table, uint64_t channel_id, std::string_view name);
  bool update_subscriptions(ConsumerGroup& group, const std::vector<Subscription>& subscriptions,
                            std::vector<std::string>& changed_topics);
  bool add_member(const std::string& name, ConsumerGroup& group, const ClientInfo& client);
  void forget_client_id(const std::string& name, ConsumerGroup& group, const ClientInfo& client, Leave how);
  void remove_consumer(std::string_view group, uint64_t channel_id, bool notify, Leave how, int64_t older_than_ms);
  // What a member says now, compared with the others. Not empty: refused. REQUIRES: mutex_ held.
  std::string check_statement(ConsumerGroup& group, const ConsumerHeartbeat& heartbeat, const ClientInfo& client,
                              const std::string& statement);
  void set_statement(ConsumerGroup& group, Member& member, std::string statement);
  void count_differing(size_t distinct_before, size_t distinct_now);
  void index_producer(const ClientInfo& client);
  void unindex_producer(const ClientInfo& client);

  int64_t interval_ms() const;
  // Who is to be told now; the rest is told when its time has come. REQUIRES: mutex_ held.
  Channels due_notice(const std::string& name, ConsumerGroup& group);
  static void tell(const Channels& channels, const std::string& group);
  int64_t now_ms() const { return clock_.monotonic_ns() / 1'000'000; }

  const Clock& clock_;
  NoticeRules rules_;                                      // constant after start
  MemberListener* listener_ = nullptr;                     // constant after start
  const std::atomic<int64_t>* reject_mismatch_ = nullptr;  // constant after start
  GuardCounters guard_;
  mutable std::shared_mutex mutex_;
  ByName<ConsumerGroup> consumers_;                             // guarded by mutex_
  ByName<std::unordered_map<uint64_t, ClientInfo>> producers_;  // guarded by mutex_
  // By client id and channel; a later connection has a larger id. Guarded by mutex_.
  ByName<std::map<uint64_t, ProducerChannel>> producer_channels_;
  GroupsByChannel consumer_groups_;                     // guarded by mutex_
  GroupsByChannel producer_groups_;                     // guarded by mutex_
  size_t subscription_bytes_ = 0;                       // guarded by mutex_
  ByName<int32_t> fingerprints_;                        // guarded by mutex_
  std::set<std::string, std::less<>> waiting_notices_;  // groups; guarded by mutex_
  std::atomic<bool> any_notice_waits_{false};
};

}  // namespace merlin::service
