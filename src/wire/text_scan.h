// Finding the next byte that matters in a run of text, sixteen bytes at a time where the machine can.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace merlin::wire {

// The first quote or backslash in [p, end), or end. Most texts of a header are shorter than one step.
inline const char* find_quote_or_backslash(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  while (end - p >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
    const int mask = _mm_movemask_epi8(hits);
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
#endif
  while (p < end && *p != '"' && *p != '\\') ++p;
  return p;
}

// As find_quote_or_backslash, and copies what it passes to `to`. May write up to copy_slack_bytes behind the copied
// text.
inline constexpr size_t copy_slack_bytes = 16;
inline const char* copy_to_quote_or_backslash(const char* p, const char* end, char*& to) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  while (end - p >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
    const __m128i hits = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
    const int mask = _mm_movemask_epi8(hits);
    if (mask != 0) {
      const int passed = __builtin_ctz(static_cast<unsigned>(mask));
      to += passed;
      return p + passed;
    }
    p += 16;
    to += 16;
  }
#endif
  while (p < end && *p != '"' && *p != '\\') *to++ = *p++;
  return p;
}

// The first byte in [p, end) that a JSON writer may not copy as it is: quote, backslash, control or not ASCII; or end.
inline const char* find_not_plain(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i blank = _mm_set1_epi8(' ');
  while (end - p >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // The signed comparison catches bytes from 0x80 on as well.
    const __m128i hits = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)),
                                      _mm_cmplt_epi8(block, blank));
    const int mask = _mm_movemask_epi8(hits);
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
#endif
  while (p < end && *p != '"' && *p != '\\' && static_cast<uint8_t>(*p) >= 0x20 && static_cast<uint8_t>(*p) < 0x80) ++p;
  return p;
}

// Copies n bytes of text to `to`. False, with `to` half written, when one of them may not stand in JSON as it is (see
// find_not_plain). Never reads outside [from, from + n), never writes outside [to, to + n).
inline bool copy_plain(const char* from, size_t n, char* to) {
#if defined(__SSE2__)
  const auto not_plain = [](__m128i block) {
    return _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))),
        _mm_cmplt_epi8(block, _mm_set1_epi8(' ')));
  };
  if (n >= 16) {
    __m128i bad = _mm_setzero_si128();
    const auto step = [&](size_t at) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + at));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at), block);
      bad = _mm_or_si128(bad, not_plain(block));
    };
    for (size_t at = 0; at + 16 < n; at += 16) step(at);
    step(n - 16);  // overlaps what went before
    return _mm_movemask_epi8(bad) == 0;
  }
  if (n >= 8) {
    int64_t first = 0;
    int64_t last = 0;
    std::memcpy(&first, from, 8);
    std::memcpy(&last, from + n - 8, 8);
    std::memcpy(to, &first, 8);
    std::memcpy(to + n - 8, &last, 8);
    return _mm_movemask_epi8(not_plain(_mm_set_epi64x(last, first))) == 0;
  }
  if (n >= 4) {
    int32_t first = 0;
    int32_t last = 0;
    std::memcpy(&first, from, 4);
    std::memcpy(&last, from + n - 4, 4);
    std::memcpy(to, &first, 4);
    std::memcpy(to + n - 4, &last, 4);
    return _mm_movemask_epi8(not_plain(_mm_set_epi32(0x20202020, 0x20202020, last, first))) == 0;
  }
#endif
  bool plain = true;
  for (size_t i = 0; i < n; ++i) {
    const auto c = static_cast<uint8_t>(from[i]);
    to[i] = from[i];
    plain = plain && c != '"' && c != '\\' && c >= 0x20 && c < 0x80;
  }
  return plain;
}

}  // namespace merlin::wire
