// The receiving half of a run: pulls queues on many connections, at most one pull in flight per queue, and checks every
// record: it decodes, its CRC is right, it names its topic and queue, and offsets follow each other without a gap.
//
// Owns: its connections. Threads: one, that of the poller.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "histogram.h"
#include "link.h"
#include "merlin/message/record.h"
#include "merlin/wire/command.h"
#include "options.h"
#include "poller.h"
#include "send_frame.h"

namespace merlin::bench {

// One queue and how far it is read.
struct Cursor {
  int64_t number = 0;  // the caller's
  std::string topic;
  int32_t queue = 0;
  int64_t next = 0;
  int64_t end = 0;  // read up to here; INT64_MAX: for ever
  int64_t asked_ns = 0;
  size_t link = 0;
};

// Checks the records of one answer, gives each to `take` and moves the cursor behind the last one. With gaps allowed
// (the broker filters), offsets need only go up.
Status take_records(Cursor& cursor, ByteView body, bool gaps_allowed,
                    const std::function<void(const Cursor&, const message::RecordView&)>& take);

class Puller {
 public:
  using Take = std::function<void(const Cursor&, const message::RecordView&, int64_t now)>;

  // How to pull; the fields are those of the request.
  struct Way {
    int32_t connections = 1;
    int32_t in_flight = INT32_MAX;  // pulls without answer per connection
    int32_t suspend_ms = 0;         // how long the broker may hold a pull; 0: it answers at once
    std::string tag = {};           // only messages with this tag
    std::string sql = {};           // only messages that this expression is true of
    bool filters() const { return !tag.empty() || !sql.empty(); }
  };

  // `options` and `poller` must outlive the puller.
  Puller(const Options& options, Poller& poller, Way way, Take take);
  ~Puller();
  Puller(const Puller&) = delete;
  Puller& operator=(const Puller&) = delete;

  Status connect();
  // Begins to pull; may be called again when nothing is in flight any more.
  Status start(std::vector<Cursor> cursors);
  // Both of them: every queue of the options from where it ends now, for ever. The link asks for the ends.
  Status follow(Link& admin);
  // No further pulls; those in flight may still answer.
  void stop() { stopping_ = true; }

  // Pulls without answer and queues that wait for their turn.
  int64_t unfinished() const { return unfinished_; }
  int64_t pulls() const { return pulls_; }
  int64_t messages() const { return messages_; }
  int64_t bytes() const { return bytes_; }
  int64_t offsets_passed() const { return offsets_passed_; }  // of messages, and of those the broker filtered out
  int64_t last_answer_ns() const { return last_answer_ns_; }
  const Histogram& latency() const { return latency_; }  // of pulls that brought something
  // Answers that brought nothing, as a hold that ran out.
  int64_t empty_answers() const { return empty_answers_; }

 private:
  struct Lane final : Ready {
    Puller* puller = nullptr;
    std::unique_ptr<Link> link;
    std::deque<size_t> waiting;  // queues whose turn comes when another's pull was answered
    int32_t in_flight = 0;
    bool listens_for_write = false;
    Status on_ready() override { return puller->serve(*this); }
  };

  Status serve(Lane& lane);
  Status flush(Lane& lane);
  void ask(Lane& lane, size_t index);
  void ask_next(Lane& lane);
  Status take_answer(Lane& lane, const wire::Frame& frame);
  Status take_found(Cursor& cursor, const wire::Frame& frame, int64_t now);
  Status move_on(Cursor& cursor, const wire::Frame& frame, int32_t code);

  const Options& options_;
  Poller& poller_;
  const Way way_;
  const Take take_;
  std::deque<Lane> lanes_;
  std::vector<Cursor> cursors_;
  bool stopping_ = false;
  AnswerScan scan_;
  wire::HeaderScratch scratch_;
  int64_t unfinished_ = 0;
  int64_t pulls_ = 0;
  int64_t messages_ = 0;
  int64_t bytes_ = 0;
  int64_t offsets_passed_ = 0;
  int64_t empty_answers_ = 0;
  int64_t last_answer_ns_ = 0;
  Histogram latency_;
};

}  // namespace merlin::bench
