// The offsets' way to their file and back.
#include <spdlog/fmt/fmt.h>

#include "merlin/base/log.h"
#include "merlin/message/names.h"
#include "meta/consumer_offsets.h"
#include "meta/data_version_json.h"
#include "meta/json_cursor.h"

namespace merlin::meta {

namespace {

void append_queues_json(std::string& out, std::span<const QueueOffset> queues) {
  out.push_back('{');
  bool is_first = true;
  for (const QueueOffset& one : queues) {
    // Apache writes integer keys without quotes.
    fmt::format_to(std::back_inserter(out), "{}{}:{}", is_first ? "" : ",", one.queue_id, one.offset);
    is_first = false;
  }
  out.push_back('}');
}

// As Apache writes the offset of a light queue, which is one number.
void append_row_json(std::string& out, std::string_view key, std::span<const QueueOffset> queues, bool light) {
  append_json_string(out, key);
  out.push_back(':');
  if (light) {
    fmt::format_to(std::back_inserter(out), "{}", queues.front().offset);
  } else {
    append_queues_json(out, queues);
  }
}

using SortedRows = std::map<std::string, std::vector<QueueOffset>>;

void append_table_json(std::string& out, const SortedRows& table, bool light = false) {
  out.push_back('{');
  bool is_first = true;
  for (const auto& [key, queues] : table) {
    if (!is_first) out.push_back(',');
    is_first = false;
    append_row_json(out, key, queues, light);
  }
  out.push_back('}');
}
std::string group_topics_json(const SortedRows& committed) {
  std::map<std::string_view, std::set<std::string_view>> topics_by_group;
  for (const auto& [key, queues] : committed) {
    std::string_view topic;
    std::string_view group;
    if (ConsumerOffsets::split_key(key, topic, group)) topics_by_group[group].insert(topic);
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

// {0:5,12:55}: calls put(queue, offset).
template <class Put>
bool read_queues(JsonCursor& cursor, Put&& put) {
  return cursor.object([&](std::string_view queue) {
    int64_t id = 0;
    int64_t offset = 0;
    const bool is_sane = FieldReader::parse_integer(queue, id) && id >= INT32_MIN && id <= INT32_MAX;
    if (!is_sane) return cursor.fail("a queue's number in front of an offset");
    if (!cursor.integer(offset)) return false;
    put(static_cast<int32_t>(id), offset);
    return true;
  });
}
}  // namespace

// A file that breaks off leaves the table empty, as it was.
Status ConsumerOffsets::decode(std::string_view text) {
  DataVersion version = this->version();
  Status status;
  std::string row_key;
  JsonCursor cursor(text);
  const auto table = [&](OffsetRows Shard::* rows) {
    return cursor.object([&](std::string_view key) {
      row_key = key;
      OffsetRows& home = shard(row_key).*rows;
      std::optional<int64_t> old;
      return read_queues(cursor, [&](int32_t queue_id, int64_t offset) {
        (void)home.put(row_key, queue_id, offset, OffsetRows::no_limit, old);
      });
    });
  };
  const auto light_table = [&] {
    return cursor.object([&](std::string_view key) {
      row_key = key;
      int64_t offset = 0;
      if (!cursor.integer(offset)) return false;
      std::optional<int64_t> old;
      (void)shard(row_key).committed.put(row_key, 0, offset, OffsetRows::no_limit, old);
      return true;
    });
  };
  const bool is_sound = cursor.object([&](std::string_view key) {
    std::string_view other;
    if (cursor.null()) return true;
    if (key == "lmqOffsetTable") return light_table();
    if (key == "offsetTable") return table(&Shard::committed);
    if (key == "pullOffsetTable") return table(&Shard::pulled);
    if (!cursor.skip_value(other)) return false;
    if (key == "dataVersion") status = read_version(other, version);
    return status.ok();
  });
  if (status && (!is_sound || !cursor.at_end())) status = cursor.error();
  if (!status) {
    for (Shard& home : shards_) {
      home.committed.clear();
      home.pulled.clear();
    }
    return status;
  }
  const std::lock_guard lock(version_mutex_);
  version_ = version;
  return {};
}

Status ConsumerOffsets::apply(const JournalLine& line) {
  if (line.kind == "version") {
    const std::lock_guard lock(version_mutex_);
    return read_version(line.value, version_);
  }
  if (line.kind != "offset" && line.kind != "pull") return unknown_line(line);
  OffsetRows& rows = line.kind == "offset" ? shard(line.key).committed : shard(line.key).pulled;
  if (line.value.empty()) {
    rows.erase(line.key);
    return {};
  }
  JsonCursor cursor(line.value);
  std::optional<int64_t> old;
  const bool is_sound = read_queues(cursor, [&](int32_t queue_id, int64_t offset) {
    rows.put(line.key, queue_id, offset, OffsetRows::no_limit, old);
  });
  return is_sound ? Status() : Status(cursor.error());
}
// Nobody else has the table yet: no shard is locked.
Status ConsumerOffsets::open() {
  const auto track_changes = [this](bool on) {
    for (Shard& home : shards_) {
      home.committed.track_changes(on);
      home.pulled.track_changes(on);
    }
  };
  track_changes(false);
  Result<LoadedFrom> loaded = file_.load([this](std::string_view text) { return decode(text); },
                                         [this](const JournalLine& line) { return apply(line); });
  if (loaded && *loaded == LoadedFrom::nothing) {
    if (Status s = take_over_other_file(loaded); !s) return s;
  }
  if (!loaded) return loaded.error().with("consumer offsets");
  track_changes(true);
  recount();
  if (*loaded != LoadedFrom::backup) file_.mark_written(changes_.load(std::memory_order_acquire));
  log_info("meta", "consumer offsets of {} topics and groups", row_counts(&Shard::committed));
  return {};
}

// The broker ran with the other setting of enableLmq until now: its offsets go on here. Then they must not be found
// there any more, or a later change back would return to them.
Status ConsumerOffsets::take_over_other_file(Result<LoadedFrom>& loaded) {
  TableFile other(files_, clock_, store_root_, light_queues_ ? "consumerOffset" : "lmqConsumerOffset", *this);
  loaded = other.load([this](std::string_view text) { return decode(text); },
                      [this](const JournalLine& line) { return apply(line); });
  if (!loaded || *loaded == LoadedFrom::nothing) return {};
  mark_changed();
  if (Status s = file_.close(); !s) return s;
  if (Status s = other.close(); !s) return s;
  for (const std::string_view suffix : {"", ".bak"}) {
    const std::string path = other.path() + std::string(suffix);
    if (!files_.exists(path)) continue;
    if (Status s = files_.rename(path, path + ".replaced"); !s) return s;
  }
  log_info("meta", "enableLmq has changed: the consumer offsets of {} stand in {} from now on", other.path(),
           file_.path());
  return {};
}

// Light groups are meant for light queues. One that reads other topics has an offset for each queue; Apache keeps one.
bool ConsumerOffsets::is_light(std::string_view key, std::span<const QueueOffset> queues) const {
  if (!light_queues_ || queues.size() != 1 || queues.front().queue_id != 0) return false;
  std::string_view topic;
  std::string_view group;
  return split_key(key, topic, group) && message::is_lmq(group);
}

size_t ConsumerOffsets::row_counts(OffsetRows Shard::* table) const {
  size_t count = 0;
  for (const Shard& home : shards_) {
    const std::shared_lock lock(home.mutex);
    count += (home.*table).size();
  }
  return count;
}
std::string ConsumerOffsets::sorted_json() const {
  SortedRows committed;
  SortedRows light;
  SortedRows pulled;
  for (const Shard& home : shards_) {
    const std::shared_lock lock(home.mutex);
    const auto into = [](SortedRows& out) {
      return [&out](std::string_view key, std::span<const QueueOffset> queues) {
        out.emplace(key, std::vector<QueueOffset>(queues.begin(), queues.end()));
      };
    };
    home.committed.for_each([&](std::string_view key, std::span<const QueueOffset> queues) {
      into(is_light(key, queues) ? light : committed)(key, queues);
    });
    home.pulled.for_each(into(pulled));
  }
  std::string out =
      fmt::format(R"({{"dataVersion":{},"groupTopicMap":{})", version().json(), group_topics_json(committed));
  if (light_queues_) {
    out += R"(,"lmqOffsetTable":)";
    append_table_json(out, light, true);
  }
  out += R"(,"offsetTable":)";
  append_table_json(out, committed);
  out += R"(,"pullOffsetTable":)";
  append_table_json(out, pulled);
  out.push_back('}');
  return out;
}

// The rows of one table, shard by shard; `piece` holds what stands in front of them, and keeps what was not given away.
Status ConsumerOffsets::write_rows(OffsetRows Shard::* table, bool light, std::string& piece, const Sink& sink) const {
  const bool is_committed = table == &Shard::committed;
  bool is_first = true;
  for (const Shard& home : shards_) {
    {
      const std::shared_lock lock(home.mutex);
      (home.*table).for_each([&](std::string_view key, std::span<const QueueOffset> queues) {
        if (is_committed && is_light(key, queues) != light) return;
        if (!is_first) piece.push_back(',');
        is_first = false;
        append_row_json(piece, key, queues, light);
      });
    }
    if (is_first || piece.size() < json_piece_bytes) continue;
    if (Status s = sink(piece); !s) return s;
    piece.clear();
  }
  return {};
}

Status ConsumerOffsets::write_json(const Sink& sink) const {
  if (row_counts(&Shard::committed) + row_counts(&Shard::pulled) <= sorted_rows_max) return sink(sorted_json());
  std::string piece = fmt::format(R"({{"dataVersion":{},)", version().json());
  if (light_queues_) {
    piece += R"("lmqOffsetTable":{)";
    if (Status s = write_rows(&Shard::committed, true, piece, sink); !s) return s;
    piece += "},";
  }
  piece += R"("offsetTable":{)";
  if (Status s = write_rows(&Shard::committed, false, piece, sink); !s) return s;
  piece += R"(},"pullOffsetTable":{)";
  if (Status s = write_rows(&Shard::pulled, false, piece, sink); !s) return s;
  piece += "}}";
  return sink(piece);
}

std::string ConsumerOffsets::json() const {
  std::string out;
  (void)write_json([&out](std::string_view piece) -> Status {
    out += piece;
    return {};
  });
  return out;
}

void ConsumerOffsets::take_changes(std::string& lines) {
  std::string queues_text;
  const auto line = [&](std::string_view kind) {
    return [&lines, &queues_text, kind](std::string_view key, std::span<const QueueOffset> queues, bool was_gone) {
      // A line adds to the queues of a row that is there.
      if (was_gone || queues.empty()) append_journal_line(lines, kind, key, {});
      if (queues.empty()) return;
      queues_text.clear();
      append_queues_json(queues_text, queues);
      append_journal_line(lines, kind, key, queues_text);
    };
  };
  const size_t begin = lines.size();
  for (Shard& home : shards_) {
    const std::unique_lock lock(home.mutex);
    home.committed.take_changed(line("offset"));
    home.pulled.take_changed(line("pull"));
  }
  if (lines.size() > begin) append_journal_line(lines, "version", "", version().json());
}

Status ConsumerOffsets::persist_if_dirty() {
  if (Status written = file_.write(change_count()); !written) return written;
  return file_.fold_if_due();
}

Status ConsumerOffsets::close() {
  // Apache in RocksDB mode takes a JSON only when its version counts more than nothing.
  if (row_count() > 0 && version().counter == 0) {
    {
      const std::lock_guard lock(version_mutex_);
      version_.next(clock_.wall_ms());
    }
    mark_changed();
  }
  return file_.close();
}

}  // namespace merlin::meta
