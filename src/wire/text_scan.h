// Finding the next byte that matters in a run of text, sixteen bytes at a time where the machine can.
#pragma once

#include <cstddef>
#include <cstdint>

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

}  // namespace merlin::wire
