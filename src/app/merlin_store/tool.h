// The commands of merlin-store. Each gives an exit code.
//
// Threads: one.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "app/merlin_store/output.h"
#include "app/merlin_store/store_dir.h"

namespace merlin::tool {

inline constexpr int exit_sound = 0;
inline constexpr int exit_damage = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_cannot_read = 3;

struct Options {
  std::string command = {};
  std::string what = {};  // of dump
  std::string root = {};
  std::string log_dir = {};
  bool json = false;
  bool live = false;  // the lock may be held; commands that only read
  bool yes = false;   // repair: do it
  bool blank = false;
  // Filters of dump and list. -1 and empty: any.
  std::string topic = {};
  std::string group = {};
  std::string key = {};
  int32_t queue = -1;
  int64_t from = -1;  // records: physical offset; queue: queue offset
  int64_t to = -1;
  int64_t begin_ms = -1;
  int64_t end_ms = -1;
  int64_t limit = INT64_MAX;
  int64_t body_bytes = 128;
  int32_t index_slots = 5'000'000;
  int32_t index_entries = 20'000'000;
  std::set<std::string> parts = {};  // of verify and repair: log, queues, index, config; empty: all

  bool has(const std::string& part) const { return parts.empty() || parts.contains(part); }
};

// What verify found, for repair.
struct Findings {
  struct Range {
    int64_t begin = 0;
    int64_t end = 0;
  };
  static constexpr size_t kept_max = 100'000;  // more of a kind is counted, not kept

  std::vector<Range> log_damage;
  Range tail;                            // bytes behind the end of the log that are no record
  int64_t log_end = 0;                   // the log ends here
  std::set<std::string> damaged_queues;  // topic/id
  bool index_damaged = false;
  std::vector<std::string> broken_json;  // with a good .bak
  std::vector<std::string> lost_json;    // without
  int64_t unqueued_records = 0;          // of deleted topics
  int64_t waiting_units = 0;             // records that a start will dispatch
};

int list(StoreDir& dir, const Options& options, Output& out);
int dump(StoreDir& dir, const Options& options, Output& out);
// Shows what it finds; the error is one of reading.
Status verify(StoreDir& dir, const Options& options, Output& out, Findings& findings);
int repair(StoreDir& dir, const Options& options, Output& out);

// Parts of verify.
Status verify_log(StoreDir& dir, const Options& options, Output& out, Findings& findings);
Status verify_queues(StoreDir& dir, Output& out, Findings& findings);
Status verify_index(StoreDir& dir, const Options& options, Output& out, Findings& findings);
Status verify_config(StoreDir& dir, Output& out, Findings& findings);

// Whether the text is one JSON object, as far as a look at its tokens tells.
Status check_json(std::string_view text);

}  // namespace merlin::tool
