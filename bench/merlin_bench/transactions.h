// merlin-bench tx: half messages, each followed by a commit or a rollback. What was committed must appear in its queue
// once, what was rolled back must not.
#pragma once

#include <map>
#include <string>

#include "check.h"
#include "histogram.h"
#include "options.h"
#include "process_stats.h"

namespace merlin::bench {

struct TransactionsReport {
  int64_t measured = 0;  // transactions that ended while measured
  int64_t half_messages = 0;
  int64_t committed = 0;
  int64_t rolled_back = 0;
  int64_t unanswered = 0;
  std::map<int32_t, int64_t> half_codes;  // answers to half messages by code, without 0
  std::map<int32_t, int64_t> end_codes;   // answers to commits and rollbacks by code, without 0
  std::string first_remark;
  Histogram half_latency;
  Histogram end_latency;
  Usage usage;
  CheckReport check;

  bool all_answered() const { return half_codes.empty() && end_codes.empty() && unanswered == 0; }
  bool good() const { return committed + rolled_back > 0 && all_answered() && check.good(); }
};

Result<TransactionsReport> transactions(const Options& options);
Status print(const Options& options, const TransactionsReport& report);

}  // namespace merlin::bench
