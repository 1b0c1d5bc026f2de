// The queue index in a database, <root>/merlin.queues: many queues cost no files, and a million of them open in
// seconds.
//
// Owns:     the database and the thread that writes it.
// Threads:  see QueueIndex. The writer is a thread of its own: neither the dispatcher nor a reactor waits for the disk.
// Survives: a batch has the units of some records with the progress mark behind them, and only records of the durable
//           log: whatever a crash leaves is sound up to the mark, and the log has the rest. save() flushes when the log
//           has grown by recovery_bytes_max since, so that the rest stays bounded.
// Fails:    when the database refuses, units wait in memory; at pending_units_max of them put() refuses, too.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "merlin/base/file_system.h"
#include "store/queue/queue_db.h"
#include "store/queue/rocks_queue.h"

namespace merlin::store {

class RocksIndex final : public QueueIndex {
 public:
  static constexpr size_t pending_units_max = 1'000'000;
  static constexpr size_t batch_units_max = 16'384;
  static constexpr size_t hot_queues_max = 16'384;

  struct Options {
    std::string root_dir;
    int64_t recovery_bytes_max = int64_t{128} << 20;
    int32_t consume_queue_file_bytes = 0;  // of the file form, when the store comes from there
  };
  RocksIndex(Options options, FileSystem& files);
  ~RocksIndex() override;

  static std::string dir_of(const std::string& root_dir) { return root_dir + "/merlin.queues"; }

  Result<Loaded> load() override;
  Result<int64_t> loaded_max_physical() override;
  Status distrust() override;
  Status start_from(const Start& start) override;
  Status reset_all() override;
  Status opened(int64_t log_begin, const std::atomic<int64_t>& durable) override;
  void commit(int64_t unfinished) override;
  Status remove_topic(std::string_view topic) override;
  Status save(Progress& now, Save how) override;
  bool in_files() const override { return false; }
  int64_t needs_log_from() const override { return flushed_offset_.load(std::memory_order_acquire); }
  void save_soon() override { flush_wanted_.store(true, std::memory_order_release); }
  void stop() override;

 private:
  friend class RocksQueue;
  struct Item {
    RocksQueue* queue = nullptr;
    int64_t offset = 0;
    QueueUnit unit;
    int64_t store_timestamp_ms = 0;
  };

  std::unique_ptr<ConsumeQueue> make(QueueTopic& topic, int32_t queue_id) override;
  static RocksQueue& rocks_queue(ConsumeQueue* queue) { return static_cast<RocksQueue&>(*queue); }
  std::mutex& stripe_of(const RocksQueue& queue) const;

  // --- from the dispatcher, or while opening
  Status reserve();
  void add_to_round(const Item& item);
  void add_hot(RocksQueue& queue);
  Status forget(RocksQueue& queue, bool in_any_case = false);
  Status finish_removals();

  // --- the writer
  void run();
  Status write_pending(int64_t durable);
  Status write_batch();
  size_t take(int64_t durable);
  void committed();
  void evict();
  void drop_pending_of(const RocksQueue& queue);

  Status open_db();
  Status load_rows();
  Status refuse_batch_queues() const;
  Status take_over_files();
  Status leave_files();
  void shout(const Status& status);

  const Options options_;
  FileSystem& files_;
  FloorsFile floors_;
  std::unique_ptr<QueueDb> db_;  // constant after opened()
  const std::atomic<int64_t>* durable_ = nullptr;
  mutable std::array<std::mutex, 256> stripes_;

  std::vector<Item> round_;  // used by the dispatcher
  std::atomic<size_t> pending_count_{0};
  std::atomic<bool> was_full_{false};

  std::mutex write_mutex_;                // one batch at a time; guards the eight below
  std::vector<uint32_t> left_numbers_;    // of removed queues that are still in the database
  std::vector<std::string> left_graves_;  // deleted topics that are not yet known to be on the disk
  int64_t removals_tried_ns_ = 0;
  std::vector<Item> taken_;
  std::vector<uint64_t> order_;  // queue number and index in taken_
  std::vector<RocksQueue*> touched_;
  uint32_t next_number_ = 1;
  Progress mark_;     // in the database
  Progress flushed_;  // used by the housekeeper: on the disk
  // Retention asks for these two from a thread of its own.
  std::atomic<int64_t> flushed_offset_{0};  // of flushed_
  std::atomic<bool> flush_wanted_{false};
  int64_t flushed_ns_ = 0;  // used by the housekeeper

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> pending_;            // guarded by mutex_; in the order of the log
  std::deque<RocksQueue*> hot_queues_;  // guarded by mutex_; the oldest first
  bool stopping_ = false;               // guarded by mutex_
  bool refused_ = false;                // used by the writer: said so
  std::thread thread_;
};

}  // namespace merlin::store
