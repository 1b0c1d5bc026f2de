// Sending: checks a message, gives it its place in a queue, and appends whole bursts to the store.
//
// Owns:    nothing durable; each caller owns its ProduceBurst (one per reactor, or one on a worker's stack).
// Threads: prepare() and append() on the burst's owner; what makes topics on workers only (it writes files and
// registers). Limits:  message_size_bytes_max, properties_length_max, topic length; batch_messages_max in one batch
// request.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/message/ids.h"
#include "merlin/message/record.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "service/broker_stats.h"
#include "service/delay_levels.h"
#include "service/outcome.h"
#include "store/message_store.h"

namespace merlin::service {

// One SEND request, as views into the caller's bytes; they must stay until append() has returned.
struct SendRequest {
  std::string_view producer_group;
  std::string_view topic;
  std::string_view default_topic;
  int32_t default_topic_queue_nums = 0;
  int32_t queue_id = 0;  // negative: the broker picks
  int32_t sys_flag = 0;
  int64_t born_timestamp_ms = 0;
  int32_t flag = 0;
  std::string_view properties;
  int32_t reconsume_times = 0;
  bool unit_mode = false;
  bool batch = false;
  std::optional<int32_t> max_reconsume_times;  // of a message that is sent to a retry topic
  HostPort born_host;
  ByteView body;
};

// A stored message that is put once more: its delay is over, or a consumer gave it back. Views stay until append() has
// returned.
struct StoredCopy {
  const message::RecordView* record = nullptr;
  std::string_view topic;
  int32_t queue_id = 0;
  std::string_view properties;
  int32_t reconsume_times = 0;
  int32_t delay_level = 0;  // above 0: it waits first
};

// Told of messages that were stored to be delivered later, by whoever stored them.
class DelayedListener {
 public:
  virtual ~DelayedListener() = default;
  virtual void on_delayed(int32_t level, int64_t queue_offset, int64_t due_ms) = 0;
};

class ResendRules;

// A request that was accepted into a burst: items [first, first + count) of it.
struct PlacedRequest {
  size_t first = 0;
  size_t count = 0;
  int32_t queue_id = 0;
  std::string_view unique_key;    // valid until clear()
  bool inner_batch = false;       // the one record is all of a batch
  bool waits_for_durable = true;  // property WAIT: false is answered when placed, also in sync-flush mode
};

// What one read of a socket brought, collected for one append.
struct ProduceBurst {
  static constexpr size_t topic_cache_max = 4096;

  struct CachedTopic {
    meta::TopicPtr config;
    std::vector<store::ConsumeQueue*> queues;
    bool send_forbidden = false;
    bool is_retry = false;
  };
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  std::vector<store::AppendItem> items;
  std::deque<store::LightQueues> light;  // of items; stable addresses
  size_t light_used = 0;
  CachedTopic light_topic;                         // the light queue that a message is sent to
  std::vector<store::ConsumeQueue*> delay_queues;  // by level - 1
  bool has_delayed = false;                        // some of items wait for their time
  Buffer scratch;
  std::deque<std::string> texts;  // property strings and keys made by the broker; stable addresses
  size_t texts_used = 0;
  // Topics looked up before, until any topic changes.
  std::unordered_map<std::string, CachedTopic, StringHash, std::equal_to<>> topics;
  uint64_t topics_generation = 0;
  // The entry of `topics` that was asked for last: one connection mostly sends to one topic.
  const std::string* last_name = nullptr;
  CachedTopic* last_topic = nullptr;
  uint32_t next_random = 1;

  bool empty() const { return items.empty(); }
  void clear() {
    items.clear();
    texts_used = 0;
    light_used = 0;
    has_delayed = false;
  }
  std::string& text() {
    if (texts_used == texts.size()) texts.emplace_back();
    std::string& t = texts[texts_used++];
    t.clear();
    return t;
  }
};

struct ProduceSettings {
  std::string cluster_name;
  std::string broker_ip;  // named in refusals, as Apache does
  std::string region_id;
  bool trace_on = true;
  HostPort store_host;
  int32_t message_size_bytes_max = 4 * 1024 * 1024;
  bool check_message_type = false;  // against the topic's message.type
  bool multi_dispatch = false;      // messages enter the light queues that INNER_MULTI_DISPATCH names
  std::vector<int64_t> delay_level_ms =
      store::default_delay_levels();  // of level 1, 2, ...; a higher one counts as the last
};

class Produce {
 public:
  static constexpr size_t batch_messages_max = 65'536;

  Produce(ProduceSettings settings, const Clock& clock, store::MessageStore& store, meta::TopicTable& topics,
          const std::atomic<int64_t>& broker_permission, BrokerStats& stats);

  // Checks the request and adds its records to the burst. Outcome::needs_worker: the topic is not known; on a worker,
  // prepare_on_worker() makes it.
  Refusal prepare(const SendRequest& request, ProduceBurst& burst, PlacedRequest& placed);
  // Makes the topic from the default topic, or a retry topic, then does as prepare(). Blocks.
  Refusal prepare_on_worker(const SendRequest& request, ProduceBurst& burst, PlacedRequest& placed);
  // A group's retry or dead letter topic, made where there is none. Blocks.
  Refusal make_group_topic(std::string_view name, int32_t queues, int32_t sys_flag, meta::TopicPtr& out);
  // Adds a stored message as a new one, to a topic that need not be in the table. Refuses what has no place: a name
  // that no topic may have, a queue id out of range, properties that became too long.
  Refusal add_copy(const StoredCopy& copy, ProduceBurst& burst);
  // Appends all items; returns the log offset to wait for in sync mode.
  int64_t append(ProduceBurst& burst);
  // Some of a level were put into their own queues: to the statistics its queue has a consumer.
  void count_delivered(int32_t level, int64_t messages, int64_t bytes);

  // Before the first message: who delivers delayed ones, and what becomes of those that clients send to retry topics.
  void set_delayed_listener(DelayedListener* listener) { delayed_ = listener; }
  void set_resend_rules(const ResendRules* rules) { resend_rules_ = rules; }

  // Called after a topic was created here, before its maker returns: registers it with the nameservers.
  void set_topic_created(std::function<void(const meta::TopicPtr&)> callback) { topic_created_ = std::move(callback); }

  // The answer to a failed append of one request, worded as Apache's.
  Refusal refusal_of(const store::AppendItem& item) const;
  const ProduceSettings& settings() const { return settings_; }

 private:
  ProduceBurst::CachedTopic* topic(std::string_view name, ProduceBurst& burst);
  // The queue with that id; ids are below the larger of the topic's two numbers of queues.
  store::ConsumeQueue* queue_of(ProduceBurst::CachedTopic& topic, int32_t queue_id);
  Refusal check_names(const SendRequest& request) const;
  Refusal find_light_topic(const SendRequest& request, ProduceBurst& burst);
  Refusal refuse_light(const Error& error) const;
  // `out` stays nullptr when the names lead to no other queue.
  Refusal enter_light_queues(std::string_view names, std::string_view topic, int32_t queue_id, ProduceBurst& burst,
                             store::LightQueues*& out);
  Refusal add_single(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                     PlacedRequest& placed);
  // To a retry topic: into it, or among the group's dead letters.
  Refusal add_resent(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                     PlacedRequest& placed);
  Refusal add_batch(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                    PlacedRequest& placed);
  Refusal add_inner_batch(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                          PlacedRequest& placed);
  Refusal create_topic(const SendRequest& request);
  Refusal create_dead_letter_topic(const SendRequest& request);
  int32_t level_within(int32_t level) const;
  // The properties of a message that waits: where it goes when its time has come.
  static std::string with_real_place(std::string_view properties, std::string_view topic, int32_t queue_id,
                                     int32_t level);
  Refusal place_copy(const StoredCopy& copy, ProduceBurst& burst, store::AppendItem& item);
  void put_aside(int32_t level, ProduceBurst& burst, store::AppendItem& item);
  void tell_of_delayed(const ProduceBurst& burst);
  Refusal too_large(size_t body_bytes, size_t properties_bytes) const;
  void fill_record(const SendRequest& request, int32_t queue_id, message::RecordSpec& spec) const;

  const ProduceSettings settings_;
  store::MessageStore& store_;
  meta::TopicTable& topics_;
  const std::atomic<int64_t>& broker_permission_;
  BrokerStats& stats_;
  message::UniqKeyMaker uniq_keys_;
  const std::string tail_;  // what the broker adds to every message's properties
  std::function<void(const meta::TopicPtr&)> topic_created_;
  DelayedListener* delayed_ = nullptr;
  const ResendRules* resend_rules_ = nullptr;
};

}  // namespace merlin::service
