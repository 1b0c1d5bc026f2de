// What merlin-store prints: one row for each thing, as text or as one JSON object.
//
//   queue topic=Orders queue=3 min=0 max=812          {"row":"queue","topic":"Orders","queue":3,"min":0,"max":812}
//
// Threads: one.
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace merlin::tool {

struct Field {
  std::string_view name;
  std::variant<int64_t, std::string_view> value;
};

class Output {
 public:
  // Rows go to `out`, progress to stderr when that is a terminal.
  Output(std::FILE* out, bool json);

  void row(std::string_view kind, std::initializer_list<Field> fields);
  // A damage: counts, and is shown as a row of its own.
  void damage(std::string_view file, int64_t position, std::string_view what);
  // Worth knowing, no damage.
  void note(std::string_view file, std::string_view what);
  void progress(std::string_view what, int64_t done, int64_t all);
  int64_t damages() const { return damages_; }

 private:
  std::FILE* const out_;
  const bool json_;
  const bool terminal_;
  int64_t damages_ = 0;
  int64_t shown_permille_ = -1;
  std::string line_;
};

}  // namespace merlin::tool
