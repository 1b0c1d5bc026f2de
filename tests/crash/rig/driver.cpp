#include <chrono>
#include <condition_variable>
#include <thread>

#include "crash/rig/oracle.h"
#include "crash/rig/workload.h"
#include "merlin/message/properties.h"

namespace merlin::rig {

using store::AppendCode;
using store::AppendItem;
using store::DurableCode;

static constexpr int32_t never_ms = 3'600'000;
static constexpr std::chrono::seconds hang_after(10);

store::StoreOptions options_of(const Config& config, bool background) {
  store::StoreOptions o;
  o.root_dir = store_root;
  o.segment_size_bytes = config.segment_bytes;
  o.consume_queue_file_bytes = 8 * 20;
  o.batch_queue_file_bytes = 5 * 46;
  o.sync_flush = config.sync_flush;
  o.message_size_bytes_max = 8 * 1024;
  o.flush_interval_ms = background ? 1 : never_ms;
  o.flush_least_pages = 1;
  o.queue_flush_interval_ms = background ? 2 : never_ms;
  o.index_enabled = config.key_index;
  o.queues_in_database = config.database;
  if (config.many) o.queue_bounds_min = o.queue_sync_disk_min = 1;
  o.queue_recovery_bytes_max = 1;  // the database is flushed at each look
  o.index_hash_slots = 10;
  o.index_entries_max = 12;
  o.dispatch_ring_items = 64;
  o.clean_first_delay_ms = 0;
  o.clean_interval_ms = 1;
  o.file_reserved_hours = 1;
  o.delete_when = "";
  // The disk of a test is small: only what a workload asks for shall go.
  o.disk_used_percent_max = 1000;
  o.disk_forcibly_percent = 1000;
  o.disk_warning_percent = 1000;
  return o;
}

Driver::Driver(TraceFileSystem& files, FaultyFileSystem& disk, const Config& config, uint64_t seed)
    : files_(files), disk_(disk), config_(config), random_(seed) {
  if (config.database) files_.set_image([] { return pack_folder(database_dir()); });
}

Driver::~Driver() {
  kill();
}

void Driver::open() {
  if (store_ != nullptr) return;
  const auto stops = fail_stops_;
  store_ = std::make_unique<store::MessageStore>(options_of(config_, true), files_, clock_,
                                                 [stops](const Error&) { stops->fetch_add(1); });
  if (!store_->open()) store_.reset();
  files_.note_image();
}

void Driver::close() {
  if (store_ == nullptr) return;
  store_->close();
  store_.reset();
  // A stop that calls itself clean has synced everything.
  if (!disk_.exists(store_root + "/abort")) files_.note({.kind = Kind::durable, .b = last_end_});
  files_.note_image();
}

void Driver::kill() {
  store_.reset();
  files_.note_image();
}

static void make_batch(AppendItem& item, int64_t id, std::string& properties) {
  item.count = count_of(item.spec.topic, id);
  message::append_property(properties, message::property::inner_num, std::to_string(item.count));
  item.spec.properties = properties;
  item.spec.sys_flag = message::sys_flag::need_unwrap | message::sys_flag::inner_batch;
  item.late_bytes_max = store::inner_base_bytes_max;
}

void Driver::send_burst(const std::vector<std::string>& topics, int32_t queue, size_t size, int count, bool joined) {
  if (!running()) return;
  clock_.advance_ms(number(0, 3));
  std::vector<std::string> bodies;
  std::vector<std::string> properties;
  std::vector<AppendItem> items(static_cast<size_t>(count));
  std::vector<store::LightQueues> light(items.size());
  const int64_t first = next_id_;
  for (int i = 0; i < count; ++i, ++next_id_) {
    bodies.push_back(body_of(next_id_, size + static_cast<size_t>(number(0, 40))));
    properties.push_back(properties_of(next_id_) + (config_.light ? light_property_of(next_id_) : ""));
    const std::string& topic = topics[static_cast<size_t>(i) % topics.size()];
    files_.note({.kind = Kind::intend, .a = next_id_, .b = queue, .path = topic, .bytes = bodies.back()});
  }
  for (size_t i = 0; i < items.size(); ++i) {
    message::RecordSpec& spec = items[i].spec;
    spec.topic = topics[i % topics.size()];
    spec.queue_id = queue;
    spec.body = as_bytes(bodies[i]);
    spec.properties = properties[i];
    spec.born_host = *HostPort::from_ip("127.0.0.1", 1);
    spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
    items[i].queue = store_->queue(spec.topic, queue, is_batch_topic(spec.topic));
    if (is_batch_topic(spec.topic)) make_batch(items[i], first + static_cast<int64_t>(i), properties[i]);
    items[i].joined_to_previous = joined && i > 0;
    if (!config_.light) continue;
    const std::string names = light_names_of(first + static_cast<int64_t>(i));
    if (store_->light_queues(names, spec.topic, queue, light[i]) && light[i].late_bytes_max > 0) {
      items[i].enter(light[i]);
    }
  }
  last_end_ = store_->append(items, scratch_);
  for (size_t i = 0; i < items.size(); ++i) {
    const int64_t id = first + static_cast<int64_t>(i);
    if (items[i].code == AppendCode::ok) {
      // Its light places first: a power cut between the notes must not know half of them.
      for (size_t q = 0; items[i].light != nullptr && q < light[i].queues.size(); ++q) {
        files_.note({.kind = Kind::placed_light,
                     .a = id,
                     .b = light[i].offsets[q],
                     .path = std::string(store::queue_topic(light[i].queues[q]))});
      }
      files_.note({.kind = Kind::placed,
                   .a = id,
                   .b = items[i].queue_offset,
                   .c = items[i].physical_offset,
                   .d = items[i].size});
    } else {
      files_.note({.kind = Kind::refused, .a = id});
    }
  }
}

void Driver::wait() {
  if (!running()) return;
  struct Answer {
    std::mutex mutex;
    std::condition_variable came;
    bool here = false;
  };
  const auto answer = std::make_shared<Answer>();
  const int64_t end = last_end_;
  store_->wait_durable(end, never_ms, [this, answer, end](DurableCode code) {
    // The place of the acknowledgement in the trace: right behind the sync that it waited for.
    if (code == DurableCode::durable) files_.note({.kind = Kind::durable, .b = end});
    const std::lock_guard lock(answer->mutex);
    answer->here = true;
    answer->came.notify_one();
  });
  std::unique_lock lock(answer->mutex);
  if (!answer->came.wait_for(lock, hang_after, [&] { return answer->here; })) hangs_ = true;
}

void Driver::tick() {
  if (!running()) return;
  const int64_t before = files_.renames_to("/merlin.progress");
  for (int i = 0; i < 40 && files_.renames_to("/merlin.progress") == before; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  files_.note_image();
}

void Driver::delete_topic(const std::string& topic) {
  if (!running()) return;
  files_.note({.kind = Kind::deleting, .path = topic});
  if (store_->delete_topic(topic).ok()) files_.note({.kind = Kind::deleted, .path = topic});
  files_.note_image();
}

void Driver::retain() {
  if (!running()) return;
  const int64_t begin = store_->stats().min_physical_offset;
  clock_.advance_ms(2 * 3'600'000);
  store_->delete_expired_soon();
  for (int i = 0; i < 40 && store_->stats().min_physical_offset == begin; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
}

void Driver::set_room(int64_t bytes_more) {
  files_.set_quota(disk_.used_bytes() + bytes_more);
}

void Driver::unlimited_room() {
  files_.set_quota(FaultyFileSystem::quota_none);
}

// ---------------------------------------------------------------- metadata

void Driver::commit(const std::string& group, const std::string& topic, int32_t queue, int64_t offset) {
  if (offsets_ == nullptr) {
    // Like the broker: tables that do not open are not used, nor written over their files.
    auto table = std::make_unique<meta::ConsumerOffsets>(files_, clock_, store_root);
    if (!table->open()) return;
    offsets_ = std::move(table);
  }
  files_.note({.kind = Kind::commit, .a = queue, .b = offset, .path = group, .bytes = topic});
  (void)offsets_->commit(group, topic, queue, offset);
}

void Driver::save_offsets() {
  if (offsets_ != nullptr && offsets_->persist_if_dirty().ok()) files_.note({.kind = Kind::commits_saved});
}

void Driver::save_topic(const std::string& name, int32_t queues) {
  if (topics_ == nullptr) {
    auto table = std::make_unique<meta::TopicTable>(files_, clock_, store_root);
    if (!table->open({})) return;
    topics_ = std::move(table);
  }
  files_.note({.kind = Kind::topic_wanted, .a = queues, .path = name});
  meta::TopicConfig topic;
  topic.name = name;
  topic.read_queue_nums = topic.write_queue_nums = queues;
  const Status saved = queues == 0 ? topics_->remove(name) : [&]() -> Status {
    auto updated = topics_->update(topic);
    return updated ? Status() : Status(updated.error());
  }();
  if (saved) files_.note({.kind = Kind::topic_saved, .a = queues, .path = name});
}

void Driver::save_group(const std::string& name, int32_t retries) {
  if (groups_ == nullptr) {
    auto table = std::make_unique<meta::SubscriptionGroups>(files_, clock_, store_root);
    if (!table->open()) return;
    groups_ = std::move(table);
  }
  files_.note({.kind = Kind::group_wanted, .a = retries, .path = name});
  meta::SubscriptionGroup group;
  group.name = name;
  group.retry_max_times = retries;
  const Status saved = retries == 0 ? groups_->remove(name) : [&]() -> Status {
    auto updated = groups_->update(group);
    return updated ? Status() : Status(updated.error());
  }();
  if (saved) files_.note({.kind = Kind::group_saved, .a = retries, .path = name});
}

}  // namespace merlin::rig
