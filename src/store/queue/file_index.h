// The queue index in Apache's files: <root>/consumequeue/<topic>/<queue id>/<start>, and batchconsumequeue/ for topics
// with queue.type=BatchCQ.
//
// Owns:     the folders, merlin.bounds and merlin.rebuild.
// Threads:  see QueueIndex.
// Survives: see FileQueue. With merlin.bounds a start opens no file of a queue that is not used; it is written anew
//           when the log has grown by half of recovery_bytes_max, and what came since is dispatched again.
// Fails:    a failed sync is final: nothing is vouched for until the next start.
#pragma once

#include "merlin/base/file_system.h"
#include "store/queue/file_queue.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

class FileIndex final : public QueueIndex {
 public:
  struct Options {
    std::string root_dir;
    int32_t file_bytes = 0;
    int32_t batch_file_bytes = 300'000 * batch_unit_bytes;  // as Apache
    int64_t recovery_bytes_max = int64_t{128} << 20;
    // From so many queues on their bounds are written; fewer are looked at one by one, which also finds what happened
    // to their files meanwhile.
    size_t bounds_rows_min = 1000;
    // From so many queues on that wait for a sync the whole disk is synced.
    size_t sync_disk_min = 256;
  };
  FileIndex(Options options, FileSystem& files);
  static std::string batch_dir_of(const std::string& root_dir) { return root_dir + "/batchconsumequeue"; }

  bool has_batch_queues() const override { return true; }
  Result<Loaded> load() override;
  Result<int64_t> loaded_max_physical() override;
  Status distrust() override;
  Status start_from(const Start& start) override;
  Status reset_all() override;
  Status opened(int64_t log_begin, const std::atomic<int64_t>& durable) override;
  Status remove_topic(std::string_view topic) override;
  Status save(Progress& now, Save how) override;
  Status retain(int64_t log_begin) override;
  int64_t needs_log_from() const override { return bounds_offset_.load(std::memory_order_acquire); }
  void save_soon() override { bounds_wanted_.store(true, std::memory_order_release); }
  Status stopped_clean(const Progress& saved) override;

 private:
  std::unique_ptr<ConsumeQueue> make(QueueTopic& topic, int32_t queue_id) override;
  // All queues of this index are of this kind.
  static FileQueue& file_queue(ConsumeQueue* queue) { return static_cast<FileQueue&>(*queue); }
  std::string bounds_path() const { return options_.root_dir + "/merlin.bounds"; }
  std::string rebuild_path() const { return options_.root_dir + "/merlin.rebuild"; }

  Result<bool> adopt_bounds(Loaded& loaded);
  bool is_ours() const;
  Status remove_bounds();
  Status write_bounds_of(const Progress& saved);
  bool bounds_due(const Progress& saved) const;
  Status load_names(const std::string& dir, QueueKind kind);
  Result<std::vector<std::string>> topic_names(const std::string& dir) const;
  Status remove_dirs(std::string_view topic);
  Status load_all();
  Status start_queue(FileQueue& queue, const Start& start);
  Status take_over_database();
  Status drop_unfit(FileQueue& queue, const Start& start);
  Status write_active(const std::vector<FileQueue*>& queues, bool sync);
  Status sync_dirty(const std::vector<FileQueue*>& dirty);
  Status sync_disk(const std::vector<FileQueue*>& dirty);
  Status mark_for_rebuild();

  const Options options_;
  FileSystem& files_;
  FloorsFile floors_;
  FileQueueHome home_;
  std::unique_ptr<File> disk_;                     // constant after opened(); null where it cannot be had
  std::atomic<int64_t> bounds_offset_{INT64_MAX};  // of merlin.bounds; INT64_MAX: there is none
  std::atomic<bool> bounds_wanted_{false};
  int64_t bounds_ns_ = 0;      // used by save() only: when they were written, steady clock
  bool rebuild_next_ = false;  // used by save() only: the next start is told to build all queues again
  bool sync_failed_ = false;   // used by save() only; final: what the disk holds is not known any more
};

}  // namespace merlin::store
