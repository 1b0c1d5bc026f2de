// Short lives of a store, from its first start on: each does a few things of one kind and notes what its clients were
// told.
//
// Threads: a workload drives the store from one thread; the store's own threads do what they do. What happened in which
//          order stands in the trace.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "crash/rig/trace.h"
#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "store/message_store.h"

namespace merlin::rig {

inline constexpr int64_t disk_file_bytes_max = 256 * 1024;
inline constexpr int64_t start_ms = 1'700'000'000'000;
// The root of the store on the faulty disk; the database of queues, which knows nothing of that disk, lies under the
// same path on the real one.
inline std::string store_root = "/store";
inline std::string database_dir() {
  return store_root + "/merlin.queues";
}

struct Config {
  bool sync_flush = true;
  bool key_index = false;
  bool database = false;  // queues in RocksDB
  bool light = false;     // messages enter light queues, too: those that light_names_of() says
  int64_t segment_bytes = 8 * 1024;
  bool many = false;  // few queue files count as many: their bounds are written, the disk is synced as a whole
};

// With the intervals of a store that works; for looking at one, nothing shall happen in the background.
store::StoreOptions options_of(const Config& config, bool background);

class Driver {
 public:
  Driver(TraceFileSystem& files, FaultyFileSystem& disk, const Config& config, uint64_t seed);
  ~Driver();

  // All do nothing when the store is not open or has stopped.
  void open();
  void close();
  void kill();
  void send(const std::string& topic, int32_t queue, size_t size) { send_burst({topic}, queue, size, 1); }
  // Messages to the topics in turn; those after the first are joined to it when asked for.
  void send_burst(const std::vector<std::string>& topics, int32_t queue, size_t size, int count, bool joined = false);
  // Until the last send is durable or has failed.
  void wait();
  // Until the housekeeper has published once more, or seems to have nothing to publish.
  void tick();
  void pass_ms(int64_t ms) { clock_.advance_ms(ms); }
  void delete_topic(const std::string& topic);
  void retain();
  void set_room(int64_t bytes_more);
  void unlimited_room();
  void commit(const std::string& group, const std::string& topic, int32_t queue, int64_t offset);
  void save_offsets();
  void save_topic(const std::string& name, int32_t queues);  // 0: removes it
  void save_group(const std::string& name, int32_t retries);

  int64_t number(int64_t from, int64_t to) { return std::uniform_int_distribution<int64_t>(from, to)(random_); }
  store::MessageStore* store() { return store_.get(); }
  bool hangs() const { return hangs_; }
  int fail_stops() const { return fail_stops_->load(); }
  // A clean stop that removed its mark of an unclean one.
  bool running() const { return store_ != nullptr && fail_stops() == 0; }

 private:
  TraceFileSystem& files_;
  FaultyFileSystem& disk_;
  const Config config_;
  std::mt19937_64 random_;
  ManualClock clock_{start_ms};
  std::unique_ptr<store::MessageStore> store_;
  std::shared_ptr<std::atomic<int>> fail_stops_ = std::make_shared<std::atomic<int>>(0);
  Buffer scratch_;
  int64_t next_id_ = 1;
  int64_t last_end_ = 0;
  bool hangs_ = false;
  std::unique_ptr<meta::ConsumerOffsets> offsets_;
  std::unique_ptr<meta::TopicTable> topics_;
  std::unique_ptr<meta::SubscriptionGroups> groups_;
};

struct Workload {
  std::string name;
  Config config;
  std::function<void(Driver&)> run;
};

const std::vector<Workload>& workloads();
const Workload* find_workload(std::string_view name);

}  // namespace merlin::rig
