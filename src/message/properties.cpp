#include "merlin/message/properties.h"

#include <array>
#include <bit>
#include <cstring>

#include "merlin/base/bytes.h"
#include "merlin/base/utf8.h"

namespace merlin::message {

std::optional<std::string_view> find_property(std::string_view properties, std::string_view name) {
  std::optional<std::string_view> found;
  for_each_property(properties, [&](std::string_view key, std::string_view value) {
    if (key == name) found = value;
    return true;
  });
  return found;
}

void append_property(std::string& properties, std::string_view name, std::string_view value) {
  if (!properties.empty() && properties.back() != property_separator) properties.push_back(property_separator);
  properties.append(name);
  properties.push_back(name_separator);
  properties.append(value);
  properties.push_back(property_separator);
}

std::string without_property(std::string_view properties, std::string_view name) {
  std::string out;
  out.reserve(properties.size());
  while (!properties.empty()) {
    const size_t end = properties.find(property_separator);
    const size_t size = end == std::string_view::npos ? properties.size() : end + 1;
    const std::string_view entry = properties.substr(0, size);
    const bool is_named = entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == name_separator;
    if (!is_named) out.append(entry);
    properties.remove_prefix(size);
  }
  return out;
}

static constexpr uint64_t high_bits = 0x8080808080808080;

static constexpr std::array<uint32_t, 9> powers_of_31 = [] {
  std::array<uint32_t, 9> out{1};
  for (size_t i = 1; i < out.size(); ++i) out[i] = out[i - 1] * 31;
  return out;
}();

// The hash of eight ASCII characters, the first one lowest. The steps of hash * 31 + c are taken in pairs, and pairs of
// pairs, side by side in one word. Zeros in front count for nothing.
static uint32_t hash_of_word(uint64_t word) {
  const uint64_t pairs = (word & 0x00FF00FF00FF00FF) * 31 + (word >> 8 & 0x00FF00FF00FF00FF);
  const uint64_t fours = (pairs & 0x0000FFFF0000FFFF) * powers_of_31[2] + (pairs >> 16 & 0x0000FFFF0000FFFF);
  return static_cast<uint32_t>(fours) * powers_of_31[4] + static_cast<uint32_t>(fours >> 32);
}

// Fewer than eight characters, with zeros in front of them.
static uint64_t short_word(const uint8_t* at, size_t size) {
  uint64_t word = 0;
  if (size >= 4) {
    uint32_t first = 0;
    uint32_t last = 0;
    std::memcpy(&first, at, 4);
    std::memcpy(&last, at + size - 4, 4);
    word = first | uint64_t{last} << 8 * (size - 4);
  } else {
    for (size_t i = 0; i < size; ++i) word |= uint64_t{at[i]} << 8 * i;
  }
  return size == 0 ? 0 : word << 8 * (8 - size);
}

// What plain ASCII there is at the front, in words of eight or whatever is left.
static const uint8_t* hash_ascii(const uint8_t* at, const uint8_t* end, uint32_t& hash) {
  static_assert(std::endian::native == std::endian::little);
  for (; end - at >= 8; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    if ((word & high_bits) != 0) return at;
    hash = hash * powers_of_31[8] + hash_of_word(word);
  }
  const auto left = static_cast<size_t>(end - at);
  const uint64_t word = short_word(at, left);
  if ((word & high_bits) != 0) return at;
  hash = hash * powers_of_31[left] + hash_of_word(word);
  return end;
}

int32_t java_hash(std::string_view utf8, int32_t before) {
  const auto* at = reinterpret_cast<const uint8_t*>(utf8.data());
  const uint8_t* const end = at + utf8.size();
  auto hash = static_cast<uint32_t>(before);
  at = hash_ascii(at, end, hash);
  while (at < end) {
    if (*at < 0x80) {
      hash = hash * 31 + *at++;
      continue;
    }
    const Utf8Step step = utf8_step(at, end);
    at += step.bytes;
    if (step.code_point < 0x10000) {
      hash = hash * 31 + step.code_point;
      continue;
    }
    const char32_t above = step.code_point - 0x10000;
    hash = hash * 31 + (0xD800 + (above >> 10));
    hash = hash * 31 + (0xDC00 + (above & 0x3FF));
  }
  return static_cast<int32_t>(hash);
}

int64_t tags_code(std::string_view properties) {
  const std::optional<std::string_view> tags = find_property(properties, property::tags);
  return tags ? java_hash(*tags) : 0;
}

}  // namespace merlin::message
