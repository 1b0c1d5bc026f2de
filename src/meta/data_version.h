// The version that stands beside each table of metadata: who has the newer one compares counters, then times.
//
// Threads: a plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "merlin/base/result.h"

namespace merlin::meta {

struct DataVersion {
  int64_t counter = 0;
  int64_t state_version = 0;
  int64_t timestamp_ms = 0;

  void next(int64_t now_ms) {
    ++counter;
    state_version = 0;
    timestamp_ms = now_ms;
  }
  // {"counter":1,"stateVersion":0,"timestamp":1700000000000}, the order Apache writes it in.
  std::string json() const;
  static Result<DataVersion> parse(std::string_view json);
  bool operator==(const DataVersion&) const = default;
};

}  // namespace merlin::meta
