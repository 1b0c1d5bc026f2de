// Consumer groups: may they consume, how often is a message retried, in config/subscriptionGroup.json.
//
// Owns:     the table of groups, the table of what is forbidden to them, and <store>/config/subscriptionGroup.json.
// Threads:  find(), find_or_create() and the other readers from anywhere, also on reactors: memory only. update() and
// remove()
//           write the file: on workers.
// Survives: update() and remove() are on disk when they return (in the file or in its journal, table_file.h). A group
// that find_or_create() made reaches the file with the next
//           persist_if_dirty(); lost in a crash, it is made again the same way.
// Fails:    as TopicTable.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "meta/attributes.h"
#include "meta/data_version.h"
#include "meta/table_file.h"
#include "meta/text_map.h"

namespace merlin::meta {

struct RetryPolicy {
  enum class Kind { customized, exponential };
  struct Exponential {
    int64_t initial_ms = 5'000;
    int64_t max_ms = 7'200'000;
    int64_t multiplier = 2;
    bool operator==(const Exponential&) const = default;
  };
  Kind kind = Kind::customized;
  std::optional<Exponential> exponential;
  std::optional<std::vector<int64_t>> customized_ms;

  bool operator==(const RetryPolicy&) const = default;
  // How long to wait before attempt `reconsume_times` + 1.
  int64_t next_delay_ms(int32_t reconsume_times) const;
};

struct SimpleSubscription {
  std::string topic;
  std::string expression_type;
  std::string expression;
  int64_t version = 0;
  bool operator==(const SimpleSubscription&) const = default;
};

struct SubscriptionGroup {
  std::string name;
  bool consume_enable = true;
  bool consume_from_min_enable = true;
  bool consume_broadcast_enable = true;
  bool consume_message_orderly = false;
  int32_t retry_queue_nums = 1;
  int32_t retry_max_times = 16;
  RetryPolicy retry_policy;
  int64_t broker_id = 0;
  int64_t which_broker_when_consume_slowly = 1;
  bool notify_consumer_ids_changed_enable = true;
  int32_t group_sys_flag = 0;
  int32_t consume_timeout_minutes = 15;
  std::optional<std::vector<SimpleSubscription>> subscriptions;  // subscriptionDataSet
  Attributes attributes;

  bool operator==(const SubscriptionGroup&) const = default;
  std::string text() const;  // for logs
  std::string json() const;
  static Result<SubscriptionGroup> parse(std::string_view json);
  // {"groupConfigList":[...]}, the body of UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST.
  static Result<std::vector<SubscriptionGroup>> parse_list(std::string_view json);
};

using GroupPtr = std::shared_ptr<const SubscriptionGroup>;

class SubscriptionGroups : private TableContent {
 public:
  static constexpr size_t groups_auto_created_max = 1'000'000;  // find_or_create() makes no more

  SubscriptionGroups(FileSystem& files, const Clock& clock, const std::string& store_root);
  SubscriptionGroups(const SubscriptionGroups&) = delete;
  SubscriptionGroups& operator=(const SubscriptionGroups&) = delete;

  // The system groups, then what the file says over them.
  Status open();
  // autoCreateSubscriptionGroup and enableCreateSysGroup; may change at run time.
  void set_auto_create(bool groups, bool system_groups);

  // As TopicTable's.
  void set_light_queues(bool on) { light_queues_ = on; }
  bool is_light(std::string_view name) const;

  GroupPtr find(std::string_view name) const;
  // findSubscriptionGroupConfig: makes an unknown group when that is allowed and the name is valid; else nullptr.
  GroupPtr find_or_create(std::string_view name);
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  std::vector<GroupPtr> all() const;  // sorted by name
  size_t size() const;
  // Grows with every change of any group: callers that keep a GroupPtr compare it.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }
  DataVersion version() const;

  // Creates or replaces; attributes hold changes ("+k", "-k"). Errc::invalid for attributes, in Apache's words.
  Result<GroupPtr> update(SubscriptionGroup group);
  Status update_list(std::vector<SubscriptionGroup> groups);
  Status remove(std::string_view name);  // Errc::not_found
  void disable_consume(std::string_view name);
  // As TopicTable's.
  Status persist_if_dirty();
  Status close();
  TableFile& file() { return file_; }

  // What a group may not do with a topic: bits by permission index (2 read, 1 write).
  int32_t forbidden(std::string_view group, std::string_view topic) const;
  bool is_read_forbidden(std::string_view group, std::string_view topic) const {
    return (forbidden(group, topic) & 4) != 0;
  }
  Status set_forbidden(std::string_view group, std::string_view topic, int32_t index, bool forbid);

  // {"dataVersion":..,"forbiddenTable":{..},"subscriptionGroupTable":{..}}: the file (compact) and the body of
  // GET_ALL_SUBSCRIPTIONGROUP_CONFIG; the second form with only these groups.
  std::string json() const;
  std::string json(std::span<const GroupPtr> groups) const;
  // [seq, seq + max) of the sorted table, from 0 when `data_version_json` is not the current version.
  std::vector<GroupPtr> page(std::string_view data_version_json, int64_t seq, int64_t max) const;

 private:
  using Forbidden = std::map<std::string, std::map<std::string, int32_t, std::less<>>, std::less<>>;

  void add_system_groups();
  uint64_t publish(SubscriptionGroup group);
  Result<SubscriptionGroup> altered(SubscriptionGroup group) const;
  Status decode(std::string_view text);
  std::string forbidden_json(const std::function<bool(std::string_view group)>& wanted) const;
  Status write_json_of(std::span<const GroupPtr> groups, const std::string& forbidden, const Sink& sink) const;
  Status apply(const JournalLine& line);
  Status apply_forbidden(const JournalLine& line);
  uint64_t change_count() const override { return generation(); }
  size_t row_count() const override { return size(); }
  Status write_json(const Sink& sink) const override;
  void take_changes(std::string& lines) override;

  const Clock& clock_;
  TableFile file_;
  bool light_queues_ = false;  // constant after open()
  std::atomic<bool> auto_create_{true};
  std::atomic<bool> auto_create_system_{true};
  std::mutex change_mutex_;             // one update at a time: read, change, publish
  mutable std::shared_mutex mutex_;     // held for a look-up or an exchange, never while writing a file
  NamedSet<SubscriptionGroup> groups_;  // guarded by mutex_
  TextSet changed_;                     // guarded by mutex_; names whose journal line is due
  TextSet changed_forbidden_;           // guarded by mutex_
  Forbidden forbidden_;                 // guarded by mutex_
  std::atomic<bool> has_forbidden_{false};
  DataVersion version_;                  // guarded by mutex_
  std::atomic<uint64_t> generation_{1};  // counts changes; grows under mutex_
};

}  // namespace merlin::meta
