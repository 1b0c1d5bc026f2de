#include "meta/offset_rows.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace merlin::meta {

namespace {

constexpr auto by_queue = [](const QueueOffset& one, int32_t queue_id) { return one.queue_id < queue_id; };

}  // namespace

OffsetRows::~OffsetRows() {
  clear();
}

void OffsetRows::clear() {
  // The table looks at keys only when it is asked for one.
  for (const Slot& slot : rows_) std::free(slot.row);
  rows_.clear();
  changed_.clear();
}

OffsetRows::Row* OffsetRows::make(std::string_view key, uint32_t capacity) {
  static_assert(sizeof(Row) % alignof(QueueOffset) == 0);
  void* memory = std::malloc(sizeof(Row) + capacity * sizeof(QueueOffset) + key.size());
  if (memory == nullptr) throw std::bad_alloc();
  Row* made = new (memory) Row{0, capacity, static_cast<uint32_t>(key.size()), false};
  std::memcpy(made->data() + capacity, key.data(), key.size());
  return made;
}

OffsetRows::Row* OffsetRows::row(const OffsetKey& key) const {
  const auto it = rows_.find(key);
  return it == rows_.end() ? nullptr : it->row;
}

void OffsetRows::note(Row& row) {
  if (row.listed || !tracks_) return;
  row.listed = true;
  changed_.try_emplace(std::string(row.key()), false);
}

std::span<const QueueOffset> OffsetRows::find(const OffsetKey& key) const {
  const Row* found = row(key);
  return found == nullptr ? std::span<const QueueOffset>() : found->queues();
}

std::optional<int64_t> OffsetRows::get(const OffsetKey& key, int32_t queue_id) const {
  const std::span<const QueueOffset> queues = find(key);
  const auto it = std::lower_bound(queues.begin(), queues.end(), queue_id, by_queue);
  return it == queues.end() || it->queue_id != queue_id ? std::nullopt : std::optional(it->offset);
}

OffsetRows::Put OffsetRows::put(const OffsetKey& key, int32_t queue_id, int64_t offset, size_t queues_max,
                                std::optional<int64_t>& old) {
  const auto slot = rows_.find(key);
  Row* home = slot == rows_.end() ? nullptr : slot->row;
  size_t at = 0;
  if (home != nullptr) {
    const std::span<QueueOffset> queues = home->queues();
    const auto it = std::lower_bound(queues.begin(), queues.end(), queue_id, by_queue);
    at = static_cast<size_t>(it - queues.begin());
    if (it != queues.end() && it->queue_id == queue_id) {
      old = it->offset;
      if (it->offset == offset) return Put::same;
      it->offset = offset;
      it->changed = tracks_;
      note(*home);
      return Put::changed;
    }
  }
  if ((home == nullptr ? 0 : home->count) >= queues_max) return Put::refused;
  if (home == nullptr) {
    home = make(key.text, 1);
    rows_.insert(Slot{home});
  } else if (home->count == home->capacity) {
    Row* larger = make(key.text, home->capacity + std::max(home->capacity / 2, 1U));
    larger->count = home->count;
    larger->listed = home->listed;
    std::copy_n(home->data(), home->count, larger->data());
    slot->row = larger;
    std::free(home);
    home = larger;
  }
  QueueOffset* const place = home->data() + at;
  std::copy_backward(place, home->data() + home->count, home->data() + home->count + 1);
  *place = QueueOffset{offset, queue_id, tracks_};
  ++home->count;
  note(*home);
  return Put::added;
}

size_t OffsetRows::erase(const OffsetKey& key) {
  const auto it = rows_.find(key);
  if (it == rows_.end()) return 0;
  Row* gone = it->row;
  const size_t count = gone->count;
  if (tracks_) changed_.insert_or_assign(std::string(gone->key()), true);
  rows_.erase(it);
  std::free(gone);
  return count;
}

size_t OffsetRows::erase_queue(const OffsetKey& key, int32_t queue_id) {
  Row* home = row(key);
  if (home == nullptr) return 0;
  const std::span<QueueOffset> queues = home->queues();
  const auto it = std::lower_bound(queues.begin(), queues.end(), queue_id, by_queue);
  if (it == queues.end() || it->queue_id != queue_id) return 0;
  std::copy(it + 1, queues.end(), it);
  --home->count;
  return home->count > 0 ? 1 : erase(key);
}

}  // namespace merlin::meta
