#include "crash/rig/oracle.h"

#include <algorithm>
#include <charconv>

#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "store/dispatch/light_places.h"
#include "store/file_names.h"

namespace merlin::rig {

using store::ConsumeQueue;
using store::GetResult;
using store::QueueName;

static std::string place(const QueueKey& queue, int64_t offset) {
  return queue.first + "-" + std::to_string(queue.second) + " offset " + std::to_string(offset);
}

std::string body_of(int64_t id, size_t size) {
  std::string body = "m" + std::to_string(id) + ".";
  uint64_t noise = static_cast<uint64_t>(id) * 0x9E3779B97F4A7C15U + 1;
  while (body.size() < size) {
    noise ^= noise << 13;
    noise ^= noise >> 7;
    noise ^= noise << 17;
    body.push_back(static_cast<char>('A' + noise % 26));
  }
  return body;
}

std::string key_of(int64_t id) {
  return "k" + std::to_string(id);
}

std::string properties_of(int64_t id) {
  std::string properties;
  message::append_property(properties, message::property::unique_key, key_of(id));
  message::append_property(properties, "filler", std::string(static_cast<size_t>(id % 7) * 20, 'p'));
  return properties;
}

std::string light_names_of(int64_t id) {
  constexpr const char* names[] = {"", "%LMQ%a", "%LMQ%a,%LMQ%b", "no,%LMQ%b,%LMQ%b"};
  return names[id % 4];
}

std::string light_property_of(int64_t id) {
  std::string property;
  if (const std::string names = light_names_of(id); !names.empty()) {
    message::append_property(property, message::property::inner_multi_dispatch, names);
  }
  return property;
}

bool is_batch_topic(std::string_view topic) {
  return topic.starts_with("Batch");
}

int32_t count_of(std::string_view topic, int64_t id) {
  return is_batch_topic(topic) ? 1 + static_cast<int32_t>(id % 4) : 1;
}

// ---------------------------------------------------------------- reading

int64_t offset_in(const message::RecordView& record, const QueueKey& queue) {
  if (record.topic == queue.first && record.queue_id == queue.second) return record.queue_offset;
  std::vector<store::LightPlace> places;
  store::find_light_places(record, places);
  for (const store::LightPlace& place : places) {
    if (place.name == queue.first && queue.second == store::light_queue_id) return place.queue_offset;
  }
  return -1;
}

static bool is_inner_batch(const message::RecordView& record) {
  return (record.sys_flag & message::sys_flag::inner_batch) != 0;
}

static bool has_properties_of(const message::RecordView& record, int64_t id) {
  std::string own = properties_of(id);
  if (is_inner_batch(record)) {  // it says how many it holds and where they begin
    message::append_property(own, message::property::inner_num, std::to_string(count_of(record.topic, id)));
    message::append_property(own, message::property::inner_base, std::to_string(record.queue_offset));
  }
  if (record.properties == own) return true;
  const std::string with_light = own + light_property_of(id);
  return record.properties.starts_with(with_light) &&
         record.properties.substr(with_light.size()).starts_with(message::property::inner_multi_queue_offset);
}

static std::string show_slice(ByteView slice, const QueueKey& queue, std::vector<Seen>& out, int64_t& next) {
  while (!slice.empty()) {
    const auto record = message::decode_record(slice, true);
    if (!record) return "wrong bytes at " + place(queue, next) + ": " + record.error().message;
    const int64_t offset = offset_in(*record, queue);
    if (offset < next) {
      return place(queue, next) + " shows a record of " +
             place({std::string(record->topic), record->queue_id}, record->queue_offset);
    }
    Seen seen{offset, record->physical_offset, std::string(as_text(record->body)), 1};
    if (seen.body.starts_with("m")) {
      int64_t id = -1;
      std::from_chars(seen.body.data() + 1, seen.body.data() + seen.body.size(), id);
      if (!has_properties_of(*record, id)) return "wrong properties at " + place(queue, seen.queue_offset);
      if (is_inner_batch(*record)) seen.count = count_of(record->topic, id);
    }
    next = offset + seen.count;
    out.push_back(std::move(seen));
    slice = slice.subspan(static_cast<size_t>(record->total_size));
  }
  return {};
}

static std::string show_queue(store::MessageStore& store, const QueueKey& key, std::vector<Seen>& out) {
  const ConsumeQueue* queue = store.find_queue(key.first, key.second);
  const int64_t max = store.max_offset(queue);
  int64_t offset = store.min_offset(queue);
  store::GetLimits limits;
  limits.count_max = limits.count_in_memory_max = limits.count_on_disk_max = 64;
  limits.bytes_in_memory_max = limits.bytes_on_disk_max = 1 << 20;
  GetResult result;
  while (offset < max) {
    store.get(queue, offset, limits, nullptr, result);
    int64_t next = offset;
    for (const ByteView slice : result.bytes.slices) {
      if (std::string wrong = show_slice(slice, key, out, next); !wrong.empty()) return wrong;
    }
    if (result.next_begin_offset <= offset) {
      return "stuck at " + place(key, offset) + " with " + std::string(store::text(result.status));
    }
    offset = result.next_begin_offset;
  }
  return {};
}

std::string show_all(store::MessageStore& store, Shown& out) {
  for (const QueueName& name : store.queues()) {
    const QueueKey key{name.topic, name.queue_id};
    if (std::string wrong = show_queue(store, key, out[key]); !wrong.empty()) return wrong;
  }
  return {};
}

// ---------------------------------------------------------------- following

void Oracle::follow(const Entry& e, int64_t segment_bytes) {
  switch (e.kind) {
    case Kind::intend: {
      Message& m = messages_[e.a];
      m.topic = e.path;
      m.queue_id = static_cast<int32_t>(e.b);
      m.body = e.bytes;
      by_body_[e.bytes] = e.a;
      break;
    }
    case Kind::placed: {
      Message& m = messages_.at(e.a);
      m.placed = true;
      m.queue_offset = e.b;
      m.physical_offset = e.c;
      m.end = e.c + e.d;
      by_place_[e.c] = e.a;
      break;
    }
    case Kind::placed_light:
      messages_.at(e.a).light[e.path] = e.b;
      break;
    case Kind::durable:
      durable_ = std::max(durable_, e.b);
      break;
    case Kind::deleting:
      for (auto& [id, m] : messages_) {
        m.gone = m.gone || m.topic == e.path;
        if (m.light.erase(e.path) > 0) m.light_gone.insert(e.path);
      }
      break;
    case Kind::commit:
      offsets_[{e.path, {e.bytes, static_cast<int32_t>(e.a)}}].values.push_back(e.b);
      break;
    case Kind::commits_saved:
      for (auto& [name, committed] : offsets_) committed.saved = committed.values.back();
      break;
    case Kind::topic_wanted:
      topics_[e.path].possible.insert(e.a);
      if (topics_[e.path].possible.size() == 1) topics_[e.path].possible.insert(0);
      break;
    case Kind::topic_saved:
      topics_[e.path].possible = {e.a};
      break;
    case Kind::group_wanted:
      groups_[e.path].possible.insert(e.a);
      if (groups_[e.path].possible.size() == 1) groups_[e.path].possible.insert(0);
      break;
    case Kind::group_saved:
      groups_[e.path].possible = {e.a};
      break;
    case Kind::remove:
      // Retention takes what lies in front of other messages; recovery cuts what lies behind the last one.
      if (const size_t at = e.path.find("/commitlog/"); at != std::string::npos) {
        const auto start = store::parse_offset_file_name(e.path.substr(at + 11));
        if (start && !by_place_.empty() && *start + segment_bytes <= by_place_.rbegin()->first)
          log_begin_max_ = std::max(log_begin_max_, *start + segment_bytes);
      }
      break;
    default:
      break;
  }
}

// ---------------------------------------------------------------- judging

bool Oracle::is_shown(const Shown& shown, const Message& m) const {
  const auto queue = shown.find({m.topic, m.queue_id});
  if (queue == shown.end()) return false;
  for (const Seen& seen : queue->second) {
    if (seen.queue_offset == m.queue_offset && seen.body == m.body) return true;
  }
  return false;
}

std::string Oracle::check_bytes(const Shown& shown) const {
  for (const auto& [queue, all] : shown) {
    for (const Seen& seen : all) {
      const auto known = by_body_.find(seen.body);
      if (known == by_body_.end())
        return "never sent: " + place(queue, seen.queue_offset) + " " + seen.body.substr(0, 40);
      const Message& m = messages_.at(known->second);
      if (message::is_lmq(queue.first)) {
        if (!fits_light(m, queue, seen)) return place(queue, seen.queue_offset) + " was not given to this message";
        continue;
      }
      if (m.topic != queue.first || m.queue_id != queue.second)
        return place(queue, seen.queue_offset) + " was sent elsewhere";
      if (m.placed && (m.queue_offset != seen.queue_offset || m.physical_offset != seen.physical_offset)) {
        return place(queue, seen.queue_offset) + " had been given to another: this one is " +
               place(queue, m.queue_offset) + " at " + std::to_string(m.physical_offset);
      }
    }
  }
  return {};
}

std::string Oracle::check(const Shown& shown) const {
  if (std::string wrong = check_bytes(shown); !wrong.empty()) return wrong;
  for (const auto& [queue, all] : shown) {
    for (size_t i = 1; i < all.size(); ++i) {
      if (all[i].queue_offset != all[i - 1].queue_offset + all[i - 1].count)
        return "a hole in front of " + place(queue, all[i].queue_offset);
    }
  }
  if (std::string wrong = check_light(shown); !wrong.empty()) return wrong;
  const Message* lost = nullptr;
  for (const auto& [physical, id] : by_place_) {
    const Message& m = messages_.at(id);
    if (m.gone || m.physical_offset < log_begin_max_) continue;
    const bool there = is_shown(shown, m);
    const std::string name = place({m.topic, m.queue_id}, m.queue_offset) + " (" + m.body.substr(0, m.body.find('.')) +
                             " at " + std::to_string(physical) + ")";
    if (!there && m.end <= durable_) return "durable and gone: " + name;
    if (there && lost != nullptr)
      return "a hole in the log: " + lost->body.substr(0, lost->body.find('.')) + " is gone, " + name + " is there";
    if (!there && lost == nullptr) lost = &m;
  }
  return {};
}

bool Oracle::fits_light(const Message& m, const QueueKey& queue, const Seen& seen) const {
  if (queue.second != store::light_queue_id) return false;
  if (!m.placed || m.light_gone.contains(queue.first)) return true;
  const auto given = m.light.find(queue.first);
  return given != m.light.end() && given->second == seen.queue_offset && m.physical_offset == seen.physical_offset;
}

// A record stands in all of its queues or, when the power took it, in none of them.
std::string Oracle::check_light(const Shown& shown) const {
  for (const auto& [physical, id] : by_place_) {
    const Message& m = messages_.at(id);
    if (m.physical_offset < log_begin_max_) continue;
    size_t there = 0;
    for (const auto& [name, offset] : m.light) {
      const auto queue = shown.find({name, store::light_queue_id});
      if (queue == shown.end()) continue;
      there += std::count_if(queue->second.begin(), queue->second.end(),
                             [&m](const Seen& seen) { return seen.body == m.body; }) == 1;
    }
    const std::string name = m.body.substr(0, m.body.find('.')) + " at " + std::to_string(physical);
    const std::string count = std::to_string(there) + " of its " + std::to_string(m.light.size()) + " light queues";
    if (there != 0 && there != m.light.size()) return name + " stands once in " + count;
    if (there < m.light.size() && m.end <= durable_) return "durable and gone: " + name + " stands in " + count;
    if (!m.gone && is_shown(shown, m) && there != m.light.size()) return name + " is shown, and stands in " + count;
  }
  return {};
}

std::optional<Oracle::Lost> Oracle::first_lost(const Shown& shown) const {
  for (const auto& [physical, id] : by_place_) {
    const Message& m = messages_.at(id);
    if (m.gone || m.physical_offset < log_begin_max_ || is_shown(shown, m)) continue;
    Lost lost{m.topic, m.queue_id, m.body.size(), properties_of(id)};
    // What the light queues added to the record is made up for by a longer body.
    message::RecordSpec spec;
    spec.topic = m.topic;
    spec.body = as_bytes(m.body);
    spec.properties = lost.properties;
    lost.body_bytes += static_cast<size_t>(m.end - m.physical_offset) - message::record_size(spec);
    return lost;
  }
  return std::nullopt;
}

int64_t Oracle::offset_floor(const QueueKey& queue) const {
  int64_t floor = 0;
  for (const auto& [physical, id] : by_place_) {
    const Message& m = messages_.at(id);
    if (m.end > durable_) continue;
    if (!m.gone && m.topic == queue.first && m.queue_id == queue.second) {
      floor = std::max(floor, m.queue_offset + count_of(m.topic, id));
    }
    const auto light = m.light.find(queue.first);
    if (light != m.light.end() && queue.second == store::light_queue_id) floor = std::max(floor, light->second + 1);
  }
  return floor;
}

int64_t Oracle::durable_missing(const Shown& shown) const {
  int64_t count = 0;
  for (const auto& [physical, id] : by_place_) {
    const Message& m = messages_.at(id);
    if (!m.gone && m.physical_offset >= log_begin_max_ && m.end <= durable_ && !is_shown(shown, m)) ++count;
  }
  return count;
}

std::string Oracle::check_keys(store::MessageStore& store, const Shown& shown) const {
  for (const auto& [queue, all] : shown) {
    if (message::is_lmq(queue.first)) continue;  // its records have the keys of another topic
    for (const Seen& seen : all) {
      const auto known = by_body_.find(seen.body);
      if (known == by_body_.end()) continue;
      store::LogBytes found;
      int64_t timestamp = 0;
      int64_t offset = 0;
      const std::string key = key_of(known->second);
      if (!store.query(queue.first, key, store::KeyKind::key, 64, 0, INT64_MAX, found, timestamp, offset).ok())
        return "query failed: " + key;
      int hits = 0;
      for (ByteView slice : found.slices) {
        while (!slice.empty()) {
          const auto record = message::decode_record(slice, true);
          if (!record) return "wrong bytes by key " + key;
          hits += as_text(record->body) == seen.body ? 1 : 0;
          slice = slice.subspan(static_cast<size_t>(record->total_size));
        }
      }
      if (hits != 1) return "the key index finds " + key + " " + std::to_string(hits) + " times";
    }
  }
  return {};
}

std::string Oracle::check_meta(FileSystem& files, const std::string& root) const {
  const ManualClock clock(1'700'000'000'000);
  meta::ConsumerOffsets offsets(files, clock, root);
  if (Status s = offsets.open(); !s) return "consumer offsets do not open: " + s.error().message;
  for (const auto& [name, committed] : offsets_) {
    const int64_t now = offsets.query(name.first, name.second.first, name.second.second);
    const std::string what = name.first + " of " + name.second.first + "-" + std::to_string(name.second.second) +
                             " is at " + std::to_string(now);
    if (now < committed.saved)
      return "a committed offset went back: " + what + ", saved " + std::to_string(committed.saved);
    if (now >= 0 && std::find(committed.values.begin(), committed.values.end(), now) == committed.values.end())
      return "an offset that nobody committed: " + what;
  }
  meta::TopicTable topics(files, clock, root);
  if (Status s = topics.open({}); !s) return "topics do not open: " + s.error().message;
  for (const auto& [name, wanted] : topics_) {
    const auto topic = topics.find(name);
    if (!wanted.possible.contains(topic ? topic->write_queue_nums : 0))
      return "topic " + name + " is not as it was saved";
  }
  meta::SubscriptionGroups groups(files, clock, root);
  if (Status s = groups.open(); !s) return "groups do not open: " + s.error().message;
  for (const auto& [name, wanted] : groups_) {
    const auto group = groups.find(name);
    if (!wanted.possible.contains(group ? group->retry_max_times : 0))
      return "group " + name + " is not as it was saved";
  }
  return {};
}

}  // namespace merlin::rig
