// A table's JSON file and the journal beside it.
//
// A small table is written whole at each change, so that Apache finds everything in the JSON at any moment. From
// whole_rows_max rows on a change costs one line in a journal (meta/journal.h), and the JSON follows in the background:
// as often as fold_duty and fold_bytes_per_second_max allow, and when the broker stops. Writers that come together
// share one sync: whoever enters second finds its change written.
//
// Files:    config/<name>.json, .bak (the JSON before it), .tmp; config/merlin.<name>.journal.<generation>. Journals of
//           the JSON and of its .bak are kept, so that either gives the newest state. close() leaves no journal.
// Foreign:  a JSON that no journal knows was written by Apache or by an operator: it counts, and the journals are put
// aside
//           as <journal>.orphan with a warning.
// Threads:  write(), fold_if_due() and close() from anywhere; they block. A fold streams the table beside writers.
// Survives: a change is on disk when write() has returned for it.
// Fails:    the change stays unwritten (at most unwritten_bytes_max of lines, then the next write is a whole one). A
//           journal that failed once is never appended to again: its successor repeats what was not known to be synced.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "meta/durable_json.h"
#include "meta/journal.h"

namespace merlin::meta {

// What a table gives to its file. Calls come from any thread, take_changes() from one at a time.
class TableContent {
 public:
  using Sink = std::function<Status(std::string_view compact)>;
  virtual ~TableContent() = default;
  // Grows with each change, after the change can be seen by the calls below.
  virtual uint64_t change_count() const = 0;
  virtual size_t row_count() const = 0;
  // The whole table as compact JSON in pieces that end between two tokens; ends at the sink's first error.
  virtual Status write_json(const Sink& sink) const = 0;
  // Appends a journal line for each row that changed since the last call, as it is now, and one for the version.
  virtual void take_changes(std::string& lines) = 0;
};

// A piece of write_json() is about so large.
inline constexpr size_t json_piece_bytes = size_t{64} << 10;
// What a table says to a line that it does not know.
Status unknown_line(const JournalLine& line);

class TableFile {
 public:
  static constexpr size_t whole_rows_max = 1'000;
  static constexpr int64_t copied_bytes_max = int64_t{4} << 20;  // of a JSON whose .bak is a copy
  static constexpr size_t unwritten_bytes_max = size_t{16} << 20;
  static constexpr int64_t journal_bytes_before_fold_max = int64_t{128} << 20;
  // A fold waits until the time since the last one is so many times what that one took, and ...
  static constexpr int64_t fold_duty = 10;
  // ... until its bytes keep below this rate.
  static constexpr int64_t fold_bytes_per_second_max = int64_t{4} << 20;

  // `name`: "topics" for config/topics.json.
  TableFile(FileSystem& files, const Clock& clock, const std::string& store_root, std::string_view name,
            TableContent& content);

  const std::string& path() const { return path_; }
  // `decode` gets the JSON and changes nothing when it returns an error; `apply` then gets the journals' lines.
  Result<LoadedFrom> load(const std::function<Status(std::string_view)>& decode,
                          const std::function<Status(const JournalLine&)>& apply);
  // What load() brought holds everything up to `change`.
  void mark_written(uint64_t change);

  // Returns when `change` is on disk.
  Status write(uint64_t change);
  // Writes the JSON when journals wait for it and its time has come.
  Status fold_if_due();
  // Everything into the JSON, and no journal left.
  Status close();

  // For statistics and tests.
  int64_t journal_bytes() const;
  // For tests: the boundaries between small and large.
  void set_whole_rows_max(size_t rows) { whole_rows_ = rows; }
  void set_copied_bytes_max(int64_t bytes) { copied_bytes_ = bytes; }

 private:
  Status make_dir();
  Status append();
  Status start_journal();
  Status write_whole();
  void note_written(uint64_t change);
  // Nothing happens when `change` is written and no journal waits.
  Status fold(uint64_t change);
  Status stream_json(FileId& id);
  Status swap_in();
  Status copy_to_backup();
  Status drop_journals_before(int64_t generation);
  void put_orphans_aside(const std::vector<JournalFile>& journals);
  void note_fold(int64_t begin_ns);
  std::string journal_path(int64_t generation) const;

  FileSystem& files_;
  const Clock& clock_;
  TableContent& content_;
  const std::string name_;
  const std::string dir_;
  const std::string path_;
  const std::string prefix_;  // of the journals' names
  size_t whole_rows_ = whole_rows_max;
  int64_t copied_bytes_ = copied_bytes_max;

  std::mutex fold_mutex_;      // one writer of the JSON at a time; taken before mutex_
  int64_t fold_begin_ns_ = 0;  // guarded by fold_mutex_
  int64_t fold_took_ns_ = 0;   // guarded by fold_mutex_

  mutable std::mutex mutex_;          // the rest; not held while a large table is streamed
  uint64_t written_ = 0;              // changes up to here are on disk
  uint64_t appended_ = 0;             // and up to here in a journal, but for those given up on
  bool needs_whole_ = true;           // no good JSON stands there, or changes were given up on
  bool has_good_json_ = false;        // what stands at path_ may become the .bak
  FileId json_;                       // what stands at path_
  int64_t base_generation_ = 0;       // the journal that knows json_; 0: none yet
  std::vector<int64_t> generations_;  // journals on disk, oldest first
  int64_t newest_generation_ = 0;     // numbers are never used twice
  std::unique_ptr<File> journal_;     // the newest one, when it may be appended to
  int64_t journal_length_ = 0;
  int64_t unfolded_bytes_ = 0;  // of journal lines that json_ does not hold
  std::string unwritten_;       // lines that are not known to be synced
};

}  // namespace merlin::meta
