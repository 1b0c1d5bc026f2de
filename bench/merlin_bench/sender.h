// The sending half of a run: many connections, requests in flight on each, in a closed or an open loop.
//
// Owns: its connections. Threads: one, that of the poller.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "histogram.h"
#include "ledger.h"
#include "link.h"
#include "merlin/wire/command.h"
#include "open_loop.h"
#include "options.h"
#include "poller.h"
#include "second.h"
#include "send_frame.h"

namespace merlin::bench {

class Sender {
 public:
  // All of them must outlive the sender.
  Sender(const Options& options, Poller& poller, Ledger& ledger);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  Status connect();
  // Sends from now on. Messages count as measured when they are answered (closed loop) or meant to leave (open loop)
  // from `measure_from` to `measure_to`.
  Status start(int64_t now, int64_t measure_from, int64_t measure_to);
  // The measured time is over, maybe early. An open loop still sends what was meant to leave in it: to forget that
  // would hide the longest waits.
  void stop(int64_t now);
  double measured_seconds() const { return static_cast<double>(measure_to_ - measure_from_) / 1e9; }
  // Everything was sent and answered.
  bool is_done() const { return !has_due() && in_flight_ == 0 && !has_unsent(); }
  // Requests of an open loop that should have left and did not.
  int64_t never_sent() const;
  // Sends what is due. Call it whenever the poller comes back, and at next_due_ns() at the latest.
  Status send_due(int64_t now);
  int64_t next_due_ns(int64_t now) const;

  int64_t in_flight() const { return in_flight_; }  // requests
  int64_t last_answer_ns() const { return last_answer_ns_; }
  // When that message was meant to leave. REQUIRES: an open loop.
  int64_t intended_ns(int64_t number) const { return schedule_->intended_ns(number / options_.batch); }

  struct Totals {
    int64_t messages = 0;              // acknowledged and measured
    std::map<int32_t, int64_t> codes;  // answers by code, over the whole run, without 0; -1: an answer to nothing
    std::string first_remark;          // of the first answer that was not 0
    Histogram latency;                 // measured
    int64_t max_gap_at_ns = 0;         // when it began, from the beginning of the measured time
    int64_t max_gap_ns = 0;            // the longest time without any answer while some were awaited, measured
  };
  const Totals& totals() const { return totals_; }
  const OpenLoop* schedule() const { return schedule_ ? &*schedule_ : nullptr; }
  Second& second() { return second_; }

 private:
  struct Slot {
    int32_t number = -1;  // of the request that waits for its answer; -1: free
    int64_t queue = 0;
    uint64_t first_key = 0;
    int64_t since_ns = 0;  // when it was sent, or should have been
  };
  // One connection with its requests in flight.
  struct Lane final : Ready {
    Sender* sender = nullptr;
    std::unique_ptr<Link> link;
    std::vector<Slot> slots;
    std::vector<int32_t> free_slots;
    int32_t generation = 0;
    int64_t next_queue = 0;
    bool listens_for_write = false;
    bool has_unsent = false;  // stands in unsent_
    Status on_ready() override { return sender->serve(*this); }
  };

  bool has_unsent() const;
  bool has_due() const { return sending_ && schedule_ && schedule_->next_ns() < measure_to_; }
  Status serve(Lane& lane);
  void send(Lane& lane, int64_t since_ns);
  void send_oneway(Lane& lane, int64_t since_ns);
  uint64_t append_next(Lane& lane, int32_t number);
  void note_answer(int64_t now);
  bool is_measured(int64_t at_ns) const { return at_ns >= measure_from_ && at_ns < measure_to_; }
  Status flush(Lane& lane);
  void take_answer(Lane& lane, const wire::Frame& frame, int64_t now);

  const Options& options_;
  Poller& poller_;
  Ledger& ledger_;
  SendFrame frame_;
  AnswerScan scan_;
  wire::HeaderScratch scratch_;
  const int64_t queue_step_;  // from one queue to the next
  const int64_t lane_step_;   // from one queue of a connection to its next: the connections share one order
  std::deque<Lane> lanes_;    // a deque: the poller holds their addresses
  std::vector<Lane*> unsent_;
  std::optional<OpenLoop> schedule_;
  bool sending_ = false;
  size_t next_lane_ = 0;
  int64_t next_lmq_ = 0;
  int64_t measure_from_ = INT64_MAX;
  int64_t measure_to_ = INT64_MAX;
  int64_t in_flight_ = 0;
  int64_t waiting_since_ns_ = 0;  // the last answer, or the first request after a time without any
  int64_t last_answer_ns_ = 0;
  Totals totals_;
  Second second_;
};

}  // namespace merlin::bench
