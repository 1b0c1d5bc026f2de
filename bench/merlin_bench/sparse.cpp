#include "sparse.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <queue>
#include <random>
#include <utility>

#include "admin.h"
#include "interrupt.h"
#include "produce.h"
#include "progress.h"
#include "puller.h"
#include "report.h"

namespace merlin::bench {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int64_t arrivals_wait_ns = 10 * second_ns;  // after the last send
constexpr int64_t settle_ns = second_ns;              // the pulls are held before the first send
constexpr size_t slowest_max = 10;
constexpr auto steps_ms = std::to_array<int64_t>({1, 2, 5, 10, 20, 50, 100, 1000, 5000});
constexpr std::string_view hit = "hit";
constexpr int32_t noise_batch = 64;

// What is sent: with a filter, messages that it matches.
Options of_messages(const Options& options) {
  Options out = options;
  if (!options.sql.empty()) out.kind = hit;
  if (!options.tag.empty()) out.kind = options.tag;
  return out;
}

// What no filter matches, at its own rate.
Options of_noise(const Options& options) {
  Options out = options;
  out.kind = "noise";
  out.rate = options.noise;
  out.batch = std::min(noise_batch, options.noise);
  out.connections = 1;
  return out;
}

// One run and what it collects.
class Run final : public Ready {
 public:
  explicit Run(const Options& options)
      : options_(options),
        message_options_(of_messages(options)),
        noise_options_(of_noise(options)),
        ledger_(options.queue_count(), new_run_mark()),
        noise_ledger_(options.queue_count(), new_run_mark()),
        frame_(message_options_),
        poller_(options.spin),
        noise_(noise_options_, poller_, noise_ledger_),
        puller_(options, poller_,
                {.connections = std::min(options.consumers, options.queues),
                 .suspend_ms = options.suspend_ms,
                 .tag = options.tag,
                 .sql = options.sql},
                [this](const Cursor& cursor, const message::RecordView& record, int64_t now) {
                  take(cursor, record, now);
                }) {}

  Result<SparseReport> run();
  Status on_ready() override;

 private:
  struct Sent {
    int64_t at_ns = 0;
    int64_t lag_ns = 0;
  };
  using Turn = std::pair<int64_t, int64_t>;  // when, which queue

  Status prepare();
  Status send_due(int64_t now);
  void take(const Cursor& cursor, const message::RecordView& record, int64_t now);
  void take_answer(const wire::Frame& frame, int64_t now);
  void note_slow(SparseReport::Delivery delivery);
  Status drive_until(const std::function<bool()>& done, Progress& progress);
  SparseReport finish(UsageMeter& meter);
  int64_t pause_ns() { return std::uniform_int_distribution<int64_t>(0, options_.idle_ms * 1'000'000ll)(random_); }
  bool sent_all() const { return std::cmp_greater_equal(sent_.size(), options_.count); }

  const Options& options_;
  const Options message_options_;
  const Options noise_options_;
  Ledger ledger_;
  Ledger noise_ledger_;
  SendFrame frame_;
  Poller poller_;
  Sender noise_;
  Puller puller_;
  std::unique_ptr<Link> link_;
  AnswerScan scan_;
  wire::HeaderScratch scratch_;
  std::mt19937_64 random_{std::random_device{}()};
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> turns_;
  std::vector<Sent> sent_;  // by number
  std::vector<int64_t> queue_of_;
  int64_t answered_ = 0;
  int64_t start_ns_ = 0;
  Second second_;
  SparseReport report_;
};

Status Run::prepare() {
  auto admin = Link::open(options_.broker, 5000);
  if (!admin) return admin.error();
  if (!options_.keep_topic) {
    if (Status s = create_topics(**admin, options_); !s) return s;
  }
  if (Status s = puller_.follow(**admin); !s) return s;
  auto link = Link::open(options_.broker, 5000);
  if (!link) return link.error();
  link_ = std::move(*link);
  if (Status s = poller_.add(link_->fd(), *this); !s) return s;
  if (options_.noise > 0) return noise_.connect();
  return {};
}

// Sends one message to each queue whose pause is over, and draws its next one.
Status Run::send_due(int64_t now) {
  if (options_.noise > 0) {
    if (Status s = noise_.send_due(now); !s) return s;
  }
  bool any = false;
  while (!sent_all() && turns_.top().first <= now) {
    const auto [due, queue] = turns_.top();
    turns_.pop();
    turns_.emplace(due + pause_ns(), queue);
    const auto number = static_cast<int32_t>(sent_.size());
    const uint64_t key = ledger_.sent(queue, 1);
    frame_.set_born_ms(wall_ms());
    const int64_t written = now_ns();
    sent_.push_back({written, written - due});
    queue_of_.push_back(queue);
    report_.lag.add(written - due);
    frame_.append_to(link_->out(), number, key, queue);
    any = true;
  }
  // A few bytes a second: the socket always takes them.
  if (!any) return {};
  return link_->flush();
}

void Run::take_answer(const wire::Frame& frame, int64_t now) {
  int32_t code = 0;
  int32_t opaque = 0;
  if (!scan_.scan(frame, code, opaque) || code != 0) {
    const auto command = wire::decode_command(frame, scratch_);
    if (!command || !command->is_response()) return;
    code = command->code;
    opaque = command->opaque;
    if (code != 0 && report_.answers.first_remark.empty()) report_.answers.first_remark = command->remark;
  }
  const auto number = static_cast<size_t>(SendFrame::number_of(opaque));
  if (number >= sent_.size()) {
    ++report_.answers.codes[-1];
    return;
  }
  ++answered_;
  if (code != 0) {
    ++report_.answers.codes[code];
    ++second_.refused;
    return;
  }
  report_.answer.add(now - sent_[number].at_ns);
  second_.answered(1, now - sent_[number].at_ns);
  ledger_.acknowledged(queue_of_[number], number, 1);
}

Status Run::on_ready() {
  const int64_t now = now_ns();
  return link_->read_frames([&](const wire::Frame& frame) { take_answer(frame, now); });
}

void Run::note_slow(SparseReport::Delivery delivery) {
  auto& slowest = report_.slowest;
  const auto place = std::upper_bound(slowest.begin(), slowest.end(), delivery,
                                      [](const auto& a, const auto& b) { return a.took_ns > b.took_ns; });
  slowest.insert(place, delivery);
  if (slowest.size() > slowest_max) slowest.pop_back();
}

void Run::take(const Cursor& cursor, const message::RecordView& record, int64_t now) {
  const int64_t wall = wall_ms();
  second_.took(wall - record.born_timestamp_ms, wall - record.store_timestamp_ms);
  const uint64_t key = key_of(record.properties).value_or(0);
  if (ledger_.received(cursor.number, key) != Ledger::Seen::first) return;
  const Sent& sent = sent_[static_cast<size_t>(*ledger_.number_of(key))];
  const int64_t took = now - sent.at_ns;
  report_.delivery.add(took);
  report_.stored_to_delivered_ms = std::max(report_.stored_to_delivered_ms, wall - record.store_timestamp_ms);
  for (size_t i = 0; i < steps_ms.size(); ++i) report_.within[i] += took <= steps_ms[i] * 1'000'000 ? 1 : 0;
  note_slow({took, sent.at_ns - start_ns_, sent.lag_ns, cursor.number});
}

Status Run::drive_until(const std::function<bool()>& done, Progress& progress) {
  for (int64_t now = now_ns(); !done(); now = now_ns()) {
    if (Status s = send_due(now); !s) return s;
    progress.tick(now, second_);
    int64_t wake_ns = std::min(progress.next_ns(), now + second_ns / 10);
    if (!sent_all()) wake_ns = std::min(wake_ns, turns_.top().first);
    if (options_.noise > 0) wake_ns = std::min(wake_ns, noise_.next_due_ns(now));
    const int64_t left = wake_ns - now_ns();
    if (Status s = poller_.wait(std::max<int64_t>(left, 0)); !s) return s;
  }
  return {};
}

SparseReport Run::finish(UsageMeter& meter) {
  SparseReport report = report_;
  report.sent = ledger_.sent_count();
  report.acknowledged = ledger_.acknowledged_count();
  report.received = ledger_.received_count();
  report.lost = ledger_.lost();
  report.duplicates = ledger_.duplicates();
  report.foreign = ledger_.foreign();
  report.unanswered = report.sent - answered_;
  for (int64_t queue = 0; queue < ledger_.queue_count(); ++queue) {
    report.misplaced += ledger_.queue(queue).surplus();
    report.lost = std::max(report.lost, ledger_.queue(queue).missing());
  }
  report.pulls = puller_.pulls();
  report.empty_pulls = puller_.empty_answers();
  if (options_.noise > 0) {
    report.noise_sent = noise_ledger_.acknowledged_count();
    for (const auto& [code, count] : noise_.totals().codes) report.answers.codes[code] += count;
  }
  report.usage = meter.finish(report.received);
  report.is_late = options_.max_ms > 0 && report.delivery.max_ns() > options_.max_ms * 1'000'000ll;
  return report;
}

Result<SparseReport> Run::run() {
  report_.within.resize(steps_ms.size());
  report_.within_ms.assign(steps_ms.begin(), steps_ms.end());
  if (Status s = prepare(); !s) return s.error();
  const double pause_s = options_.idle_ms / 2000.0;
  const auto expected_ns =
      static_cast<int64_t>(pause_s * 1e9 * options_.count / static_cast<double>(options_.queue_count()));
  Progress progress(options_, Progress::Lines::both, now_ns(), settle_ns + expected_ns);
  InterruptWatch interrupt;
  const int64_t settled = now_ns() + settle_ns;
  start_ns_ = settled;
  for (int64_t queue = 0; queue < options_.queue_count(); ++queue) turns_.emplace(settled + pause_ns(), queue);
  if (options_.noise > 0) {
    if (Status s = noise_.start(settled, settled, INT64_MAX); !s) return s.error();
  }
  UsageMeter meter(options_.broker_pid);
  if (Status s = drive_until([&] { return sent_all() || interrupt.seen(); }, progress); !s) return s.error();
  meter.stop();
  const int64_t last_sent = now_ns();
  report_.seconds = (last_sent - start_ns_) / second_ns;
  if (options_.noise > 0) noise_.stop(last_sent);
  const auto is_over = [&] {
    const bool whole = answered_ == ledger_.sent_count() && ledger_.lost() == 0;
    return whole || now_ns() - last_sent > arrivals_wait_ns;
  };
  if (!interrupt.seen()) {
    if (Status s = drive_until(is_over, progress); !s) return s.error();
  }
  return finish(meter);
}

void put_slowest(Report& out, const SparseReport& report) {
  for (size_t i = 0; i < report.slowest.size(); ++i) {
    const auto& at = report.slowest[i];
    std::array<char, 128> text{};
    std::snprintf(text.data(), text.size(), "%.3f ms, sent at %.3f s (%.3f ms late) to queue %lld",
                  static_cast<double>(at.took_ns) / 1e6, static_cast<double>(at.at_ns) / 1e9,
                  static_cast<double>(at.lag_ns) / 1e6, static_cast<long long>(at.queue));
    out.text("slowest_" + std::to_string(i + 1), text.data());
  }
}

}  // namespace

Result<SparseReport> sparse(const Options& options) {
  Run run(options);
  return run.run();
}

Status print(const Options& options, const SparseReport& report) {
  Report out(options);
  out.number("queues", options.queues);
  out.number("idle_max_ms", options.idle_ms);
  out.text("filter", !options.sql.empty() ? options.sql : !options.tag.empty() ? options.tag : "none");
  out.number("consumers", options.consumers);
  out.number("seconds", static_cast<double>(report.seconds));
  out.number("sent", static_cast<double>(report.sent));
  out.number("noise_sent", static_cast<double>(report.noise_sent));
  out.number("acknowledged", static_cast<double>(report.acknowledged));
  out.number("received", static_cast<double>(report.received));
  out.latency(report.delivery, "delivery_");
  out.number("stored_to_delivered_max_ms", static_cast<double>(report.stored_to_delivered_ms));
  for (size_t i = 0; i < report.within.size(); ++i) {
    out.number("within_" + std::to_string(report.within_ms[i]) + "_ms", static_cast<double>(report.within[i]));
  }
  put_slowest(out, report);
  out.latency(report.answer, "answer_");
  put_open_loop(out, report.lag, 0);
  out.number("pulls", static_cast<double>(report.pulls));
  out.number("pulls_held_to_the_end", static_cast<double>(report.empty_pulls));
  out.usage(report.usage);
  out.number("lost", static_cast<double>(report.lost));
  out.number("duplicates", static_cast<double>(report.duplicates));
  if (report.misplaced > 0) out.number("misplaced", static_cast<double>(report.misplaced));
  if (report.foreign > 0) out.number("foreign", static_cast<double>(report.foreign));
  put_answers(out, report.answers, report.unanswered, 0);
  out.text("verdict", !report.is_whole() ? "WRONG: not every acknowledged message arrived once"
                      : report.is_late   ? "LATE: a message took longer than --max-ms"
                      : report.good()    ? "good: every message once, none late"
                                         : "some sends failed");
  return out.print();
}

}  // namespace merlin::bench
