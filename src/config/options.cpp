#include "config/options.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <set>

#include <spdlog/fmt/fmt.h>

#include "config/properties.h"
#include "merlin/base/clock.h"
#include "merlin/base/log.h"

namespace merlin::config {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

// What Java's String.trim() removes.
std::string_view trim(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

// Levenshtein, case ignored, one row of the table at a time.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

bool is_number(Type type) {
  return type == Type::int32 || type == Type::int64;
}

int64_t number_min(const Option& option) {
  return option.type == Type::int32 ? std::max<int64_t>(option.min, INT32_MIN) : option.min;
}
int64_t number_max(const Option& option) {
  return option.type == Type::int32 ? std::min<int64_t>(option.max, INT32_MAX) : option.max;
}

std::string range_text(const Option& option) {
  const int64_t min = number_min(option);
  const int64_t max = number_max(option);
  const bool is_open = max == INT64_MAX || max == INT32_MAX;
  if (min == INT64_MIN || min == INT32_MIN) return is_open ? "any whole number" : fmt::format("at most {}", max);
  return is_open ? fmt::format("{} or more", min) : fmt::format("{} to {}", min, max);
}

std::string choices_text(std::string_view choices) {
  std::string out(choices);
  for (size_t at = out.find('|'); at != std::string::npos; at = out.find('|', at)) out.replace(at, 1, " or ");
  return out;
}

Error bad_value(const Option& option, std::string_view value, std::string_view expected) {
  return Error{Errc::invalid, fmt::format("{}={}: expected {}", option.key, value, expected)};
}

Result<std::string> check_number(const Option& option, std::string_view value) {
  std::string_view digits = value;
  if (digits.size() > 1 && digits.front() == '+' && digits[1] != '-') digits.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_whole = error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
  if (!is_whole || number < number_min(option) || number > number_max(option)) {
    return bad_value(option, value, range_text(option));
  }
  return std::to_string(number);
}

Result<std::string> check_choice(const Option& option, std::string_view value) {
  std::string_view rest = option.choices;
  while (!rest.empty()) {
    const size_t bar = rest.find('|');
    if (rest.substr(0, bar) == value) return std::string(value);
    rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 1);
  }
  return bad_value(option, value, choices_text(option.choices));
}

constexpr std::string_view hours_expected = "hours from 00 to 23, separated by ;";

Result<std::string> check_hours(const Option& option, std::string_view value) {
  for (std::string_view rest = value; !rest.empty();) {
    const size_t end = rest.find(';');
    const std::string_view hour = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    int number = -1;
    const auto [stop, error] = std::from_chars(hour.data(), hour.data() + hour.size(), number);
    if (error != std::errc() || stop != hour.data() + hour.size() || number < 0 || number > 23) {
      return bad_value(option, value, hours_expected);
    }
  }
  return std::string(value);
}

int64_t number_of(const Option& option, std::string_view canonical) {
  if (option.type == Type::boolean) return canonical == "true" ? 1 : 0;
  int64_t number = 0;
  if (is_number(option.type)) std::from_chars(canonical.data(), canonical.data() + canonical.size(), number);
  return number;
}

}  // namespace

Result<std::string> check_value(const Option& option, std::string_view value) {
  value = trim(value);
  switch (option.type) {
    case Type::text:
      return std::string(value);
    case Type::boolean:
      if (equals_ignoring_case(value, "true")) return std::string("true");
      if (equals_ignoring_case(value, "false")) return std::string("false");
      return bad_value(option, value, "true or false");
    case Type::int32:
    case Type::int64:
      return check_number(option, value);
    case Type::choice:
      return check_choice(option, value);
    case Type::hours:
      return check_hours(option, value);
  }
  assert(false);
  return bad_value(option, value, "a known type");
}

Settings::Settings(std::span<const Option> options, std::span<const UnusedKey> unused) : options_(options) {
  for (const Option& option : options) {
    auto row = std::make_unique<Row>();
    row->option = &option;
    row->default_text = option.default_text;
    row->number.store(number_of(option, option.default_text), std::memory_order_relaxed);
    [[maybe_unused]] const bool is_new = rows_.emplace(option.key, std::move(row)).second;
    assert(is_new && "a key stands twice in the table");
  }
  for (const UnusedKey& key : unused) {
    auto row = std::make_unique<Row>();
    row->unused = &key;
    row->default_text = key.default_text;
    [[maybe_unused]] const bool is_new = rows_.emplace(key.key, std::move(row)).second;
    assert(is_new && "a key stands twice in the tables");
  }
}

Settings::Row* Settings::row(std::string_view key) {
  const auto it = rows_.find(key);
  return it == rows_.end() ? nullptr : it->second.get();
}

const Settings::Row* Settings::row(std::string_view key) const {
  const auto it = rows_.find(key);
  return it == rows_.end() ? nullptr : it->second.get();
}

const Settings::Row& Settings::option_row(std::string_view key) const {
  const Row* found = row(key);
  assert(found != nullptr && found->option != nullptr && "the key is not in the table");
  return *found;
}

const std::string& Settings::current_text(const Row& row) const {
  return row.value ? *row.value : row.default_text;
}

void Settings::store(Row& row, std::string value) {
  if (row.option != nullptr) row.number.store(number_of(*row.option, value), std::memory_order_relaxed);
  row.value = std::move(value);
}

std::string Settings::nearest_key(std::string_view key) const {
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, key.size() / 3) + 1;
  for (const auto& [known, row] : rows_) {
    const size_t distance = edit_distance(key, known);
    if (distance < best_distance) {
      best_distance = distance;
      best = known;
    }
  }
  return std::string(best);
}

Error Settings::unknown_key(std::string_view key) const {
  const std::string_view shown = key.substr(0, key_length_shown_max);
  const std::string nearest = nearest_key(shown);
  if (nearest.empty()) return Error{Errc::not_found, fmt::format("unknown key {}", shown)};
  return Error{Errc::not_found, fmt::format("unknown key {}; did you mean {}?", shown, nearest)};
}

Status Settings::set(std::string_view key, std::string_view value) {
  Row* found = row(key);
  if (found == nullptr) return unknown_key(key);
  std::string canonical(trim(value));
  if (found->option != nullptr) {
    Result<std::string> checked = check_value(*found->option, value);
    if (!checked) return checked.error();
    canonical = std::move(*checked);
  }
  const std::lock_guard lock(mutex_);
  store(*found, std::move(canonical));
  return {};
}

void Settings::set_default(std::string_view key, std::string_view value) {
  Row* found = row(key);
  assert(found != nullptr && found->option != nullptr && "the key is not in the table");
  Result<std::string> checked = check_value(*found->option, value);
  assert(checked && "a default outside its range");
  const std::lock_guard lock(mutex_);
  found->default_text = std::move(*checked);
  if (!found->value) found->number.store(number_of(*found->option, found->default_text), std::memory_order_relaxed);
}

Settings::LoadReport Settings::load(std::string_view properties_text) {
  LoadReport report;
  for (const auto& [key, value] : parse_properties(properties_text)) {
    const Status status = set(key, value);
    if (!status) {
      const bool is_unknown = status.error().code == Errc::not_found;
      (is_unknown ? report.warnings : report.errors).push_back(status.error().message);
    } else if (row(key)->unused != nullptr) {
      report.warnings.push_back(fmt::format("key {} is known to RocketMQ, but not used by this build yet", key));
    }
  }
  return report;
}

std::string Settings::text(std::string_view key) const {
  const Row& found = option_row(key);
  const std::lock_guard lock(mutex_);
  return current_text(found);
}

bool Settings::boolean(std::string_view key) const {
  const Row& found = option_row(key);
  assert(found.option->type == Type::boolean);
  return found.number.load(std::memory_order_relaxed) != 0;
}

int32_t Settings::int32(std::string_view key) const {
  const Row& found = option_row(key);
  assert(found.option->type == Type::int32);
  return static_cast<int32_t>(found.number.load(std::memory_order_relaxed));
}

int64_t Settings::int64(std::string_view key) const {
  const Row& found = option_row(key);
  assert(is_number(found.option->type));
  return found.number.load(std::memory_order_relaxed);
}

bool Settings::is_set(std::string_view key) const {
  const Row* found = row(key);
  const std::lock_guard lock(mutex_);
  return found != nullptr && found->value.has_value();
}

std::optional<std::string> Settings::find(std::string_view key) const {
  const Row* found = row(key);
  if (found == nullptr) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (!found->value && found->unused != nullptr && !found->unused->has_default) return std::nullopt;
  return current_text(*found);
}

const std::atomic<int64_t>& Settings::live_int(std::string_view key) const {
  const Row& found = option_row(key);
  assert(found.option->type == Type::boolean || is_number(found.option->type));
  return found.number;
}

Status Settings::update_live(const KeyValues& changes) {
  std::vector<std::pair<Row*, std::string>> checked;
  std::vector<const std::function<void()>*> told;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, value] : changes) {
      Row* found = row(key);
      if (found == nullptr) return unknown_key(key);
      std::string canonical(trim(value));
      if (found->option != nullptr) {
        Result<std::string> result = check_value(*found->option, value);
        if (!result) return result.error();
        canonical = std::move(*result);
        if (found->option->change == Change::restart && canonical != current_text(*found)) {
          return Error{Errc::unsupported,
                       fmt::format("{} takes effect at start only: change the file and restart", key)};
        }
      }
      checked.emplace_back(found, std::move(canonical));
    }
    for (auto& [found, value] : checked) {
      const std::string_view key = found->option != nullptr ? found->option->key : found->unused->key;
      const bool is_new = current_text(*found) != value;
      if (found->unused != nullptr) {
        log_info("config", "{}={} stored; no feature of this build reads it", key, value);
      } else if (is_new) {
        log_info("config", "{}={} (was {})", key, value, current_text(*found));
      }
      store(*found, std::move(value));
      const auto [begin, end] = callbacks_.equal_range(key);
      for (auto it = begin; is_new && it != end; ++it) told.push_back(&it->second);
    }
    ++version_.counter;
    version_.timestamp_ms = SystemClock().wall_ms();
  }
  for (const std::function<void()>* callback : told) (*callback)();
  return {};
}

void Settings::on_change(std::string_view key, std::function<void()> callback) {
  assert(option_row(key).option->change == Change::live && "only live keys change");
  callbacks_.emplace(std::string(key), std::move(callback));
}

Settings::Version Settings::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

std::string Settings::to_properties() const {
  std::string out;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, row] : rows_) {
    // What is null in Java is left out.
    const bool is_null =
        !row->value && (row->unused != nullptr ? !row->unused->has_default : row->default_text.empty());
    if (!is_null) out += properties_line(key, current_text(*row));
  }
  return out;
}

std::string Settings::updated_file(std::string_view old_text, const std::set<std::string, std::less<>>& keys) const {
  std::string out;
  std::set<std::string, std::less<>> seen;
  PropertyReader reader(old_text);
  PropertyLine line;
  const std::lock_guard lock(mutex_);
  while (reader.next(line)) {
    const Row* found = line.is_property && keys.contains(line.key) ? row(line.key) : nullptr;
    if (found == nullptr || !found->value) {
      out += line.raw;
      continue;
    }
    seen.insert(line.key);
    const bool is_same = trim(line.value) == *found->value;
    out += is_same ? std::string(line.raw) : properties_line(line.key, *found->value);
  }
  if (!out.empty() && out.back() != '\n' && out.back() != '\r') out.push_back('\n');
  for (const auto& [key, row] : rows_) {
    if (row->value && keys.contains(key) && !seen.contains(key)) out += properties_line(key, *row->value);
  }
  return out;
}

std::string Settings::to_commented_file(std::string_view title) const {
  std::string out =
      fmt::format("# {}\n#\n# Each key stands here with its default. Remove the # before a key to change it.\n", title);
  for (const Option& option : options_) {
    std::string kind;
    switch (option.type) {
      case Type::text:
        kind = "text";
        break;
      case Type::boolean:
        kind = "true or false";
        break;
      case Type::int32:
      case Type::int64:
        kind = range_text(option);
        break;
      case Type::choice:
        kind = choices_text(option.choices);
        break;
      case Type::hours:
        kind = hours_expected;
        break;
    }
    const std::string_view change = option.change == Change::live ? "may be changed at run time" : "read at start";
    out += fmt::format("\n# {}\n# ({}; {})\n#{}", option.sentence, kind, change,
                       properties_line(option.key, option.default_text));
  }
  return out;
}

}  // namespace merlin::config
