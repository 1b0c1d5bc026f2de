#include "e2e.h"

#include <algorithm>
#include <optional>

#include "admin.h"
#include "drive.h"
#include "interrupt.h"
#include "produce.h"
#include "puller.h"
#include "report.h"

namespace merlin::bench {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int64_t arrivals_wait_ns = 10 * second_ns;  // without any arrival

// One run and what it collects.
class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        poller_(options.spin),
        ledger_(options.queue_count(), new_run_mark()),
        sender_(options, poller_, ledger_),
        puller_(options, poller_,
                {.connections = std::min(options.consumers, options.queues), .suspend_ms = options.suspend_ms},
                [this](const Cursor& cursor, const message::RecordView& record, int64_t now) {
                  take(cursor, record, now);
                }) {}

  Result<E2eReport> run();

 private:
  Status begin_to_pull();
  void take(const Cursor& cursor, const message::RecordView& record, int64_t now);
  E2eReport finish(UsageMeter& meter, int64_t acknowledged_before) const;

  const Options& options_;
  Poller poller_;
  Ledger ledger_;
  Sender sender_;
  Puller puller_;
  int64_t measure_from_ = INT64_MAX;
  int64_t measure_to_ = INT64_MAX;
  int64_t last_arrival_ns_ = 0;
  E2eReport report_;
};

Status Run::begin_to_pull() {
  auto admin = Link::open(options_.broker, 5000);
  if (!admin) return admin.error();
  if (!options_.keep_topic) {
    if (Status s = create_topics(**admin, options_); !s) return s;
  }
  return puller_.follow(**admin);
}

void Run::take(const Cursor& cursor, const message::RecordView& record, int64_t now) {
  const int64_t wall = wall_ms();
  sender_.second().took(wall - record.born_timestamp_ms, wall - record.store_timestamp_ms);
  const uint64_t key = key_of(record.properties).value_or(0);
  if (ledger_.received(cursor.number, key) != Ledger::Seen::first) return;
  const int64_t intended = sender_.intended_ns(*ledger_.number_of(key));
  if (intended < measure_from_ || intended >= measure_to_) return;
  report_.end_to_end.add(now - intended);
  ++report_.received_measured;
  if (last_arrival_ns_ > 0) report_.max_arrival_gap_ns = std::max(report_.max_arrival_gap_ns, now - last_arrival_ns_);
  last_arrival_ns_ = now;
}

E2eReport Run::finish(UsageMeter& meter, int64_t acknowledged_before) const {
  E2eReport report = report_;
  report.sent = sender_.totals();
  report.measured_seconds = sender_.measured_seconds();
  report.acknowledged = ledger_.acknowledged_count();
  report.received = ledger_.received_count();
  report.unanswered = sender_.in_flight() * options_.batch;
  report.never_sent = sender_.never_sent() * options_.batch;
  report.lost = ledger_.lost();
  report.duplicates = ledger_.duplicates();
  report.foreign = ledger_.foreign();
  for (int64_t queue = 0; queue < ledger_.queue_count(); ++queue) {
    report.misplaced += ledger_.queue(queue).surplus();
    // Of two messages that changed places, each queue's count tells.
    report.lost = std::max(report.lost, ledger_.queue(queue).missing());
  }
  if (options_.queue_count() % options_.connections == 0) report.reordered = ledger_.reordered();
  report.pulls = puller_.pulls();
  report.lag = sender_.schedule()->lag();
  report.held = sender_.schedule()->held();
  report.usage = meter.finish(report.acknowledged - acknowledged_before);
  return report;
}

Result<E2eReport> Run::run() {
  if (Status s = begin_to_pull(); !s) return s.error();
  if (Status s = sender_.connect(); !s) return s.error();
  const int64_t start = now_ns();
  measure_from_ = start + options_.warmup_seconds * second_ns;
  measure_to_ = measure_from_ + options_.seconds * second_ns;
  Progress progress(options_, Progress::Lines::both, start, measure_to_ - start);
  const auto drive_to = [&](int64_t end, const std::function<bool()>& done) {
    return drive(poller_, &sender_, progress, sender_.second(), end, done);
  };
  std::optional<InterruptWatch> interrupt(std::in_place);
  const auto is_interrupted = [&] { return interrupt->seen(); };
  if (Status s = sender_.start(start, measure_from_, measure_to_); !s) return s.error();
  if (Status s = drive_to(measure_from_, is_interrupted); !s) return s.error();
  if (interrupt->seen()) return interrupted_early();
  const int64_t acknowledged_before = ledger_.acknowledged_count();
  UsageMeter meter(options_.broker_pid);
  if (Status s = drive_to(measure_to_, is_interrupted); !s) return s.error();
  meter.stop();
  measure_to_ = std::min(measure_to_, now_ns());
  sender_.stop(measure_to_);
  interrupt.reset();
  progress.tick(now_ns(), sender_.second());

  int64_t last_count = 0;
  int64_t last_change_ns = now_ns();
  const auto is_over = [&] {
    const int64_t count = ledger_.received_count() + ledger_.acknowledged_count();
    if (count != last_count) last_change_ns = now_ns();
    last_count = count;
    return (sender_.is_done() && ledger_.lost() == 0) || now_ns() - last_change_ns > arrivals_wait_ns;
  };
  if (Status s = drive_to(INT64_MAX, is_over); !s) return s.error();
  return finish(meter, acknowledged_before);
}

}  // namespace

Result<E2eReport> end_to_end(const Options& options) {
  Run run(options);
  return run.run();
}

Status print(const Options& options, const E2eReport& report) {
  Report out(options);
  put_load(out, options);
  out.number("consumers", options.consumers);
  out.number("messages_per_second", static_cast<double>(report.sent.messages) / report.measured_seconds);
  out.number("received_per_second", static_cast<double>(report.received_measured) / report.measured_seconds);
  out.number("measured_seconds", report.measured_seconds, 2);
  out.latency(report.end_to_end, "e2e_");
  out.latency(report.sent.latency);  // of the sends, by the names that produce gives them
  put_open_loop(out, report.lag, report.held);
  put_gap(out, report.sent);
  out.number("max_arrival_gap_ms", static_cast<double>(report.max_arrival_gap_ns) / 1e6, 3);
  out.number("messages_per_pull",
             static_cast<double>(report.received) / static_cast<double>(std::max<int64_t>(report.pulls, 1)), 2);
  out.usage(report.usage);
  out.number("acknowledged", static_cast<double>(report.acknowledged));
  out.number("received", static_cast<double>(report.received));
  out.number("lost", static_cast<double>(report.lost));
  out.number("duplicates", static_cast<double>(report.duplicates));
  if (report.misplaced > 0) out.number("misplaced", static_cast<double>(report.misplaced));
  if (report.foreign > 0) out.number("foreign", static_cast<double>(report.foreign));
  if (report.reordered >= 0) out.number("reordered", static_cast<double>(report.reordered));
  put_answers(out, report.sent, report.unanswered, report.never_sent);
  out.text("verdict", !report.is_whole()      ? "WRONG: not every acknowledged message arrived once"
                      : report.all_answered() ? "good: every message once, offsets dense, CRCs right"
                                              : "some sends failed");
  return out.print();
}

}  // namespace merlin::bench
