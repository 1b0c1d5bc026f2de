// merlin-bench consume: pulls a backlog, one pull in flight per queue, and checks every record.
#pragma once

#include "histogram.h"
#include "options.h"
#include "process_stats.h"

namespace merlin::bench {

struct ConsumeReport {
  int64_t messages = 0;
  int64_t pulls = 0;
  int64_t empty_answers = 0;
  int64_t bytes = 0;
  int64_t wrong_tags = 0;
  Histogram latency;  // of a pull
  Usage usage;

  bool good() const { return messages > 0 && wrong_tags == 0; }
};

// Fails on a record that does not decode, a wrong CRC, an offset that is not the next one, or an answer that brings
// nothing although the backlog is not read yet.
Result<ConsumeReport> consume(const Options& options);
Status print(const Options& options, const ConsumeReport& report);

}  // namespace merlin::bench
