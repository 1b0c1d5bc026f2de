// Configuration from one table per program: key, type, default, range, live or restart, sentence. Keys are Apache's.
//
// Shapes:  a program declares a table of Options (broker_options.h; the nameserver has its own) and asks a Settings by
// key.
//          The same table gives --print-config, --check-config, GET_*_CONFIG, UPDATE_*_CONFIG and the commented file in
//          conf/.
// Threads: load before start; afterwards everything may be called from any thread. Hot paths keep the reference that
//          live_int() gives: one relaxed load per look, no lock, no look-up.
// Errors:  a bad value names key, value and range. An unknown key warns and names the nearest known one; a key that
// Apache
//          knows and MerlinMQ does not use yet is kept (GET_*_CONFIG gives it back) and noted once.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "merlin/base/result.h"

namespace merlin::config {

enum class Type : uint8_t { text, boolean, int32, int64, choice, hours };  // hours: "04;16", empty: none
enum class Change : uint8_t { live, restart };

struct Option {
  std::string_view key;
  Type type;
  std::string_view default_text;  // as written in a file; computed defaults are set by the program after construction
  int64_t min = INT64_MIN;        // numbers
  int64_t max = INT64_MAX;
  std::string_view choices = {};  // choice: "ASYNC_FLUSH|SYNC_FLUSH"
  Change change = Change::restart;
  std::string_view sentence;  // what it does, with its unit
};

// A key of Apache's that no feature of this build reads.
struct UnusedKey {
  std::string_view key;
  std::string_view default_text;
  bool has_default = true;  // false: null in Java, so GET_*_CONFIG leaves it out until it is set
};

using KeyValues = std::vector<std::pair<std::string, std::string>>;

// key=value lines as java.util.Properties reads them: # and ! comments, '=' or ':' or blank as separator, \ escapes,
// line continuation, \u escapes to UTF-8. Later keys win; each key stands once, at the place where it was first named.
KeyValues parse_properties(std::string_view text);
// One line with its '\n' that parse_properties() reads back; plain text stays as it is.
std::string properties_line(std::string_view key, std::string_view value);

class Settings {
 public:
  static constexpr size_t key_length_shown_max =
      128;  // of an unknown key, in messages and when looking for the nearest

  Settings(std::span<const Option> options, std::span<const UnusedKey> unused);
  Settings(const Settings&) = delete;
  Settings& operator=(const Settings&) = delete;

  // Sets a value; checks type and range. Unknown keys: Errc::not_found with the nearest known key in the message. An
  // unused key of Apache's is kept.
  Status set(std::string_view key, std::string_view value);
  // Replaces a default that is known only at run time (host name, local address). is_set() stays false.
  // REQUIRES: the key is in the table, the value fits it.
  void set_default(std::string_view key, std::string_view value);
  // Reads a whole properties text; errors are collected, warnings (unknown or unused keys) too.
  struct LoadReport {
    std::vector<std::string> errors;
    std::vector<std::string> warnings;
  };
  LoadReport load(std::string_view properties_text);

  // REQUIRES: the key is in the table and has this type (text: any type).
  std::string text(std::string_view key) const;
  bool boolean(std::string_view key) const;
  int32_t int32(std::string_view key) const;
  int64_t int64(std::string_view key) const;
  bool is_set(std::string_view key) const;  // by a file or set(), not the default
  // Any known key, unused ones too; nullopt for unknown keys and for those that are null.
  std::optional<std::string> find(std::string_view key) const;

  // The cell that holds the key's current value, for as long as the Settings live: numbers as they are, booleans as 0
  // or 1. REQUIRES: the key is in the table and is a number or a boolean.
  const std::atomic<int64_t>& live_int(std::string_view key) const;

  // Applies a remote update, all of it or nothing; the error names the first offender. Live keys take effect at once.
  // Unused keys are stored (Apache answers success for them, and tools rely on it) with a note in the log. Keys that
  // need a restart are refused with Errc::unsupported unless the value stays the same; unknown keys with
  // Errc::not_found.
  Status update_live(const KeyValues& changes);
  // Called after a live change of the key, on the updating thread, outside the mutex. REQUIRES: before the first
  // update.
  void on_change(std::string_view key, std::function<void()> callback);

  // Of GET_*_CONFIG's DataVersion: counts updates.
  struct Version {
    int64_t counter = 0;
    int64_t timestamp_ms = 0;
  };
  Version version() const;

  // All keys with their current values, sorted, key=value lines: GET_*_CONFIG and --print-config.
  std::string to_properties() const;
  // The text of a configuration file brought up to date with these keys: lines whose value differs are replaced, keys
  // not in it are added at the end; comments, order and all other keys stay.
  std::string updated_file(std::string_view old_text, const std::set<std::string, std::less<>>& keys) const;
  // The commented file for conf/: every option, its sentence, range and default.
  std::string to_commented_file(std::string_view title) const;

 private:
  struct Row {
    const Option* option = nullptr;  // exactly one of option and unused
    const UnusedKey* unused = nullptr;
    std::string default_text;          // guarded by mutex_
    std::optional<std::string> value;  // guarded by mutex_; set by a file or an update
    std::atomic<int64_t> number{0};    // options that are numbers or booleans
  };

  Row* row(std::string_view key);
  const Row* row(std::string_view key) const;
  const Row& option_row(std::string_view key) const;
  const std::string& current_text(const Row& row) const;
  void store(Row& row, std::string value);
  Error unknown_key(std::string_view key) const;
  std::string nearest_key(std::string_view key) const;

  std::map<std::string_view, std::unique_ptr<Row>> rows_;  // the map is constant after construction
  std::span<const Option> options_;
  std::multimap<std::string, std::function<void()>, std::less<>> callbacks_;  // constant after start
  mutable std::mutex mutex_;
  Version version_;  // guarded by mutex_
};

// Checks a value against its row; gives it back in its canonical form (numbers and booleans without blanks).
Result<std::string> check_value(const Option& option, std::string_view value);

}  // namespace merlin::config
