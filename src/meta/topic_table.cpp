#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "merlin/message/names.h"
#include "meta/data_version_json.h"
#include "meta/json_cursor.h"
#include "meta/topic_config.h"
#include "meta/topic_config_json.h"

namespace merlin::meta {

namespace {

constexpr std::string_view auto_create_topic = "TBW102";

// No file and no request makes a topic with more queues than this, or with less than none.
int32_t sane_queue_nums(std::string_view topic, int32_t wanted) {
  const int32_t given = std::clamp(wanted, 0, TopicTable::queue_nums_max);
  if (given != wanted) log_warn("meta", "topic {}: {} queues were asked for, it has {}", topic, wanted, given);
  return given;
}

void make_sane(TopicConfig& config) {
  config.read_queue_nums = sane_queue_nums(config.name, config.read_queue_nums);
  config.write_queue_nums = sane_queue_nums(config.name, config.write_queue_nums);
}

TopicConfig make_topic(std::string_view name, int32_t queue_nums, int32_t perm = perm_read | perm_write) {
  TopicConfig config;
  config.name = name;
  config.read_queue_nums = queue_nums;
  config.write_queue_nums = queue_nums;
  config.perm = perm;
  return config;
}

}  // namespace

TopicTable::TopicTable(FileSystem& files, const Clock& clock, const std::string& store_root)
    : clock_(clock), file_(files, clock, store_root, "topics", *this) {
  version_.timestamp_ms = clock.wall_ms();
}

// The list of TopicConfigManager.init, 5.5.0.
void TopicTable::add_system_topics(const Setup& setup) {
  const int32_t open_perm = perm_inherit | perm_read | perm_write;
  std::vector<TopicConfig> topics = {
      make_topic("SELF_TEST_TOPIC", 1),
      make_topic("BenchmarkTest", 1024),
      make_topic(setup.cluster_name, 16, setup.cluster_topic_enable ? open_perm : perm_inherit),
      make_topic(setup.broker_name, 1, setup.broker_topic_enable ? open_perm : perm_inherit),
      make_topic("OFFSET_MOVED_EVENT", 1),
      make_topic(message::schedule_topic, 18),
      make_topic(setup.cluster_name + "_REPLY_TOPIC", 1),
      make_topic("rmq_sys_REVIVE_LOG_" + setup.cluster_name, setup.revive_queue_num),
      make_topic("rmq_sys_SYNC_BROKER_MEMBER_" + setup.broker_name, 1, perm_inherit),
      make_topic("RMQ_SYS_TRANS_HALF_TOPIC", 1),
      make_topic("RMQ_SYS_TRANS_OP_HALF_TOPIC", 1),
      make_topic("RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC", 1),
      make_topic("RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC", 1),
  };
  if (setup.auto_create_topic_enable)
    topics.push_back(make_topic(auto_create_topic, setup.default_topic_queue_nums, open_perm));
  if (setup.trace_topic_enable) topics.push_back(make_topic(setup.trace_topic_name, 1));
  if (setup.timer_wheel_enable) topics.push_back(make_topic("rmq_sys_wheel_timer", 1));
  for (TopicConfig& config : topics) {
    made_system_topics_.insert(config.name);
    topics_.put(std::make_shared<const TopicConfig>(std::move(config)));
  }
}

Status TopicTable::decode(std::string_view text) {
  DataVersion version = version_;
  std::vector<TopicPtr> topics;
  Status status;
  JsonCursor cursor(text);
  const auto table = [&](std::string_view name) {
    Result<TopicConfig> config = topic_config_of(cursor);
    if (!config) {
      status = config.error();
      return false;
    }
    config->name = name;
    make_sane(*config);
    topics.push_back(std::make_shared<const TopicConfig>(std::move(*config)));
    return true;
  };
  const bool is_sound = cursor.object([&](std::string_view key) {
    std::string_view other;
    if (cursor.null()) return true;
    if (key == "topicConfigTable") return cursor.object(table);
    if (!cursor.skip_value(other)) return false;
    if (key == "dataVersion") status = read_version(other, version);
    return status.ok();
  });
  if (!status) return status;
  if (!is_sound || !cursor.at_end()) return cursor.error();
  const std::unique_lock lock(mutex_);
  topics_.reserve(topics_.size() + topics.size());
  for (TopicPtr& topic : topics) topics_.put(std::move(topic));
  version_ = version;
  return {};
}

Status TopicTable::apply(const JournalLine& line) {
  const std::unique_lock lock(mutex_);
  if (line.kind == "version") return read_version(line.value, version_);
  if (line.kind != "topic") return unknown_line(line);
  if (line.value.empty()) {
    topics_.erase(line.key);
    return {};
  }
  Result<TopicConfig> config = TopicConfig::parse(line.value);
  if (!config) return config.error();
  config->name = line.key;
  make_sane(*config);
  topics_.put(std::make_shared<const TopicConfig>(std::move(*config)));
  return {};
}

Status TopicTable::open(const Setup& setup) {
  const std::lock_guard change(change_mutex_);
  auto_create_ = setup.auto_create_topic_enable;
  default_queue_nums_ = setup.default_topic_queue_nums;
  has_batch_queues_ = setup.has_batch_queues;
  {
    const std::unique_lock lock(mutex_);
    add_system_topics(setup);
  }
  const Result<LoadedFrom> loaded = file_.load([this](std::string_view text) { return decode(text); },
                                               [this](const JournalLine& line) { return apply(line); });
  if (!loaded) return loaded.error().with("topics");
  generation_.fetch_add(1, std::memory_order_release);
  // What the backup holds, or the system topics alone, is not in the file yet.
  if (*loaded == LoadedFrom::file) file_.mark_written(generation());
  log_info("meta", "{} topics, version {}", size(), version().json());
  return {};
}

bool TopicTable::is_light(std::string_view name) const {
  return light_queues_ && message::is_lmq(name) && name.find('/') == std::string_view::npos;
}

TopicPtr TopicTable::find(std::string_view name) const {
  if (is_light(name)) return std::make_shared<const TopicConfig>(make_topic(name, 1));
  const std::shared_lock lock(mutex_);
  return topics_.find(name);
}

bool TopicTable::is_order(std::string_view name) const {
  const TopicPtr topic = find(name);
  return topic != nullptr && topic->order;
}

std::vector<TopicPtr> TopicTable::all() const {
  std::vector<TopicPtr> out;
  {
    const std::shared_lock lock(mutex_);
    out.assign(topics_.begin(), topics_.end());
  }
  std::sort(out.begin(), out.end(), [](const TopicPtr& a, const TopicPtr& b) { return a->name < b->name; });
  return out;
}

size_t TopicTable::size() const {
  const std::shared_lock lock(mutex_);
  return topics_.size();
}

DataVersion TopicTable::version() const {
  const std::shared_lock lock(mutex_);
  return version_;
}

bool TopicTable::is_system_topic(std::string_view name) const {
  return made_system_topics_.contains(name) || message::is_system_topic(name);
}

uint64_t TopicTable::publish_all(std::vector<TopicConfig> configs) {
  const std::unique_lock lock(mutex_);
  const size_t light = std::erase_if(configs, [this](const TopicConfig& config) { return is_light(config.name); });
  if (light > 0 && configs.empty()) return generation();  // none at all: a new version is wanted
  for (TopicConfig& config : configs) {
    changed_.insert(config.name);
    topics_.put(std::make_shared<const TopicConfig>(std::move(config)));
  }
  version_.next(clock_.wall_ms());
  return generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
}

uint64_t TopicTable::publish(TopicConfig config) {
  std::vector<TopicConfig> one;
  one.push_back(std::move(config));
  return publish_all(std::move(one));
}

void TopicTable::persist_or_warn(uint64_t change) {
  if (Status written = file_.write(change); !written)
    log_error("meta", "{}; will be tried again", written.error().message);
}

Status TopicTable::persist_if_dirty() {
  if (Status written = file_.write(generation()); !written) return written;
  return file_.fold_if_due();
}

Status TopicTable::close() {
  return file_.close();
}

Status TopicTable::write_json(const Sink& sink) const {
  const DataVersion version = this->version();
  std::string piece = fmt::format(R"({{"dataVersion":{},"topicConfigTable":{{)", version.json());
  bool is_first = true;
  for (const TopicPtr& topic : all()) {
    if (!is_first) piece.push_back(',');
    is_first = false;
    append_json_string(piece, topic->name);
    piece.push_back(':');
    append_topic_json(piece, *topic);
    if (piece.size() < json_piece_bytes) continue;
    if (Status s = sink(piece); !s) return s;
    piece.clear();
  }
  piece += "}}";
  return sink(piece);
}

std::string TopicTable::json() const {
  std::string out;
  (void)write_json([&out](std::string_view piece) -> Status {
    out += piece;
    return {};
  });
  return out;
}

void TopicTable::take_changes(std::string& lines) {
  TextSet names;
  DataVersion version;
  {
    const std::unique_lock lock(mutex_);
    names.swap(changed_);
    version = version_;
  }
  for (const std::string& name : names) {
    const TopicPtr topic = find(name);
    append_journal_line(lines, "topic", name, topic != nullptr ? topic->json() : std::string());
  }
  append_journal_line(lines, "version", "", version.json());
}

void TopicTable::set_auto_create(bool enable, int32_t default_topic_queue_nums) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    auto_create_ = enable;
    if (default_topic_queue_nums > 0) default_queue_nums_ = default_topic_queue_nums;
    const TopicPtr old = find(auto_create_topic);
    if (!enable && old == nullptr) return;
    TopicConfig config = old != nullptr ? *old : make_topic(auto_create_topic, default_queue_nums_);
    config.perm = enable ? perm_inherit | perm_read | perm_write : perm_read | perm_write;
    if (default_topic_queue_nums > 0) config.read_queue_nums = config.write_queue_nums = default_topic_queue_nums;
    if (old != nullptr && config == *old) return;
    changed = publish(std::move(config));
  }
  persist_or_warn(changed);
}

// The topic's configuration when it may be made from the default topic.
Result<TopicConfig> TopicTable::inherited(std::string_view name, std::string_view default_topic,
                                          int32_t client_queue_nums, int32_t topic_sys_flag) const {
  if (size() >= topics_max) {
    return Error{Errc::limit, fmt::format("topic {} not made: topics_max {} is reached", name, topics_max)};
  }
  const TopicPtr base = find(default_topic);
  if (base == nullptr) return Error{Errc::not_found, fmt::format("the default topic {} does not exist", default_topic)};
  // A TBW102 from an older file may still allow what the settings forbid by now.
  const bool is_switched_off = default_topic == auto_create_topic && !auto_create_;
  if (is_switched_off || (base->perm & perm_inherit) == 0) {
    return Error{Errc::not_found, fmt::format("the default topic {} with permission {} may not be inherited from",
                                              default_topic, perm_text(base->perm))};
  }
  const int32_t queue_nums = std::max(0, std::min(client_queue_nums, base->write_queue_nums));
  TopicConfig config = make_topic(name, queue_nums, base->perm & ~perm_inherit);
  config.topic_sys_flag = topic_sys_flag;
  config.multi_tag = base->multi_tag;
  return config;
}

Result<TopicPtr> TopicTable::create_for_send(std::string_view name, std::string_view default_topic,
                                             int32_t client_queue_nums, int32_t topic_sys_flag) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    if (find(name) != nullptr) {
      changed = generation();  // another sender has just made it; wait for its write too
    } else {
      Result<TopicConfig> config = inherited(name, default_topic, client_queue_nums, topic_sys_flag);
      if (!config) return config.error();
      log_info("meta", "new topic from {}: {}", default_topic, config->text());
      changed = publish(std::move(*config));
    }
  }
  persist_or_warn(changed);
  TopicPtr made = find(name);
  if (made == nullptr) return Error{Errc::not_found, fmt::format("topic {} was removed meanwhile", name)};
  return made;
}

TopicPtr TopicTable::create_if_absent(std::string_view name, int32_t queue_nums, int32_t perm, bool order,
                                      int32_t topic_sys_flag, WriteFile write) {
  if (TopicPtr existing = find(name); existing != nullptr && existing->order == order) return existing;
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    const TopicPtr existing = find(name);
    if (existing != nullptr && existing->order == order) return existing;
    if (existing == nullptr && size() >= topics_max) {
      log_warn("meta", "topic {} not made: topics_max {} is reached", name, topics_max);
      return nullptr;
    }
    TopicConfig config = existing != nullptr ? *existing : make_topic(name, sane_queue_nums(name, queue_nums), perm);
    config.order = order;
    if (existing == nullptr) config.topic_sys_flag = topic_sys_flag;
    log_info("meta", "{} topic {}", existing == nullptr ? "new" : "changed", config.text());
    changed = publish(std::move(config));
  }
  if (write == WriteFile::now) persist_or_warn(changed);
  return find(name);
}

// The topic as it will stand in the table: attribute changes applied to what it has.
Result<TopicConfig> TopicTable::altered(TopicConfig config) const {
  const bool is_sane = config.read_queue_nums >= 0 && config.write_queue_nums >= 0 &&
                       config.read_queue_nums <= queue_nums_max && config.write_queue_nums <= queue_nums_max;
  if (!is_sane) {
    return Error{Errc::invalid,
                 fmt::format("readQueueNums {} or writeQueueNums {} of topic {} is not 0 to {}", config.read_queue_nums,
                             config.write_queue_nums, config.name, queue_nums_max)};
  }
  const TopicPtr old = find(config.name);
  if (old == nullptr && size() >= topics_max) {
    return Error{Errc::limit, fmt::format("topic {} not made: topics_max {} is reached", config.name, topics_max)};
  }
  Result<Attributes> attributes = alter_attributes(topic_attribute_rules(), old == nullptr,
                                                   old == nullptr ? Attributes() : old->attributes, config.attributes);
  if (!attributes) return attributes.error();
  config.attributes = std::move(*attributes);
  if (old == nullptr && config.is_batch_queue() && !has_batch_queues_) {
    return Error{Errc::unsupported, fmt::format("topic {} asks for queue.type=BatchCQ, which storeType=defaultRocksDB "
                                                "does not have; storeType=default does",
                                                config.name)};
  }
  log_info("meta", "{} topic {}", old == nullptr ? "new" : "changed", config.text());
  return config;
}

Result<TopicPtr> TopicTable::update(TopicConfig config) {
  const std::string name = config.name;
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    Result<TopicConfig> next = altered(std::move(config));
    if (!next) return next.error();
    changed = publish(std::move(*next));
  }
  if (Status written = file_.write(changed); !written) return written.error();
  return find(name);
}

Status TopicTable::update_list(std::vector<TopicConfig> configs) {
  uint64_t changed = 0;
  Status status;
  {
    const std::lock_guard change(change_mutex_);
    for (TopicConfig& config : configs) {
      Result<TopicConfig> next = altered(std::move(config));
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

Status TopicTable::remove(std::string_view name) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    const std::unique_lock lock(mutex_);
    const TopicPtr old = topics_.find(name);
    if (old == nullptr) return Error{Errc::not_found, fmt::format("topic {} does not exist", name)};
    log_info("meta", "removed topic {}", old->text());
    topics_.erase(name);
    changed_.insert(old->name);
    version_.next(clock_.wall_ms());
    changed = generation_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return file_.write(changed);
}

void TopicTable::set_unit_flags(std::string_view name, std::optional<bool> unit, std::optional<bool> unit_sub) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    const TopicPtr old = find(name);
    if (old == nullptr) return;
    TopicConfig config = *old;
    const auto put = [&config](int32_t bit, bool on) {
      config.topic_sys_flag = on ? config.topic_sys_flag | bit : config.topic_sys_flag & ~bit;
    };
    if (unit) put(topic_sys_flag_unit, *unit);
    if (unit_sub) put(topic_sys_flag_unit_sub, *unit_sub);
    if (config == *old) return;
    changed = publish(std::move(config));
  }
  persist_or_warn(changed);
}

void TopicTable::mark_ordered(const std::set<std::string>& names) {
  uint64_t changed = 0;
  {
    const std::lock_guard change(change_mutex_);
    std::vector<TopicConfig> next;
    for (const std::string& name : names) {
      const TopicPtr old = find(name);
      if (old == nullptr || old->order) continue;
      next.push_back(*old);
      next.back().order = true;
      log_info("meta", "topic {} is ordered from now on", name);
    }
    if (next.empty()) return;
    changed = publish_all(std::move(next));
  }
  persist_or_warn(changed);
}

void TopicTable::bump_version() {
  const std::lock_guard change(change_mutex_);
  (void)publish_all({});
}

}  // namespace merlin::meta
