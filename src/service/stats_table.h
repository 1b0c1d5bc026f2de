// What goes through each topic and group, over the last minute, hour and day: the numbers behind
// VIEW_BROKER_STATS_DATA, consumeTps and topicPutTps. Names, keys and windows are those of Apache's BrokerStatsManager.
//
// Owns:    one row for each topic, topic@group and queue@topic@group that had traffic, for each level of delayed
//          messages, and for each topic and group that sent messages to a dead letter queue.
// Threads: topic_put(), group_get(), sent_back() from anywhere: a thread finds its rows again without a lock. sample()
//          on one thread at a time, not on a reactor; the rest from anywhere.
// Limits:  rows_max rows; what has no row is not counted. A row that was idle for idle_ms_max goes, or for
//          idle_when_full_ms when the table is full. A row takes at most 2.5 KiB. All light queues share one row, as do
//          all light groups.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"

namespace merlin::service {

struct StatsWindow {
  int64_t sum = 0;
  double tps = 0;
  double average = 0;  // per call
};

struct StatsWindows {
  StatsWindow minute;
  StatsWindow hour;
  StatsWindow day;
};

class StatsTable {
 public:
  static constexpr size_t rows_max = 50'000;
  static constexpr int64_t idle_ms_max = 24 * 3'600'000;
  static constexpr int64_t idle_when_full_ms = 600'000;
  static constexpr int64_t minute_step_ms = 10'000;
  static constexpr int64_t hour_step_ms = 600'000;
  static constexpr int64_t day_step_ms = 3'600'000;

  explicit StatsTable(const Clock& clock);
  StatsTable(const StatsTable&) = delete;
  StatsTable& operator=(const StatsTable&) = delete;

  // `identity`: what has the same one has the same topic (and for group_get the same queue), as long as this table
  // lives. It spares the comparison of names.
  void topic_put(const void* identity, std::string_view topic, int64_t messages, int64_t bytes, int64_t requests);
  // latency_ms: how long the broker took to find the messages.
  void group_get(const void* identity, std::string_view group, std::string_view topic, int32_t queue_id,
                 int64_t messages, int64_t bytes, int64_t latency_ms);
  // A message was given back by a consumer of the group.
  void sent_back(std::string_view group, std::string_view topic);
  // The same, of those that went to the group's dead letter queue.
  void given_up(std::string_view group, std::string_view topic);
  // QUEUE_PUT_NUMS and QUEUE_PUT_SIZE: Apache's broker counts so only what waits for its time, in the queues of its
  // levels.
  void queue_put(std::string_view topic, int32_t queue_id, int64_t messages, int64_t bytes);

  // Takes the samples that are due, at most one of each window. The totals are those of the whole broker.
  void sample(int64_t put_messages, int64_t get_messages);

  // By Apache's names: TOPIC_PUT_NUMS "topic", GROUP_GET_NUMS "topic@group", GROUP_GET_LATENCY "0@topic@group" ...
  // nullopt: there was no such traffic.
  std::optional<StatsWindows> find(std::string_view name, std::string_view key) const;
  // Messages a second over the last minute, 0 when there was no traffic.
  double topic_put_tps(std::string_view topic) const;
  double group_get_tps(std::string_view group, std::string_view topic) const;
  // Of all topics that are not the broker's own.
  int64_t user_put_messages() const { return user_put_.load(std::memory_order_relaxed); }
  int64_t user_get_messages() const { return user_get_.load(std::memory_order_relaxed); }

  void topic_deleted(std::string_view topic);
  void group_deleted(std::string_view group);
  // BROKER_PUT_NUMS and BROKER_GET_NUMS have the cluster's name for a key.
  void set_cluster_name(std::string name) { cluster_name_ = std::move(name); }
  size_t size() const;

 private:
  enum class Kind : char { topic = 't', group = 'g', queue = 'q', broker = 'b', put_queue = 'p', given_up = 'd' };
  static constexpr size_t counters_max = 3;
  struct Counter {
    std::atomic<int64_t> value{0};
    std::atomic<int64_t> times{0};
    void add(int64_t v, int64_t t) {
      value.fetch_add(v, std::memory_order_relaxed);
      times.fetch_add(t, std::memory_order_relaxed);
    }
  };
  struct Sample {
    int64_t at_ms = 0;
    std::array<int64_t, counters_max> value{};
    std::array<int64_t, counters_max> times{};
  };
  struct Row {
    std::array<Counter, counters_max> counters;
    bool is_user_topic = false;
    Kind kind = Kind::topic;
    // Of a queue: the row of its group, and what of this row has been added to it. A pull counts once, in its queue.
    std::shared_ptr<Row> group;
    int64_t carried_nums = 0;  // sample() only, as are the next two
    int64_t carried_bytes = 0;
    int64_t carried_times = 0;
    // Guarded by windows_mutex_. Oldest first.
    std::vector<Sample> minute;
    std::vector<Sample> hour;
    std::vector<Sample> day;
    int64_t seen_times = 0;
    std::atomic<int64_t> changed_ms{0};
  };
  using RowPtr = std::shared_ptr<Row>;
  struct Remembered;
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  struct Place {
    Kind kind;
    size_t counter;
  };

  static std::optional<Place> place_of(std::string_view name);
  static void append_key(Kind kind, std::string_view topic, std::string_view group, int32_t queue_id, std::string& out);
  static Sample now_of(const Row& row, int64_t now_ms);
  static void push(std::vector<Sample>& window, const Sample& sample, int64_t step_ms, size_t size_max);
  static StatsWindow window_of(const std::vector<Sample>& window, size_t counter);
  static Remembered& remembered(const void* identity, std::string_view group);
  RowPtr find_or_make(Kind kind, std::string_view topic, std::string_view group, int32_t queue_id);
  void carry(Row& row);
  std::optional<StatsWindows> find_place(Place place, std::string_view key) const;
  void forget(const std::string_view* topic, const std::string_view* group);
  void drop_idle(int64_t now_ms, int64_t idle_ms);

  const Clock& clock_;
  const uint64_t id_;  // of this table, for what threads remember
  std::string cluster_name_;
  std::atomic<uint64_t> generation_{1};  // grows when rows go
  std::atomic<int64_t> user_put_{0};
  std::atomic<int64_t> user_get_{0};
  mutable std::mutex windows_mutex_;  // taken before mutex_
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, RowPtr, TextHash, std::equal_to<>> rows_;  // guarded by mutex_; key: kind, key
  int64_t next_minute_ms_ = 0;                                               // sample() only, as are the next two
  int64_t next_hour_ms_ = 0;
  int64_t next_day_ms_ = 0;
};

// Adds what one burst put, topic by topic.
class PutRun {
 public:
  explicit PutRun(StatsTable& table) : table_(table) {}
  ~PutRun() { flush(); }
  PutRun(const PutRun&) = delete;
  PutRun& operator=(const PutRun&) = delete;
  // REQUIRES: `topic` stays valid as long as this; `identity` as in topic_put().
  void add(const void* identity, std::string_view topic, int64_t messages, int64_t bytes, bool new_request) {
    if (identity != identity_) {
      flush();
      identity_ = identity;
      topic_ = topic;
    }
    messages_ += messages;
    bytes_ += bytes;
    requests_ += new_request ? 1 : 0;
  }

 private:
  void flush() {
    if (messages_ > 0 && identity_ != nullptr) table_.topic_put(identity_, topic_, messages_, bytes_, requests_);
    messages_ = bytes_ = requests_ = 0;
  }

  StatsTable& table_;
  const void* identity_ = nullptr;
  std::string_view topic_;
  int64_t messages_ = 0;
  int64_t bytes_ = 0;
  int64_t requests_ = 0;
};

}  // namespace merlin::service
