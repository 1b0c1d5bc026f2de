// How far each group has come in each queue, in config/consumerOffset.json.
//
// Owns:     committed offsets, pull offsets, pending server-side resets, and <store>/config/consumerOffset.json.
// Threads:  everything from anywhere; the tables are cut into shards with a lock each. persist_if_dirty() and close()
//           write files: housekeeper.
// Survives: what was committed before the last persist_if_dirty(); what is on disk never holds an older state than
// before.
//           In a large table a changed offset costs one line of the journal (table_file.h), not the whole file.
//           A broken file falls back to its .bak. Pending resets are not kept, as in Apache.
// Fails:    persist says Errc::io or no_space and the offsets stay dirty.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "meta/data_version.h"
#include "meta/offset_rows.h"
#include "meta/table_file.h"
#include "meta/text_map.h"

namespace merlin::meta {

// queue id -> offset
using QueueOffsets = std::map<int32_t, int64_t>;

class ConsumerOffsets : private TableContent {
 public:
  static constexpr size_t queues_per_group_max = 65'536;  // per topic and group; a commit beyond it is refused
  static constexpr int64_t entries_max = 4'000'000;       // committed and pull offsets of all; none is added beyond it
  static constexpr int64_t commits_per_version = 500;     // consumerOffsetUpdateVersionStep

  // topic@group into both parts, or nothing: as Apache's split, a key has exactly one @ with text on both sides.
  static bool split_key(std::string_view key, std::string_view& topic, std::string_view& group);

  // light_queues (enableLmq): the file is lmqConsumerOffset.json, as Apache's, and has the offsets of light groups in a
  // table of their own. The first start with the other setting takes over the other file.
  ConsumerOffsets(FileSystem& files, const Clock& clock, const std::string& store_root, bool light_queues = false);
  ConsumerOffsets(const ConsumerOffsets&) = delete;
  ConsumerOffsets& operator=(const ConsumerOffsets&) = delete;

  Status open();

  // As Apache, a commit below the stored offset is taken (clients rewind on purpose) and logged. False: a limit refused
  // it.
  bool commit(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset);
  enum class Commit { taken, refused, reset_pending };
  // The same, but for a queue whose reset nobody has taken yet: a client that does not know of it must not undo it.
  Commit commit_unless_reset(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset);
  bool commit_pull(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset);
  // The pending reset, else the committed offset, else -1.
  int64_t query(std::string_view group, std::string_view topic, int32_t queue_id) const;
  // The pull offset, else query().
  int64_t query_pull(std::string_view group, std::string_view topic, int32_t queue_id) const;
  // All queues; nullopt when the group never committed for this topic.
  std::optional<QueueOffsets> query_all(std::string_view group, std::string_view topic) const;
  // The pull offsets alone; nullopt: none.
  std::optional<QueueOffsets> query_all_pull(std::string_view group, std::string_view topic) const;
  void clear_pull(std::string_view group, std::string_view topic);

  void remove_group(std::string_view group);  // committed, pull and reset
  void remove_topic(std::string_view topic);
  void remove(std::string_view group, std::string_view topic);
  // Copies `source`'s committed offsets of a topic to `target`, replacing what it had. False: a limit refused it, and
  // `target` is as it was.
  bool clone(std::string_view source, std::string_view target, std::string_view topic);

  std::set<std::string> topics_of(std::string_view group) const;
  std::set<std::string> groups_of(std::string_view topic) const;
  // All (topic, group) pairs with committed offsets, sorted.
  std::vector<std::pair<std::string, std::string>> topic_groups() const;
  // The lowest offset of each queue over all groups but `without_groups`; offsets below min_offset(queue) do not count.
  // Unlike Apache's, this only reads: the groups left out keep their offsets.
  QueueOffsets min_offsets(std::string_view topic, const std::set<std::string>& without_groups,
                           const std::function<int64_t(int32_t)>& min_offset) const;

  // Server-side reset: query() gives `offset` and commits of the queue are to be ignored until take_reset().
  // The committed offset is set too. False for negative arguments.
  bool assign_reset(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset);
  bool has_reset(std::string_view group, std::string_view topic, int32_t queue_id) const;
  std::optional<int64_t> take_reset(std::string_view group, std::string_view topic, int32_t queue_id);

  DataVersion version() const;
  // The file, compact, and the body of GET_ALL_CONSUMER_OFFSET.
  std::string json() const;
  // Writes what changed since the last time.
  Status persist_if_dirty();
  // The whole file, and no journal left: the broker stops.
  Status close();
  TableFile& file() { return file_; }

 private:
  static constexpr size_t shard_count = 256;  // one is locked while it is written to the file
  // Up to so many rows the file is sorted and tells the topics of each group, as Apache's does (and does not read).
  static constexpr size_t sorted_rows_max = 20'000;
  struct Shard {
    mutable std::shared_mutex mutex;
    OffsetRows committed;  // topic@group; guarded by mutex
    OffsetRows pulled;     // guarded by mutex
    OffsetRows resets;     // guarded by mutex
  };

  Shard& shard(const OffsetKey& key) { return shards_[key.hash % shard_count]; }
  const Shard& shard(const OffsetKey& key) const { return shards_[key.hash % shard_count]; }
  void mark_changed() { changes_.fetch_add(1, std::memory_order_release); }
  void count_commit();
  Commit commit_with(const OffsetKey& key, int32_t queue_id, int64_t offset, bool even_if_reset);
  bool has_room() const { return entries_.load(std::memory_order_relaxed) < entries_max; }
  void recount();
  bool may_warn();
  void each_pair(const std::function<void(std::string_view topic, std::string_view group)>& visit) const;
  void remove_where(const std::function<bool(std::string_view topic, std::string_view group)>& match);
  bool put_offset(OffsetRows Shard::* table, const OffsetKey& key, int32_t queue_id, int64_t offset,
                  std::optional<int64_t>& old);
  size_t row_counts(OffsetRows Shard::* table) const;
  Status decode(std::string_view text);
  Status apply(const JournalLine& line);
  Status take_over_other_file(Result<LoadedFrom>& loaded);
  bool is_light(std::string_view key, std::span<const QueueOffset> queues) const;
  std::string sorted_json() const;
  // Of the committed ones the rows of light groups, or the others.
  Status write_rows(OffsetRows Shard::* table, bool light, std::string& piece, const Sink& sink) const;
  uint64_t change_count() const override { return changes_.load(std::memory_order_acquire); }
  size_t row_count() const override {
    return static_cast<size_t>(std::max<int64_t>(entries_.load(std::memory_order_relaxed), 0));
  }
  Status write_json(const Sink& sink) const override;
  void take_changes(std::string& lines) override;

  FileSystem& files_;
  const Clock& clock_;
  const std::string store_root_;
  const bool light_queues_;
  TableFile file_;
  std::array<Shard, shard_count> shards_;
  std::atomic<int64_t> resets_pending_{0};  // queues with a reset: query() looks for one only when there are any
  std::atomic<int64_t> entries_{0};         // queues in committed and pulled; looked at before one is added
  std::atomic<uint64_t> changes_{1};        // counts changes, each after it is in its shard
  std::atomic<int64_t> commits_{0};
  std::atomic<int64_t> warned_s_{0};  // second of the last warning about an offset that went back
  mutable std::mutex version_mutex_;
  DataVersion version_;  // guarded by version_mutex_
};

}  // namespace merlin::meta
