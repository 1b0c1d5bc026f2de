// The journal of a table's changes: what stands between two whole writes of its JSON file.
//
// A journal is text, one line for each changed row, with the row's whole value of that moment:
//
//   <CRC-32 of what follows, 8 hex digits> <kind> "<key>" <value>
//
//   1b2c3d4e journal "topics.json" {"version":1,"generation":7,"after":6}     the first line
//   ........ base "topics.json" {"size":20481,"crc":2966449263}               see below
//   ........ topic "Orders" {"attributes":{},...}
//   ........ topic "Gone"                                                     no value: the row was removed
//   ........ version "" {"counter":12,"stateVersion":0,"timestamp":1700000000000}
//
// The files of one table are numbered: config/merlin.<name>.journal.<generation>. A `base` line names a JSON file by
// size and CRC and says: this JSON holds everything of the journals before mine. So reading is: find the newest journal
// with a base line for the JSON at hand, and apply that journal and all behind it, line by line; each is cut at its
// first line that does not fit. Lines carry whole values: to apply one twice does no harm.
//
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/file_system.h"
#include "merlin/base/result.h"

namespace merlin::meta {

inline constexpr int32_t journal_version = 1;
// A journal is folded into its JSON long before it is so large; a larger one is none of ours.
inline constexpr size_t journal_bytes_max = size_t{2} << 30;

// Names the content of a file.
struct FileId {
  int64_t size = 0;
  uint32_t crc = 0;
  bool operator==(const FileId&) const = default;
};
FileId file_id(std::string_view content);

// `value` empty: the row is gone.
void append_journal_line(std::string& out, std::string_view kind, std::string_view key, std::string_view value);
std::string journal_header(std::string_view file, int64_t generation, int64_t after);
std::string journal_base(std::string_view file, const FileId& id);

struct JournalLine {
  std::string_view kind;
  std::string key;
  std::string_view value;  // JSON; empty: removed
};

struct JournalFile {
  int64_t generation = 0;
  int64_t after = 0;  // the journal before it
  std::string path;
  std::string text;           // as far as the lines fit
  int64_t cut_bytes = 0;      // behind that
  std::vector<FileId> bases;  // of its base lines, oldest first
};

// merlin.topics.journal.7 -> 7
std::optional<int64_t> journal_generation(std::string_view file_name, std::string_view prefix);
// Reads one; Errc::unsupported when a newer program wrote it. A file without a sound first line has no text.
Result<JournalFile> read_journal(FileSystem& files, const std::string& path, int64_t generation);
// All that `prefix` ("merlin.topics.journal.") names in a directory, oldest first.
Result<std::vector<JournalFile>> read_journals(FileSystem& files, const std::string& dir, std::string_view prefix);
// The journals that count for a JSON file: from the newest that has it as base on. Empty: none has.
std::vector<const JournalFile*> journals_for(const std::vector<JournalFile>& all, const FileId& json);
// Calls `visit` for each line but the header and base lines. REQUIRES: text from read_journal.
Status each_line(const JournalFile& journal, const std::function<Status(const JournalLine&)>& visit);

}  // namespace merlin::meta
