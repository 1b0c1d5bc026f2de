#include "merlin/message/ids.h"

#include <cassert>
#include <ctime>
#include <random>
#include <unistd.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "merlin/base/bytes.h"

namespace merlin::message {

namespace {

size_t write_hex(const uint8_t* from, size_t size, char* out) {
  constexpr char digits[] = "0123456789ABCDEF";
  size_t i = 0;
#if defined(__SSE2__)
  // Eight bytes at a time: the nibbles side by side, then '0' + nibble, and 7 more from A on.
  for (; i + 8 <= size; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from + i));
    const __m128i low_bits = _mm_set1_epi8(15);
    const __m128i nibbles =
        _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), low_bits), _mm_and_si128(bytes, low_bits));
    const __m128i letters = _mm_and_si128(_mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9)), _mm_set1_epi8('A' - '0' - 10));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * i),
                     _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), letters));
  }
#endif
  for (; i < size; ++i) {
    out[2 * i] = digits[from[i] >> 4];
    out[2 * i + 1] = digits[from[i] & 15];
  }
  return 2 * size;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 32);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Midnight of the first day of a month, local time as Java's ids have it; `months_on` 0 is the month of wall_ms.
int64_t month_start_ms(int64_t wall_ms, int months_on) {
  const auto seconds = static_cast<time_t>(wall_ms / 1000);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::tm first{};
  first.tm_year = parts.tm_year;
  first.tm_mon = parts.tm_mon + months_on;
  first.tm_mday = 1;
  first.tm_isdst = -1;
  return static_cast<int64_t>(mktime(&first)) * 1000;
}

}  // namespace

size_t write_offset_msg_id(const HostPort& store_host, int64_t physical_offset, char* out) {
  uint8_t raw[28];
  const size_t ip_size = store_host.ip_size();
  std::memcpy(raw, store_host.ip.data(), ip_size);
  store_be<int32_t>(raw + ip_size, store_host.port);
  store_be<int64_t>(raw + ip_size + 4, physical_offset);
  return write_hex(raw, ip_size + 12, out);
}

std::string offset_msg_id(const HostPort& store_host, int64_t physical_offset) {
  char text[56];
  return std::string(text, write_offset_msg_id(store_host, physical_offset, text));
}

Result<OffsetMsgId> parse_offset_msg_id(std::string_view text) {
  if (text.size() != 32 && text.size() != 56) {
    return Error{Errc::invalid, "message id of " + std::to_string(text.size()) + " characters; 32 or 56 expected"};
  }
  uint8_t raw[28];
  for (size_t i = 0; i < text.size() / 2; ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return Error{Errc::invalid, "message id with a character that is no hex digit"};
    raw[i] = static_cast<uint8_t>(high << 4 | low);
  }
  OffsetMsgId id;
  id.store_host.v6 = text.size() == 56;
  const size_t ip_size = id.store_host.ip_size();
  std::memcpy(id.store_host.ip.data(), raw, ip_size);
  id.store_host.port = load_be<int32_t>(raw + ip_size);
  id.physical_offset = load_be<int64_t>(raw + ip_size + 4);
  return id;
}

UniqKeyMaker::UniqKeyMaker(const HostPort& host, const Clock& clock) : clock_(clock) {
  uint8_t raw[22];
  const size_t ip_size = host.ip_size();
  std::memcpy(raw, host.ip.data(), ip_size);
  store_be<uint16_t>(raw + ip_size, static_cast<uint16_t>(getpid()));
  // Java has the class loader's hash here, which tells apart two makers in one process.
  store_be<uint32_t>(raw + ip_size + 2, std::random_device()());
  prefix_size_ = write_hex(raw, ip_size + 6, prefix_);
}

size_t UniqKeyMaker::next(char* out) {
  const int64_t now = clock_.wall_ms();
  int64_t start = month_start_ms_.load(std::memory_order_relaxed);
  if (now < start || now >= next_month_start_ms_.load(std::memory_order_relaxed)) {
    // Racing threads compute the same two numbers; one that sees a mix of old and new writes an id with an odd time,
    // which the counter still keeps apart from all others.
    start = month_start_ms(now, 0);
    month_start_ms_.store(start, std::memory_order_relaxed);
    next_month_start_ms_.store(month_start_ms(now, 1), std::memory_order_relaxed);
  }
  uint8_t raw[6];
  store_be<uint32_t>(raw, static_cast<uint32_t>(now - start));
  store_be<uint16_t>(raw + 4, static_cast<uint16_t>(counter_.fetch_add(1, std::memory_order_relaxed)));
  std::memcpy(out, prefix_, prefix_size_);
  return prefix_size_ + write_hex(raw, sizeof raw, out + prefix_size_);
}

std::string UniqKeyMaker::next() {
  char text[64];
  return std::string(text, next(text));
}

}  // namespace merlin::message
