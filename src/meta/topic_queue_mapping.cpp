#include "meta/topic_queue_mapping.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "meta/data_version_json.h"

namespace merlin::meta {

namespace {

using Items = std::vector<MappingItem>;

void append_item_json(std::string& out, const MappingItem& item) {
  out += R"({"bname":)";
  append_json_string(out, item.broker_name);
  fmt::format_to(
      std::back_inserter(out),
      R"(,"endOffset":{},"gen":{},"logicOffset":{},"queueId":{},"startOffset":{},"timeOfEnd":{},"timeOfStart":{}}})",
      item.end_offset, item.gen, item.logic_offset, item.queue_id, item.start_offset, item.time_of_end,
      item.time_of_start);
}

Result<MappingItem> item_of(const nlohmann::json& object) {
  if (!object.is_object()) return Error{Errc::corrupt, "a mapping item is not an object"};
  MappingItem out;
  FieldReader reader(object);
  reader.number("gen", out.gen);
  reader.number("queueId", out.queue_id);
  reader.text("bname", out.broker_name);
  reader.number("logicOffset", out.logic_offset);
  reader.number("startOffset", out.start_offset);
  reader.number("endOffset", out.end_offset);
  reader.number("timeOfStart", out.time_of_start);
  reader.number("timeOfEnd", out.time_of_end);
  if (!reader.status()) return reader.status().error();
  // Offsets this far apart cannot be added without leaving 64 bits.
  if (std::max({out.logic_offset, out.start_offset, out.end_offset}) > QueueMappingTable::offset_max ||
      std::min({out.logic_offset, out.start_offset, out.end_offset}) < -1) {
    return Error{Errc::corrupt,
                 fmt::format("an offset of a mapping item is not -1 to {}", QueueMappingTable::offset_max)};
  }
  return out;
}

Result<Items> items_from(const nlohmann::json& list) {
  if (!list.is_array()) return Error{Errc::corrupt, "a hosted queue is not a list of items"};
  if (list.size() > QueueMappingTable::items_per_queue_max) {
    return Error{Errc::corrupt, fmt::format("a hosted queue has {} items, the limit is {}", list.size(),
                                            QueueMappingTable::items_per_queue_max)};
  }
  Items out;
  for (const nlohmann::json& entry : list) {
    Result<MappingItem> item = item_of(entry);
    if (!item) return item.error();
    out.push_back(std::move(*item));
  }
  return out;
}

Result<QueueMapping> mapping_of(const nlohmann::json& object) {
  if (!object.is_object()) return Error{Errc::corrupt, "a topic's queue mapping is not an object"};
  QueueMapping out;
  FieldReader reader(object);
  reader.text("topic", out.topic);
  reader.text("scope", out.scope);
  reader.number("totalQueues", out.total_queues);
  reader.text("bname", out.broker_name);
  reader.number("epoch", out.epoch);
  reader.flag("dirty", out.dirty);
  if (!reader.status()) return reader.status().error().with(fmt::format("queue mapping of {}", out.topic));
  const nlohmann::json* queues = reader.find("hostedQueues");
  if (queues == nullptr) return out;
  if (!queues->is_object()) return Error{Errc::corrupt, "hostedQueues is not an object"};
  if (queues->size() > QueueMappingTable::queues_per_topic_max) {
    return Error{Errc::corrupt, fmt::format("hostedQueues names {} queues, the limit is {}", queues->size(),
                                            QueueMappingTable::queues_per_topic_max)};
  }
  for (const auto& [key, list] : queues->items()) {
    int64_t global_id = 0;
    if (!FieldReader::parse_integer(key, global_id) || global_id < 0 || global_id > INT32_MAX) {
      return Error{Errc::corrupt, fmt::format("hostedQueues holds the queue id {}", key)};
    }
    Result<Items> items = items_from(list);
    if (!items) return items.error();
    out.hosted_queues.emplace(static_cast<int32_t>(global_id), std::move(*items));
  }
  return out;
}

// TopicQueueMappingInfo's fields behind currIdMap, which both forms share.
void append_tail_json(std::string& out, const QueueMapping& mapping) {
  out += R"("scope":)";
  append_json_string(out, mapping.scope);
  out += R"(,"topic":)";
  append_json_string(out, mapping.topic);
  fmt::format_to(std::back_inserter(out), R"(,"totalQueues":{}}})", mapping.total_queues);
}

// The last offset of the logical queue that an item reaches, as far as that is decided.
int64_t logic_end(const MappingItem& item) {
  return item.end_offset >= item.start_offset ? item.logic_offset + item.end_offset - item.start_offset
                                              : item.logic_offset;
}

Status invalid(std::string text) {
  return Error{Errc::invalid, std::move(text)};
}

Status check_items(const Items& items) {
  const MappingItem* newer = nullptr;
  for (size_t i = items.size(); i-- > 0;) {
    const MappingItem& item = items[i];
    if (item.start_offset < 0 || item.gen < 0 || item.queue_id < 0)
      return invalid("The field is illegal, should not be negative");
    if (newer != nullptr && item.logic_offset < 0) return invalid("The non-latest item has negative logic offset");
    if (newer != nullptr && item.gen >= newer->gen) return invalid("The gen does not increase monotonically");
    if (item.end_offset != -1 && item.end_offset < item.start_offset)
      return invalid("The endOffset is smaller than the start offset");
    if (newer != nullptr && newer->logic_offset != -1 && item.logic_offset != -1) {
      if (item.logic_offset >= newer->logic_offset)
        return invalid("The base logic offset does not increase monotonically");
      if (logic_end(item) >= newer->logic_offset)
        return invalid("The max logic offset does not increase monotonically");
    }
    newer = &item;
  }
  return {};
}

// An item that clients may have read from keeps its place; with an unchanged epoch so does the leader.
Status check_unchanged(const Items& before, const Items& after, bool is_epoch_equal) {
  if (before.empty()) return {};
  if (after.empty()) return invalid("The new item list is null or empty");
  for (const MappingItem& old : before) {
    const auto same =
        std::find_if(after.begin(), after.end(), [&](const MappingItem& item) { return item.gen == old.gen; });
    if (same == after.end()) continue;
    if (same->broker_name != old.broker_name || same->queue_id != old.queue_id ||
        same->start_offset != old.start_offset || (old.logic_offset != -1 && same->logic_offset != old.logic_offset)) {
      return invalid(fmt::format("The item of generation {} is different, it may not change", old.gen));
    }
  }
  const MappingItem& old = before.back();
  const MappingItem& leader = after.back();
  if (is_epoch_equal && (leader.gen != old.gen || leader.broker_name != old.broker_name ||
                         leader.queue_id != old.queue_id || leader.start_offset != old.start_offset)) {
    return invalid("The new leader is different but epoch equal");
  }
  return {};
}

}  // namespace

const Items* QueueMapping::items_of(int32_t global_id) const {
  const auto it = hosted_queues.find(global_id);
  return it == hosted_queues.end() ? nullptr : &it->second;
}

std::string QueueMapping::json() const {
  std::string out = R"({"bname":)";
  append_json_string(out, broker_name);
  fmt::format_to(std::back_inserter(out), R"(,"currIdMap":{{}},"dirty":{},"epoch":{},"hostedQueues":{{)", dirty, epoch);
  for (const auto& [global_id, items] : hosted_queues) {
    // Apache writes integer keys without quotes.
    fmt::format_to(std::back_inserter(out), "{}{}:[", out.back() == '{' ? "" : ",", global_id);
    for (const MappingItem& item : items) {
      if (out.back() != '[') out.push_back(',');
      append_item_json(out, item);
    }
    out.push_back(']');
  }
  out += "},";
  append_tail_json(out, *this);
  return out;
}

std::string QueueMapping::info_json() const {
  std::string out = R"({"bname":)";
  append_json_string(out, broker_name);
  out += R"(,"currIdMap":{)";
  for (const auto& [global_id, items] : hosted_queues) {
    if (items.empty() || items.back().broker_name != broker_name) continue;
    fmt::format_to(std::back_inserter(out), "{}{}:{}", out.back() == '{' ? "" : ",", global_id, items.back().queue_id);
  }
  fmt::format_to(std::back_inserter(out), R"(}},"dirty":{},"epoch":{},)", dirty, epoch);
  append_tail_json(out, *this);
  return out;
}

Result<QueueMapping> QueueMapping::parse(std::string_view json) {
  nlohmann::json object;
  if (Status parsed = parse_json(json, object); !parsed) return parsed.error();
  return mapping_of(object);
}

QueueMappingTable::QueueMappingTable(FileSystem& files, const Clock& clock, const std::string& store_root)
    : clock_(clock), file_(files, clock, store_root, "topicQueueMapping", *this) {
  version_.timestamp_ms = clock.wall_ms();
}

Status QueueMappingTable::decode(std::string_view text) {
  nlohmann::json object;
  if (Status parsed = parse_json(text, object); !parsed) return parsed;
  if (!object.is_object()) return Error{Errc::corrupt, "not an object"};
  FieldReader reader(object);
  DataVersion version = version_;
  if (const nlohmann::json* field = reader.find("dataVersion")) {
    Result<DataVersion> read = data_version_of(*field);
    if (!read) return read.error();
    version = *read;
  }
  TextMap<QueueMappingPtr> mappings;
  if (const nlohmann::json* table = reader.find("topicQueueMappingInfoMap")) {
    if (!table->is_object()) return Error{Errc::corrupt, "topicQueueMappingInfoMap is not an object"};
    for (const auto& [topic, value] : table->items()) {
      Result<QueueMapping> mapping = mapping_of(value);
      if (!mapping) return mapping.error();
      mapping->topic = topic;
      mappings.insert_or_assign(topic, std::make_shared<const QueueMapping>(std::move(*mapping)));
    }
  }
  const std::unique_lock lock(mutex_);
  mappings_ = std::move(mappings);
  version_ = version;
  count_.store(mappings_.size(), std::memory_order_relaxed);
  return {};
}

Status QueueMappingTable::open() {
  const std::lock_guard change(change_mutex_);
  const Result<LoadedFrom> loaded = file_.load([this](std::string_view text) { return decode(text); },
                                               [this](const JournalLine& line) { return apply(line); });
  if (!loaded) return loaded.error().with("queue mappings of static topics");
  // A broker without static topics has no such file, as Apache's.
  if (*loaded != LoadedFrom::backup) file_.mark_written(generation_.load());
  if (any()) log_info("meta", "{} static topics, version {}", count_.load(), version().json());
  return {};
}

QueueMappingPtr QueueMappingTable::find(std::string_view topic) const {
  if (!any()) return nullptr;
  const std::shared_lock lock(mutex_);
  const auto it = mappings_.find(topic);
  return it == mappings_.end() ? nullptr : it->second;
}

std::vector<QueueMappingPtr> QueueMappingTable::all() const {
  std::vector<QueueMappingPtr> out;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [topic, mapping] : mappings_) out.push_back(mapping);
  }
  std::sort(out.begin(), out.end(),
            [](const QueueMappingPtr& a, const QueueMappingPtr& b) { return a->topic < b->topic; });
  return out;
}

DataVersion QueueMappingTable::version() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

Result<QueueMapping> QueueMappingTable::merged(QueueMapping next, bool force) const {
  for (const auto& [global_id, items] : next.hosted_queues) {
    if (Status s = check_items(items); !s) return s.error();
  }
  const QueueMappingPtr old = find(next.topic);
  if (old == nullptr) return next;
  const bool is_epoch_equal = next.epoch == old->epoch;
  if (!force && next.epoch < old->epoch) {
    return Error{Errc::invalid, fmt::format("Can't accept data with small epoch {} < {}", next.epoch, old->epoch)};
  }
  if (!force && next.scope != old->scope) {
    return Error{Errc::invalid, fmt::format("Can't accept data with unmatched scope {} != {}", next.scope, old->scope)};
  }
  for (const auto& [global_id, items] : old->hosted_queues) {
    const Items* after = next.items_of(global_id);
    if (after == nullptr) {
      if (!force && is_epoch_equal) return Error{Errc::invalid, "Cannot accept equal epoch with null data"};
      next.hosted_queues.emplace(global_id, items);
    } else if (!force) {
      if (Status s = check_unchanged(items, *after, is_epoch_equal); !s) return s.error();
    }
  }
  return next;
}

Status QueueMappingTable::check(const QueueMapping& next, bool force) const {
  const Result<QueueMapping> result = merged(next, force);
  return result ? Status() : Status(result.error());
}

Status QueueMappingTable::update(QueueMapping next, bool force) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    Result<QueueMapping> mapping = merged(std::move(next), force);
    if (!mapping) return mapping.error();
    log_info("meta", "queue mapping of static topic {}: epoch {}, {} of {} queues here, force {}", mapping->topic,
             mapping->epoch, mapping->hosted_queues.size(), mapping->total_queues, force);
    std::string topic = mapping->topic;
    const std::unique_lock lock(mutex_);
    changed_.insert(topic);
    mappings_.insert_or_assign(std::move(topic), std::make_shared<const QueueMapping>(std::move(*mapping)));
    version_.next(clock_.wall_ms());
    count_.store(mappings_.size(), std::memory_order_relaxed);
    changed = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return file_.write(changed);
}

Status QueueMappingTable::remove(std::string_view topic) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    const std::unique_lock lock(mutex_);
    const auto it = mappings_.find(topic);
    if (it == mappings_.end()) return {};
    log_info("meta", "removed the queue mapping of static topic {}", topic);
    mappings_.erase(it);
    changed_.emplace(topic);
    version_.next(clock_.wall_ms());
    count_.store(mappings_.size(), std::memory_order_relaxed);
    changed = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return file_.write(changed);
}

Status QueueMappingTable::persist_if_dirty() {
  if (Status written = file_.write(change_count()); !written) return written;
  return file_.fold_if_due();
}

Status QueueMappingTable::close() {
  return file_.close();
}

Status QueueMappingTable::apply(const JournalLine& line) {
  const std::unique_lock lock(mutex_);
  if (line.kind == "version") return read_version(line.value, version_);
  if (line.kind != "mapping") return unknown_line(line);
  if (line.value.empty()) {
    mappings_.erase(line.key);
  } else {
    Result<QueueMapping> mapping = QueueMapping::parse(line.value);
    if (!mapping) return mapping.error();
    mapping->topic = line.key;
    mappings_.insert_or_assign(line.key, std::make_shared<const QueueMapping>(std::move(*mapping)));
  }
  count_.store(mappings_.size(), std::memory_order_relaxed);
  return {};
}

void QueueMappingTable::take_changes(std::string& lines) {
  TextSet names;
  DataVersion version;
  {
    const std::unique_lock lock(mutex_);
    names.swap(changed_);
    version = version_;
  }
  for (const std::string& name : names) {
    const QueueMappingPtr mapping = find(name);
    append_journal_line(lines, "mapping", name, mapping != nullptr ? mapping->json() : std::string());
  }
  append_journal_line(lines, "version", "", version.json());
}

std::string QueueMappingTable::json() const {
  return fmt::format(R"({{"dataVersion":{},"topicQueueMappingInfoMap":{{{}}}}})", version().json(),
                     mapping_details_json(all()));
}

namespace {

template <class Text>
std::string by_topic(const std::vector<QueueMappingPtr>& mappings, const Text& text) {
  std::string out;
  for (const QueueMappingPtr& mapping : mappings) {
    if (!out.empty()) out.push_back(',');
    append_json_string(out, mapping->topic);
    out.push_back(':');
    out += text(*mapping);
  }
  return out;
}

}  // namespace

std::string mapping_details_json(const std::vector<QueueMappingPtr>& mappings) {
  return by_topic(mappings, [](const QueueMapping& mapping) { return mapping.json(); });
}

std::string mapping_infos_json(const std::vector<QueueMappingPtr>& mappings) {
  return by_topic(mappings, [](const QueueMapping& mapping) { return mapping.info_json(); });
}

}  // namespace merlin::meta
