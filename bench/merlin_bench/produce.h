// merlin-bench produce: sends on many connections from one thread and proves that nothing acknowledged is missing.
#pragma once

#include <map>
#include <string>

#include "histogram.h"
#include "options.h"
#include "process_stats.h"

namespace merlin::bench {

struct ProduceReport {
  int64_t messages = 0;              // acknowledged while measured
  double seconds = 0;                // measured
  int64_t acknowledged = 0;          // over the whole run
  int64_t unanswered = 0;            // messages whose answer did not come within 10 s after the last send
  std::map<int32_t, int64_t> codes;  // answers by code, over the whole run, without 0
  std::string first_remark;          // of the first answer that was not 0
  Histogram latency;
  double own_cores = 0;
  double broker_cores = 0;
  double broker_cpu_s_per_million = 0;  // until every message can be read
  Memory broker_memory;
  int64_t queues_checked = 0;    // all, or a sample of very many
  int64_t offsets_grew_by = 0;   // of those
  double readable_after_ms = 0;  // after the last answer
  bool offsets_agree = false;
};

Result<ProduceReport> produce(const Options& options);
void print(const Options& options, const ProduceReport& report);

}  // namespace merlin::bench
