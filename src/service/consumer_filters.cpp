#include "service/consumer_filters.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "merlin/base/log.h"
#include "merlin/message/properties.h"
#include "meta/durable_json.h"

namespace merlin::service {

namespace {

constexpr int64_t before_start_ms = 30'000;  // as Apache: a group counts as gone since so long when the file is read

}  // namespace

ConsumerFilters::ConsumerFilters(FileSystem& files, const Clock& clock, SqlPrograms& programs,
                                 const std::string& root_dir, ConsumerFilterSettings settings)
    : files_(files),
      clock_(clock),
      programs_(programs),
      path_(root_dir + "/config/consumerFilter.json"),
      settings_(settings) {}

Status ConsumerFilters::open() {
  std::vector<meta::ConsumerFilterRow> rows;
  const auto loaded =
      meta::load_file(files_, path_, [&](std::string_view text) { return meta::read_consumer_filters(text, rows); });
  if (!loaded) return loaded.error();
  for (meta::ConsumerFilterRow& row : rows) {
    if (row.expression.empty()) continue;
    auto filter = std::make_shared<ConsumerFilter>();
    const auto compiled = programs_.get(row.expression);
    if (compiled->filter == nullptr) {
      log_warn("filter", "group {}, topic {}: \"{}\": {}", row.group, row.topic, row.expression, compiled->refusal);
    }
    if (row.dead_ms == 0) row.dead_ms = std::max(row.born_ms, clock_.wall_ms() - before_start_ms);
    filter->filter = compiled->filter;
    filter->bytes = compiled->bytes;
    filter->row = std::move(row);
    meta::set_bit_positions(filter->row, settings_.bloom_error_percent, settings_.bloom_consumers);
    const std::lock_guard lock(mutex_);
    put(filter->row.group, filter);
  }
  return {};
}

Status ConsumerFilters::persist_if_dirty() {
  const std::lock_guard file_lock(file_mutex_);
  std::vector<meta::ConsumerFilterRow> rows;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(dirty_, false)) return {};
    for (const auto& [group, topics] : groups_) {
      for (const auto& [topic, filter] : topics) rows.push_back(filter->row);
    }
  }
  const Status written = meta::save_file(files_, path_, meta::consumer_filters_json(rows));
  if (!written) {
    const std::lock_guard lock(mutex_);
    dirty_ = true;
  }
  return written;
}

void ConsumerFilters::heartbeat(std::string_view group, std::span<const Subscription> subscriptions) {
  for (const Subscription& subscription : subscriptions) {
    if (!subscription.is_tag_type() && !subscription.sub_string.empty()) take(group, subscription);
  }
  // A group may have tens of thousands of both, and everybody's pulls wait for the mutex.
  std::unordered_set<std::string_view> wanted;
  for (const Subscription& subscription : subscriptions) wanted.insert(subscription.topic);
  const std::lock_guard lock(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return;
  for (auto& [topic, filter] : it->second) {
    if (!wanted.contains(topic) && !filter->is_dead()) set_dead(filter, clock_.wall_ms());
  }
}

// Apache's register: a client whose version is not newer changes nothing, but may bring a dead row back to life.
void ConsumerFilters::take(std::string_view group, const Subscription& subscription) {
  const ConsumerFilterPtr known = find(subscription.topic, group);
  if (known != nullptr && subscription.sub_version <= known->row.client_version) {
    if (subscription.sub_version < known->row.client_version || !known->is_dead()) return;
  }
  const bool same = known != nullptr && known->row.expression == subscription.sub_string &&
                    known->row.expression_type == subscription.expression_type;
  ConsumerFilterPtr made;
  if (known == nullptr || (!same && subscription.sub_version > known->row.client_version)) {
    made = make(group, subscription);
  } else {
    auto alive = std::make_shared<ConsumerFilter>(*known);
    alive->row.client_version = subscription.sub_version;
    alive->row.dead_ms = 0;
    made = std::move(alive);
  }
  const std::lock_guard lock(mutex_);
  if (made != nullptr) return put(group, made);
  // The new text is wrong: the pull is told so, instead of being filtered by an old one.
  if (const auto it = groups_.find(group); it != groups_.end()) remove(it->second, subscription.topic);
}

ConsumerFilterPtr ConsumerFilters::make(std::string_view group, const Subscription& subscription) const {
  const auto refuse = [&](std::string_view why) {
    log_warn("filter", "group {}, topic {}: {} \"{}\" is not taken: {}", group, subscription.topic,
             subscription.expression_type, subscription.sub_string.substr(0, 1024), why);
    return nullptr;
  };
  if (subscription.expression_type != expression_type_sql) return refuse("an unknown type of expression");
  const auto compiled = programs_.get(subscription.sub_string);
  if (compiled->filter == nullptr) return refuse(compiled->refusal);
  auto out = std::make_shared<ConsumerFilter>();
  out->filter = compiled->filter;
  out->bytes = compiled->bytes + sizeof(ConsumerFilter) + 2 * (group.size() + subscription.topic.size());
  out->row.topic = subscription.topic;
  out->row.group = group;
  out->row.expression = subscription.sub_string;
  out->row.expression_type = subscription.expression_type;
  out->row.born_ms = clock_.wall_ms();
  out->row.client_version = subscription.sub_version;
  meta::set_bit_positions(out->row, settings_.bloom_error_percent, settings_.bloom_consumers);
  return out;
}

// REQUIRES: mutex_ held, as for all below.
void ConsumerFilters::put(std::string_view group, const ConsumerFilterPtr& filter) {
  auto it = groups_.find(group);
  if (it == groups_.end()) it = groups_.emplace(std::string(group), ByTopic()).first;
  // Two heartbeats may have passed each other while their texts were compiled.
  const auto known = it->second.find(filter->row.topic);
  if (known != it->second.end() && known->second->row.client_version > filter->row.client_version) return;
  remove(it->second, filter->row.topic);
  if (bytes_ + filter->bytes > bytes_max) {
    log_warn("filter", "group {}, topic {}: its filter of {} bytes is not taken: all have {} bytes, the limit is {}",
             group, filter->row.topic, filter->bytes, bytes_, bytes_max);
    if (it->second.empty()) groups_.erase(it);
    return;
  }
  bytes_ += filter->bytes;
  if (filter->filter != nullptr) it->second.steps_max = std::max(it->second.steps_max, filter->filter->steps());
  it->second.emplace(filter->row.topic, filter);
  dirty_ = true;
}

void ConsumerFilters::remove(ByTopic& topics, std::string_view topic) {
  const auto it = topics.find(topic);
  if (it == topics.end()) return;
  bytes_ -= it->second->bytes;
  topics.erase(it);
  dirty_ = true;
}

void ConsumerFilters::set_dead(ConsumerFilterPtr& filter, int64_t dead_ms) {
  auto dead = std::make_shared<ConsumerFilter>(*filter);
  dead->row.dead_ms = dead_ms;
  filter = std::move(dead);
  dirty_ = true;
}

void ConsumerFilters::sweep(const std::function<bool(const std::string& group)>& is_online) {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = clock_.wall_ms();
  for (auto it = groups_.begin(); it != groups_.end();) {
    const bool online = is_online(it->first);
    for (auto row = it->second.begin(); row != it->second.end();) {
      const bool expired = row->second->is_dead() && now_ms - row->second->row.dead_ms >= settings_.keep_dead_ms;
      if (!online && !row->second->is_dead()) set_dead(row->second, now_ms);
      const auto next = std::next(row);
      if (expired) {
        bytes_ -= row->second->bytes;
        it->second.erase(row);
        dirty_ = true;
      }
      row = next;
    }
    it = it->second.empty() ? groups_.erase(it) : std::next(it);
  }
}

ConsumerFilterPtr ConsumerFilters::find(std::string_view topic, std::string_view group) const {
  const std::lock_guard lock(mutex_);
  const auto it = groups_.find(group);
  if (it == groups_.end()) return nullptr;
  const auto row = it->second.find(topic);
  return row == it->second.end() ? nullptr : row->second;
}

size_t ConsumerFilters::steps_max(std::string_view group) const {
  const std::lock_guard lock(mutex_);
  const auto it = groups_.find(group);
  return it == groups_.end() ? 1 : it->second.steps_max;
}

bool RetryFilter::matches_record(const message::RecordView& record) const {
  const auto topic = message::find_property(record.properties, message::property::retry_topic);
  const auto filter = topic ? filters_.find(*topic, group_) : nullptr;
  return filter == nullptr || filter->filter == nullptr || filter->filter->matches_record(record);
}

bool RetryFilter::matches_properties(const filter::PropertyList& properties) const {
  std::string_view topic;
  for (const auto& [name, value] : properties.entries()) {
    if (name == message::property::retry_topic) topic = value;
  }
  const auto filter = filters_.find(topic, group_);
  return filter == nullptr || filter->filter == nullptr || filter->filter->matches_properties(properties);
}

}  // namespace merlin::service
