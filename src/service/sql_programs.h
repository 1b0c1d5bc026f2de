// SQL92 texts and their filters: each text is compiled once, however many groups and pulls bring it. A pull that
// carries its subscription brings it each time.
//
// Owns:    the newest texts, also those that are refused, with their reasons. Filters live on where they are used.
// Threads: any; one mutex, not held while a text is compiled.
// Limits:  generation_bytes_max of texts and programs, twice: what nobody asked for since the last change of
//          generations goes.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "service/message_filter.h"

namespace merlin::service {

class SqlPrograms {
 public:
  static constexpr size_t generation_bytes_max = size_t{16} << 20;

  struct Compiled {
    std::shared_ptr<const Filter> filter;  // nullptr: refused
    std::string refusal;                   // why
    size_t bytes = 0;                      // of memory, about
  };
  std::shared_ptr<const Compiled> get(std::string_view text);

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  using Table = std::unordered_map<std::string, std::shared_ptr<const Compiled>, StringHash, std::equal_to<>>;
  void keep(std::string_view text, std::shared_ptr<const Compiled> compiled);

  std::mutex mutex_;
  Table newer_;             // guarded by mutex_
  Table older_;             // guarded by mutex_
  size_t newer_bytes_ = 0;  // guarded by mutex_
};

}  // namespace merlin::service
