#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "merlin/message/names.h"
#include "meta/data_version_json.h"
#include "meta/subscription_group.h"
#include "meta/subscription_group_json.h"

namespace merlin::meta {

namespace {

constexpr std::string_view system_group_prefix = "CID_RMQ_SYS_";

// The list of SubscriptionGroupManager.init, 5.5.0.
constexpr std::string_view system_groups[] = {
    "TOOLS_CONSUMER",  "FILTERSRV_CONSUMER",    "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",  "CID_RMQ_SYS_TRANS",
};

}  // namespace

SubscriptionGroups::SubscriptionGroups(FileSystem& files, const Clock& clock, const std::string& store_root)
    : clock_(clock), file_(files, store_root + "/config/subscriptionGroup.json") {
  version_.timestamp_ms = clock.wall_ms();
}

void SubscriptionGroups::add_system_groups() {
  for (const std::string_view name : system_groups) {
    SubscriptionGroup group;
    group.name = name;
    groups_.insert_or_assign(std::string(name), std::make_shared<const SubscriptionGroup>(std::move(group)));
  }
}

Status SubscriptionGroups::decode(std::string_view text) {
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
  std::vector<SubscriptionGroup> groups;
  if (const nlohmann::json* table = reader.find("subscriptionGroupTable")) {
    if (!table->is_object()) return Error{Errc::corrupt, "subscriptionGroupTable is not an object"};
    for (const auto& [name, value] : table->items()) {
      Result<SubscriptionGroup> group = subscription_group_of(value);
      if (!group) return group.error();
      group->name = name;
      groups.push_back(std::move(*group));
    }
  }
  Forbidden forbidden;
  if (const nlohmann::json* table = reader.find("forbiddenTable")) {
    if (!table->is_object()) return Error{Errc::corrupt, "forbiddenTable is not an object"};
    for (const auto& [group, topics] : table->items()) {
      if (!topics.is_object()) return Error{Errc::corrupt, "forbiddenTable holds no object"};
      for (const auto& [topic, bits] : topics.items()) {
        int64_t value = 0;
        if (!FieldReader::to_integer(bits, value)) return Error{Errc::corrupt, "forbiddenTable holds no number"};
        forbidden[group][topic] = static_cast<int32_t>(value);
      }
    }
  }
  const std::unique_lock lock(mutex_);
  for (SubscriptionGroup& group : groups) {
    std::string name = group.name;
    groups_.insert_or_assign(std::move(name), std::make_shared<const SubscriptionGroup>(std::move(group)));
  }
  forbidden_ = std::move(forbidden);
  has_forbidden_.store(!forbidden_.empty(), std::memory_order_release);
  version_ = version;
  return {};
}

Status SubscriptionGroups::open() {
  {
    const std::unique_lock lock(mutex_);
    add_system_groups();
  }
  const Result<LoadedFrom> loaded = file_.load([this](std::string_view text) { return decode(text); });
  if (!loaded) return loaded.error().with("subscription groups");
  const uint64_t change = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  if (*loaded == LoadedFrom::file) file_.mark_written(change);
  log_info("meta", "{} subscription groups, version {}", size(), version().json());
  return {};
}

void SubscriptionGroups::set_auto_create(bool groups, bool system_groups_too) {
  auto_create_.store(groups, std::memory_order_relaxed);
  auto_create_system_.store(system_groups_too, std::memory_order_relaxed);
}

GroupPtr SubscriptionGroups::find(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = groups_.find(name);
  return it == groups_.end() ? nullptr : it->second;
}

GroupPtr SubscriptionGroups::find_or_create(std::string_view name) {
  if (GroupPtr existing = find(name)) return existing;
  const bool is_allowed =
      auto_create_.load(std::memory_order_relaxed) ||
      (auto_create_system_.load(std::memory_order_relaxed) && name.starts_with(system_group_prefix));
  if (!is_allowed || message::group_name_error(name)) return nullptr;
  auto group = std::make_shared<SubscriptionGroup>();
  group->name = name;
  const std::unique_lock lock(mutex_);
  if (const auto it = groups_.find(name); it != groups_.end()) return it->second;
  if (groups_.size() >= groups_auto_created_max) {
    log_warn("meta", "group {} not made: groups_auto_created_max {} is reached", name, groups_auto_created_max);
    return nullptr;
  }
  const GroupPtr made = groups_.emplace(std::string(name), std::move(group)).first->second;
  version_.next(clock_.wall_ms());
  generation_.fetch_add(1, std::memory_order_acq_rel);
  log_info("meta", "new subscription group {}", name);
  return made;
}

std::vector<GroupPtr> SubscriptionGroups::all() const {
  std::vector<GroupPtr> out;
  {
    const std::shared_lock lock(mutex_);
    out.reserve(groups_.size());
    for (const auto& [name, group] : groups_) out.push_back(group);
  }
  std::sort(out.begin(), out.end(), [](const GroupPtr& a, const GroupPtr& b) { return a->name < b->name; });
  return out;
}

size_t SubscriptionGroups::size() const {
  const std::shared_lock lock(mutex_);
  return groups_.size();
}

DataVersion SubscriptionGroups::version() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

uint64_t SubscriptionGroups::publish(SubscriptionGroup group) {
  const std::unique_lock lock(mutex_);
  std::string name = group.name;
  groups_.insert_or_assign(std::move(name), std::make_shared<const SubscriptionGroup>(std::move(group)));
  version_.next(clock_.wall_ms());
  return generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
}

Result<SubscriptionGroup> SubscriptionGroups::altered(SubscriptionGroup group) const {
  const GroupPtr old = find(group.name);
  Result<Attributes> attributes = alter_attributes(group_attribute_rules(), old == nullptr,
                                                   old == nullptr ? Attributes() : old->attributes, group.attributes);
  if (!attributes) return attributes.error();
  group.attributes = std::move(*attributes);
  log_info("meta", "{} {}", old == nullptr ? "new" : "changed", group.text());
  return group;
}

Status SubscriptionGroups::persist(uint64_t change) {
  return file_.write(change, [this] {
    const uint64_t generation = generation_.load(std::memory_order_acquire);
    return SnapshotFile::Snapshot{generation, json()};
  });
}

Status SubscriptionGroups::persist_if_dirty() {
  return persist(generation_.load(std::memory_order_acquire));
}

Result<GroupPtr> SubscriptionGroups::update(SubscriptionGroup group) {
  const std::string name = group.name;
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    Result<SubscriptionGroup> next = altered(std::move(group));
    if (!next) return next.error();
    changed = publish(std::move(*next));
  }
  if (Status written = persist(changed); !written) return written.error();
  return find(name);
}

Status SubscriptionGroups::update_list(std::vector<SubscriptionGroup> groups) {
  uint64_t changed = 0;
  Status status;
  {
    const std::lock_guard change(change_mutex_);
    for (SubscriptionGroup& group : groups) {
      Result<SubscriptionGroup> next = altered(std::move(group));
      if (!next) {
        status = next.error();
        break;
      }
      changed = publish(std::move(*next));
    }
  }
  if (changed == 0) return status;
  Status written = persist(changed);
  return status ? written : status;
}

Status SubscriptionGroups::remove(std::string_view name) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    const std::unique_lock lock(mutex_);
    if (const auto forbidden = forbidden_.find(name); forbidden != forbidden_.end()) forbidden_.erase(forbidden);
    has_forbidden_.store(!forbidden_.empty(), std::memory_order_release);
    const auto it = groups_.find(name);
    if (it == groups_.end()) return Error{Errc::not_found, fmt::format("subscription group {} does not exist", name)};
    log_info("meta", "removed {}", it->second->text());
    groups_.erase(it);
    version_.next(clock_.wall_ms());
    changed = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return persist(changed);
}

void SubscriptionGroups::disable_consume(std::string_view name) {
  const std::lock_guard change(change_mutex_);
  const GroupPtr old = find(name);
  if (old == nullptr) return;
  SubscriptionGroup group = *old;
  group.consume_enable = false;
  (void)publish(std::move(group));
}

int32_t SubscriptionGroups::forbidden(std::string_view group, std::string_view topic) const {
  if (!has_forbidden_.load(std::memory_order_acquire)) return 0;
  const std::shared_lock lock(mutex_);
  const auto topics = forbidden_.find(group);
  if (topics == forbidden_.end()) return 0;
  const auto bits = topics->second.find(topic);
  return bits == topics->second.end() ? 0 : std::max(0, bits->second);
}

Status SubscriptionGroups::set_forbidden(std::string_view group, std::string_view topic, int32_t index, bool forbid) {
  if (index < 0 || index > 30)
    return Error{Errc::invalid, fmt::format("index {} of a permission is not 0 to 30", index)};
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    const int32_t old = forbidden(group, topic);
    const int32_t bits = forbid ? old | (1 << index) : old & ~(1 << index);
    const std::unique_lock lock(mutex_);
    if (bits != 0) {
      forbidden_[std::string(group)][std::string(topic)] = bits;
    } else if (const auto it = forbidden_.find(group); it != forbidden_.end()) {
      // Apache drops the whole group here; the other topics' bits have no reason to go.
      if (const auto entry = it->second.find(topic); entry != it->second.end()) it->second.erase(entry);
      if (it->second.empty()) forbidden_.erase(it);
    }
    has_forbidden_.store(!forbidden_.empty(), std::memory_order_release);
    log_info("meta", "forbidden to {} with {}: {} (was {})", group, topic, bits, old);
    version_.next(clock_.wall_ms());
    changed = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return persist(changed);
}

std::string SubscriptionGroups::forbidden_json(const std::function<bool(std::string_view)>& wanted) const {
  std::string out = "{";
  const std::shared_lock lock(mutex_);
  for (const auto& [group, topics] : forbidden_) {
    if (!wanted(group)) continue;
    if (out.size() > 1) out.push_back(',');
    append_json_string(out, group);
    out += ":{";
    bool is_first = true;
    for (const auto& [topic, bits] : topics) {
      if (!is_first) out.push_back(',');
      is_first = false;
      append_json_string(out, topic);
      out += fmt::format(":{}", bits);
    }
    out.push_back('}');
  }
  out.push_back('}');
  return out;
}

std::string SubscriptionGroups::json_of(std::span<const GroupPtr> groups, const std::string& forbidden) const {
  std::string out =
      fmt::format(R"({{"dataVersion":{},"forbiddenTable":{},"subscriptionGroupTable":{{)", version().json(), forbidden);
  bool is_first = true;
  for (const GroupPtr& group : groups) {
    if (!is_first) out.push_back(',');
    is_first = false;
    append_json_string(out, group->name);
    out.push_back(':');
    append_group_json(out, *group);
  }
  return out + "}}";
}

std::string SubscriptionGroups::json() const {
  return json_of(all(), forbidden_json([](std::string_view) { return true; }));
}

std::string SubscriptionGroups::json(std::span<const GroupPtr> groups) const {
  std::set<std::string_view> names;
  for (const GroupPtr& group : groups) names.insert(group->name);
  return json_of(groups, forbidden_json([&names](std::string_view name) { return names.contains(name); }));
}

std::vector<GroupPtr> SubscriptionGroups::page(std::string_view data_version_json, int64_t seq, int64_t max) const {
  const Result<DataVersion> asked = DataVersion::parse(data_version_json);
  const std::vector<GroupPtr> groups = all();
  const auto size = static_cast<int64_t>(groups.size());
  const bool is_same = asked.ok() && *asked == version();
  const int64_t begin = is_same ? std::clamp<int64_t>(seq, 0, size) : 0;
  const int64_t end = begin + std::clamp<int64_t>(max, 0, size - begin);
  return {groups.begin() + begin, groups.begin() + end};
}

}  // namespace merlin::meta
