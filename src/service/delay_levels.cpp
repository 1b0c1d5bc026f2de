#include "service/delay_levels.h"

#include <charconv>
#include <string>

namespace merlin::service {

static int64_t unit_ms(char unit) {
  switch (unit) {
    case 's':
      return 1'000;
    case 'm':
      return 60'000;
    case 'h':
      return 3'600'000;
    case 'd':
      return 24 * 3'600'000;
    default:
      return 0;
  }
}

static Result<int64_t> parse_level(std::string_view part) {
  int64_t number = 0;
  const int64_t unit = unit_ms(part.back());
  const char* const end = part.data() + part.size() - 1;
  const auto [at, ec] = std::from_chars(part.data(), end, number);
  if (unit == 0 || part.size() < 2 || ec != std::errc() || at != end || number < 0 || number > delay_ms_max / unit) {
    return Error{Errc::invalid, "messageDelayLevel: \"" + std::string(part) +
                                    "\" is no delay; it must be a number and one of s, m, h, d, and at most ten years"};
  }
  return number * unit;
}

Result<std::vector<int64_t>> parse_delay_levels(std::string_view text) {
  std::vector<int64_t> levels;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (part.empty()) continue;
    const auto level = parse_level(part);
    if (!level) return level.error();
    levels.push_back(*level);
  }
  if (levels.empty() || levels.size() > delay_levels_max) {
    return Error{Errc::invalid, "messageDelayLevel names " + std::to_string(levels.size()) + " levels; 1 to " +
                                    std::to_string(delay_levels_max) + " may be"};
  }
  return levels;
}

}  // namespace merlin::service
