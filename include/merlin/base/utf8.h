// UTF-8 one code point at a time, with Java's view of what is malformed.
//
// Pure; never reads behind `end`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace merlin {

inline constexpr char32_t utf8_replacement = 0xFFFD;

struct Utf8Step {
  char32_t code_point = utf8_replacement;
  size_t bytes = 1;  // consumed; at least 1
  bool valid = false;
};

// Decodes the code point at `p`. REQUIRES: p < end. Malformed input consumes its longest prefix that could have begun a
// code point (at least one byte) and yields U+FFFD, as Java's decoder and the Unicode standard do.
inline Utf8Step utf8_step(const uint8_t* p, const uint8_t* end) {
  const uint8_t lead = *p;
  if (lead < 0x80) return {lead, 1, true};
  size_t more = 0;
  uint8_t low = 0x80;  // bounds of the second byte: they shut out overlong forms and what is above U+10FFFF
  uint8_t high = 0xBF;
  char32_t value = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    more = 1;
    value = lead & 0x1F;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    more = 2;
    value = lead & 0x0F;
    if (lead == 0xE0) low = 0xA0;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    more = 3;
    value = lead & 0x07;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return {};
  }
  size_t at = 1;
  for (; at <= more; ++at) {
    if (p + at == end || p[at] < low || p[at] > high) return {utf8_replacement, at, false};
    value = (value << 6) | (p[at] & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  // Half of a surrogate pair counts as one malformed unit of three bytes.
  if (value >= 0xD800 && value < 0xE000) return {utf8_replacement, at, false};
  return {value, at, true};
}

// Writes the UTF-8 form of a code point (not a surrogate) and returns its length; `out` holds at least 4 bytes.
inline size_t utf8_put(char32_t c, char* out) {
  if (c < 0x80) {
    out[0] = static_cast<char>(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = static_cast<char>(0xC0 | (c >> 6));
    out[1] = static_cast<char>(0x80 | (c & 0x3F));
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<char>(0xE0 | (c >> 12));
    out[1] = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    out[2] = static_cast<char>(0x80 | (c & 0x3F));
    return 3;
  }
  out[0] = static_cast<char>(0xF0 | (c >> 18));
  out[1] = static_cast<char>(0x80 | ((c >> 12) & 0x3F));
  out[2] = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
  out[3] = static_cast<char>(0x80 | (c & 0x3F));
  return 4;
}

}  // namespace merlin
