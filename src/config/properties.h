// Reads a properties text line by line, keeping the place of each line: for parsing and for rewriting a file.
//
// Pure.
#pragma once

#include <string>
#include <string_view>

namespace merlin::config {

struct PropertyLine {
  std::string_view raw;      // all bytes of the line, its end and its continuations included
  bool is_property = false;  // else a comment or blank
  std::string key;
  std::string value;
};

class PropertyReader {
 public:
  explicit PropertyReader(std::string_view text) : text_(text) {}
  // False at the end.
  bool next(PropertyLine& out);

 private:
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace merlin::config
