#include "produce.h"

#include <optional>

#include "admin.h"
#include "drive.h"
#include "interrupt.h"

namespace merlin::bench {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int64_t answers_wait_ns = 10 * second_ns;

ProduceReport report_of(const Options& options, const Sender& sender, const Ledger& ledger) {
  ProduceReport report;
  report.sent = sender.totals();
  report.measured_seconds = sender.measured_seconds();
  report.acknowledged = ledger.acknowledged_count();
  report.sent_count = ledger.sent_count();
  report.unanswered = sender.in_flight() * options.batch;
  if (sender.schedule() != nullptr) {
    report.open_loop = true;
    report.lag = sender.schedule()->lag();
    report.held = sender.schedule()->held();
    report.never_sent = sender.never_sent() * options.batch;
  }
  return report;
}

}  // namespace

Error interrupted_early() {
  return Error{Errc::closed, "interrupted before the measured time began"};
}

Result<ProduceReport> produce(const Options& options) {
  auto admin = Link::open(options.broker, 5000);
  if (!admin) return admin.error();
  if (!options.keep_topic) {
    if (Status s = create_topics(**admin, options); !s) return s.error();
  }
  GrowthCheck check(options, **admin);
  if (Status s = check.begin(); !s) return s.error();
  Poller poller(options.spin);
  Ledger ledger(options.queue_count(), new_run_mark());
  Sender sender(options, poller, ledger);
  if (Status s = sender.connect(); !s) return s.error();

  const int64_t start = now_ns();
  const int64_t measure_from = start + options.warmup_seconds * second_ns;
  const int64_t measure_to = measure_from + options.seconds * second_ns;
  Progress progress(options, Progress::Lines::sending, start, measure_to - start);
  std::optional<InterruptWatch> interrupt(std::in_place);
  const auto drive_to = [&](int64_t end) {
    return drive(poller, &sender, progress, sender.second(), end, [&] { return interrupt->seen(); });
  };
  const auto counted = [&] { return options.oneway ? ledger.sent_count() : ledger.acknowledged_count(); };

  if (Status s = sender.start(start, measure_from, measure_to); !s) return s.error();
  if (Status s = drive_to(measure_from); !s) return s.error();
  if (interrupt->seen()) return interrupted_early();
  const int64_t counted_before = counted();
  UsageMeter meter(options.broker_pid);
  if (Status s = drive_to(measure_to); !s) return s.error();
  meter.stop();
  sender.stop(now_ns());
  progress.tick(now_ns(), sender.second());
  interrupt.reset();
  const auto is_answered = [&] { return sender.is_done(); };
  if (Status s = drive(poller, &sender, progress, sender.second(), now_ns() + answers_wait_ns, is_answered); !s)
    return s.error();

  if (Status s = check.count(ledger, sender.last_answer_ns()); !s) return s.error();
  ProduceReport report = report_of(options, sender, ledger);
  report.usage = meter.finish(counted() - counted_before);
  if (!options.no_read_back) {
    if (Status s = check.read_back(ledger, progress); !s) return s.error();
  }
  report.check = check.report();
  return report;
}

void put_load(Report& out, const Options& options) {
  out.number("topics", options.topics);
  out.number("queues", options.queues);
  if (options.lmq > 0) out.number("light_queues", options.lmq);
  out.number("connections", options.connections);
  out.number("in_flight_per_connection", options.in_flight);
  out.number("body_bytes", options.size_bytes);
  out.number("messages_per_request", options.batch);
  out.text("header", options.binary ? "binary" : "json");
}

void put_gap(Report& out, const Sender::Totals& sent) {
  out.number("max_gap_ms", static_cast<double>(sent.max_gap_ns) / 1e6, 3);
  out.number("max_gap_at_s", static_cast<double>(sent.max_gap_at_ns) / 1e9, 1);
}

void put_open_loop(Report& out, const Histogram& lag, int64_t held) {
  out.number("lag_p50_us", static_cast<double>(lag.quantile_ns(0.5)) / 1000, 1);
  out.number("lag_p99_us", static_cast<double>(lag.quantile_ns(0.99)) / 1000, 1);
  out.number("lag_max_us", static_cast<double>(lag.max_ns()) / 1000, 1);
  out.number("requests_held", static_cast<double>(held));
}

void put_answers(Report& out, const Sender::Totals& sent, int64_t unanswered, int64_t never_sent) {
  if (never_sent > 0) out.number("never_sent", static_cast<double>(never_sent));
  if (unanswered > 0) out.number("unanswered", static_cast<double>(unanswered));
  int64_t refused = 0;
  for (const auto& [code, count] : sent.codes) refused += count;
  out.number("refused", static_cast<double>(refused));
  for (const auto& [code, count] : sent.codes) {
    out.number("answers_with_code_" + std::to_string(code), static_cast<double>(count));
  }
  if (!sent.first_remark.empty()) out.text("first_remark", sent.first_remark);
}

Status print(const Options& options, const ProduceReport& report) {
  Report out(options);
  put_load(out, options);
  out.number("messages_per_second", static_cast<double>(report.sent.messages) / report.measured_seconds);
  out.number("measured_seconds", report.measured_seconds, 2);
  if (!options.oneway) {
    out.latency(report.sent.latency);
    put_gap(out, report.sent);
  }
  if (report.open_loop) put_open_loop(out, report.lag, report.held);
  out.usage(report.usage);
  const CheckReport& check = report.check;
  if (options.oneway) {
    out.number("sent", static_cast<double>(report.sent_count));
  } else {
    out.number("acknowledged", static_cast<double>(report.acknowledged));
  }
  out.number("queues_checked", static_cast<double>(check.queues_counted));
  out.number("offsets_grew_by", static_cast<double>(check.offsets_grew_by));
  out.number("readable_after_ms", check.readable_after_ms, 1);
  if (check.read_back) {
    out.number("queues_read_back", static_cast<double>(check.queues_read));
    out.number("messages_read_back", static_cast<double>(check.messages_read));
    out.number("read_back_seconds", check.read_seconds, 2);
    out.number("lost", static_cast<double>(check.lost));
    out.number("duplicates", static_cast<double>(check.duplicates));
    if (check.foreign > 0) out.number("foreign", static_cast<double>(check.foreign));
  }
  put_answers(out, report.sent, report.unanswered, report.never_sent);
  out.text("verdict", !check.good()           ? "WRONG: " + check.what_is_wrong()
                      : report.all_answered() ? "good"
                                              : "some sends failed");
  return out.print();
}

}  // namespace merlin::bench
