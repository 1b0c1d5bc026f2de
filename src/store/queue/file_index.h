// The queue index in Apache's files: <root>/consumequeue/<topic>/<queue id>/<start>.
//
// Owns:     the folder.
// Threads:  see QueueIndex.
// Survives: see FileQueue.
#pragma once

#include "merlin/base/file_system.h"
#include "store/queue/file_queue.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

class FileIndex final : public QueueIndex {
 public:
  FileIndex(FileSystem& files, std::string root_dir, int32_t file_bytes);

  Result<Loaded> load() override;
  Result<int64_t> loaded_max_physical() override;
  Status distrust() override;
  Status start_from(const Start& start) override;
  Status reset_all() override;
  Status opened(int64_t log_begin, const std::atomic<int64_t>& durable) override;
  Status remove_topic(std::string_view topic) override;
  Status save(Progress& now, Save how) override;
  Status retain(int64_t log_begin) override;
  Status stopped_clean(const Progress& saved) override;

 private:
  std::unique_ptr<ConsumeQueue> make(QueueTopic& topic, int32_t queue_id) override;
  // All queues of this index are of this kind.
  static FileQueue& file_queue(ConsumeQueue* queue) { return static_cast<FileQueue&>(*queue); }
  Result<bool> adopt_bounds(const std::optional<Progress>& progress);
  Status load_names();
  Status take_over_database();
  Status drop_unfit(FileQueue& queue, const Start& start);

  FileSystem& files_;
  const std::string root_dir_;
  const std::string dir_;
  const int32_t file_bytes_;
  FloorsFile floors_;
  bool rebuild_next_ = false;  // used by save() only: the next start is told to build all queues again
  bool sync_failed_ = false;   // used by save() only; final: what the disk holds is not known any more
};

}  // namespace merlin::store
