// What MessageStore is made of. Only the store's own sources include this.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "store/dispatch/dispatcher.h"
#include "store/dispatch/index_follower.h"
#include "store/index/key_index.h"
#include "store/keeper.h"
#include "store/log/commit_log.h"
#include "store/log/damage.h"
#include "store/log/flusher.h"
#include "store/log/log_keeper.h"
#include "store/log/recovery.h"
#include "store/log/retention.h"
#include "store/message_store.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

struct MessageStore::Impl {
  Impl(StoreOptions options, FileSystem& files, const Clock& clock, std::function<void(const Error&)> fail_stop);

  std::string path(std::string_view name) const { return options.root_dir + "/" + std::string(name); }

  // --- opening and closing (store_open.cpp)
  Status open();
  void close();
  // Stops the threads and writes nothing.
  void abandon();
  Status delete_topic(std::string_view topic);
  bool retain();
  void drop_units();
  void set_cleaning(const CleaningLimits& limits);
  Status recover(bool clean, Checkpoint& checkpoint);
  Status open_index(bool clean, const Checkpoint& checkpoint);
  Status distrust_queues(Checkpoint& checkpoint);
  Result<Synced> synced_point(bool clean, const std::optional<Progress>& progress, const Checkpoint& checkpoint) const;
  Result<LogEnd> rebuild(const ScanStart& start, const LogEnd& end, const Synced& synced, Checkpoint& checkpoint);
  Result<bool> feed_queues(int64_t from, int64_t end, bool from_log_begin);
  // Whether the record that the unit names is that message of the queue; also when it is gone.
  bool fits(const ConsumeQueue& queue, int64_t queue_offset, const QueueUnit& unit) const;
  // --- units whose records are damaged (store_damage.cpp)
  struct LostUnits {
    ConsumeQueue* queue = nullptr;
    int64_t end = 0;  // one past the last queue offset whose record lies in damage
    int64_t physical_offset = 0;
  };
  std::vector<LostUnits> lost_units(int64_t from);
  Status put_lost_units(const std::vector<LostUnits>& lost);
  Status put_units_of_damage(const message::RecordView& record);
  Status put_units_of_damage(std::string_view topic, int32_t queue_id, QueueKind kind, int64_t queue_offset,
                             int64_t physical_offset);
  Status put_damaged_units(ConsumeQueue& queue, int64_t end, const DamagedRange& range);

  // --- light queues (store_light.cpp)
  Result<ConsumeQueue*> light_queue(std::string_view name);
  Status light_queues(std::string_view names, std::string_view own_topic, int32_t own_queue_id, LightQueues& out);

  // --- reading (store_read.cpp)
  class Collector;
  bool hot(int64_t physical_offset, int64_t log_end) const { return log_end - physical_offset <= hot_bytes; }
  void get(const ConsumeQueue& queue, int64_t offset, const GetLimits& limits, const MessageFilter* filter,
           GetResult& out, ReadMode mode);
  void get_batches(const ConsumeQueue& queue, int64_t offset, const GetLimits& limits, Collector& collector,
                   GetResult& out);
  int64_t store_timestamp(const ConsumeQueue& queue, int64_t offset) const;
  int64_t offset_by_time(const ConsumeQueue& queue, int64_t timestamp_ms, Boundary boundary) const;
  Status record_at(int64_t physical_offset, LogBytes& out) const;
  DamagedRange damage_at(const QueueUnit& unit, const std::string& why);

  // Constant after construction.
  const StoreOptions options;
  FileSystem& files;
  const Clock& clock;
  const int64_t hot_bytes;

  ArrivalListener* listener = nullptr;  // constant after open()
  int64_t boot_ms = 0;                  // constant after open()
  bool opened = false;                  // constant after open()
  std::atomic<int64_t> light_queues_max;
  std::atomic<bool> drop_units_wanted{false};
  std::unique_ptr<File> lock;

  mutable DamageList damage;
  const std::unique_ptr<QueueIndex> queue_index;
  QueueIndex& queues;
  const std::unique_ptr<IndexFeed> index_feed;  // null when the key index is disabled
  Dispatcher dispatcher;
  CommitLog log;
  Flusher flusher;
  std::unique_ptr<KeyIndex> index;  // null when disabled
  std::unique_ptr<IndexFollower> follower;
  LogKeeper log_keeper;
  Retention retention;
  Keeper keeper;
};

// Adds one stored record to `out`, joined to the slice before when they touch.
void add_record(LogBytes& out, ByteView record, const std::shared_ptr<const void>& pin);

}  // namespace merlin::store
