// The cases that Apache's classes printed (tests/golden/java-namesrv), and builders for registrations.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "namesrv/route_types.h"

namespace merlin::namesrv::test {

inline std::vector<std::string> lines_of(const std::string& name) {
  std::ifstream in(std::string(MERLIN_GOLDEN_DIR) + "/" + name);
  EXPECT_TRUE(in.good()) << name;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back().push_back(c);
  }
  return parts;
}

inline const std::string& golden(const std::string& name) {
  static const std::map<std::string, std::string> cases = [] {
    std::map<std::string, std::string> all;
    for (const std::string& line : lines_of("golden.txt"))
      all[line.substr(0, line.find('\t'))] = line.substr(line.find('\t') + 1);
    return all;
  }();
  EXPECT_TRUE(cases.contains(name)) << name;
  static const std::string none;
  return cases.contains(name) ? cases.at(name) : none;
}

inline std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

struct TopicSpec {
  std::string name;
  int32_t read = 1;
  int32_t write = 1;
  int32_t perm = 6;
  int32_t sys_flag = 0;
};

inline Registration registration(std::string cluster, std::string name, int64_t id, std::string addr,
                                 DataVersion version, const std::vector<TopicSpec>& topics) {
  Registration r;
  r.cluster = std::move(cluster);
  r.broker_name = std::move(name);
  r.broker_id = id;
  r.broker_addr = std::move(addr);
  r.ha_server_addr = "10.0.0.9:10912";
  r.body.version = version;
  r.body.filter_servers.emplace();
  for (const TopicSpec& t : topics) r.body.topics.push_back({t.name, {t.read, t.write, t.perm, t.sys_flag}});
  return r;
}

}  // namespace merlin::namesrv::test
