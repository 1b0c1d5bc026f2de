// A key index over a disk in memory, and records that need no log.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "merlin/base/faulty_file_system.h"
#include "merlin/message/properties.h"
#include "store/index/key_index.h"

namespace merlin::store {

inline constexpr const char* index_dir = "/store/index";

struct TestRecord {
  std::string topic = "T";
  int64_t offset = 0;
  int32_t size = 100;
  int64_t timestamp_ms = 1'700'000'000'000;
  int32_t sys_flag = 0;
  std::optional<std::string> unique_key = {};
  std::optional<std::string> keys = {};
  std::optional<std::string> tag = {};
};

inline Status put(KeyIndex& index, const TestRecord& r) {
  std::string properties;
  if (r.keys) message::append_property(properties, message::property::keys, *r.keys);
  if (r.tag) message::append_property(properties, message::property::tags, *r.tag);
  message::append_property(properties, "OTHER", "x");
  if (r.unique_key) message::append_property(properties, message::property::unique_key, *r.unique_key);
  message::RecordView view;
  view.topic = r.topic;
  view.physical_offset = r.offset;
  view.total_size = r.size;
  view.store_timestamp_ms = r.timestamp_ms;
  view.sys_flag = r.sys_flag;
  view.properties = properties;
  return index.put(view);
}

// Content of all index files, oldest first.
inline std::vector<std::string> contents(FileSystem& files) {
  std::vector<std::string> out;
  const std::vector<std::string> names = *files.list(index_dir);
  for (const std::string& name : names) out.push_back(*files.read_file(std::string(index_dir) + "/" + name));
  return out;
}

inline std::vector<int64_t> offsets(const KeyIndex& index, std::string_view topic, std::string_view key,
                                    int32_t count_max = 64, int64_t begin_ms = 0, int64_t end_ms = INT64_MAX) {
  const auto found = index.query(topic, key, count_max, begin_ms, end_ms);
  EXPECT_TRUE(found.ok());
  return found.ok() ? found->physical_offsets : std::vector<int64_t>{};
}

}  // namespace merlin::store
