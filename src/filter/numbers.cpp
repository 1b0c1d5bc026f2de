#include "filter/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <string>

#include "merlin/base/utf8.h"

namespace merlin::filter {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// The zeros of all decimal digits that Character.digit knows in the basic plane (Unicode 13); nine follow each.
constexpr std::array<char16_t, 36> other_zeros = {
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
    0x0DE6, 0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
    0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10};

// -1: no digit.
int other_digit(char32_t c) {
  const auto above = std::upper_bound(other_zeros.begin(), other_zeros.end(), c);
  if (above == other_zeros.begin()) return -1;
  const char32_t from_zero = c - *std::prev(above);
  return from_zero <= 9 ? static_cast<int>(from_zero) : -1;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

// The text of a number, as its parts were found.
struct Shape {
  std::string_view before;  // digits in front of the point
  std::string_view after;   // and behind it
  std::string_view exponent;
};

// Whether the digits are worth at least one: where the number does not fit a double, that says on which side.
bool is_large(const Shape& shape, int64_t exponent_per_digit) {
  const size_t leading = shape.before.find_first_not_of('0');
  int64_t place = 0;  // of the first digit that is not zero, 1 in front of the point
  if (leading != std::string_view::npos) {
    place = static_cast<int64_t>(shape.before.size() - leading);
  } else {
    place = -static_cast<int64_t>(shape.after.find_first_not_of('0'));
  }
  int64_t exponent = 0;
  std::string_view digits = shape.exponent;
  if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec != std::errc()) {
    return digits.front() != '-';
  }
  // The places of a text that stands in a property cannot make up for more than this.
  exponent = std::clamp<int64_t>(exponent, -1'000'000'000, 1'000'000'000);
  return place * exponent_per_digit + exponent > 0;
}

bool is_zero(const Shape& shape) {
  return shape.before.find_first_not_of('0') == std::string_view::npos &&
         shape.after.find_first_not_of('0') == std::string_view::npos;
}

double magnitude(const Shape& shape, std::string_view text, std::chars_format format) {
  if (is_zero(shape)) return 0;
  double value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, format);
  if (ec == std::errc()) return value;
  return is_large(shape, format == std::chars_format::hex ? 4 : 1) ? std::numeric_limits<double>::infinity() : 0;
}

// Takes what stands at the front of `text`.
template <class Is>
std::string_view take(std::string_view& text, Is is) {
  const auto end = std::find_if_not(text.begin(), text.end(), is);
  const std::string_view taken = text.substr(0, static_cast<size_t>(end - text.begin()));
  text.remove_prefix(taken.size());
  return taken;
}

std::string_view take_signed_digits(std::string_view& text) {
  const std::string_view all = text;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  if (take(text, is_digit).empty()) return {};
  return all.substr(0, all.size() - text.size());
}

bool is_exponent_mark(std::string_view text, char lower, char upper) {
  return !text.empty() && (text.front() == lower || text.front() == upper);
}

bool is_end(std::string_view text) {
  return text.empty() || (text.size() == 1 && (text == "d" || text == "D" || text == "f" || text == "F"));
}

// from_chars takes a minus in an exponent but, other than Java, it may not have leading signs elsewhere; what it gets
// is the unsigned number without its suffix. Both forms are checked in full before.
std::optional<double> decimal(std::string_view text) {
  const std::string_view all = text;
  Shape shape;
  shape.before = take(text, is_digit);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    shape.after = take(text, is_digit);
  }
  if (shape.before.empty() && shape.after.empty()) return std::nullopt;
  if (is_exponent_mark(text, 'e', 'E')) {
    text.remove_prefix(1);
    shape.exponent = take_signed_digits(text);
    if (shape.exponent.empty()) return std::nullopt;
  }
  if (!is_end(text)) return std::nullopt;
  return magnitude(shape, all.substr(0, all.size() - text.size()), std::chars_format::general);
}

// `text` stands behind the 0x.
std::optional<double> hexadecimal(std::string_view text) {
  const std::string_view all = text;
  Shape shape;
  shape.before = take(text, is_hex_digit);
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    shape.after = take(text, is_hex_digit);
  }
  if ((shape.before.empty() && shape.after.empty()) || !is_exponent_mark(text, 'p', 'P')) return std::nullopt;
  text.remove_prefix(1);
  shape.exponent = take_signed_digits(text);
  if (shape.exponent.empty() || !is_end(text)) return std::nullopt;
  return magnitude(shape, all.substr(0, all.size() - text.size()), std::chars_format::hex);
}

}  // namespace

std::optional<int64_t> java_long(std::string_view text) {
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = at + text.size();
  const bool negative = !text.empty() && text.front() == '-';
  if (negative || (!text.empty() && text.front() == '+')) ++at;
  if (at == end) return std::nullopt;
  int64_t value = 0;  // negative, for there is one more of them
  while (at != end) {
    int digit = *at - '0';
    size_t bytes = 1;
    if (*at >= 0x80) {
      const Utf8Step step = utf8_step(at, end);
      digit = other_digit(step.code_point);
      bytes = step.bytes;
    }
    at += bytes;
    if (digit < 0 || digit > 9) return std::nullopt;
    if (__builtin_mul_overflow(value, int64_t{10}, &value) || __builtin_sub_overflow(value, int64_t{digit}, &value)) {
      return std::nullopt;
    }
  }
  if (negative) return value;
  if (value == INT64_MIN) return std::nullopt;
  return -value;
}

std::optional<int32_t> java_int(std::string_view text) {
  const std::optional<int64_t> value = java_long(text);
  if (!value || *value < INT32_MIN || *value > INT32_MAX) return std::nullopt;
  return static_cast<int32_t>(*value);
}

std::optional<double> java_double(std::string_view text) {
  text = trim(text);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative || (!text.empty() && text.front() == '+')) text.remove_prefix(1);
  std::optional<double> value;
  if (text == "NaN") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (text.size() > 1 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    value = hexadecimal(text.substr(2));
  } else {
    value = decimal(text);
  }
  if (value && negative) *value = -*value;
  return value;
}

}  // namespace merlin::filter
