// Static topics: which physical queue of which broker stands behind each logical queue of a topic.
//
// A static topic's clients number its queues over the whole cluster (global ids) and see offsets that go on when a
// queue moves. Each broker keeps the items of the queues it hosts: an item says that a stretch of a logical queue
// lies in one physical queue, and by how much the offsets differ. The last item of a queue is its leader, the one that
// is written to.
//
// Owns:     <store>/config/topicQueueMapping.json, in Apache's form.
// Threads:  any; a mapping is a constant value behind a shared pointer. any() costs one relaxed load.
// Survives: every accepted change is on disk before update() and remove() return success.
// Fails:    a file that cannot be written is an error of that change; the table holds it and the next write tries
// again.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "meta/data_version.h"
#include "meta/table_file.h"
#include "meta/text_map.h"

namespace merlin::meta {

// LogicQueueMappingItem.
struct MappingItem {
  int32_t gen = 0;  // counts the moves of the logical queue
  int32_t queue_id = 0;
  std::string broker_name;
  int64_t logic_offset = 0;  // where it begins in the logical queue; -1: not decided yet
  int64_t start_offset = 0;  // where it begins in the physical queue
  int64_t end_offset = -1;   // where it ends there, excluded; -1: it goes on
  int64_t time_of_start = -1;
  int64_t time_of_end = -1;

  bool operator==(const MappingItem&) const = default;
};

// TopicQueueMappingDetail.
struct QueueMapping {
  std::string topic;
  std::string scope = "__global__";
  int32_t total_queues = 0;  // of the whole cluster
  std::string broker_name;
  int64_t epoch = 0;
  bool dirty = false;
  std::map<int32_t, std::vector<MappingItem>> hosted_queues;  // by global id; oldest item first

  bool operator==(const QueueMapping&) const = default;
  // The items of a queue, or nullptr.
  const std::vector<MappingItem>* items_of(int32_t global_id) const;
  // The whole mapping: files, GET_TOPIC_CONFIG, GET_ALL_TOPIC_CONFIG.
  std::string json() const;
  // What nameservers are told (TopicQueueMappingInfo): global id -> physical id of the queues that are led from here.
  std::string info_json() const;
  // Errc::corrupt when it is no such object, or holds more than the limits of QueueMappingTable.
  static Result<QueueMapping> parse(std::string_view json);
};

using QueueMappingPtr = std::shared_ptr<const QueueMapping>;

class QueueMappingTable : private TableContent {
 public:
  static constexpr size_t queues_per_topic_max = 65'536;
  static constexpr size_t items_per_queue_max = 1'024;
  static constexpr int64_t offset_max = int64_t{1} << 60;  // of an item

  QueueMappingTable(FileSystem& files, const Clock& clock, const std::string& store_root);
  QueueMappingTable(const QueueMappingTable&) = delete;
  QueueMappingTable& operator=(const QueueMappingTable&) = delete;

  Status open();
  // Whether there is any static topic; callers on the hot path ask this first.
  bool any() const { return count_.load(std::memory_order_relaxed) != 0; }
  // nullptr: not a static topic.
  QueueMappingPtr find(std::string_view topic) const;
  std::vector<QueueMappingPtr> all() const;  // sorted by topic
  DataVersion version() const;

  // What update() would refuse: Errc::invalid, in Apache's words where it has them.
  Status check(const QueueMapping& next, bool force) const;
  // Replaces the topic's mapping; queues that `next` leaves out stay as they are.
  Status update(QueueMapping next, bool force);
  // Nothing happens when there is none.
  Status remove(std::string_view topic);
  // As TopicTable's.
  Status persist_if_dirty();
  Status close();
  // {"dataVersion":..,"topicQueueMappingInfoMap":{..}}: the file, compact.
  std::string json() const;

 private:
  Result<QueueMapping> merged(QueueMapping next, bool force) const;
  Status decode(std::string_view text);
  Status apply(const JournalLine& line);
  uint64_t change_count() const override { return generation_.load(std::memory_order_acquire); }
  size_t row_count() const override { return count_.load(std::memory_order_relaxed); }
  Status write_json(const Sink& sink) const override { return sink(json()); }
  void take_changes(std::string& lines) override;

  const Clock& clock_;
  TableFile file_;
  std::mutex change_mutex_;            // one decision at a time: read, change, publish
  mutable std::shared_mutex mutex_;    // held for a look-up or an exchange, never while writing a file
  TextMap<QueueMappingPtr> mappings_;  // guarded by mutex_
  TextSet changed_;                    // guarded by mutex_; topics whose journal line is due
  DataVersion version_;                // guarded by mutex_
  std::atomic<uint64_t> generation_{1};
  std::atomic<size_t> count_{0};  // size of mappings_; changes under mutex_
};

// "topic":detail and "topic":info for each of them, without the braces around.
std::string mapping_details_json(const std::vector<QueueMappingPtr>& mappings);
std::string mapping_infos_json(const std::vector<QueueMappingPtr>& mappings);

}  // namespace merlin::meta
