// Results as text for people, as one line of JSON for scripts, or beside those of an earlier run.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "histogram.h"
#include "options.h"
#include "process_stats.h"

namespace merlin::bench {

// Collects name/value pairs; the same list prints in each form.
class Report {
 public:
  explicit Report(const Options& options) : options_(options) {}
  void number(std::string_view name, double value, int decimals = 0);
  void text(std::string_view name, std::string_view value);
  // Quantiles from p50 to p99.99, each name behind the prefix.
  void latency(const Histogram& latency, std::string_view prefix = "");
  void usage(const Usage& usage);
  // Prints in the form that the options ask for.
  Status print() const;

  std::string as_json() const;
  std::string as_lines() const;
  // Each value beside that of `base`, which as_json() wrote in another run, with the ratio.
  Result<std::string> beside(std::string_view base) const;

 private:
  struct Entry {
    std::string name;
    std::string value;  // as printed
    bool is_number = false;
  };
  const Options& options_;
  std::vector<Entry> entries_;
};

}  // namespace merlin::bench
