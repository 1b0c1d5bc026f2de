// Pulling: permission, group and subscription checks, and the read itself.
//
// Threads: any; nothing is owned here. Holding a pull is the caller's part (LongPoll), since only a door can answer
// later.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/text_map.h"
#include "meta/topic_config.h"
#include "service/broker_stats.h"
#include "service/clients.h"
#include "service/consumer_filters.h"
#include "service/outcome.h"
#include "store/message_store.h"

namespace merlin::service {

namespace pull_flag {
inline constexpr int32_t commit_offset = 1;
inline constexpr int32_t suspend = 2;
inline constexpr int32_t subscription = 4;
inline constexpr int32_t class_filter = 8;
inline constexpr int32_t lite_pull = 16;
}  // namespace pull_flag

struct PullRequest {
  std::string_view group;
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t queue_offset = 0;
  int32_t messages_max = 0;
  int32_t sys_flag = 0;
  int64_t commit_offset = 0;
  std::string_view subscription;
  std::string_view expression_type;
  int64_t sub_version = 0;
  std::string_view remote_text;
};

// What the pulls of one thread asked for before, until any topic or group changes: their checks take no lock then.
struct PullCache {
  static constexpr size_t names_max = 4096;     // topics, and groups; all are forgotten beyond it
  static constexpr size_t queues_max = 65'536;  // of all topics together; likewise
  struct Topic {
    meta::TopicPtr config;
    std::vector<const store::ConsumeQueue*> queues;  // by id, as they were asked for
  };
  using Topics = meta::TextMap<Topic>;
  using Groups = meta::TextMap<meta::GroupPtr>;

  Topics topics;
  Topics::value_type* last_topic = nullptr;
  uint64_t topics_generation = 0;
  size_t queue_count = 0;
  Topic light_topic;  // the light queue that is asked for
  Groups groups;
  Groups::value_type* last_group = nullptr;
  uint64_t groups_generation = 0;
};

// What the checks found out; enough to read again later without repeating them.
struct PullPlan {
  const store::ConsumeQueue* queue = nullptr;
  std::shared_ptr<const Filter> filter;
  int32_t topic_sys_flag = 0;
  int32_t group_sys_flag = 0;
  uint64_t subscriptions_at = 0;  // Filtering::changes when the filter was found
  int64_t counted_to = 0;         // what the filter has refused is counted up to here
};

// Numbers that may change while the broker runs.
struct PullLimits {
  const std::atomic<int64_t>& bytes_in_memory_max;
  const std::atomic<int64_t>& count_in_memory_max;
  const std::atomic<int64_t>& bytes_on_disk_max;
  const std::atomic<int64_t>& count_on_disk_max;
  const std::atomic<int64_t>& broker_permission;
  const std::atomic<int64_t>& server_side_reset;
  const std::atomic<int64_t>& property_filter_enable;  // enablePropertyFilter
  const std::atomic<int64_t>& filter_retry;            // filterSupportRetry
  const std::atomic<int64_t>& scanned_unit_bytes_max;  // maxFilterMessageSize
};

class Pull {
 public:
  // Of a program, over all messages that one pull shows it; and with the lengths of their properties counted in, see
  // Filter::units_per_step().
  static constexpr size_t filter_steps_max = size_t{128} * 1024;
  static constexpr int64_t filter_units_max = int64_t{1} << 20;

  Pull(std::string broker_ip, PullLimits limits, store::MessageStore& store, meta::TopicTable& topics,
       meta::SubscriptionGroups& groups, meta::ConsumerOffsets& offsets, Clients& clients, Filtering& filtering,
       BrokerStats& stats);

  Refusal plan(const PullRequest& request, PullCache& cache, PullPlan& out) const;
  // Reads from `offset`, which is request.queue_offset or a place behind it: what lies between was filtered already.
  // A pending server-side reset of the queue is taken and answered instead of messages.
  // When the answer is cold nothing has been done yet: it is to be read again where waiting is allowed.
  void read(const PullRequest& request, PullPlan& plan, int64_t offset, store::GetResult& out,
            store::ReadMode mode) const;
  // Whether some group has changed a subscription since the plan was made.
  bool may_be_outdated(const PullPlan& plan) const {
    return filtering_.changes.load(std::memory_order_acquire) != plan.subscriptions_at;
  }
  // Of a pull that was held: whether its group wants other messages by now. False the next time, until it changes
  // again.
  bool subscription_changed(const PullRequest& request, PullPlan& plan) const;
  // The answer that finds nothing, and makes the client begin at the same place with another pull.
  void begin_again(const PullRequest& request, const PullPlan& plan, store::GetResult& out) const;
  // Apache's rule: the offset carried along is committed at the first look, not when a held pull is read again.
  void commit_carried_offset(const PullRequest& request) const;
  // True when a message or a reset has come since `result` was read: a held pull must look again.
  bool moved_on(const PullRequest& request, const PullPlan& plan, const store::GetResult& result) const;

 private:
  PullCache::Topic* topic_of(std::string_view name, PullCache& cache) const;
  const meta::SubscriptionGroup* group_of(std::string_view name, PullCache& cache) const;
  Refusal find_queue(const PullRequest& request, PullCache::Topic& topic, PullPlan& out) const;
  Refusal find_subscription(const PullRequest& request, const meta::SubscriptionGroup& group, PullPlan& out) const;
  bool reset_waits(const PullRequest& request) const;
  Refusal check_enabled(std::string_view expression_type) const;
  Refusal use_carried_subscription(const PullRequest& request, PullPlan& out) const;
  Refusal use_known_expression(const PullRequest& request, PullPlan& out) const;
  std::shared_ptr<const Filter> filter_of_expression(const PullRequest& request,
                                                     std::shared_ptr<const Filter> filter) const;

  const std::string broker_ip_;
  const PullLimits limits_;
  store::MessageStore& store_;
  meta::TopicTable& topics_;
  meta::SubscriptionGroups& groups_;
  meta::ConsumerOffsets& offsets_;
  Clients& clients_;
  Filtering& filtering_;
  BrokerStats& stats_;
};

}  // namespace merlin::service
