// Configuration from one table per program: key, type, default, range, live or restart, sentence. Keys are Apache's.
//
// Shapes:  a program's options are a struct of plain members (BrokerOptions, NamesrvOptions in their own headers); its table
//          binds each key to a member. The same table gives --print-config, --check-config, GET_*_CONFIG, UPDATE_*_CONFIG and
//          the commented file in conf/.
// Threads: load before start; live keys are changed under the Settings' mutex; members read on hot paths are atomics or
//          copied by their users in on_change callbacks.
// Errors:  a bad value names key, value and range. An unknown key warns and names the nearest known one; a key that Apache
//          knows and MerlinMQ does not use yet is kept (GET_*_CONFIG gives it back) and noted once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/result.h"

namespace merlin::config {

enum class Type : uint8_t { text, boolean, int32, int64, choice };
enum class Change : uint8_t { live, restart };

struct Option {
  std::string_view key;
  Type type;
  std::string_view default_text;   // as written in a file; computed defaults are set by the program after construction
  int64_t min = INT64_MIN;         // numbers
  int64_t max = INT64_MAX;
  std::string_view choices = {};   // choice: "ASYNC_FLUSH|SYNC_FLUSH"
  Change change = Change::restart;
  std::string_view sentence;       // what it does, with its unit
};

// A key of Apache's that no feature of this build reads.
struct UnusedKey {
  std::string_view key;
  std::string_view default_text;
};

// key=value lines as java.util.Properties reads them: # and ! comments, '=' or ':' or blank as separator, \ escapes, line
// continuation. Later keys win.
std::vector<std::pair<std::string, std::string>> parse_properties(std::string_view text);
std::string properties_line(std::string_view key, std::string_view value);

class Settings {
 public:
  Settings(std::span<const Option> options, std::span<const UnusedKey> unused);

  // Sets a value; checks type and range. Unknown keys: Errc::not_found with the nearest known key in the message.
  Status set(std::string_view key, std::string_view value);
  // Reads a whole properties text; errors are collected, warnings (unknown or unused keys) too.
  struct LoadReport {
    std::vector<std::string> errors;
    std::vector<std::string> warnings;
  };
  LoadReport load(std::string_view properties_text);

  // REQUIRES: the key is in the table and has this type.
  std::string text(std::string_view key) const;
  bool boolean(std::string_view key) const;
  int32_t int32(std::string_view key) const;
  int64_t int64(std::string_view key) const;
  bool is_set(std::string_view key) const;   // by a file or set(), not the default

  // Applies a remote update: all keys must be known and live, else nothing changes and the error names the first offender.
  // Keys with Change::restart are refused with Errc::unsupported, unknown with Errc::not_found.
  Status update_live(const std::vector<std::pair<std::string, std::string>>& changes);
  // Called after a live change of the key, on the updating thread.
  void on_change(std::string_view key, std::function<void()> callback);

  // All keys with their current values, sorted: GET_*_CONFIG and --print-config.
  std::string to_properties() const;
  // The commented file for conf/: every option, its sentence, range and default.
  std::string to_commented_file(std::string_view title) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> values_;        // guarded by mutex_; only keys that were set
  std::map<std::string, std::string, std::less<>> unused_values_;  // guarded by mutex_
  std::multimap<std::string, std::function<void()>, std::less<>> callbacks_;  // constant after start
  std::span<const Option> options_;
  std::span<const UnusedKey> unused_;
  int64_t version_ = 0;  // guarded by mutex_; DataVersion counter of GET_BROKER_CONFIG
};

}  // namespace merlin::config
