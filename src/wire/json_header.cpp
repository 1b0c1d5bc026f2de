#include "wire/json_header.h"

#include "wire/json_scanner.h"

namespace merlin::wire {

namespace {

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

}  // namespace

bool JsonScanner::language(Language& out) {
  Value v;
  if (!value(v)) return false;
  out = Language::other;
  if (v.kind == Kind::string) out = language_from_name(v.text);
  if (v.kind == Kind::number && v.text.size() == 1) out = static_cast<Language>(v.text[0] - '0');
  return true;
}

// The common shape of extFields, "key":"value" without blanks, as far as it goes. True when it led to the closing };
// else at_ stands at the first member that is not of this shape.
bool JsonScanner::plain_ext_fields() {
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

bool JsonScanner::ext_fields() {
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

bool JsonScanner::head_member(std::string_view name, CommandView& out) {
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

// A number without sign that fits, or nothing is taken.
bool JsonScanner::take_digits(int32_t& out) {
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
bool JsonScanner::java_head(CommandView& out) {
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

bool JsonScanner::head(CommandView& out) {
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

Status decode_json_header(ByteView header, HeaderScratch& scratch, CommandView& out) {
  scratch.fields.clear();
  JsonScanner scanner(header, scratch);
  if (!scanner.head(out)) return scanner.error();
  out.ext = scratch.fields;
  return {};
}

}  // namespace merlin::wire
