#include <algorithm>
#include <unordered_set>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "merlin/message/names.h"
#include "meta/data_version_json.h"
#include "meta/json_cursor.h"
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

// {"topic":4,..}
template <class Bits>
bool read_bits(JsonCursor& cursor, Bits& out) {
  return cursor.object([&](std::string_view topic) {
    int64_t bits = 0;
    const std::string name(topic);
    if (!cursor.integer(bits)) return false;
    out.insert_or_assign(name, static_cast<int32_t>(bits));
    return true;
  });
}

}  // namespace

SubscriptionGroups::SubscriptionGroups(FileSystem& files, const Clock& clock, const std::string& store_root)
    : clock_(clock), file_(files, clock, store_root, "subscriptionGroup", *this) {
  version_.timestamp_ms = clock.wall_ms();
}

void SubscriptionGroups::add_system_groups() {
  for (const std::string_view name : system_groups) {
    SubscriptionGroup group;
    group.name = name;
    groups_.put(std::make_shared<const SubscriptionGroup>(std::move(group)));
  }
}

Status SubscriptionGroups::decode(std::string_view text) {
  DataVersion version = version_;
  std::vector<GroupPtr> groups;
  Forbidden forbidden;
  Status status;
  JsonCursor cursor(text);
  const auto table = [&](std::string_view name) {
    Result<SubscriptionGroup> group = subscription_group_of(cursor);
    if (!group) {
      status = group.error();
      return false;
    }
    group->name = name;
    groups.push_back(std::make_shared<const SubscriptionGroup>(std::move(*group)));
    return true;
  };
  const auto forbidden_of_group = [&](std::string_view group) {
    return read_bits(cursor, forbidden[std::string(group)]);
  };
  const bool is_sound = cursor.object([&](std::string_view key) {
    std::string_view other;
    if (cursor.null()) return true;
    if (key == "subscriptionGroupTable") return cursor.object(table);
    if (key == "forbiddenTable") return cursor.object(forbidden_of_group);
    if (!cursor.skip_value(other)) return false;
    if (key == "dataVersion") status = read_version(other, version);
    return status.ok();
  });
  if (!status) return status;
  if (!is_sound || !cursor.at_end()) return cursor.error();
  const std::unique_lock lock(mutex_);
  groups_.reserve(groups_.size() + groups.size());
  for (GroupPtr& group : groups) groups_.put(std::move(group));
  forbidden_ = std::move(forbidden);
  has_forbidden_.store(!forbidden_.empty(), std::memory_order_release);
  version_ = version;
  return {};
}

Status SubscriptionGroups::apply(const JournalLine& line) {
  const std::unique_lock lock(mutex_);
  if (line.kind == "version") return read_version(line.value, version_);
  if (line.kind == "forbidden") return apply_forbidden(line);
  if (line.kind != "group") return unknown_line(line);
  if (line.value.empty()) {
    groups_.erase(line.key);
    return {};
  }
  Result<SubscriptionGroup> group = SubscriptionGroup::parse(line.value);
  if (!group) return group.error();
  group->name = line.key;
  groups_.put(std::make_shared<const SubscriptionGroup>(std::move(*group)));
  return {};
}

Status SubscriptionGroups::apply_forbidden(const JournalLine& line) {
  if (const auto it = forbidden_.find(line.key); it != forbidden_.end()) forbidden_.erase(it);
  if (!line.value.empty()) {
    JsonCursor cursor(line.value);
    if (!read_bits(cursor, forbidden_[line.key])) return cursor.error();
  }
  has_forbidden_.store(!forbidden_.empty(), std::memory_order_release);
  return {};
}

Status SubscriptionGroups::open() {
  {
    const std::unique_lock lock(mutex_);
    add_system_groups();
  }
  const Result<LoadedFrom> loaded = file_.load([this](std::string_view text) { return decode(text); },
                                               [this](const JournalLine& line) { return apply(line); });
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

bool SubscriptionGroups::is_light(std::string_view name) const {
  return light_queues_ && message::is_lmq(name);
}

GroupPtr SubscriptionGroups::find(std::string_view name) const {
  if (is_light(name)) {
    auto group = std::make_shared<SubscriptionGroup>();
    group->name = name;
    return group;
  }
  const std::shared_lock lock(mutex_);
  return groups_.find(name);
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
  if (GroupPtr existing = groups_.find(name)) return existing;
  if (groups_.size() >= groups_auto_created_max) {
    log_warn("meta", "group {} not made: groups_auto_created_max {} is reached", name, groups_auto_created_max);
    return nullptr;
  }
  const GroupPtr made = std::move(group);
  groups_.put(made);
  changed_.insert(made->name);
  version_.next(clock_.wall_ms());
  generation_.fetch_add(1, std::memory_order_acq_rel);
  log_info("meta", "new subscription group {}", name);
  return made;
}

std::vector<GroupPtr> SubscriptionGroups::all() const {
  std::vector<GroupPtr> out;
  {
    const std::shared_lock lock(mutex_);
    out.assign(groups_.begin(), groups_.end());
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
  if (is_light(group.name)) return generation_.load(std::memory_order_relaxed);
  changed_.insert(group.name);
  groups_.put(std::make_shared<const SubscriptionGroup>(std::move(group)));
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

Status SubscriptionGroups::persist_if_dirty() {
  if (Status written = file_.write(change_count()); !written) return written;
  return file_.fold_if_due();
}

Status SubscriptionGroups::close() {
  return file_.close();
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
  if (Status written = file_.write(changed); !written) return written.error();
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
  Status written = file_.write(changed);
  return status ? written : status;
}

Status SubscriptionGroups::remove(std::string_view name) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    const std::unique_lock lock(mutex_);
    if (const auto forbidden = forbidden_.find(name); forbidden != forbidden_.end()) {
      forbidden_.erase(forbidden);
      changed_forbidden_.emplace(name);
    }
    has_forbidden_.store(!forbidden_.empty(), std::memory_order_release);
    const GroupPtr old = groups_.find(name);
    if (old == nullptr) return Error{Errc::not_found, fmt::format("subscription group {} does not exist", name)};
    log_info("meta", "removed {}", old->text());
    groups_.erase(name);
    changed_.insert(old->name);
    version_.next(clock_.wall_ms());
    changed = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return file_.write(changed);
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
    changed_forbidden_.emplace(group);
    log_info("meta", "forbidden to {} with {}: {} (was {})", group, topic, bits, old);
    version_.next(clock_.wall_ms());
    changed = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return file_.write(changed);
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

Status SubscriptionGroups::write_json_of(std::span<const GroupPtr> groups, const std::string& forbidden,
                                         const Sink& sink) const {
  std::string piece =
      fmt::format(R"({{"dataVersion":{},"forbiddenTable":{},"subscriptionGroupTable":{{)", version().json(), forbidden);
  bool is_first = true;
  for (const GroupPtr& group : groups) {
    if (!is_first) piece.push_back(',');
    is_first = false;
    append_json_string(piece, group->name);
    piece.push_back(':');
    append_group_json(piece, *group);
    if (piece.size() < json_piece_bytes) continue;
    if (Status s = sink(piece); !s) return s;
    piece.clear();
  }
  piece += "}}";
  return sink(piece);
}

Status SubscriptionGroups::write_json(const Sink& sink) const {
  return write_json_of(all(), forbidden_json([](std::string_view) { return true; }), sink);
}

std::string SubscriptionGroups::json() const {
  return json(all());
}

std::string SubscriptionGroups::json(std::span<const GroupPtr> groups) const {
  std::unordered_set<std::string_view> names;
  for (const GroupPtr& group : groups) names.insert(group->name);
  std::string out;
  (void)write_json_of(groups, forbidden_json([&names](std::string_view name) { return names.contains(name); }),
                      [&out](std::string_view piece) -> Status {
                        out += piece;
                        return {};
                      });
  return out;
}

void SubscriptionGroups::take_changes(std::string& lines) {
  TextSet names;
  TextSet forbidden;
  DataVersion version;
  {
    const std::unique_lock lock(mutex_);
    names.swap(changed_);
    forbidden.swap(changed_forbidden_);
    version = version_;
  }
  for (const std::string& name : names) {
    const GroupPtr group = find(name);
    append_journal_line(lines, "group", name, group != nullptr ? group->json() : std::string());
  }
  for (const std::string& name : forbidden) {
    const std::string one = forbidden_json([&name](std::string_view group) { return group == name; });
    // {"group":{..}}: the inner object, or nothing.
    JsonCursor cursor(one);
    std::string_view bits;
    (void)cursor.object([&](std::string_view) { return cursor.skip_value(bits); });
    append_journal_line(lines, "forbidden", name, bits);
  }
  append_journal_line(lines, "version", "", version.json());
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
