#include "wire/json_header.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "merlin/base/utf8.h"
#include "wire/text_scan.h"

namespace merlin::wire {

namespace {

enum class Kind : uint8_t { string, number, boolean, null, nested };

struct Value {
  Kind kind = Kind::null;
  std::string_view text;
};

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool ends_scalar(char c) {
  return c == ',' || c == '}' || c == ']' || is_blank(c);
}

constexpr ptrdiff_t member_bytes_min = 8;  // "k":"",

// `"k":"` with k a letter. REQUIRES: eight bytes at p.
bool is_letter_key(const char* p) {
  uint64_t eight = 0;
  std::memcpy(&eight, p, 8);
  if constexpr (std::endian::native == std::endian::big) eight = __builtin_bswap64(eight);
  constexpr uint64_t mask = 0xFFFFFF00FF;
  constexpr uint64_t marks = 0x223A220022;
  return (eight & mask) == marks && static_cast<uint8_t>((p[1] | 32) - 'a') < 26;
}

// REQUIRES: four bytes at p.
bool opens_value(const char* p) {
  uint32_t four = 0;
  std::memcpy(&four, p, 4);
  constexpr uint32_t mask = std::endian::native == std::endian::little ? 0x00FFFFFF : 0xFFFFFF00;
  constexpr uint32_t marks = std::endian::native == std::endian::little ? 0x00223A22 : 0x223A2200;  // ":"
  return (four & mask) == marks;
}

class Scanner {
 public:
  Scanner(ByteView header, HeaderScratch& scratch)
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
bool Scanner::members(F&& f) {
  if (!take('{')) return fail("expected {");
  return more_members(true, f);
}

// What is left of an object up to its }.
template <class F>
bool Scanner::more_members(bool may_be_none, F&& f) {
  if (may_be_none && take('}')) return true;
  while (true) {
    std::string_view name;
    if (!key(name) || !f(name)) return false;
    if (take(',')) continue;
    if (take('}')) return true;
    return fail("expected , or }");
  }
}

bool Scanner::key(std::string_view& out) {
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
bool Scanner::string(std::string_view& out) {
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
bool Scanner::unescape(const char* start, const char* stop, std::string_view& out) {
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
bool Scanner::escape(char*& to) {
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
bool Scanner::code_unit(char32_t& out) {
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

bool Scanner::value(Value& out) {
  if (at_ == end_) return fail("expected a value");
  if (*at_ == '"') {
    out.kind = Kind::string;
    return string(out.text);
  }
  if (*at_ == '{' || *at_ == '[') return nested(out);
  return scalar(out);
}

bool Scanner::scalar(Value& out) {
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
bool Scanner::nested(Value& out) {
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

bool Scanner::integer(int32_t& out) {
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

bool Scanner::language(Language& out) {
  Value v;
  if (!value(v)) return false;
  out = Language::other;
  if (v.kind == Kind::string) out = language_from_name(v.text);
  if (v.kind == Kind::number && v.text.size() == 1) out = static_cast<Language>(v.text[0] - '0');
  return true;
}

// The common shape of extFields, "key":"value" without blanks, as far as it goes. True when it led to the closing };
// else at_ stands at the first member that is not of this shape.
bool Scanner::plain_ext_fields() {
  const char* at = at_;
  size_t room = ext_fields_limit - std::min(ext_fields_limit, scratch_.fields.size());
  bool closed = false;
  for (; !closed && room > 0 && end_ - at >= member_bytes_min; --room) {
    // The keys of the most frequent request are single letters.
    const char* key_end = at + 2;
    if (!is_letter_key(at)) {
      if (*at != '"') break;
      key_end = find_quote_or_backslash(at + 1, end_);
      if (end_ - key_end < 4 || !opens_value(key_end)) break;
    }
    const char* const text = key_end + 3;
    const char* text_end = find_quote_or_backslash(text, end_);
    const size_t arena_before = arena_used_;
    std::string_view value(text, static_cast<size_t>(text_end - text));
    if (text_end != end_ && *text_end == '\\') {
      if (!unescape(text, text_end, value)) break;
      text_end = at_ - 1;
    }
    const char after = end_ - text_end < 2 ? '\0' : text_end[1];
    closed = after == '}';
    if (!closed && after != ',') {
      arena_used_ = arena_before;  // the member is read again
      break;
    }
    scratch_.fields.push_back({std::string_view(at + 1, static_cast<size_t>(key_end - at - 1)), value});
    at = text_end + 2;
  }
  at_ = at;
  return closed;
}

bool Scanner::ext_fields() {
  scratch_.fields.clear();
  if (at_ < end_ && *at_ != '{') {
    Value v;
    if (!value(v)) return false;
    return v.kind == Kind::null || fail("expected an object of extFields");
  }
  if (!take('{')) return fail("expected {");
  if (plain_ext_fields()) return true;
  return more_members(scratch_.fields.empty(), [this](std::string_view name) {
    Value v;
    if (!value(v)) return false;
    if (v.kind == Kind::null) return true;  // as if the field were absent
    if (scratch_.fields.size() >= ext_fields_limit) return fail("too many extFields");
    scratch_.fields.push_back({name, v.text});
    return true;
  });
}

bool Scanner::head_member(std::string_view name, CommandView& out) {
  switch (name.size()) {
    case 4:
      if (name == "code") return integer(out.code);
      if (name == "flag") return integer(out.flag);
      break;
    case 6:
      if (name == "opaque") return integer(out.opaque);
      if (name == "remark") {
        Value v;
        if (!value(v)) return false;
        out.remark = v.kind == Kind::null ? std::string_view() : v.text;
        return true;
      }
      break;
    case 7:
      if (name == "version") return integer(out.version);
      break;
    case 8:
      if (name == "language") return language(out.language);
      break;
    case 9:
      if (name == "extFields") return ext_fields();
      break;
    default:
      break;
  }
  Value ignored;
  return value(ignored);
}

// The text that must follow, or nothing is taken.
template <size_t N>
bool Scanner::take_literal(const char (&text)[N]) {
  if (static_cast<size_t>(end_ - at_) < N - 1 || std::memcmp(at_, text, N - 1) != 0) return false;
  at_ += N - 1;
  return true;
}

// A number without sign that fits, or nothing is taken.
bool Scanner::take_digits(int32_t& out) {
  constexpr ptrdiff_t digits_max = 10;
  const char* const start = at_;
  const char* const stop = start + std::min(end_ - start, digits_max + 1);
  const char* p = start;
  uint64_t value = 0;
  for (uint32_t digit = 0; p != stop && (digit = static_cast<uint8_t>(*p) - uint32_t{'0'}) < 10; ++p) {
    value = value * 10 + digit;
  }
  if (p == start || p - start > digits_max || value > INT32_MAX) return false;
  at_ = p;
  out = static_cast<int32_t>(value);
  return true;
}

// The order and form in which Java's clients write a request without remark. What it fills in before it gives up is
// written again by the general way.
bool Scanner::java_head(CommandView& out) {
  if (!take_literal("{\"code\":") || !take_digits(out.code)) return false;
  if (take_literal(",\"extFields\":{")) {
    if (!plain_ext_fields()) return false;
  }
  if (!take_literal(",\"flag\":") || !take_digits(out.flag)) return false;
  if (!take_literal(",\"language\":\"")) return false;
  if (!take_literal("JAVA")) {
    const char* const name = at_;
    at_ = find_quote_or_backslash(at_, end_);
    out.language = language_from_name({name, static_cast<size_t>(at_ - name)});
  }
  if (!take_literal("\",\"opaque\":") || !take_digits(out.opaque)) return false;
  if (!take_literal(",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":") || !take_digits(out.version)) return false;
  return take_literal("}") && at_ == end_;
}

bool Scanner::head(CommandView& out) {
  if (java_head(out)) return true;
  out.code = out.flag = out.opaque = out.version = 0;
  out.language = Language::java;
  at_ = begin_;
  arena_used_ = 0;
  scratch_.fields.clear();
  if (!members([this, &out](std::string_view name) { return head_member(name, out); })) return false;
  skip_blanks();
  return at_ == end_ || fail("bytes behind the closing }");
}

}  // namespace

Status decode_json_header(ByteView header, HeaderScratch& scratch, CommandView& out) {
  scratch.fields.clear();
  Scanner scanner(header, scratch);
  if (!scanner.head(out)) return scanner.error();
  out.ext = scratch.fields;
  return {};
}

}  // namespace merlin::wire
