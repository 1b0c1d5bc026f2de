// All consume queues of the store, by topic and queue id.
//
// Owns:     the ConsumeQueue objects; they live as long as the table, also when their topic was deleted.
// Threads:  anywhere; find() takes a shared lock and allocates nothing. Callers keep the pointers.
// Survives: see ConsumeQueue.
#pragma once

#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/queue/consume_queue.h"

namespace merlin::store {

class QueueTable {
 public:
  QueueTable(FileSystem& files, std::string dir, int32_t file_bytes);

  // Whether a topic may be a folder's name. Names come from the network and from the log: they must not lead out of the
  // folder, nor stand for the folder itself.
  static bool is_topic_name(std::string_view topic);

  // Reads <dir>/<topic>/<queue id>; other names are ignored.
  Status load();

  ConsumeQueue* find(std::string_view topic, int32_t queue_id) const;
  // REQUIRES: is_topic_name(topic).
  ConsumeQueue* get(std::string_view topic, int32_t queue_id);
  // Those that were asked for or loaded and not hidden since.
  std::vector<ConsumeQueue*> all() const;
  std::vector<ConsumeQueue*> of_topic(std::string_view topic) const;
  // The queues of the topic are found no more until get() asks for them again.
  void hide(std::string_view topic);
  Status remove_topic_dir(std::string_view topic);
  // How many queues have files.
  int32_t count_with_files() const;

 private:
  struct Slot {
    std::unique_ptr<ConsumeQueue> queue;
    bool hidden = false;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  using Queues = std::unordered_map<int32_t, Slot>;

  FileSystem& files_;
  const std::string dir_;
  const int32_t file_bytes_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Queues, Hash, std::equal_to<>> topics_;  // guarded by mutex_
};

}  // namespace merlin::store
