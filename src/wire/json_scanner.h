// The scanner behind decode_json_header(): json_scanner.cpp reads values, json_header.cpp the members of a command.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

#include "merlin/wire/command.h"
#include "wire/json_header.h"
#include "wire/text_scan.h"

namespace merlin::wire {

enum class Kind : uint8_t { string, number, boolean, null, nested };

struct Value {
  Kind kind = Kind::null;
  std::string_view text;
};

inline bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
inline bool ends_scalar(char c) {
  return c == ',' || c == '}' || c == ']' || is_blank(c);
}

class JsonScanner {
 public:
  JsonScanner(ByteView header, HeaderScratch& scratch)
      : begin_(reinterpret_cast<const char*>(header.data())),
        at_(begin_),
        end_(begin_ + header.size()),
        scratch_(scratch) {}

  bool head(CommandView& out);
  Error error() const {
    return Error{Errc::invalid, "JSON header: " + std::string(why_) + " at byte " + std::to_string(at_ - begin_)};
  }

 private:
  bool fail(const char* why) {
    why_ = why;
    return false;
  }
  void skip_blanks() {
    while (at_ < end_ && is_blank(*at_)) ++at_;
  }
  bool take(char c) {
    if (at_ < end_ && *at_ == c) {  // nobody sends blanks
      ++at_;
      return true;
    }
    skip_blanks();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  // Calls f(key) for each member of the object at at_; f reads the value.
  template <class F>
  bool members(F&& f);
  template <class F>
  bool more_members(bool may_be_none, F&& f);
  bool key(std::string_view& out);
  bool string(std::string_view& out);
  bool unescape(const char* start, const char* stop, std::string_view& out);
  bool escape(char*& to);
  bool code_unit(char32_t& out);
  bool value(Value& out);
  bool scalar(Value& out);
  bool nested(Value& out);
  bool integer(int32_t& out);
  bool head_member(std::string_view name, CommandView& out);
  bool ext_fields();
  bool plain_ext_fields();
  template <size_t N>
  bool take_literal(const char (&text)[N]);
  bool take_digits(int32_t& out);
  bool java_head(CommandView& out);
  bool language(Language& out);

  const char* const begin_;
  const char* at_;
  const char* const end_;
  HeaderScratch& scratch_;
  size_t arena_used_ = 0;
  const char* why_ = "";
};

template <class F>
bool JsonScanner::members(F&& f) {
  if (!take('{')) return fail("expected {");
  return more_members(true, f);
}

// What is left of an object up to its }.
template <class F>
bool JsonScanner::more_members(bool may_be_none, F&& f) {
  if (may_be_none && take('}')) return true;
  while (true) {
    std::string_view name;
    if (!key(name) || !f(name)) return false;
    if (take(',')) continue;
    if (take('}')) return true;
    return fail("expected , or }");
  }
}

// The text that must follow, or nothing is taken.
template <size_t N>
bool JsonScanner::take_literal(const char (&text)[N]) {
  if (static_cast<size_t>(end_ - at_) < N - 1 || std::memcmp(at_, text, N - 1) != 0) return false;
  at_ += N - 1;
  return true;
}

}  // namespace merlin::wire
