// The properties string: name 0x01 value 0x02, repeated; the last 0x02 may be missing on input.
//
// Nothing here builds a map: the hot path scans the string for the few names it needs and appends to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace merlin::message {

inline constexpr char name_separator = 1;
inline constexpr char property_separator = 2;

namespace property {
inline constexpr std::string_view keys = "KEYS";
inline constexpr std::string_view tags = "TAGS";
inline constexpr std::string_view wait_store_ok = "WAIT";
inline constexpr std::string_view delay_level = "DELAY";
inline constexpr std::string_view retry_topic = "RETRY_TOPIC";
inline constexpr std::string_view real_topic = "REAL_TOPIC";
inline constexpr std::string_view real_queue_id = "REAL_QID";
inline constexpr std::string_view transaction_prepared = "TRAN_MSG";
inline constexpr std::string_view producer_group = "PGROUP";
inline constexpr std::string_view unique_key = "UNIQ_KEY";
inline constexpr std::string_view region = "MSG_REGION";
inline constexpr std::string_view trace_on = "TRACE_ON";
inline constexpr std::string_view cluster = "CLUSTER";
inline constexpr std::string_view pop_ck = "POP_CK";
inline constexpr std::string_view timer_delay_sec = "TIMER_DELAY_SEC";
inline constexpr std::string_view timer_delay_ms = "TIMER_DELAY_MS";
inline constexpr std::string_view timer_deliver_ms = "TIMER_DELIVER_MS";
inline constexpr std::string_view origin_message_id = "ORIGIN_MESSAGE_ID";
inline constexpr std::string_view inner_num = "INNER_NUM";
inline constexpr std::string_view inner_base = "INNER_BASE";
inline constexpr std::string_view inner_multi_dispatch = "INNER_MULTI_DISPATCH";
inline constexpr std::string_view inner_multi_queue_offset = "INNER_MULTI_QUEUE_OFFSET";
}  // namespace property

namespace detail {

// The first `c` in text, or npos. The texts are short, and a call of memchr costs more than the search.
inline size_t find_mark(std::string_view text, char c) {
  size_t at = 0;
#if defined(__SSE2__)
  const __m128i wanted = _mm_set1_epi8(c);
  for (; at + 16 <= text.size(); at += 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted));
    if (hits != 0) return at + static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(hits)));
  }
  if (at + 8 <= text.size()) {
    const __m128i block = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(text.data() + at));
    const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted)) & 0xFF;
    if (hits != 0) return at + static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(hits)));
    at += 8;
  }
#endif
  for (; at < text.size(); ++at) {
    if (text[at] == c) return at;
  }
  return std::string_view::npos;
}

}  // namespace detail

// Calls f(name, value) for each well-formed property, in order. f returns false to stop.
template <class F>
void for_each_property(std::string_view properties, F&& f) {
  while (!properties.empty()) {
    const size_t end = detail::find_mark(properties, property_separator);
    const std::string_view entry = properties.substr(0, end);
    properties = end == std::string_view::npos ? std::string_view() : properties.substr(end + 1);
    const size_t mid = detail::find_mark(entry, name_separator);
    // As Apache: an entry needs a name, the separator and a value, none of them empty; others are dropped.
    if (mid == std::string_view::npos || mid == 0 || mid + 1 == entry.size()) continue;
    if (!f(entry.substr(0, mid), entry.substr(mid + 1))) return;
  }
}

// The value of a property; the last one wins where a name stands twice. nullopt when absent.
std::optional<std::string_view> find_property(std::string_view properties, std::string_view name);

// Appends name 0x01 value 0x02, first closing an unterminated last entry.
void append_property(std::string& properties, std::string_view name, std::string_view value);

// A copy without the named property.
std::string without_property(std::string_view properties, std::string_view name);

// Java's String.hashCode over the UTF-16 form of a UTF-8 text. `before` is the hash of what stands in front of it.
int32_t java_hash(std::string_view utf8, int32_t before = 0);

// The tag code of a consume-queue unit: hash of TAGS sign-extended, 0 when absent or empty.
int64_t tags_code(std::string_view properties);

}  // namespace merlin::message
