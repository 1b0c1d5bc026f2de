// messageDelayLevel: how long a message of level 1, 2, ... waits.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "merlin/base/result.h"

namespace merlin::service {

inline constexpr size_t delay_levels_max = 64;
inline constexpr int64_t delay_ms_max = int64_t{10} * 366 * 24 * 3'600'000;

// "1s 5s 10s 30s 1m 2h 1d": milliseconds of each. Errc::invalid names the part that does not fit.
Result<std::vector<int64_t>> parse_delay_levels(std::string_view text);

}  // namespace merlin::service
