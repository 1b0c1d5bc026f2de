// merlin-bench sparse: many queues side by side, each idle for a random time before its next message, while held pulls
// wait on all of them. What is looked for is the one message that waited for a period instead of being delivered at
// once, so the slowest deliveries are named one by one, each beside how late the tool itself was then.
#pragma once

#include <vector>

#include "histogram.h"
#include "options.h"
#include "process_stats.h"
#include "sender.h"

namespace merlin::bench {

struct SparseReport {
  struct Delivery {
    int64_t took_ns = 0;
    int64_t at_ns = 0;   // when it was sent, from the beginning
    int64_t lag_ns = 0;  // how late the tool sent it
    int64_t queue = 0;
  };
  int64_t seconds = 0;
  Histogram delivery;                      // from the write of the send to the arrival at the consumer
  Histogram answer;                        // from the write of the send to its answer
  Histogram lag;                           // from the intended time of a send to its write: the tool's own
  int64_t stored_to_delivered_ms = 0;      // the largest, by the wall clocks of broker and tool, whole milliseconds
  std::vector<Delivery> slowest;           // the slowest first
  std::vector<int64_t> within, within_ms;  // how many took up to so long
  int64_t sent = 0;
  int64_t acknowledged = 0;
  int64_t received = 0;
  int64_t lost = 0;
  int64_t duplicates = 0;
  int64_t misplaced = 0;
  int64_t foreign = 0;
  int64_t unanswered = 0;
  int64_t pulls = 0;
  int64_t empty_pulls = 0;  // holds that ran out
  int64_t noise_sent = 0;
  Sender::Totals answers;  // codes of the sends that were refused, those of the noise among them
  Usage usage;
  bool is_late = false;

  bool is_whole() const { return lost == 0 && duplicates == 0 && misplaced == 0 && foreign == 0; }
  bool good() const { return is_whole() && answers.codes.empty() && unanswered == 0 && !is_late; }
};

Result<SparseReport> sparse(const Options& options);
Status print(const Options& options, const SparseReport& report);

}  // namespace merlin::bench
