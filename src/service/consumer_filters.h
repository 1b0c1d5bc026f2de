// What groups filter by SQL92: told by heartbeats, asked by pulls, kept over restarts.
//
// Owns:     a row for each group and topic with its filter, and <store>/config/consumerFilter.json.
// Threads:  any; one mutex, not held while a text is compiled or a file written.
// Survives: a row whose group is gone stays filter_data_keep_ms (24 h by default); as in Apache all groups count as
//           gone after a start, until their first heartbeat.
// Fails:    a text that does not compile leaves no row: pulls are then told so.
// Limits:   bytes_max of texts and programs; what does not fit is not taken, with a warning.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "meta/consumer_filter_rows.h"
#include "service/filtered_counts.h"
#include "service/sql_programs.h"
#include "service/subscription.h"

namespace merlin::service {

struct ConsumerFilterSettings {
  int64_t keep_dead_ms = 86'400'000;  // filterDataCleanTimeSpan
  int32_t bloom_error_percent = 20;   // maxErrorRateOfBloomFilter
  int32_t bloom_consumers = 32;       // expectConsumerNumUseFilter
};

struct ConsumerFilter {
  meta::ConsumerFilterRow row;
  std::shared_ptr<const Filter> filter;  // nullptr: its text, taken from a file, does not compile
  size_t bytes = 0;
  bool is_dead() const { return row.dead_ms >= row.born_ms; }
};
using ConsumerFilterPtr = std::shared_ptr<const ConsumerFilter>;

class ConsumerFilters {
 public:
  static constexpr size_t bytes_max = size_t{64} << 20;

  ConsumerFilters(FileSystem& files, const Clock& clock, SqlPrograms& programs, const std::string& root_dir,
                  ConsumerFilterSettings settings);

  Status open();
  Status persist_if_dirty();

  // A heartbeat with all that the group subscribes to: rows of other topics die.
  void heartbeat(std::string_view group, std::span<const Subscription> subscriptions);
  // Rows of groups that are not online die; the ones that died long ago go. Call it every few seconds.
  void sweep(const std::function<bool(const std::string& group)>& is_online);

  // nullptr: there is none, or its text is wrong.
  ConsumerFilterPtr find(std::string_view topic, std::string_view group) const;
  // The most that any filter of the group has had, in steps of a program.
  size_t steps_max(std::string_view group) const;

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  struct ByTopic : std::unordered_map<std::string, ConsumerFilterPtr, StringHash, std::equal_to<>> {
    size_t steps_max = 1;
  };

  void take(std::string_view group, const Subscription& subscription);
  ConsumerFilterPtr make(std::string_view group, const Subscription& subscription) const;
  void put(std::string_view group, const ConsumerFilterPtr& filter);
  void remove(ByTopic& topics, std::string_view topic);
  void set_dead(ConsumerFilterPtr& filter, int64_t dead_ms);

  FileSystem& files_;
  const Clock& clock_;
  SqlPrograms& programs_;
  const std::string path_;
  const ConsumerFilterSettings settings_;
  mutable std::mutex mutex_;
  std::mutex file_mutex_;                                                         // held while the file is written
  std::unordered_map<std::string, ByTopic, StringHash, std::equal_to<>> groups_;  // guarded by mutex_
  size_t bytes_ = 0;                                                              // guarded by mutex_
  bool dirty_ = false;                                                            // guarded by mutex_
};

// Pulls from %RETRY% topics by a group that filters them by SQL92, with filterSupportRetry: a retried message is asked
// for by the filter of the topic that it came from, and comes when there is none.
class RetryFilter final : public Filter {
 public:
  RetryFilter(const ConsumerFilters& filters, std::string_view group)
      : filters_(filters), group_(group), steps_(filters.steps_max(group)) {}
  bool matches_tags_code(int64_t) const override { return true; }
  bool needs_record() const override { return true; }
  bool matches_record(const message::RecordView& record) const override;
  bool matches_properties(const filter::PropertyList& properties) const override;
  size_t steps() const override { return steps_; }

 private:
  const ConsumerFilters& filters_;
  const std::string group_;
  const size_t steps_;
};

// All that filtering by groups needs, for whoever pulls or takes heartbeats.
struct Filtering {
  SqlPrograms programs;
  ConsumerFilters groups;
  FilteredCounts passed_over;
  // Grows when a group has changed what it wants of a topic, after both tables say so. A pull that was planned before
  // has an old filter.
  std::atomic<uint64_t> changes{0};
  Filtering(FileSystem& files, const Clock& clock, const std::string& root_dir, ConsumerFilterSettings settings)
      : groups(files, clock, programs, root_dir, settings) {}
};

}  // namespace merlin::service
