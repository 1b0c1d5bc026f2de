// Offsets as operators see and change them: reset, clone, correct, and how far groups have come.
//
// Owns:    nothing; changes go to meta/consumer_offsets.
// Threads: workers: queue files may have to be read.
// Limits:  the queues of the topics asked for; entries_max in one dump of a queue.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/clock.h"
#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "meta/topic_queue_mapping.h"
#include "service/broker_stats.h"
#include "service/clients.h"
#include "service/outcome.h"
#include "service/relay.h"
#include "store/message_store.h"

namespace merlin::service {

struct ResetAsk {
  std::string group;
  std::string topic;
  int32_t queue_id = -1;          // negative: all queues
  std::optional<int64_t> offset;  // of that one queue; none or -1: by time
  int64_t timestamp_ms = 0;       // negative: to the end
  bool force = false;             // by clients only: also forward
};

struct QueueProgress {
  int32_t queue_id = 0;
  int64_t broker_offset = 0;
  int64_t consumer_offset = 0;
  int64_t pull_offset = 0;
  int64_t last_timestamp_ms = 0;  // store time of the last message consumed
};

struct TopicProgress {
  std::string topic;
  double consume_tps = 0;
  std::vector<QueueProgress> queues;
};

struct QueueTimeSpan {
  int32_t queue_id = 0;
  int64_t min_timestamp_ms = -1;
  int64_t max_timestamp_ms = -1;
  int64_t consume_timestamp_ms = -1;
  int64_t delay_ms = 0;
};

class OffsetAdmin {
 public:
  OffsetAdmin(std::string broker_name, const Clock& clock, store::MessageStore& store, meta::TopicTable& topics,
              meta::QueueMappingTable& mappings, meta::SubscriptionGroups& groups, meta::ConsumerOffsets& offsets,
              Clients& clients, const Relay& relay, const BrokerStats& stats);

  // Called for each queue that was reset: pulls that are held there shall look again.
  void set_queue_moved(std::function<void(const store::ConsumeQueue*)> callback) { queue_moved_ = std::move(callback); }

  // Moves the group here; consumers learn of it with their next pull, or from the one that is held. `moved`: where each
  // queue goes on.
  Refusal reset_on_server(const ResetAsk& ask, meta::QueueOffsets& moved);
  // Tells the group's consumers, who commit it. An offset goes forward only by force.
  Refusal reset_by_clients(const ResetAsk& ask, meta::QueueOffsets& moved);

  // `topic` empty: all that `source` has offsets of. `offline`: also of topics that it does not subscribe to any more.
  Refusal clone(std::string_view source, std::string_view target, std::string_view topic, bool offline);
  // The lowest offset of each queue over all groups but those in the list; INT64_MAX where `compare_group` is behind
  // it.
  meta::QueueOffsets correction(std::string_view topic, std::string_view without_groups,
                                std::string_view compare_group) const;

  // By the topics in `topic_list`, else `topic`, else all of the group; of the latter two only those that a group with
  // consumers subscribes to.
  std::vector<TopicProgress> progress(std::string_view group, std::string_view topic,
                                      const std::vector<std::string>& topic_list) const;
  // Of every group, one after the other, until `visit` returns false.
  void each_progress(bool ordered_only,
                     const std::function<bool(const std::string& group, std::vector<TopicProgress>)>& visit) const;
  Refusal time_spans(std::string_view group, std::string_view topic, std::vector<QueueTimeSpan>& out) const;

 private:
  bool subscribes(const std::optional<ConsumerGroupSnapshot>& group, std::string_view topic) const;
  int64_t offset_by_time(std::string_view topic, int32_t queue_id, int64_t timestamp_ms) const;
  Refusal target_of(const ResetAsk& ask, int32_t queue_id, int64_t& offset) const;
  TopicProgress topic_progress(std::string_view group, const meta::TopicConfig& topic, int32_t queues) const;

  const std::string broker_name_;
  const Clock& clock_;
  store::MessageStore& store_;
  meta::TopicTable& topics_;
  meta::QueueMappingTable& mappings_;
  meta::SubscriptionGroups& groups_;
  meta::ConsumerOffsets& offsets_;
  Clients& clients_;
  const Relay& relay_;
  const BrokerStats& stats_;
  std::function<void(const store::ConsumeQueue*)> queue_moved_;
};

}  // namespace merlin::service
