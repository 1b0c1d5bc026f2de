// merlin-bench e2e: an open loop of sends while held pulls wait for the messages, in one thread and by one clock, so
// that the time from the intended send to the arrival at the consumer is measured without comparing clocks.
#pragma once

#include "histogram.h"
#include "options.h"
#include "process_stats.h"
#include "sender.h"

namespace merlin::bench {

struct E2eReport {
  Sender::Totals sent;
  double measured_seconds = 0;
  Histogram end_to_end;  // measured messages, intended send to arrival
  int64_t received_measured = 0;
  int64_t acknowledged = 0;
  int64_t received = 0;
  int64_t unanswered = 0;
  int64_t never_sent = 0;
  int64_t lost = 0;
  int64_t duplicates = 0;
  int64_t misplaced = 0;
  int64_t foreign = 0;
  // Received behind a message of the same queue that was sent later; -1 when several connections share a queue, which
  // promises no order. Brokers with several send threads may reorder what is in flight at once.
  int64_t reordered = -1;
  int64_t max_arrival_gap_ns = 0;
  int64_t pulls = 0;
  Histogram lag;
  int64_t held = 0;
  Usage usage;

  bool all_answered() const { return sent.codes.empty() && unanswered == 0 && never_sent == 0; }
  bool is_whole() const { return lost == 0 && duplicates == 0 && misplaced == 0; }
  bool good() const { return is_whole() && all_answered(); }
};

Result<E2eReport> end_to_end(const Options& options);
Status print(const Options& options, const E2eReport& report);

}  // namespace merlin::bench
