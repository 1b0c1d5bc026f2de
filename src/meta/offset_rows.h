// Offsets by "topic@group" and queue: one allocation for each row, about 120 bytes for a row of one queue.
//
// Threads: none of its own; the owner's lock.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "meta/text_map.h"

namespace merlin::meta {

struct QueueOffset {
  int64_t offset = 0;
  int32_t queue_id = 0;
  bool changed = false;  // since the last take_changed()
};

// The text of a key, hashed once for the shard and the tables in it. A view.
struct OffsetKey {
  OffsetKey(std::string_view of) : text(of), hash(TextHash()(of)) {}
  OffsetKey(const std::string& of) : OffsetKey(std::string_view(of)) {}

  std::string_view text;
  size_t hash;
};

class OffsetRows {
 public:
  static constexpr size_t no_limit = SIZE_MAX;

  OffsetRows() = default;
  ~OffsetRows();
  OffsetRows(const OffsetRows&) = delete;
  OffsetRows& operator=(const OffsetRows&) = delete;

  // Sorted by queue; empty when there is no such row.
  std::span<const QueueOffset> find(const OffsetKey& key) const;
  bool contains(const OffsetKey& key) const { return rows_.find(key) != rows_.end(); }
  std::optional<int64_t> get(const OffsetKey& key, int32_t queue_id) const;
  enum class Put { changed, added, same, refused };
  // Stores the offset and gives back the old one; `refused` when the queue is new and the row has queues_max.
  Put put(const OffsetKey& key, int32_t queue_id, int64_t offset, size_t queues_max, std::optional<int64_t>& old);
  // Both give how many offsets went.
  size_t erase(const OffsetKey& key);
  size_t erase_queue(const OffsetKey& key, int32_t queue_id);

  size_t size() const { return rows_.size(); }
  void reserve(size_t rows) { rows_.reserve(rows); }
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Slot& slot : rows_) visit(slot.row->key(), slot.row->queues());
  }

  // Calls visit(key, queues that changed, whether the row was gone in between); no queues: it is gone. Afterwards
  // nothing counts as changed.
  template <class Visit>
  void take_changed(Visit&& visit);
  void forget_changes() {
    take_changed([](std::string_view, std::span<const QueueOffset>, bool) {});
  }
  void clear();
  // While it is filled from a file nothing counts as changed.
  void track_changes(bool on) { tracks_ = on; }

 private:
  // Followed in memory by the queues, then the key.
  struct Row {
    uint32_t count;
    uint32_t capacity;
    uint32_t key_bytes;
    bool listed;  // its key is in changed_

    QueueOffset* data() { return reinterpret_cast<QueueOffset*>(this + 1); }
    const QueueOffset* data() const { return reinterpret_cast<const QueueOffset*>(this + 1); }
    std::span<QueueOffset> queues() { return {data(), count}; }
    std::span<const QueueOffset> queues() const { return {data(), count}; }
    std::string_view key() const { return {reinterpret_cast<const char*>(data() + capacity), key_bytes}; }
  };
  struct Slot {
    mutable Row* row;  // moves when it grows; its key stays the same
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const OffsetKey& key) const { return key.hash; }
    size_t operator()(const Slot& slot) const { return TextHash()(slot.row->key()); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Slot& a, const Slot& b) const { return a.row->key() == b.row->key(); }
    bool operator()(const OffsetKey& a, const Slot& b) const { return a.text == b.row->key(); }
    bool operator()(const Slot& a, const OffsetKey& b) const { return a.row->key() == b.text; }
  };

  static Row* make(std::string_view key, uint32_t capacity);
  Row* row(const OffsetKey& key) const;
  void note(Row& row);

  std::unordered_set<Slot, Hash, Equal> rows_;
  bool tracks_ = true;
  TextMap<bool> changed_;  // key -> it was gone in between
};

template <class Visit>
void OffsetRows::take_changed(Visit&& visit) {
  TextMap<bool> keys;
  keys.swap(changed_);
  std::vector<QueueOffset> queues;
  for (const auto& [key, was_gone] : keys) {
    Row* changed = row(key);
    queues.clear();
    if (changed != nullptr) {
      changed->listed = false;
      for (QueueOffset& one : changed->queues()) {
        if (one.changed) queues.push_back(one);
        one.changed = false;
      }
    }
    visit(std::string_view(key), std::span<const QueueOffset>(queues), was_gone);
  }
}

}  // namespace merlin::meta
