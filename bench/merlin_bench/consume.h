// merlin-bench consume: pulls a backlog, one pull in flight per queue, and checks every record.
#pragma once

#include "histogram.h"
#include "options.h"
#include "process_stats.h"

namespace merlin::bench {

struct ConsumeReport {
  int64_t messages = 0;
  int64_t pulls = 0;
  int64_t bytes = 0;
  double seconds = 0;
  Histogram latency;  // of a pull
  double own_cores = 0;
  double broker_cores = 0;
  double broker_cpu_s_per_million = 0;
  Memory broker_memory;
};

// Fails on a record that does not decode, a wrong CRC, an offset that is not the next one, or an answer that brings
// nothing although the backlog is not read yet.
Result<ConsumeReport> consume(const Options& options);
void print(const Options& options, const ConsumeReport& report);

}  // namespace merlin::bench
