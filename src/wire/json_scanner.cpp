// Values of a JSON header: texts with their escapes, numbers, and nested values that are passed over.

#include "wire/json_scanner.h"

#include <cassert>
#include <charconv>
#include <cmath>
#include <limits>

#include "merlin/base/utf8.h"

namespace merlin::wire {

bool JsonScanner::key(std::string_view& out) {
  skip_blanks();
  if (at_ == end_ || *at_ != '"') return fail("expected a key");
  const char* const stop = find_quote_or_backslash(at_ + 1, end_);
  if (end_ - stop >= 2 && stop[0] == '"' && stop[1] == ':') {
    out = std::string_view(at_ + 1, static_cast<size_t>(stop - at_ - 1));
    at_ = stop + 2;
  } else {
    if (!string(out)) return false;
    if (!take(':')) return fail("expected :");
  }
  skip_blanks();
  return true;
}

// REQUIRES: *at_ == '"'.
bool JsonScanner::string(std::string_view& out) {
  const char* const start = at_ + 1;
  const char* const stop = find_quote_or_backslash(start, end_);
  if (stop == end_) return fail("string without end");
  if (*stop == '\\') return unescape(start, stop, out);
  out = std::string_view(start, static_cast<size_t>(stop - start));
  at_ = stop + 1;
  return true;
}

// Copies a text with escapes to the arena; [start, stop) is its part before the first one. Unescaping only shrinks, so
// the arena never needs more than the header's size and its bytes never move while views point at them.
bool JsonScanner::unescape(const char* start, const char* stop, std::string_view& out) {
  std::vector<char>& arena = scratch_.unescaped;
  const size_t needed = static_cast<size_t>(end_ - begin_) + copy_slack_bytes;
  if (arena_used_ == 0 && arena.size() < needed) arena.resize(needed);
  char* const text = arena.data() + arena_used_;
  char* to = std::copy(start, stop, text);
  const char* at = stop;
  while (true) {
    // The two separators of the properties string, in every message.
    if (end_ - at >= 8 && std::memcmp(at, "\\u000", 5) == 0 && (at[5] == '1' || at[5] == '2')) {
      *to++ = static_cast<char>(at[5] - '0');
      at += 6;
    } else {
      at_ = at;
      if (at == end_) return fail("string without end");
      if (*at_++ == '"') break;
      if (!escape(to)) return false;
      at = at_;
    }
    at = copy_to_quote_or_backslash(at, end_, to);
  }
  const auto size = static_cast<size_t>(to - text);
  arena_used_ += size;
  assert(arena_used_ + copy_slack_bytes <= arena.size());
  out = std::string_view(text, size);
  return true;
}

// Reads what stands behind a backslash and writes what it means.
bool JsonScanner::escape(char*& to) {
  if (at_ == end_) return fail("string without end");
  const char c = *at_++;
  switch (c) {
    case 'u': {
      char32_t unit = 0;
      if (!code_unit(unit)) return false;
      if (unit < 0x80) {
        *to++ = static_cast<char>(unit);
        return true;
      }
      if (unit >= 0xD800 && unit < 0xDC00 && end_ - at_ >= 6 && at_[0] == '\\' && at_[1] == 'u') {
        const char* const before = at_;
        at_ += 2;
        char32_t low = 0;
        if (!code_unit(low)) return false;
        if (low >= 0xDC00 && low < 0xE000) {
          to += utf8_put(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), to);
          return true;
        }
        at_ = before;
      }
      // Half a surrogate pair has no UTF-8 form; Java's encoder writes a question mark for it.
      if (unit >= 0xD800 && unit < 0xE000) {
        *to++ = '?';
      } else {
        to += utf8_put(unit, to);
      }
      return true;
    }
    case 'b':
      *to++ = '\b';
      return true;
    case 'f':
      *to++ = '\f';
      return true;
    case 'n':
      *to++ = '\n';
      return true;
    case 'r':
      *to++ = '\r';
      return true;
    case 't':
      *to++ = '\t';
      return true;
    case '"':
    case '\\':
    case '/':
    case '\'':
      *to++ = c;
      return true;
    default:
      --at_;
      return fail("unknown escape");
  }
}

// The four hex digits of \uXXXX.
bool JsonScanner::code_unit(char32_t& out) {
  if (end_ - at_ < 4) return fail("string without end");
  char32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = at_[i];
    char32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<char32_t>(c - '0');
    } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
      digit = static_cast<char32_t>((c | 32) - 'a' + 10);
    } else {
      return fail("expected four hex digits");
    }
    unit = (unit << 4) | digit;
  }
  at_ += 4;
  out = unit;
  return true;
}

bool JsonScanner::value(Value& out) {
  if (at_ == end_) return fail("expected a value");
  if (*at_ == '"') {
    out.kind = Kind::string;
    return string(out.text);
  }
  if (*at_ == '{' || *at_ == '[') return nested(out);
  return scalar(out);
}

bool JsonScanner::scalar(Value& out) {
  const char* const start = at_;
  while (at_ < end_ && !ends_scalar(*at_)) ++at_;
  out.text = std::string_view(start, static_cast<size_t>(at_ - start));
  if (!out.text.empty() && (*start == '-' || (*start >= '0' && *start <= '9'))) {
    out.kind = Kind::number;
    for (const char c : out.text) {
      const bool fits = (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
      if (!fits) {
        at_ = start;
        return fail("expected a number");
      }
    }
    return true;
  }
  if (out.text == "true" || out.text == "false") {
    out.kind = Kind::boolean;
    return true;
  }
  if (out.text == "null") {
    out.kind = Kind::null;
    return true;
  }
  at_ = start;
  return fail("expected a value");
}

// An object or array as a value: kept as raw text, checked only for strings that end and brackets that pair.
bool JsonScanner::nested(Value& out) {
  const char* const start = at_;
  uint64_t is_object = 0;  // one bit per open bracket
  int depth = 0;
  while (at_ < end_) {
    const char c = *at_;
    if (c == '"') {
      const size_t arena_before = arena_used_;
      std::string_view ignored;
      if (!string(ignored)) return false;
      arena_used_ = arena_before;
      continue;
    }
    ++at_;
    if (c == '{' || c == '[') {
      if (++depth > json_depth_max) return fail("nested too deep");
      is_object = (is_object << 1) | (c == '{' ? 1U : 0U);
    } else if (c == '}' || c == ']') {
      if ((is_object & 1) != (c == '}' ? 1U : 0U)) return fail("brackets do not pair");
      is_object >>= 1;
      if (--depth == 0) {
        out.kind = Kind::nested;
        out.text = std::string_view(start, static_cast<size_t>(at_ - start));
        return true;
      }
    }
  }
  return fail("value without end");
}

bool JsonScanner::integer(int32_t& out) {
  const char* const start = at_;
  const auto [plain_end, plain_ec] = std::from_chars(at_, end_, out);
  if (plain_ec == std::errc() && plain_end < end_ && ends_scalar(*plain_end)) {
    at_ = plain_end;
    return true;
  }
  Value v;
  if (!value(v)) return false;
  if (v.kind == Kind::null) {
    out = 0;
    return true;
  }
  const char* const first = v.text.data();
  const char* const last = first + v.text.size();
  const auto [end, ec] = std::from_chars(first, last, out);
  if (ec == std::errc() && end == last && !v.text.empty()) return true;
  // 1.0 and 1e3 are integers too, for writers that know one kind of number only.
  double real = 0;
  const auto [real_end, real_ec] = std::from_chars(first, last, real);
  const bool fits = real_ec == std::errc() && real_end == last && !v.text.empty() && std::trunc(real) == real &&
                    real >= std::numeric_limits<int32_t>::min() && real <= std::numeric_limits<int32_t>::max();
  if (!fits) {
    at_ = start;
    return fail("expected a 32-bit integer");
  }
  out = static_cast<int32_t>(real);
  return true;
}

}  // namespace merlin::wire
