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

// Strict JSON from what fastjson also accepts: bare integers as keys get quotes ({0:5} -> {"0":5}); the rest is copied.
std::string quote_bare_keys(std::string_view text);
// Parses fastjson's dialect (see quote_bare_keys); Errc::corrupt with the position otherwise. No exception leaves it.
Status parse_json(std::string_view text, nlohmann::json& out);

// Appends "text" with JSON's escapes; bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// Indents compact JSON with tabs as Apache's files are, piece by piece. A piece ends between two tokens, and not inside
// a list of numbers or an empty object, which stay on their line.
class PrettyJson {
 public:
  void append(std::string_view compact, std::string& out);

 private:
  size_t depth_ = 0;
};
std::string pretty_json(std::string_view compact);

}  // namespace merlin::meta
