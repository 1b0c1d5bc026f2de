// Small JSON files that survive power loss, and JSON as Apache's fastjson writes and reads it.
//
// Owns:     nothing; files go through the FileSystem port.
// Survives: save_file() leaves the new content or the old one, never a mixture; the old one stays as <path>.bak.
// Fails:    load_file() takes the .bak when the file is missing, empty or broken, and says so in the log; when both are
// broken the
//           error names both reasons and nothing is deleted.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "merlin/base/file_system.h"
#include "merlin/base/result.h"

namespace merlin::meta {

enum class LoadedFrom { nothing, file, backup };

// Reads `path` and gives its text to `decode`, which must change nothing when it returns an error.
Result<LoadedFrom> load_file(FileSystem& files, const std::string& path,
                             const std::function<Status(std::string_view)>& decode);
// Makes the directory when absent, then FileSystem::write_file_durably.
Status save_file(FileSystem& files, const std::string& path, std::string_view content);

// A file that follows a table in memory. Writers that come together share one write: whoever enters second finds its
// change in the snapshot that the first took, or takes one for all who wait.
//
// Threads: write() from anywhere; it blocks.
// Fails:   the change stays unwritten; the next write() tries again with everything since.
class SnapshotFile {
 public:
  struct Snapshot {
    uint64_t change = 0;  // the last change it holds; read before or together with the content
    std::string text;
  };

  SnapshotFile(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  Result<LoadedFrom> load(const std::function<Status(std::string_view)>& decode) {
    return load_file(files_, path_, decode);
  }
  // Returns when a snapshot that holds `change` is on disk. A file never replaces one with a later snapshot.
  Status write(uint64_t change, const std::function<Snapshot()>& take);
  // The content was just read from the file: nothing up to `change` needs writing.
  void mark_written(uint64_t change);

 private:
  FileSystem& files_;
  const std::string path_;
  std::mutex mutex_;      // held while the file is written
  uint64_t written_ = 0;  // guarded by mutex_
};

// Strict JSON from what fastjson also accepts: bare integers as keys get quotes ({0:5} -> {"0":5}); the rest is copied.
std::string quote_bare_keys(std::string_view text);
// Parses fastjson's dialect (see quote_bare_keys); Errc::corrupt with the position otherwise. No exception leaves it.
Status parse_json(std::string_view text, nlohmann::json& out);

// Appends "text" with JSON's escapes; bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// Indents compact JSON with tabs as Apache's files are.
std::string pretty_json(std::string_view compact);

}  // namespace merlin::meta
