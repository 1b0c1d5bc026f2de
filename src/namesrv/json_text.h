// JSON as fastjson writes it: compact, keys in the order given (ours are alphabetical), integer keys bare or quoted.
//
// Shapes:  JsonText appends to one string; commas are its own business. lenient_json() makes fastjson's bare keys
// standard. Threads: plain values. Errors:  lenient_json refuses what is deeper or longer than its limits, so that a
// parser behind it cannot be made to
//          spend memory out of proportion to the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "merlin/base/result.h"

namespace merlin::namesrv {

// java: {0:"x"} as fastjson's loose form; standard: {"0":"x"}.
enum class JsonStyle { java, standard };

class JsonText {
 public:
  explicit JsonText(JsonStyle style = JsonStyle::java) : style_(style) {}

  JsonText& begin_object() { return open('{'); }
  JsonText& end_object() { return close('}'); }
  JsonText& begin_array() { return open('['); }
  JsonText& end_array() { return close(']'); }

  JsonText& key(std::string_view name);
  JsonText& int_key(int64_t number);

  JsonText& text(std::string_view value);
  JsonText& number(int64_t value);
  JsonText& boolean(bool value);

  const std::string& str() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  JsonText& open(char bracket);
  JsonText& close(char bracket);
  void separate();
  void quoted(std::string_view value);

  std::string out_;
  const JsonStyle style_;
};

inline constexpr size_t json_depth_max = 32;
inline constexpr size_t json_values_max = 2'000'000;

// The same JSON with every bare key (0, name) in quotes. Errc::limit past the limits, Errc::invalid for brackets that
// do not match; anything else that is wrong is left to the parser.
Result<std::string> lenient_json(std::string_view text);

}  // namespace merlin::namesrv
