// Who is connected: producers and consumers by group, with their subscriptions.
//
// Owns:    the tables of groups, channels and subscriptions.
// Threads: any; one mutex, never held while a channel is told something.
// Limits:  groups_max groups, channels_per_group_max channels in one, subscription_bytes_max for what groups subscribe
// to. Fails:   nothing here survives a restart; clients heartbeat again within 30 s.
#pragma once

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

class Clients {
 public:
  static constexpr size_t groups_max = 200'000;
  static constexpr size_t channels_per_group_max = 100'000;
  static constexpr size_t subscription_bytes_max = size_t{256} << 20;  // of all groups together
  static constexpr std::string_view broadcasting = "BROADCASTING";

  explicit Clients(const Clock& clock) : clock_(clock) {}

  // Returns whether the group's members or topics changed. without_subscriptions: heartbeat v2, keep what is known.
  // notify: tell the group's members when it changed.
  bool register_consumer(const ConsumerHeartbeat& heartbeat, const ClientInfo& client, bool without_subscriptions,
                         bool notify);
  void register_producer(std::string_view group, const ClientInfo& client);
  void unregister_consumer(std::string_view group, uint64_t channel_id, bool notify);
  void unregister_producer(std::string_view group, uint64_t channel_id);
  // `notify_enabled(group)` decides whether the rest of a group is told.
  template <class NotifyEnabled>
  void channel_closed(uint64_t channel_id, NotifyEnabled&& notify_enabled) {
    for (const std::string& group : consumer_groups_of(channel_id)) {
      unregister_consumer(group, channel_id, notify_enabled(group));
    }
    for (const std::string& group : producer_groups_of(channel_id)) unregister_producer(group, channel_id);
  }
  // Channels that sent no heartbeat for so long are dropped (channelExpiredTimeout).
  size_t drop_expired(int64_t expired_ms);

  // Heartbeat v2: whether the fingerprint differs from the last one of the group; remembers it.
  bool fingerprint_changed(std::string_view group, int32_t fingerprint);

  std::shared_ptr<const Subscription> subscription(std::string_view group, std::string_view topic) const;
  bool has_consumer_group(std::string_view group) const;
  bool is_broadcasting(std::string_view group) const;
  std::vector<std::string> consumer_ids(std::string_view group) const;
  std::optional<ConsumerGroupSnapshot> consumer_group(std::string_view group) const;
  std::vector<ClientInfo> producers(std::string_view group) const;
  std::map<std::string, std::vector<ClientInfo>> all_producers() const;
  std::vector<std::string> groups_subscribing(std::string_view topic) const;

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  template <class V>
  using ByName = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;

  struct ConsumerGroup {
    std::string consume_type;
    std::string message_model;
    std::string consume_from_where;
    ByName<std::shared_ptr<const Subscription>> subscriptions;
    size_t subscription_bytes = 0;
    std::unordered_map<uint64_t, ClientInfo> channels;
  };
  // The groups of a channel: a set, for one client may be in very many.
  using GroupsByChannel = std::unordered_map<uint64_t, std::set<std::string, std::less<>>>;

  std::vector<std::string> consumer_groups_of(uint64_t channel_id) const;
  std::vector<std::string> producer_groups_of(uint64_t channel_id) const;
  static void remove_name(GroupsByChannel& table, uint64_t channel_id, std::string_view name);
  bool update_subscriptions(ConsumerGroup& group, const std::vector<Subscription>& subscriptions);
  static void tell(const std::vector<ClientChannelPtr>& channels, const std::string& group);
  std::vector<ClientChannelPtr> channels_of(const ConsumerGroup& group) const;

  const Clock& clock_;
  mutable std::shared_mutex mutex_;
  ByName<ConsumerGroup> consumers_;                             // guarded by mutex_
  ByName<std::unordered_map<uint64_t, ClientInfo>> producers_;  // guarded by mutex_
  GroupsByChannel consumer_groups_;                             // guarded by mutex_
  GroupsByChannel producer_groups_;                             // guarded by mutex_
  size_t subscription_bytes_ = 0;                               // guarded by mutex_
  ByName<int32_t> fingerprints_;                                // guarded by mutex_
};

}  // namespace merlin::service
