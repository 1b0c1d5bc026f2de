#include "meta/json_cursor.h"

#include <charconv>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

namespace merlin::meta {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_number_part(char c) {
  return (c >= '0' && c <= '9') || c == '-';
}

}  // namespace

char JsonCursor::peek() {
  while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool JsonCursor::take(char c) {
  if (peek() != c || at_ >= text_.size()) return false;
  ++at_;
  return true;
}

bool JsonCursor::fail(std::string_view expected) {
  if (expected_.empty()) {
    expected_ = expected;
    failed_at_ = at_;
  }
  return false;
}

Error JsonCursor::error() const {
  return Error{Errc::corrupt, fmt::format("not JSON as expected: {} is missing at byte {}",
                                          expected_.empty() ? "something" : expected_, failed_at_)};
}

bool JsonCursor::skip_string() {
  const size_t begin = at_ + 1;
  size_t quote = text_.find('"', begin);
  // A quote behind an odd number of backslashes is part of the text.
  while (quote != std::string_view::npos) {
    size_t slashes = quote;
    while (slashes > begin && text_[slashes - 1] == '\\') --slashes;
    if ((quote - slashes) % 2 == 0) {
      at_ = quote + 1;
      return true;
    }
    quote = text_.find('"', quote + 1);
  }
  at_ = text_.size();
  return fail("the end of a text");
}

bool JsonCursor::text(std::string_view& out) {
  if (peek() != '"') return fail("a text");
  const size_t begin = at_;
  if (!skip_string()) return false;
  out = text_.substr(begin + 1, at_ - begin - 2);
  if (out.find('\\') == std::string_view::npos) return true;
  try {
    scratch_ = nlohmann::json::parse(text_.substr(begin, at_ - begin)).get<std::string>();
  } catch (const nlohmann::json::exception&) {
    return fail("a text with escapes that JSON knows");
  }
  out = scratch_;
  return true;
}

bool JsonCursor::read_key(std::string_view& out) {
  if (!is_number_part(peek())) return text(out);
  const size_t begin = at_;
  while (at_ < text_.size() && is_number_part(text_[at_])) ++at_;
  out = text_.substr(begin, at_ - begin);
  return true;
}

bool JsonCursor::integer(int64_t& out) {
  std::string_view digits;
  if (peek() == '"') {
    if (!text(digits)) return false;
  } else {
    const size_t begin = at_;
    if (!skip_scalar()) return false;
    digits = text_.substr(begin, at_ - begin);
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return (!digits.empty() && error == std::errc() && end == digits.data() + digits.size()) || fail("a 64-bit number");
}

bool JsonCursor::boolean(bool& out) {
  std::string_view word;
  if (peek() == '"') {
    if (!text(word)) return false;
  } else {
    const size_t begin = at_;
    if (!skip_scalar()) return false;
    word = text_.substr(begin, at_ - begin);
  }
  out = word == "true";
  return out || word == "false" || fail("true or false");
}

bool JsonCursor::null() {
  if (peek() != 'n' || text_.substr(at_, 4) != "null") return false;
  at_ += 4;
  return true;
}

bool JsonCursor::skip_scalar() {
  const size_t begin = at_;
  while (at_ < text_.size() && !is_blank(text_[at_]) && text_[at_] != ',' && text_[at_] != '}' && text_[at_] != ']') {
    ++at_;
  }
  return at_ > begin || fail("a value");
}

bool JsonCursor::skip_value(std::string_view& out) {
  (void)peek();
  const size_t begin = at_;
  std::string open;  // what closes the brackets around, innermost last
  do {
    const char c = peek();
    if (c == '"') {
      if (!skip_string()) return false;
    } else if (c == '{' || c == '[') {
      open.push_back(c == '{' ? '}' : ']');
      ++at_;
      if (open.size() > depth_max) return fail("less depth");
    } else if ((c == '}' || c == ']') && !open.empty()) {
      if (open.back() != c) return fail("a matching bracket");
      open.pop_back();
      ++at_;
    } else if ((c == ',' || c == ':') && !open.empty()) {
      ++at_;
    } else if (c == '\0' || c == '}' || c == ']' || c == ',' || c == ':') {
      return fail("a value");
    } else {
      // A bare key ends at its colon.
      while (at_ < text_.size() && !is_blank(text_[at_]) &&
             std::string_view(",:}]").find(text_[at_]) == std::string_view::npos) {
        ++at_;
      }
    }
  } while (!open.empty());
  out = text_.substr(begin, at_ - begin);
  return true;
}

bool JsonCursor::at_end() {
  return (peek() == '\0' && at_ >= text_.size()) || fail("the end of the file");
}

}  // namespace merlin::meta
