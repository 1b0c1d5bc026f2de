// merlin-bench limits: what this machine can do at best, measured the way a broker would use it. No broker is needed.
#pragma once

#include <string>
#include <vector>

#include "options.h"

namespace merlin::bench {

struct Figure {
  std::string name;
  double value = 0;
  int decimals = 0;
};

struct LimitsReport {
  std::vector<Figure> figures;

  bool good() const { return !figures.empty(); }
};

// Each gets the same part of options.seconds.
inline constexpr int64_t limits_measured = 8;
inline int64_t part_ns(const Options& options) {
  return options.seconds * int64_t{1'000'000'000} / limits_measured;
}

Result<LimitsReport> limits(const Options& options);
Status print(const Options& options, const LimitsReport& report);

// Page-cache appends, fdatasync and memcpy; files are written below options.directory and are gone afterwards.
Status measure_files(const Options& options, std::vector<Figure>& out);

}  // namespace merlin::bench
