// merlin-bench produce and many-queues: sends on many connections from one thread and proves that nothing acknowledged
// is missing.
#pragma once

#include "check.h"
#include "histogram.h"
#include "options.h"
#include "process_stats.h"
#include "report.h"
#include "sender.h"

namespace merlin::bench {

struct ProduceReport {
  Sender::Totals sent;
  double measured_seconds = 0;
  int64_t sent_count = 0;    // over the whole run
  int64_t acknowledged = 0;  // of them; a oneway request is never acknowledged
  int64_t unanswered = 0;    // messages whose answer did not come within 10 s after the measured time
  int64_t never_sent = 0;    // open loop: messages that had to wait until after that
  bool open_loop = false;
  Histogram lag;     // open loop: how late the tool itself sent
  int64_t held = 0;  // open loop: requests that had to wait because every connection was full
  Usage usage;
  CheckReport check;

  bool all_answered() const { return sent.codes.empty() && unanswered == 0 && never_sent == 0; }
  bool good() const { return check.good() && all_answered(); }
};

Result<ProduceReport> produce(const Options& options);
Status print(const Options& options, const ProduceReport& report);

// Ctrl-C during the warm-up.
Error interrupted_early();

// Parts that other verbs report as well.
void put_load(Report& out, const Options& options);
void put_gap(Report& out, const Sender::Totals& sent);
void put_open_loop(Report& out, const Histogram& lag, int64_t held);
void put_answers(Report& out, const Sender::Totals& sent, int64_t unanswered, int64_t never_sent);

}  // namespace merlin::bench
