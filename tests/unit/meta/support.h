// What the tests of this room share: a disk in memory, a clock that stands still, and text comparisons by JSON value.
#pragma once

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "merlin/base/clock.h"
#include "merlin/base/faulty_file_system.h"
#include "merlin/base/file_system.h"
#include "meta/durable_json.h"

namespace merlin::meta {

inline constexpr int64_t start_ms = 1'700'000'000'000;

inline std::string golden(const std::string& name) {
  const Result<std::string> text = posix_file_system().read_file(std::string(MERLIN_TEST_DATA) + "/" + name);
  EXPECT_TRUE(text.ok()) << name;
  return text.ok() ? *text : std::string();
}

inline nlohmann::json json_of(std::string_view text) {
  nlohmann::json out;
  const Status parsed = parse_json(text, out);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message) << " in " << text;
  return out;
}

inline void write_file(FileSystem& files, const std::string& path, std::string_view content) {
  const std::string directory = path.substr(0, path.rfind('/'));
  ASSERT_TRUE(files.make_dirs(directory));
  ASSERT_TRUE(files.write_file_durably(path, content));
}

inline std::string read_file(FileSystem& files, const std::string& path) {
  const Result<std::string> text = files.read_file(path);
  EXPECT_TRUE(text.ok()) << path;
  return text.ok() ? *text : std::string();
}

// Overwrites in place, as a careless editor or a failing disk would.
inline void damage_file(FileSystem& files, const std::string& path, std::string_view content) {
  const auto file = files.open(path, OpenMode::create);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->truncate(0));
  ASSERT_TRUE((*file)->pwrite(as_bytes(content), 0));
}

}  // namespace merlin::meta
