// Reads and writes the tab-separated files of golden bytes. Byte texts are in lower-case hex; "-" is the empty one.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "merlin/base/bytes.h"

namespace merlin::golden {

using Row = std::vector<std::string>;

inline std::vector<Row> read_rows(const std::string& name) {
  std::ifstream in(name.starts_with("/") ? name : std::string(MERLIN_GOLDEN_DIR) + "/" + name);
  EXPECT_TRUE(in.good()) << name;
  std::vector<Row> rows;
  for (std::string line; std::getline(in, line);) {
    Row row;
    size_t at = 0;
    for (size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', at)) {
      row.push_back(line.substr(at, tab - at));
      at = tab + 1;
    }
    row.push_back(line.substr(at));
    rows.push_back(std::move(row));
  }
  EXPECT_FALSE(rows.empty()) << name;
  return rows;
}

inline std::string from_hex(std::string_view hex) {
  std::string out;
  if (hex == "-") return out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

inline std::string to_hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out.push_back(digits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(digits[static_cast<uint8_t>(c) & 15]);
  }
  return out.empty() ? "-" : out;
}

// Leaves our bytes for `golden.sh verify` when MERLIN_GOLDEN_OUT names a folder; else writes nothing.
class OutFile {
 public:
  explicit OutFile(const std::string& name) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* dir = std::getenv("MERLIN_GOLDEN_OUT")) out_.open(std::string(dir) + "/" + name);
  }
  void line(const std::string& text) {
    if (out_.is_open()) out_ << text << '\n';
  }

 private:
  std::ofstream out_;
};

}  // namespace merlin::golden
