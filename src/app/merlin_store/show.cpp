// merlin-store list and dump.
#include <algorithm>

#include "app/merlin_store/tool.h"
#include "merlin/base/clock.h"
#include "merlin/message/properties.h"
#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "store/checkpoint.h"
#include "store/dispatch/tags.h"
#include "store/index/index_file.h"
#include "store/progress.h"
#include "store/synced_point.h"

namespace merlin::tool {

namespace {

int ended(const Status& status, Output& out) {
  if (status) return out.damages() > 0 ? exit_damage : exit_sound;
  out.row("error", {{"what", status.error().message}});
  return exit_cannot_read;
}

bool wants_queue(const Options& options, std::string_view topic, int32_t id) {
  return (options.topic.empty() || options.topic == topic) && (options.queue < 0 || options.queue == id);
}

bool has_key(const message::RecordView& record, std::string_view key) {
  if (message::find_property(record.properties, message::property::unique_key) == key) return true;
  std::string_view keys = message::find_property(record.properties, message::property::keys).value_or("");
  while (!keys.empty()) {
    const size_t space = keys.find(' ');
    if (keys.substr(0, space) == key) return true;
    keys = space == std::string_view::npos ? std::string_view() : keys.substr(space + 1);
  }
  return false;
}

bool wants(const Options& options, const message::RecordView& record) {
  if (!wants_queue(options, record.topic, record.queue_id)) return false;
  if (options.begin_ms >= 0 && record.store_timestamp_ms < options.begin_ms) return false;
  if (options.end_ms >= 0 && record.store_timestamp_ms > options.end_ms) return false;
  return options.key.empty() || has_key(record, options.key);
}

void show_record(const Options& options, const message::RecordView& record, Output& out) {
  const auto property = [&record](std::string_view name) {
    return message::find_property(record.properties, name).value_or("");
  };
  const auto body_bytes = static_cast<size_t>(std::clamp<int64_t>(options.body_bytes, 0, INT32_MAX));
  const std::string_view body(reinterpret_cast<const char*>(record.body.data()),
                              std::min(record.body.size(), body_bytes));
  out.row("record", {{"offset", record.physical_offset},
                     {"size", int64_t{record.total_size}},
                     {"topic", record.topic},
                     {"queue", int64_t{record.queue_id}},
                     {"queue_offset", record.queue_offset},
                     {"stored_ms", record.store_timestamp_ms},
                     {"born_ms", record.born_timestamp_ms},
                     {"sys_flag", int64_t{record.sys_flag}},
                     {"unique_key", property(message::property::unique_key)},
                     {"keys", property(message::property::keys)},
                     {"tags", property(message::property::tags)},
                     {"body_bytes", static_cast<int64_t>(record.body.size())},
                     {"body", body}});
}

// A place inside a record is moved to nothing: the scan looks for the next record by itself.
Status dump_records(StoreDir& dir, const Options& options, Output& out) {
  LogScan scan(dir, std::max(options.from, dir.log_begin()));
  for (int64_t shown = 0; shown < options.limit;) {
    const auto step = scan.next();
    if (!step) return step.error();
    if (*step == LogScan::Step::end || *step == LogScan::Step::tail) return {};
    if (options.to >= 0 && scan.position() >= options.to) return {};
    if (*step == LogScan::Step::damage) {
      if (scan.position() == options.from) continue;
      out.damage(scan.file(), scan.position(),
                 "no record fits up to " + std::to_string(scan.end()) + ": " + scan.why());
      continue;
    }
    if (!wants(options, scan.record())) continue;
    show_record(options, scan.record(), out);
    ++shown;
  }
  return {};
}

Status dump_queue(StoreDir& dir, const Options& options, Output& out) {
  int64_t shown = 0;
  return dir.each_queue([&](const QueueDir& queue) -> Status {
    if (!wants_queue(options, queue.topic, queue.id)) return {};
    return UnitReader::each(dir.files(), queue, std::max<int64_t>(options.from, 0),
                            [&](int64_t offset, const auto& unit) {
                              if ((options.to >= 0 && offset >= options.to) || shown >= options.limit) return false;
                              ++shown;
                              out.row("unit", {{"topic", queue.topic},
                                               {"queue", int64_t{queue.id}},
                                               {"queue_offset", offset},
                                               {"offset", unit.physical_offset},
                                               {"size", int64_t{unit.size}},
                                               {"messages", int64_t{unit.count}},
                                               {"tags_code", unit.tags_code},
                                               {"filler", int64_t{unit.blank()}}});
                              return true;
                            });
  });
}

Status dump_index(StoreDir& dir, const Options& options, Output& out) {
  const store::IndexLayout layout{options.index_slots, options.index_entries};
  const std::string index = dir.path("index");
  if (!dir.files().is_dir(index)) return {};
  const auto names = dir.files().list(index);
  if (!names) return names.error();
  const std::string topic_part = options.topic + "#";
  const bool by_key = !options.topic.empty() && !options.key.empty();
  const int32_t wanted = by_key ? store::index_key_hash(store::index_topic_hash(options.topic), options.key) : 0;
  int64_t shown = 0;
  for (const std::string& name : *names) {
    auto file = dir.files().open(index + "/" + name, OpenMode::read_only);
    if (!file) return file.error();
    std::array<uint8_t, store::IndexLayout::header_bytes> header{};
    if (const auto got = (*file)->pread(header, 0); !got) return got.error();
    const auto begin_ms = load_be<int64_t>(header.data());
    const int32_t next = std::min(load_be<int32_t>(header.data() + 36), layout.entries_max);
    std::array<uint8_t, store::IndexLayout::entry_bytes> entry{};
    for (int32_t number = 1; number < next && shown < options.limit; ++number) {
      if (const auto got = (*file)->pread(entry, layout.entry_at(number)); !got) return got.error();
      if (by_key && load_be<int32_t>(entry.data()) != wanted) continue;
      ++shown;
      out.row("entry", {{"file", name},
                        {"number", int64_t{number}},
                        {"hash", int64_t{load_be<int32_t>(entry.data())}},
                        {"offset", load_be<int64_t>(entry.data() + 4)},
                        {"stored_ms", begin_ms + int64_t{load_be<int32_t>(entry.data() + 12)} * 1000},
                        {"previous", int64_t{load_be<int32_t>(entry.data() + 16)}}});
    }
  }
  return {};
}

Status dump_offsets(StoreDir& dir, const Options& options, Output& out) {
  const SystemClock clock;
  meta::ConsumerOffsets offsets(dir.files(), clock, dir.root());
  if (Status s = offsets.open(); !s) return s;
  for (const auto& [topic, group] : offsets.topic_groups()) {
    if (!options.group.empty() && options.group != group) continue;
    const auto show = [&, &topic = topic, &group = group](std::string_view kind, const auto& queues) {
      if (!queues) return;
      for (const auto& [queue, offset] : *queues) {
        if (!wants_queue(options, topic, queue)) continue;
        out.row(kind, {{"topic", topic}, {"group", group}, {"queue", int64_t{queue}}, {"offset", offset}});
      }
    };
    show("offset", offsets.query_all(group, topic));
    show("pull_offset", offsets.query_all_pull(group, topic));
  }
  return {};
}

Status dump_topics(StoreDir& dir, const Options& options, Output& out) {
  const SystemClock clock;
  meta::TopicTable topics(dir.files(), clock, dir.root());
  if (Status s = topics.open({}); !s) return s;
  for (const meta::TopicPtr& topic : topics.all()) {
    if (!options.topic.empty() && options.topic != topic->name) continue;
    out.row("topic", {{"topic", topic->name},
                      {"read_queues", int64_t{topic->read_queue_nums}},
                      {"write_queues", int64_t{topic->write_queue_nums}},
                      {"perm", int64_t{topic->perm}},
                      {"config", topic->json()}});
  }
  return {};
}

Status dump_groups(StoreDir& dir, const Options& options, Output& out) {
  const SystemClock clock;
  meta::SubscriptionGroups groups(dir.files(), clock, dir.root());
  if (Status s = groups.open(); !s) return s;
  for (const meta::GroupPtr& group : groups.all()) {
    if (!options.group.empty() && options.group != group->name) continue;
    out.row("group", {{"group", group->name}, {"config", group->json()}});
  }
  return {};
}

void dump_checkpoint(StoreDir& dir, Output& out) {
  const store::Checkpoint c = store::read_checkpoint(dir.files(), dir.path("checkpoint"));
  out.row("checkpoint", {{"log_ms", c.log_timestamp_ms},
                         {"queue_ms", c.queue_timestamp_ms},
                         {"index_ms", c.index_timestamp_ms},
                         {"master_flushed_offset", c.master_flushed_offset},
                         {"confirm_offset", c.confirm_offset}});
}

void show_synced(StoreDir& dir, Output& out) {
  const auto synced = store::read_synced_point(dir.files(), dir.path("merlin.synced"));
  if (synced) out.row("synced", {{"log_synced_offset", synced->offset}, {"stored_ms", synced->timestamp_ms}});
}

void dump_progress(StoreDir& dir, Output& out) {
  show_synced(dir, out);
  const auto p = store::read_progress(dir.files(), dir.path("merlin.progress"));
  if (!p) {
    out.note(dir.path("merlin.progress"), "is not there or not sound: the next start goes by Apache's checkpoint");
    return;
  }
  out.row("progress", {{"log_synced_offset", p->log_synced_offset},
                       {"dispatched_offset", p->dispatched_offset},
                       {"last_record_offset", p->last_record_offset},
                       {"last_record_ms", p->last_record_timestamp_ms}});
}

}  // namespace

int list(StoreDir& dir, const Options& options, Output& out) {
  for (const SegmentFile& segment : dir.segments()) {
    out.row("segment", {{"file", segment.path}, {"begin", segment.start}, {"bytes", segment.size}});
  }
  const Status status = dir.each_queue([&](const QueueDir& queue) -> Status {
    if (!wants_queue(options, queue.topic, queue.id)) return {};
    // Units of deleted records are still there; the first that counts is the queue's minimum.
    int64_t min = -1;
    int64_t max = queue.first_offset();
    const Status read = UnitReader::each(dir.files(), queue, 0, [&](int64_t offset, const store::QueueUnit& unit) {
      if (min < 0 && !unit.blank() && unit.physical_offset >= dir.log_begin()) min = offset;
      max = offset + unit.count;
      return true;
    });
    if (!read) return read;
    out.row("queue", {{"topic", queue.topic},
                      {"queue", int64_t{queue.id}},
                      {"min", min < 0 ? max : min},
                      {"max", max},
                      {"files", static_cast<int64_t>(queue.files.size())}});
    return {};
  });
  if (dir.has_queue_database()) out.note(dir.root(), "the queues stand in a RocksDB database and are not listed");
  show_synced(dir, out);
  out.row("store", {{"log_begin", dir.log_begin()},
                    {"log_bytes", dir.log_bytes()},
                    {"clean", int64_t{dir.clean()}},
                    {"merlin", int64_t{dir.files().exists(dir.path("merlin.progress"))}}});
  return ended(status, out);
}

int dump(StoreDir& dir, const Options& options, Output& out) {
  if (options.what == "records") return ended(dump_records(dir, options, out), out);
  if (options.what == "queue") return ended(dump_queue(dir, options, out), out);
  if (options.what == "index") return ended(dump_index(dir, options, out), out);
  if (options.what == "offsets") return ended(dump_offsets(dir, options, out), out);
  if (options.what == "topics") return ended(dump_topics(dir, options, out), out);
  if (options.what == "groups") return ended(dump_groups(dir, options, out), out);
  if (options.what == "checkpoint") {
    dump_checkpoint(dir, out);
    return exit_sound;
  }
  dump_progress(dir, out);
  return exit_sound;
}

}  // namespace merlin::tool
