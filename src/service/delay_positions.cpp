#include "service/delay_positions.h"

#include <algorithm>
#include <charconv>

#include "merlin/base/log.h"
#include "meta/durable_json.h"
#include "meta/json_cursor.h"

namespace merlin::service {

DelayPositions::DelayPositions(FileSystem& files, const Clock& clock, std::string_view store_root)
    : files_(files), clock_(clock), path_(std::string(store_root) + "/config/delayOffset.json") {
  version_.timestamp_ms = clock.wall_ms();
}

Status DelayPositions::decode(std::string_view text) {
  Table table;
  meta::DataVersion version = version_;
  Status status;
  meta::JsonCursor cursor(text);
  const auto level_entry = [&](std::string_view level_text) {
    int32_t level = 0;
    const auto [end, ec] = std::from_chars(level_text.data(), level_text.data() + level_text.size(), level);
    if (ec != std::errc() || end != level_text.data() + level_text.size()) return cursor.fail("the number of a level");
    int64_t position = 0;
    if (!cursor.integer(position)) return false;
    if (level >= 1 && position >= 0 && table.size() < levels_kept_max) table[level] = position;
    return true;
  };
  const bool is_sound = cursor.object([&](std::string_view key) {
    if (cursor.null()) return true;
    if (key == "offsetTable") return cursor.object(level_entry);
    const bool is_version = key == "dataVersion";
    std::string_view value;
    if (!cursor.skip_value(value)) return false;
    if (!is_version) return true;
    const auto parsed = meta::DataVersion::parse(value);
    if (parsed) {
      version = *parsed;
    } else {
      status = parsed.error();
    }
    return status.ok();
  });
  if (!status) return status;
  if (!is_sound || !cursor.at_end()) return cursor.error();
  const std::lock_guard lock(mutex_);
  version_ = version;
  for (const auto& [level, position] : table) levels_[level] = {position, position, {}};
  return {};
}

void DelayPositions::open() {
  const auto loaded = meta::load_file(files_, path_, [this](std::string_view text) { return decode(text); });
  if (loaded) return;
  log_error(
      "delay",
      "{}; each level of delayed messages begins at the first message that is still there, and delivers again what "
      "was delivered before",
      loaded.error().message);
}

int64_t DelayPositions::position(int32_t level) const {
  const std::lock_guard lock(mutex_);
  const auto it = levels_.find(level);
  return it == levels_.end() ? 0 : it->second.delivered;
}

void DelayPositions::set(int32_t level, int64_t position, int64_t log_end) {
  const std::lock_guard lock(mutex_);
  Level& entry = levels_[level];
  entry.delivered = position;
  if (entry.marks.size() >= marks_per_level_max) {
    log_end = std::max(log_end, entry.marks.back().log_end);
    entry.marks.pop_back();
  }
  entry.marks.push_back({position, log_end});
}

std::map<int32_t, int64_t> DelayPositions::all() const {
  Table table;
  const std::lock_guard lock(mutex_);
  for (const auto& [level, entry] : levels_) table[level] = entry.delivered;
  return table;
}

std::string DelayPositions::json_of(const meta::DataVersion& version, const Table& table) {
  std::string out = "{\"dataVersion\":" + version.json() + ",\"offsetTable\":{";
  bool is_first = true;
  for (const auto& [level, position] : table) {
    if (!is_first) out += ',';
    is_first = false;
    // Apache writes integer keys without quotes.
    out += std::to_string(level) + ":" + std::to_string(position);
  }
  return out + "}}";
}

std::string DelayPositions::json() const {
  const Table table = all();
  const std::lock_guard lock(mutex_);
  return json_of(version_, table);
}

// REQUIRES: mutex_ is held.
void DelayPositions::take_durable(int64_t durable_offset) {
  for (auto& [level, entry] : levels_) {
    while (!entry.marks.empty() && entry.marks.front().log_end <= durable_offset) {
      has_news_ = has_news_ || entry.durable != entry.marks.front().position;
      entry.durable = entry.marks.front().position;
      entry.marks.pop_front();
    }
  }
}

bool DelayPositions::waits_for_disk(int64_t durable_offset) {
  const std::lock_guard lock(mutex_);
  take_durable(durable_offset);
  for (const auto& [level, entry] : levels_) {
    if (!entry.marks.empty()) return true;
  }
  return false;
}

Status DelayPositions::persist(int64_t durable_offset) {
  Table table;
  meta::DataVersion version;
  {
    const std::lock_guard lock(mutex_);
    take_durable(durable_offset);
    if (!has_news_) return {};
    has_news_ = false;
    version_.next(clock_.wall_ms());
    version = version_;
    for (const auto& [level, entry] : levels_) table[level] = entry.durable;
  }
  Status written = meta::save_file(files_, path_, meta::pretty_json(json_of(version, table)));
  if (written) return {};
  const std::lock_guard lock(mutex_);
  has_news_ = true;
  return written.error().with("save the positions of delayed messages");
}

}  // namespace merlin::service
