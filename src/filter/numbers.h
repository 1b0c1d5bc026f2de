// Numbers out of texts as Java reads them: Integer.valueOf, Long.valueOf and Double.valueOf of a UTF-8 text.
//
// Pure; nullopt where Java throws NumberFormatException.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace merlin::filter {

// A sign and decimal digits, of any script that has them in the basic plane, and nothing else.
std::optional<int64_t> java_long(std::string_view text);
std::optional<int32_t> java_int(std::string_view text);
// Blanks around it are passed over; NaN, Infinity, hexadecimal forms with an exponent and a last d or f are numbers,
// too. What is too large is an infinity, what is too small a zero.
std::optional<double> java_double(std::string_view text);

}  // namespace merlin::filter
