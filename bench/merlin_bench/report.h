// Results as text for people or as one line of JSON for scripts.
#pragma once

#include <string>
#include <string_view>

#include "histogram.h"
#include "options.h"
#include "process_stats.h"

namespace merlin::bench {

// Collects name/value pairs; the same list prints as JSON or, where a sentence is given, as text.
class Report {
 public:
  explicit Report(const Options& options) : options_(options) {}
  void number(std::string_view name, double value, int decimals = 0);
  void text(std::string_view name, std::string_view value);
  void latency(const Histogram& latency);
  void broker(double cores, double cpu_s_per_million, const Memory& memory);
  void print() const;

 private:
  const Options& options_;
  std::string json_;
  std::string lines_;
};

}  // namespace merlin::bench
