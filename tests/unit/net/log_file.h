// Sends the log of a test to a file and counts its lines.
#pragma once

#include <cstdio>
#include <fstream>
#include <string>
#include <unistd.h>

#include "merlin/base/log.h"

namespace merlin::test {

// The log is set up before any thread runs: spdlog's own first set-up would count as a race, its library not being
// instrumented.
inline const bool log_is_ready = [] {
  log_init("", LogLevel::warn);
  return true;
}();

class LogFile {
 public:
  explicit LogFile(LogLevel level = LogLevel::info) : path_("/tmp/merlin_log_" + std::to_string(getpid())) {
    std::remove(path_.c_str());
    log_init(path_, level);
  }
  ~LogFile() {
    log_init("", LogLevel::warn);
    std::remove(path_.c_str());
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // How many lines hold all of these texts.
  size_t count(std::initializer_list<std::string_view> texts) const {
    log_flush();
    std::ifstream in(path_);
    std::string line;
    size_t lines = 0;
    while (std::getline(in, line)) {
      bool all = true;
      for (std::string_view text : texts) all = all && line.find(text) != std::string::npos;
      lines += all ? 1 : 0;
    }
    return lines;
  }

 private:
  const std::string path_;
};

}  // namespace merlin::test
