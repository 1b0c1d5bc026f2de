#include "store/index/index_feed.h"

#include <algorithm>
#include <bit>

namespace merlin::store {

// Left as the heap gave it: a page of the ring takes memory when it is first used.
IndexFeed::IndexFeed(size_t items)
    : mask_(std::bit_ceil(std::max<size_t>(items, 2)) - 1),
      entries_(std::make_unique_for_overwrite<IndexEntry[]>(mask_ + 1)) {}

void IndexFeed::prepare(std::span<AppendItem> items) {
  // Most go to the topic of the one before, and end with the same properties of the broker.
  thread_local std::string topic;
  thread_local int32_t topic_hash = 0;
  for (AppendItem& item : items) {
    const message::RecordSpec& spec = item.spec;
    KeyHashes& keys = item.keys;
    keys.count = 0;
    if ((spec.sys_flag & message::sys_flag::transaction_mask) == message::sys_flag::transaction_rollback) continue;
    if (topic.empty() || spec.topic != topic) {
      topic = spec.topic;
      topic_hash = index_topic_hash(topic);
    }
    if (!item.texts_known) {
      item.texts = {};
      item.texts.add(spec.properties);
      item.texts.add(spec.properties_tail);
    }
    for_each_key_hash(topic_hash, item.texts, [&](int32_t hash) {
      if (keys.count == KeyHashes::too_many) return;
      if (static_cast<size_t>(keys.count) == KeyHashes::kept_max) {
        keys.count = KeyHashes::too_many;
      } else {
        keys.hashes[static_cast<size_t>(keys.count++)] = hash;
      }
    });
  }
}

void IndexFeed::placed(std::span<const AppendItem> items) {
  if (overflowed_.load(std::memory_order_relaxed)) return;
  size_t tail = tail_.load(std::memory_order_relaxed);
  int64_t end = 0;
  bool full = false;
  for (const AppendItem& item : items) {
    if (item.code != AppendCode::ok) continue;
    if (!push(item, tail)) {
      full = true;
      break;
    }
    end = item.physical_offset + item.size;
  }
  tail_.store(tail, std::memory_order_release);
  if (end > 0) end_.store(end, std::memory_order_release);
  if (full) overflowed_.store(true, std::memory_order_release);
}

// All of a record or nothing.
bool IndexFeed::push(const AppendItem& item, size_t& tail) {
  const KeyHashes& keys = item.keys;
  const bool whole = keys.count == KeyHashes::too_many;
  const auto count = whole ? 1 : static_cast<size_t>(keys.count);
  if (tail + count - head_.load(std::memory_order_acquire) > mask_ + 1) return false;
  for (size_t i = 0; i < count; ++i) {
    entries_[tail++ & mask_] = {item.physical_offset, item.store_timestamp_ms, whole ? -item.size : keys.hashes[i]};
  }
  return true;
}

std::span<const IndexEntry> IndexFeed::front(int64_t& end) const {
  // In this order: what lies in front of the end is in the ring, or was.
  end = end_.load(std::memory_order_acquire);
  const size_t head = head_.load(std::memory_order_relaxed);
  const size_t tail = tail_.load(std::memory_order_acquire);
  const size_t at = head & mask_;
  return {entries_.get() + at, std::min(tail - head, mask_ + 1 - at)};
}

}  // namespace merlin::store
