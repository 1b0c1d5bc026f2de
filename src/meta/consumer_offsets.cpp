#include "meta/consumer_offsets.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "meta/data_version_json.h"

namespace merlin::meta {

namespace {

constexpr char separator = '@';

// topic@group in this thread's scratch; valid until the next call.
std::string_view key_of(std::string_view group, std::string_view topic) {
  thread_local std::string scratch;
  scratch.assign(topic);
  scratch.push_back(separator);
  scratch.append(group);
  return scratch;
}

// Both parts, or nothing: as Apache's split, a key has exactly one @ with text on both sides.
bool split_key(std::string_view key, std::string_view& topic, std::string_view& group) {
  const size_t at = key.find(separator);
  if (at == 0 || at == std::string_view::npos || at + 1 == key.size()) return false;
  topic = key.substr(0, at);
  group = key.substr(at + 1);
  return group.find(separator) == std::string_view::npos;
}

std::optional<int64_t> lookup(const TextMap<QueueOffsets>& table, std::string_view key, int32_t queue_id) {
  const auto queues = table.find(key);
  if (queues == table.end()) return std::nullopt;
  const auto offset = queues->second.find(queue_id);
  return offset == queues->second.end() ? std::nullopt : std::optional(offset->second);
}

QueueOffsets& queues_of(TextMap<QueueOffsets>& table, std::string_view key) {
  const auto it = table.find(key);
  return it != table.end() ? it->second : table.emplace(std::string(key), QueueOffsets()).first->second;
}

// Stores the offset and gives back the old one; false when the queue would be one too many.
bool put(TextMap<QueueOffsets>& table, std::string_view key, int32_t queue_id, int64_t offset, bool has_room,
         std::optional<int64_t>& old) {
  const auto known = table.find(key);
  if (known != table.end()) {
    const auto it = known->second.find(queue_id);
    if (it != known->second.end()) {
      old = it->second;
      it->second = offset;
      return true;
    }
    if (known->second.size() >= ConsumerOffsets::queues_per_group_max) return false;
  }
  if (!has_room) return false;
  queues_of(table, key).emplace(queue_id, offset);
  return true;
}

void append_table_json(std::string& out, const std::map<std::string, QueueOffsets>& table) {
  out.push_back('{');
  bool is_first = true;
  for (const auto& [key, queues] : table) {
    if (!is_first) out.push_back(',');
    is_first = false;
    append_json_string(out, key);
    out += ":{";
    bool is_first_queue = true;
    for (const auto& [queue_id, offset] : queues) {
      // Apache writes integer keys without quotes.
      fmt::format_to(std::back_inserter(out), "{}{}:{}", is_first_queue ? "" : ",", queue_id, offset);
      is_first_queue = false;
    }
    out.push_back('}');
  }
  out.push_back('}');
}

std::string group_topics_json(const std::map<std::string, QueueOffsets>& committed) {
  std::map<std::string_view, std::set<std::string_view>> topics_by_group;
  for (const auto& [key, queues] : committed) {
    std::string_view topic;
    std::string_view group;
    if (split_key(key, topic, group)) topics_by_group[group].insert(topic);
  }
  std::string out = "{";
  for (const auto& [group, topics] : topics_by_group) {
    if (out.size() > 1) out.push_back(',');
    append_json_string(out, group);
    out += ":[";
    bool is_first = true;
    for (const std::string_view topic : topics) {
      if (!is_first) out.push_back(',');
      is_first = false;
      append_json_string(out, topic);
    }
    out.push_back(']');
  }
  out.push_back('}');
  return out;
}

Status read_table(const nlohmann::json& object, const char* name, std::map<std::string, QueueOffsets>& out) {
  const nlohmann::json* table = FieldReader(object).find(name);
  if (table == nullptr) return {};
  if (!table->is_object()) return Error{Errc::corrupt, fmt::format("{} is not an object", name)};
  for (const auto& [key, queues] : table->items()) {
    if (!queues.is_object()) return Error{Errc::corrupt, fmt::format("{} of {} is not an object", name, key)};
    QueueOffsets& offsets = out[key];
    for (const auto& [queue, offset] : queues.items()) {
      int64_t id = 0;
      int64_t value = 0;
      const bool is_sane = FieldReader::parse_integer(queue, id) && FieldReader::to_integer(offset, value) &&
                           id >= INT32_MIN && id <= INT32_MAX;
      if (!is_sane) return Error{Errc::corrupt, fmt::format("{} of {} holds {}:{}", name, key, queue, offset.dump())};
      offsets[static_cast<int32_t>(id)] = value;
    }
  }
  return {};
}

}  // namespace

ConsumerOffsets::ConsumerOffsets(FileSystem& files, const Clock& clock, const std::string& store_root)
    : clock_(clock), file_(files, store_root + "/config/consumerOffset.json") {
  version_.timestamp_ms = clock.wall_ms();
}

ConsumerOffsets::Shard& ConsumerOffsets::shard(std::string_view key) {
  return shards_[TextHash()(key) % shard_count];
}

const ConsumerOffsets::Shard& ConsumerOffsets::shard(std::string_view key) const {
  return shards_[TextHash()(key) % shard_count];
}

Status ConsumerOffsets::decode(std::string_view text) {
  nlohmann::json object;
  if (Status parsed = parse_json(text, object); !parsed) return parsed;
  if (!object.is_object()) return Error{Errc::corrupt, "not an object"};
  std::map<std::string, QueueOffsets> committed;
  std::map<std::string, QueueOffsets> pulled;
  if (Status read = read_table(object, "offsetTable", committed); !read) return read;
  if (Status read = read_table(object, "pullOffsetTable", pulled); !read) return read;
  if (const nlohmann::json* field = FieldReader(object).find("dataVersion")) {
    Result<DataVersion> version = data_version_of(*field);
    if (!version) return version.error();
    const std::lock_guard lock(version_mutex_);
    version_ = *version;
  }
  for (auto& [key, queues] : committed) {
    Shard& home = shard(key);
    const std::unique_lock lock(home.mutex);
    home.committed.insert_or_assign(key, std::move(queues));
  }
  for (auto& [key, queues] : pulled) {
    Shard& home = shard(key);
    const std::unique_lock lock(home.mutex);
    home.pulled.insert_or_assign(key, std::move(queues));
  }
  recount();
  return {};
}

Status ConsumerOffsets::open() {
  const Result<LoadedFrom> loaded = file_.load([this](std::string_view text) { return decode(text); });
  if (!loaded) return loaded.error().with("consumer offsets");
  if (*loaded != LoadedFrom::backup) file_.mark_written(changes_.load(std::memory_order_acquire));
  log_info("meta", "consumer offsets of {} topics and groups", topic_groups().size());
  return {};
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

bool ConsumerOffsets::commit(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset) {
  const std::string_view key = key_of(group, topic);
  Shard& home = shard(key);
  std::optional<int64_t> old;
  {
    const std::unique_lock lock(home.mutex);
    if (!put(home.committed, key, queue_id, offset, has_room(), old)) return false;
    if (!old) entries_.fetch_add(1, std::memory_order_relaxed);
  }
  if (old && offset < *old && may_warn()) {
    log_warn("offsets", "{} queue {} goes back from {} to {} by request", key, queue_id, *old, offset);
  }
  count_commit();
  return true;
}

bool ConsumerOffsets::commit_pull(std::string_view group, std::string_view topic, int32_t queue_id, int64_t offset) {
  const std::string_view key = key_of(group, topic);
  Shard& home = shard(key);
  std::optional<int64_t> old;
  {
    const std::unique_lock lock(home.mutex);
    if (!put(home.pulled, key, queue_id, offset, has_room(), old)) return false;
    if (!old) entries_.fetch_add(1, std::memory_order_relaxed);
  }
  if (old != offset) mark_changed();
  return true;
}

int64_t ConsumerOffsets::query(std::string_view group, std::string_view topic, int32_t queue_id) const {
  const std::string_view key = key_of(group, topic);
  const Shard& home = shard(key);
  const std::shared_lock lock(home.mutex);
  if (resets_pending_.load(std::memory_order_acquire) > 0) {
    if (const auto reset = lookup(home.resets, key, queue_id)) return *reset;
  }
  return lookup(home.committed, key, queue_id).value_or(-1);
}

int64_t ConsumerOffsets::query_pull(std::string_view group, std::string_view topic, int32_t queue_id) const {
  {
    const std::string_view key = key_of(group, topic);
    const Shard& home = shard(key);
    const std::shared_lock lock(home.mutex);
    if (const auto offset = lookup(home.pulled, key, queue_id)) return *offset;
  }
  return query(group, topic, queue_id);
}

std::optional<QueueOffsets> ConsumerOffsets::query_all(std::string_view group, std::string_view topic) const {
  const std::string_view key = key_of(group, topic);
  const Shard& home = shard(key);
  const std::shared_lock lock(home.mutex);
  const auto it = home.committed.find(key);
  return it == home.committed.end() ? std::nullopt : std::optional(it->second);
}

void ConsumerOffsets::clear_pull(std::string_view group, std::string_view topic) {
  const std::string_view key = key_of(group, topic);
  Shard& home = shard(key);
  {
    const std::unique_lock lock(home.mutex);
    const auto it = home.pulled.find(key);
    if (it == home.pulled.end()) return;
    entries_.fetch_sub(static_cast<int64_t>(it->second.size()), std::memory_order_relaxed);
    home.pulled.erase(it);
  }
  mark_changed();
}

void ConsumerOffsets::remove_where(const std::function<bool(std::string_view, std::string_view)>& match) {
  const auto matches = [&match](const auto& entry) {
    std::string_view topic;
    std::string_view group;
    return split_key(entry.first, topic, group) && match(topic, group);
  };
  size_t removed = 0;
  for (Shard& home : shards_) {
    const std::unique_lock lock(home.mutex);
    removed += std::erase_if(home.committed, matches) + std::erase_if(home.pulled, matches);
    for (auto it = home.resets.begin(); it != home.resets.end();) {
      if (!matches(*it)) {
        ++it;
        continue;
      }
      resets_pending_.fetch_sub(static_cast<int64_t>(it->second.size()), std::memory_order_acq_rel);
      it = home.resets.erase(it);
    }
  }
  if (removed == 0) return;
  recount();
  mark_changed();
}

// After changes that are not counted one by one. Commits that come in between may be counted twice or not at all: the
// limit is no exact one.
void ConsumerOffsets::recount() {
  size_t count = 0;
  for (const Shard& home : shards_) {
    const std::shared_lock lock(home.mutex);
    for (const auto& [key, queues] : home.committed) count += queues.size();
    for (const auto& [key, queues] : home.pulled) count += queues.size();
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

void ConsumerOffsets::clone(std::string_view source, std::string_view target, std::string_view topic) {
  std::optional<QueueOffsets> offsets = query_all(source, topic);
  if (!offsets) return;
  const std::string_view key = key_of(target, topic);
  Shard& home = shard(key);
  {
    const std::unique_lock lock(home.mutex);
    queues_of(home.committed, key) = std::move(*offsets);
  }
  recount();
  mark_changed();
}

std::vector<std::pair<std::string, std::string>> ConsumerOffsets::topic_groups() const {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Shard& home : shards_) {
    const std::shared_lock lock(home.mutex);
    for (const auto& [key, queues] : home.committed) {
      std::string_view topic;
      std::string_view group;
      if (split_key(key, topic, group)) out.emplace_back(topic, group);
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::set<std::string> ConsumerOffsets::topics_of(std::string_view group) const {
  std::set<std::string> out;
  for (auto& [topic, g] : topic_groups()) {
    if (g == group) out.insert(std::move(topic));
  }
  return out;
}

std::set<std::string> ConsumerOffsets::groups_of(std::string_view topic) const {
  std::set<std::string> out;
  for (auto& [t, group] : topic_groups()) {
    if (t == topic) out.insert(std::move(group));
  }
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
  const std::string_view key = key_of(group, topic);
  Shard& home = shard(key);
  {
    const std::unique_lock lock(home.mutex);
    std::optional<int64_t> old;
    if (!put(home.resets, key, queue_id, offset, has_room(), old)) return false;
    if (!old) resets_pending_.fetch_add(1, std::memory_order_acq_rel);
    // A consumer that is away finds the new place when it comes back.
    old.reset();
    if (!put(home.committed, key, queue_id, offset, has_room(), old)) return false;
    if (!old) entries_.fetch_add(1, std::memory_order_relaxed);
  }
  mark_changed();
  return true;
}

bool ConsumerOffsets::has_reset(std::string_view group, std::string_view topic, int32_t queue_id) const {
  if (resets_pending_.load(std::memory_order_acquire) == 0) return false;
  const std::string_view key = key_of(group, topic);
  const Shard& home = shard(key);
  const std::shared_lock lock(home.mutex);
  return lookup(home.resets, key, queue_id).has_value();
}

std::optional<int64_t> ConsumerOffsets::take_reset(std::string_view group, std::string_view topic, int32_t queue_id) {
  if (resets_pending_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const std::string_view key = key_of(group, topic);
  Shard& home = shard(key);
  const std::unique_lock lock(home.mutex);
  const auto queues = home.resets.find(key);
  if (queues == home.resets.end()) return std::nullopt;
  const auto entry = queues->second.find(queue_id);
  if (entry == queues->second.end()) return std::nullopt;
  const int64_t offset = entry->second;
  queues->second.erase(entry);
  if (queues->second.empty()) home.resets.erase(queues);
  resets_pending_.fetch_sub(1, std::memory_order_acq_rel);
  return offset;
}

DataVersion ConsumerOffsets::version() const {
  const std::lock_guard lock(version_mutex_);
  return version_;
}

std::string ConsumerOffsets::json() const {
  std::map<std::string, QueueOffsets> committed;
  std::map<std::string, QueueOffsets> pulled;
  for (const Shard& home : shards_) {
    const std::shared_lock lock(home.mutex);
    committed.insert(home.committed.begin(), home.committed.end());
    pulled.insert(home.pulled.begin(), home.pulled.end());
  }
  std::string out = fmt::format(R"({{"dataVersion":{},"groupTopicMap":{},"offsetTable":)", version().json(),
                                group_topics_json(committed));
  append_table_json(out, committed);
  out += R"(,"pullOffsetTable":)";
  append_table_json(out, pulled);
  out.push_back('}');
  return out;
}

Status ConsumerOffsets::persist_if_dirty() {
  return file_.write(changes_.load(std::memory_order_acquire), [this] {
    const uint64_t changes = changes_.load(std::memory_order_acquire);
    return SnapshotFile::Snapshot{changes, json()};
  });
}

}  // namespace merlin::meta
