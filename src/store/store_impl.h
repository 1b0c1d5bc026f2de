// What MessageStore is made of. Only the store's own sources include this.
#pragma once

#include <memory>
#include <string>

#include "store/dispatch/dispatcher.h"
#include "store/dispatch/index_follower.h"
#include "store/index/key_index.h"
#include "store/keeper.h"
#include "store/log/commit_log.h"
#include "store/log/flusher.h"
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
  void retain();
  Status recover(bool clean, Checkpoint& checkpoint);
  Status open_index(bool clean, const Checkpoint& checkpoint);
  Status distrust_queues(Checkpoint& checkpoint);
  Result<ScanEnd> rebuild(const ScanStart& start, Checkpoint& checkpoint);
  // Whether the record that the unit names is that message of the queue; also when it is gone.
  bool fits(const ConsumeQueue& queue, int64_t queue_offset, const QueueUnit& unit) const;

  // --- reading (store_read.cpp)
  bool hot(int64_t physical_offset, int64_t log_end) const { return log_end - physical_offset <= hot_bytes; }
  void get(const ConsumeQueue& queue, int64_t offset, const GetLimits& limits, const MessageFilter* filter,
           GetResult& out);
  int64_t store_timestamp(const ConsumeQueue& queue, int64_t offset) const;
  int64_t offset_by_time(const ConsumeQueue& queue, int64_t timestamp_ms, Boundary boundary) const;
  Status record_at(int64_t physical_offset, LogBytes& out) const;

  // Constant after construction.
  const StoreOptions options;
  FileSystem& files;
  const Clock& clock;
  const int64_t hot_bytes;

  ArrivalListener* listener = nullptr;  // constant after open()
  int64_t boot_ms = 0;                  // constant after open()
  bool opened = false;                  // constant after open()
  std::unique_ptr<File> lock;

  const std::unique_ptr<QueueIndex> queue_index;
  QueueIndex& queues;
  Dispatcher dispatcher;
  CommitLog log;
  Flusher flusher;
  std::unique_ptr<KeyIndex> index;  // null when disabled
  std::unique_ptr<IndexFollower> follower;
  Retention retention;
  Keeper keeper;
};

// Adds one stored record to `out`, joined to the slice before when they touch.
void add_record(LogBytes& out, ByteView record, const std::shared_ptr<const void>& pin);

}  // namespace merlin::store
