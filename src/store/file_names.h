// Names of files that start at an offset: 20 decimal digits, as Apache writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace merlin::store {

inline constexpr size_t offset_name_digits = 20;

inline std::string offset_file_name(int64_t offset) {
  const std::string digits = std::to_string(offset);
  return std::string(offset_name_digits - digits.size(), '0') + digits;
}

// nullopt when the name is not 20 digits or beyond int64.
inline std::optional<int64_t> parse_offset_file_name(std::string_view name) {
  if (name.size() != offset_name_digits) return std::nullopt;
  int64_t value = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, int64_t{10}, &value)) return std::nullopt;
    if (__builtin_add_overflow(value, int64_t{c - '0'}, &value)) return std::nullopt;
  }
  return value;
}

}  // namespace merlin::store
