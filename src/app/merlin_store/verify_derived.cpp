// merlin-store verify: key index and metadata.
#include <algorithm>

#include "app/merlin_store/tool.h"
#include "merlin/message/properties.h"
#include "meta/durable_json.h"
#include "meta/journal.h"
#include "meta/json_cursor.h"
#include "store/index/index_file.h"
#include "store/index/key_index.h"

namespace merlin::tool {

namespace {

std::vector<std::string> names_in(FileSystem& files, const std::string& path) {
  if (!files.is_dir(path)) return {};
  auto names = files.list(path);
  return names ? std::move(*names) : std::vector<std::string>();
}

// Whether one of the record's keys has this hash.
bool has_key_hash(const message::RecordView& record, int32_t hash) {
  const std::string topic(record.topic);
  const int32_t topic_hash = store::index_topic_hash(topic);
  const auto is_it = [&](std::string_view key) { return store::index_key_hash(topic_hash, key) == hash; };
  const auto unique = message::find_property(record.properties, message::property::unique_key);
  if (unique && is_it(*unique)) return true;
  const auto tags = message::find_property(record.properties, message::property::tags);
  if (tags && is_it(store::indexed_tag(*tags))) return true;
  std::string_view keys = message::find_property(record.properties, message::property::keys).value_or("");
  while (!keys.empty()) {
    const size_t space = keys.find(' ');
    const std::string_view key = keys.substr(0, space);
    if (!key.empty() && is_it(key)) return true;
    keys = space == std::string_view::npos ? std::string_view() : keys.substr(space + 1);
  }
  return false;
}

struct IndexCheck {
  StoreDir& dir;
  Output& out;
  Findings& findings;
  const std::string path;
  const store::IndexLayout layout;
  File& file;

  void damaged(int64_t position, const std::string& what) {
    findings.index_damaged = true;
    out.damage(path, position, what);
  }

  Status entry(int32_t number, const uint8_t* p) {
    const auto hash = load_be<int32_t>(p);
    const auto physical = load_be<int64_t>(p + 4);
    const auto previous = load_be<int32_t>(p + 16);
    const int64_t position = layout.entry_at(number);
    if (hash < 0) damaged(position, "entry " + std::to_string(number) + " has a negative hash");
    if (previous < 0 || previous >= number) {
      damaged(position, "entry " + std::to_string(number) + " follows entry " + std::to_string(previous));
    }
    if (physical < dir.log_begin()) return {};  // its record is deleted
    std::array<uint8_t, 8> head;
    const auto got = dir.read_log(head, physical);
    if (!got) return got.error();
    const int64_t size = *got == head.size() ? load_be<int32_t>(head.data()) : 0;
    if (physical >= findings.log_end || size <= 0 || size > LogScan::record_bytes_max) {
      // After a stop that was not clean the next start repairs the index.
      if (dir.clean() || physical < findings.log_end) {
        damaged(position, "entry " + std::to_string(number) + " names physical offset " + std::to_string(physical) +
                              ", where no record is");
      }
      return {};
    }
    std::vector<uint8_t> bytes(static_cast<size_t>(size));
    const auto whole = dir.read_log(bytes, physical);
    if (!whole) return whole.error();
    const auto record = message::decode_record({bytes.data(), *whole}, false);
    if (!record || !has_key_hash(*record, hash)) {
      damaged(position, "entry " + std::to_string(number) + " names physical offset " + std::to_string(physical) +
                            (record ? ", whose record has no such key" : ", where no record is"));
    }
    return {};
  }

  Status slots(int32_t next_entry) {
    std::vector<uint8_t> bytes(size_t{1} << 18);
    for (int32_t slot = 0; slot < layout.hash_slots;) {
      const auto count = std::min<int64_t>(static_cast<int64_t>(bytes.size()) / 4, layout.hash_slots - slot);
      const auto got = file.pread(std::span(bytes).first(static_cast<size_t>(count) * 4), layout.slot_at(slot));
      if (!got) return got.error();
      for (int32_t i = 0; i < count; ++i) {
        const auto head = load_be<int32_t>(bytes.data() + i * 4);
        if (head >= 0 && head < next_entry) continue;
        damaged(layout.slot_at(slot + i),
                "a slot names entry " + std::to_string(head) + " of " + std::to_string(next_entry));
      }
      slot += static_cast<int32_t>(count);
    }
    return {};
  }

  Status run() {
    const auto size = file.size();
    if (!size) return size.error();
    if (*size != layout.file_bytes()) {
      out.note(path, "has " + std::to_string(*size) + " bytes, not " + std::to_string(layout.file_bytes()) +
                         ": say --index-slots and --index-entries as in the broker's configuration");
      return {};
    }
    std::array<uint8_t, store::IndexLayout::header_bytes> header;
    const auto got = file.pread(header, 0);
    if (!got) return got.error();
    const auto next_entry = load_be<int32_t>(header.data() + 36);
    if (next_entry < 1 || next_entry > layout.entries_max) {
      damaged(36, "the header counts " + std::to_string(next_entry) + " entries");
      return {};
    }
    // Slots are written behind the entries: after a stop that was not clean the next start makes them anew.
    if (dir.clean()) {
      if (Status s = slots(next_entry); !s) return s;
    }
    std::vector<uint8_t> bytes(3200 * store::IndexLayout::entry_bytes);
    for (int32_t number = 1; number < next_entry;) {
      const auto read = file.pread(bytes, layout.entry_at(number));
      if (!read) return read.error();
      const auto count = static_cast<int32_t>(*read / store::IndexLayout::entry_bytes);
      if (count == 0) break;
      for (int32_t i = 0; i < count && number < next_entry; ++i, ++number) {
        if (Status s = entry(number, bytes.data() + i * store::IndexLayout::entry_bytes); !s) return s;
      }
      out.progress("index", number, next_entry);
    }
    out.row("index", {{"file", path}, {"entries", int64_t{next_entry} - 1}});
    return {};
  }
};

}  // namespace

Status verify_index(StoreDir& dir, const Options& options, Output& out, Findings& findings) {
  for (const std::string& name : names_in(dir.files(), dir.path("index"))) {
    const std::string path = dir.path("index/" + name);
    if (dir.files().is_dir(path)) continue;
    auto file = dir.files().open(path, OpenMode::read_only);
    if (!file) return file.error();
    IndexCheck check{dir, out, findings, path, {options.index_slots, options.index_entries}, **file};
    if (Status s = check.run(); !s) return s;
  }
  return {};
}

Status check_json(std::string_view text) {
  if (text.empty()) return Error{Errc::corrupt, "is empty"};
  meta::JsonCursor cursor(text);
  std::string_view value;
  const bool is_sound = cursor.object([&](std::string_view) {
    if (!cursor.is_object()) return cursor.skip_value(value);
    return cursor.object([&](std::string_view) { return cursor.skip_value(value); });
  });
  if (!is_sound || !cursor.at_end()) return cursor.error();
  return {};
}

Status verify_config(StoreDir& dir, Output& out, Findings& findings) {
  const std::string config = dir.path("config");
  for (const std::string_view name : {"topics", "subscriptionGroups", "consumerOffsets", "metadata"}) {
    if (dir.files().exists(config + "/" + std::string(name) + "/CURRENT")) {
      out.note(config + "/" + std::string(name),
               "Apache keeps its configuration in this RocksDB; MerlinMQ reads the JSON files beside it");
    }
  }
  for (const std::string& name : names_in(dir.files(), config)) {
    if (!name.ends_with(".json")) continue;
    const std::string path = config + "/" + name;
    const auto text = dir.files().read_file(path, meta::journal_bytes_max);
    if (!text) return text.error();
    const Status sound = check_json(*text);
    if (!sound) {
      const auto backup = dir.files().read_file(path + ".bak", meta::journal_bytes_max);
      const bool has_backup = backup.ok() && check_json(*backup).ok();
      (has_backup ? findings.broken_json : findings.lost_json).push_back(path);
      out.damage(path, 0, sound.error().message + (has_backup ? "; its .bak is good" : "; there is no good .bak"));
    }
    const std::string stem = name.substr(0, name.size() - 5);
    const auto journals = meta::read_journals(dir.files(), config, "merlin." + stem + ".journal.");
    if (!journals) return journals.error();
    const meta::FileId id = meta::file_id(*text);
    const auto chain = meta::journals_for(*journals, id);
    int64_t lines = 0;
    for (const meta::JournalFile* journal : chain) {
      const Status read = meta::each_line(*journal, [&lines](const meta::JournalLine&) -> Status {
        ++lines;
        return {};
      });
      if (!read) out.damage(journal->path, 0, read.error().message);
      if (journal->cut_bytes > 0) {
        out.note(journal->path,
                 std::to_string(journal->cut_bytes) + " bytes at the end are no whole line and do not count");
      }
    }
    if (chain.empty() && !journals->empty()) {
      out.note(path, "another program changed it since its journal was written: the journal does not count");
    }
    out.row("config", {{"file", path}, {"bytes", id.size}, {"journal_lines", lines}});
  }
  return {};
}

}  // namespace merlin::tool
