#include "meta/consumer_offsets.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "meta/data_version_json.h"
#include "meta/json_cursor.h"

namespace merlin::meta {

namespace {

constexpr char separator = '@';

// topic@group in this thread's scratch; valid until the next call.
OffsetKey key_of(std::string_view group, std::string_view topic) {
  thread_local std::string scratch;
  scratch.assign(topic);
  scratch.push_back(separator);
  scratch.append(group);
  return OffsetKey(std::string_view(scratch));
}

std::optional<QueueOffsets> offsets_of(const OffsetRows& rows, const OffsetKey& key) {
  if (!rows.contains(key)) return std::nullopt;
  QueueOffsets out;
  for (const QueueOffset& one : rows.find(key)) out.emplace_hint(out.end(), one.queue_id, one.offset);
  return out;
}
}  // namespace

ConsumerOffsets::ConsumerOffsets(FileSystem& files, const Clock& clock, const std::string& store_root,
                                 bool light_queues)
    : files_(files),
      clock_(clock),
      store_root_(store_root),
      light_queues_(light_queues),
      file_(files, clock, store_root, light_queues ? "lmqConsumerOffset" : "consumerOffset", *this) {
  version_.timestamp_ms = clock.wall_ms();
}

bool ConsumerOffsets::split_key(std::string_view key, std::string_view& topic, std::string_view& group) {
  const size_t at = key.find(separator);
  if (at == 0 || at == std::string_view::npos || at + 1 == key.size()) return false;
  topic = key.substr(0, at);
  group = key.substr(at + 1);
  return group.find(separator) == std::string_view::npos;
}

void ConsumerOffsets::count_commit() {
  mark_changed();
  if ((commits_.fetch_add(1, std::memory_order_relaxed) + 1) % commits_per_version != 0) return;
  const std::lock_guard lock(version_mutex_);
  version_.next(clock_.wall_ms());
}

// Once a second: a client that rewinds in a loop must not fill the log.
bool ConsumerOffsets::may_warn() {
  const int64_t now_s = clock_.wall_ms() / 1000;
  int64_t last_s = warned_s_.load(std::memory_order_relaxed);
  return now_s != last_s && warned_s_.compare_exchange_strong(last_s, now_s, std::memory_order_relaxed);
}

// REQUIRES: the shard's lock.
bool ConsumerOffsets::put_offset(OffsetRows Shard::* table, const OffsetKey& key, int32_t queue_id, int64_t offset,
                                 std::optional<int64_t>& old) {
  OffsetRows& rows = shard(key).*table;
  const size_t queues_max = has_room() ? queues_per_group_max : 0;
  const OffsetRows::Put put = rows.put(key, queue_id, offset, queues_max, old);
  if (put == OffsetRows::Put::added) entries_.fetch_add(1, std::memory_order_relaxed);
  return put != OffsetRows::Put::refused;
}

bool ConsumerOffsets::commit(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset) {
  return commit_with(key_of(group, topic), queue_id, offset, true) == Commit::taken;
}

ConsumerOffsets::Commit ConsumerOffsets::commit_unless_reset(std::string_view group, std::string_view topic,
                                                             int32_t queue_id, int64_t offset) {
  return commit_with(key_of(group, topic), queue_id, offset, false);
}

ConsumerOffsets::Commit ConsumerOffsets::commit_with(const OffsetKey& key, int32_t queue_id, int64_t offset,
                                                     bool even_if_reset) {
  std::optional<int64_t> old;
  {
    Shard& home = shard(key);
    const std::unique_lock lock(home.mutex);
    if (!even_if_reset && resets_pending_.load(std::memory_order_acquire) > 0 &&
        home.resets.get(key, queue_id).has_value()) {
      return Commit::reset_pending;
    }
    if (!put_offset(&Shard::committed, key, queue_id, offset, old)) return Commit::refused;
  }
  if (old && offset < *old && may_warn()) {
    log_warn("offsets", "{} queue {} goes back from {} to {} by request", key.text, queue_id, *old, offset);
  }
  count_commit();
  return Commit::taken;
}

bool ConsumerOffsets::commit_pull(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset) {
  const OffsetKey key = key_of(group, topic);
  std::optional<int64_t> old;
  {
    const std::unique_lock lock(shard(key).mutex);
    if (!put_offset(&Shard::pulled, key, queue_id, offset, old)) return false;
  }
  if (old != offset) mark_changed();
  return true;
}

int64_t ConsumerOffsets::query(std::string_view group, std::string_view topic, int32_t queue_id) const {
  const OffsetKey key = key_of(group, topic);
  const Shard& home = shard(key);
  const std::shared_lock lock(home.mutex);
  if (resets_pending_.load(std::memory_order_acquire) > 0) {
    if (const auto reset = home.resets.get(key, queue_id)) return *reset;
  }
  return home.committed.get(key, queue_id).value_or(-1);
}

int64_t ConsumerOffsets::query_pull(std::string_view group, std::string_view topic, int32_t queue_id) const {
  {
    const OffsetKey key = key_of(group, topic);
    const Shard& home = shard(key);
    const std::shared_lock lock(home.mutex);
    if (const auto offset = home.pulled.get(key, queue_id)) return *offset;
  }
  return query(group, topic, queue_id);
}

std::optional<QueueOffsets> ConsumerOffsets::query_all(std::string_view group, std::string_view topic) const {
  const OffsetKey key = key_of(group, topic);
  const Shard& home = shard(key);
  const std::shared_lock lock(home.mutex);
  return offsets_of(home.committed, key);
}

std::optional<QueueOffsets> ConsumerOffsets::query_all_pull(std::string_view group, std::string_view topic) const {
  const OffsetKey key = key_of(group, topic);
  const Shard& home = shard(key);
  const std::shared_lock lock(home.mutex);
  return offsets_of(home.pulled, key);
}

void ConsumerOffsets::clear_pull(std::string_view group, std::string_view topic) {
  const OffsetKey key = key_of(group, topic);
  Shard& home = shard(key);
  {
    const std::unique_lock lock(home.mutex);
    const size_t erased = home.pulled.erase(key);
    if (erased == 0) return;
    entries_.fetch_sub(static_cast<int64_t>(erased), std::memory_order_relaxed);
  }
  mark_changed();
}

void ConsumerOffsets::remove_where(const std::function<bool(std::string_view, std::string_view)>& match) {
  const auto erase_matching = [&match](OffsetRows& rows) {
    std::vector<std::string> keys;
    rows.for_each([&](std::string_view key, std::span<const QueueOffset>) {
      std::string_view topic;
      std::string_view group;
      if (split_key(key, topic, group) && match(topic, group)) keys.emplace_back(key);
    });
    size_t erased = 0;
    for (const std::string& key : keys) erased += rows.erase(key);
    return erased;
  };
  size_t removed = 0;
  for (Shard& home : shards_) {
    const std::unique_lock lock(home.mutex);
    removed += erase_matching(home.committed) + erase_matching(home.pulled);
    resets_pending_.fetch_sub(static_cast<int64_t>(erase_matching(home.resets)), std::memory_order_acq_rel);
    home.resets.forget_changes();
  }
  if (removed == 0) return;
  recount();
  mark_changed();
}

// After changes that are not counted one by one. Commits that come in between may be counted twice or not at all: the
// limit is no exact one.
void ConsumerOffsets::recount() {
  size_t count = 0;
  const auto add = [&count](std::string_view, std::span<const QueueOffset> queues) { count += queues.size(); };
  for (const Shard& home : shards_) {
    const std::shared_lock lock(home.mutex);
    home.committed.for_each(add);
    home.pulled.for_each(add);
  }
  entries_.store(static_cast<int64_t>(count), std::memory_order_relaxed);
}

void ConsumerOffsets::remove_group(std::string_view group) {
  log_info("offsets", "removing the offsets of group {}", group);
  remove_where([group](std::string_view, std::string_view g) { return g == group; });
}

void ConsumerOffsets::remove_topic(std::string_view topic) {
  log_info("offsets", "removing the offsets of topic {}", topic);
  remove_where([topic](std::string_view t, std::string_view) { return t == topic; });
}

void ConsumerOffsets::remove(std::string_view group, std::string_view topic) {
  log_info("offsets", "removing the offsets of topic {} and group {}", topic, group);
  remove_where([group, topic](std::string_view t, std::string_view g) { return t == topic && g == group; });
}

bool ConsumerOffsets::clone(std::string_view source, std::string_view target, std::string_view topic) {
  const std::optional<QueueOffsets> offsets = query_all(source, topic);
  if (!offsets || source == target) return true;
  if (entries_.load(std::memory_order_relaxed) + static_cast<int64_t>(offsets->size()) > entries_max) return false;
  const OffsetKey key = key_of(target, topic);
  Shard& home = shard(key);
  {
    const std::unique_lock lock(home.mutex);
    const size_t erased = home.committed.erase(key);
    std::optional<int64_t> old;
    for (const auto& [queue_id, offset] : *offsets)
      (void)home.committed.put(key, queue_id, offset, OffsetRows::no_limit, old);
    entries_.fetch_add(static_cast<int64_t>(offsets->size()) - static_cast<int64_t>(erased), std::memory_order_relaxed);
  }
  mark_changed();
  return true;
}

void ConsumerOffsets::each_pair(const std::function<void(std::string_view, std::string_view)>& visit) const {
  for (const Shard& home : shards_) {
    const std::shared_lock lock(home.mutex);
    home.committed.for_each([&visit](std::string_view key, std::span<const QueueOffset>) {
      std::string_view topic;
      std::string_view group;
      if (split_key(key, topic, group)) visit(topic, group);
    });
  }
}

std::vector<std::pair<std::string, std::string>> ConsumerOffsets::topic_groups() const {
  std::vector<std::pair<std::string, std::string>> out;
  each_pair([&out](std::string_view topic, std::string_view group) { out.emplace_back(topic, group); });
  std::sort(out.begin(), out.end());
  return out;
}

std::set<std::string> ConsumerOffsets::topics_of(std::string_view group) const {
  std::set<std::string> out;
  each_pair([&](std::string_view topic, std::string_view g) {
    if (g == group) out.emplace(topic);
  });
  return out;
}

std::set<std::string> ConsumerOffsets::groups_of(std::string_view topic) const {
  std::set<std::string> out;
  each_pair([&](std::string_view t, std::string_view group) {
    if (t == topic) out.emplace(group);
  });
  return out;
}

QueueOffsets ConsumerOffsets::min_offsets(std::string_view topic, const std::set<std::string>& without_groups,
                                          const std::function<int64_t(int32_t)>& min_offset) const {
  QueueOffsets out;
  for (const std::string& group : groups_of(topic)) {
    if (without_groups.contains(group)) continue;
    const std::optional<QueueOffsets> offsets = query_all(group, topic);
    if (!offsets) continue;
    for (const auto& [queue_id, offset] : *offsets) {
      if (offset < min_offset(queue_id)) continue;
      const auto [it, is_new] = out.emplace(queue_id, offset);
      if (!is_new) it->second = std::min(it->second, offset);
    }
  }
  return out;
}

bool ConsumerOffsets::assign_reset(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset) {
  if (group.empty() || topic.empty() || queue_id < 0 || offset < 0) return false;
  const OffsetKey key = key_of(group, topic);
  Shard& home = shard(key);
  {
    const std::unique_lock lock(home.mutex);
    std::optional<int64_t> old;
    const size_t queues_max = has_room() ? queues_per_group_max : 0;
    const OffsetRows::Put put = home.resets.put(key, queue_id, offset, queues_max, old);
    home.resets.forget_changes();
    if (put == OffsetRows::Put::refused) return false;
    if (put == OffsetRows::Put::added) resets_pending_.fetch_add(1, std::memory_order_acq_rel);
    // A consumer that is away finds the new place when it comes back.
    if (!put_offset(&Shard::committed, key, queue_id, offset, old)) return false;
  }
  mark_changed();
  return true;
}

bool ConsumerOffsets::has_reset(std::string_view group, std::string_view topic, int32_t queue_id) const {
  if (resets_pending_.load(std::memory_order_acquire) == 0) return false;
  const OffsetKey key = key_of(group, topic);
  const Shard& home = shard(key);
  const std::shared_lock lock(home.mutex);
  return home.resets.get(key, queue_id).has_value();
}

std::optional<int64_t> ConsumerOffsets::take_reset(std::string_view group, std::string_view topic, int32_t queue_id) {
  if (resets_pending_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const OffsetKey key = key_of(group, topic);
  Shard& home = shard(key);
  const std::unique_lock lock(home.mutex);
  const std::optional<int64_t> offset = home.resets.get(key, queue_id);
  if (!offset) return std::nullopt;
  home.resets.erase_queue(key, queue_id);
  home.resets.forget_changes();
  resets_pending_.fetch_sub(1, std::memory_order_acq_rel);
  return offset;
}

DataVersion ConsumerOffsets::version() const {
  const std::lock_guard lock(version_mutex_);
  return version_;
}

}  // namespace merlin::meta
