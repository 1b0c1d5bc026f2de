#include "transactions.h"

#include <charconv>
#include <deque>
#include <memory>
#include <optional>

#include "admin.h"
#include "drive.h"
#include "interrupt.h"
#include "merlin/message/record.h"
#include "merlin/wire/request_code.h"
#include "produce.h"
#include "report.h"
#include "send_frame.h"

namespace merlin::bench {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int64_t answers_wait_ns = 10 * second_ns;

// The place in the log, from the message id that a broker answers with: address (4 or 16 bytes), port, offset, in hex.
bool log_offset_of(std::string_view message_id, int64_t& offset) {
  if (message_id.size() < 16) return false;
  const std::string_view digits = message_id.substr(message_id.size() - 16);
  uint64_t value = 0;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  offset = static_cast<int64_t>(value);
  return ec == std::errc() && end == digits.data() + digits.size();
}

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options), frame_(options), ledger_(options.queue_count(), new_run_mark()), poller_(options.spin) {}

  Result<TransactionsReport> run();

 private:
  // One transaction: the half message waits for its answer, then its end does.
  struct Slot {
    bool busy = false;
    bool ending = false;
    int64_t queue = 0;
    uint64_t key = 0;
    int64_t since_ns = 0;
  };
  struct Lane final : Ready {
    Run* run = nullptr;
    std::unique_ptr<Link> link;
    std::vector<Slot> slots;
    int64_t next_queue = 0;
    bool listens_for_write = false;
    Status on_ready() override { return run->serve(*this); }
  };

  Status connect();
  Status flush(Lane& lane);
  Status serve(Lane& lane);
  void begin(Lane& lane, size_t slot, int64_t now);
  bool is_rolled_back(uint64_t key) const { return static_cast<int32_t>(key * 61 % 100) < options_.rollback_percent; }
  void take_answer(Lane& lane, const wire::CommandView& answer, int64_t now);
  bool send_end(Lane& lane, size_t slot, const wire::CommandView& half, int64_t now);
  void take_end(Slot& slot, int32_t code, int64_t now);
  bool is_measured(int64_t now) const { return now >= measure_from_ && now < measure_to_; }

  const Options& options_;
  SendFrame frame_;
  Ledger ledger_;
  Poller poller_;
  std::deque<Lane> lanes_;
  wire::HeaderScratch scratch_;
  bool sending_ = true;
  int64_t measure_from_ = 0;
  int64_t measure_to_ = 0;
  int64_t in_flight_ = 0;
  int64_t last_answer_ns_ = 0;
  Second second_;
  TransactionsReport report_;
};

Status Run::connect() {
  for (int32_t i = 0; i < options_.connections; ++i) {
    auto link = Link::open(options_.broker, 5000);
    if (!link) return link.error();
    Lane& lane = lanes_.emplace_back();
    lane.run = this;
    lane.link = std::move(*link);
    lane.slots.resize(static_cast<size_t>(options_.in_flight));
    lane.next_queue = i % options_.queues;
    if (Status s = poller_.add(lane.link->fd(), lane); !s) return s;
  }
  return {};
}

Status Run::flush(Lane& lane) {
  if (Status s = lane.link->flush(); !s) return s;
  if (lane.link->wants_write() == lane.listens_for_write) return {};
  lane.listens_for_write = !lane.listens_for_write;
  return poller_.listen_for_write(lane.link->fd(), lane, lane.listens_for_write);
}

void Run::begin(Lane& lane, size_t slot, int64_t now) {
  const int64_t queue = lane.next_queue;
  lane.next_queue = (queue + 1) % options_.queues;
  const uint64_t key = ledger_.sent(queue, 1);
  lane.slots[slot] = {.busy = true, .ending = false, .queue = queue, .key = key, .since_ns = now};
  frame_.append_to(lane.link->out(), static_cast<int32_t>(slot), key, queue);
  ++in_flight_;
}

// False when the answer to the half message lacks what its end must name.
bool Run::send_end(Lane& lane, size_t index, const wire::CommandView& half, int64_t now) {
  const std::string_view* message_id = half.find("msgId");
  const std::string_view* queue_offset = half.find("queueOffset");
  int64_t log_offset = 0;
  if (message_id == nullptr || queue_offset == nullptr || !log_offset_of(*message_id, log_offset)) return false;
  Slot& slot = lane.slots[index];
  slot.ending = true;
  slot.since_ns = now;
  wire::CommandHead head;
  head.code = wire::request_code::end_transaction;
  head.opaque = SendFrame::opaque_base + static_cast<int32_t>(index);
  wire::CommandWriter writer(lane.link->out(), wire::Serialization::json, head);
  writer.field("topic", std::string_view(options_.topic));
  writer.field("producerGroup", std::string_view(options_.group));
  writer.field("tranStateTableOffset", *queue_offset);
  writer.field("commitLogOffset", log_offset);
  writer.field("commitOrRollback", is_rolled_back(slot.key) ? message::sys_flag::transaction_rollback
                                                            : message::sys_flag::transaction_commit);
  writer.field("fromTransactionCheck", false);
  writer.field("msgId", *message_id);
  writer.field("transactionId", *message_id);
  writer.finish(0);
  return true;
}

void Run::take_end(Slot& slot, int32_t code, int64_t now) {
  if (code != 0) {
    ++report_.end_codes[code];
    ++second_.refused;
    return;
  }
  if (is_rolled_back(slot.key)) {
    ledger_.withdrawn(slot.queue, 1);
    ++report_.rolled_back;
  } else {
    ledger_.acknowledged(slot.queue, slot.key, 1);
    ++report_.committed;
  }
  second_.answered(1, now - slot.since_ns);
  if (!is_measured(now)) return;
  ++report_.measured;
  report_.end_latency.add(now - slot.since_ns);
}

void Run::take_answer(Lane& lane, const wire::CommandView& answer, int64_t now) {
  const auto index = static_cast<size_t>(SendFrame::number_of(answer.opaque));
  if (index >= lane.slots.size() || !lane.slots[index].busy) {
    ++report_.end_codes[-1];
    return;
  }
  last_answer_ns_ = now;
  Slot& slot = lane.slots[index];
  if (answer.code != 0 && report_.first_remark.empty()) report_.first_remark = answer.remark;
  if (slot.ending) {
    take_end(slot, answer.code, now);
  } else if (answer.code != 0) {
    ++report_.half_codes[answer.code];
    ++second_.refused;
  } else {
    ++report_.half_messages;
    if (is_measured(now)) report_.half_latency.add(now - slot.since_ns);
    if (send_end(lane, index, answer, now)) return;
    ++report_.half_codes[-1];
  }
  slot.busy = false;
  --in_flight_;
  if (sending_) begin(lane, index, now);
}

Status Run::serve(Lane& lane) {
  const int64_t now = now_ns();
  Status decoded;
  Status read = lane.link->read_frames([&](const wire::Frame& frame) {
    const auto command = wire::decode_command(frame, scratch_);
    if (!command) {
      decoded = command.error();
    } else if (command->is_response()) {
      take_answer(lane, *command, now);
    }
  });
  if (!read) return read;
  if (!decoded) return decoded;
  return flush(lane);
}

Result<TransactionsReport> Run::run() {
  auto admin = Link::open(options_.broker, 5000);
  if (!admin) return admin.error();
  if (!options_.keep_topic) {
    if (Status s = create_topics(**admin, options_); !s) return s.error();
  }
  GrowthCheck check(options_, **admin);
  if (Status s = check.begin(); !s) return s.error();
  if (Status s = connect(); !s) return s.error();
  const int64_t start = last_answer_ns_ = now_ns();
  measure_from_ = start + options_.warmup_seconds * second_ns;
  measure_to_ = measure_from_ + options_.seconds * second_ns;
  Progress progress(options_, Progress::Lines::sending, start, measure_to_ - start);
  std::optional<InterruptWatch> interrupt(std::in_place);
  const auto drive_to = [&](int64_t end) {
    return drive(poller_, nullptr, progress, second_, end,
                 [&] { return sending_ ? interrupt->seen() : in_flight_ == 0; });
  };
  for (Lane& lane : lanes_) {
    for (size_t slot = 0; slot < lane.slots.size(); ++slot) begin(lane, slot, start);
    if (Status s = flush(lane); !s) return s.error();
  }
  if (Status s = drive_to(measure_from_); !s) return s.error();
  if (interrupt->seen()) return interrupted_early();
  const int64_t ended_before = report_.committed + report_.rolled_back;
  UsageMeter meter(options_.broker_pid);
  if (Status s = drive_to(measure_to_); !s) return s.error();
  meter.stop();
  measure_to_ = std::min(measure_to_, now_ns());
  sending_ = false;
  interrupt.reset();
  progress.tick(now_ns(), second_);
  if (Status s = drive_to(now_ns() + answers_wait_ns); !s) return s.error();
  report_.unanswered = in_flight_;
  if (Status s = check.count(ledger_, last_answer_ns_); !s) return s.error();
  report_.usage = meter.finish(report_.committed + report_.rolled_back - ended_before);
  if (!options_.no_read_back) {
    if (Status s = check.read_back(ledger_, progress); !s) return s.error();
  }
  report_.check = check.report();
  return std::move(report_);
}

std::string verdict_of(const TransactionsReport& report) {
  // A broker without transactions refuses the half messages or their ends; that is an answer and no fault of the run.
  if (report.committed + report.rolled_back == 0) {
    return std::string("the broker does not do transactions: it answered every ") +
           (report.half_messages == 0 ? "half message" : "end of a transaction") + " with an error";
  }
  if (!report.check.good()) return "WRONG: " + report.check.what_is_wrong();
  return report.all_answered() ? "good: what was committed came once, what was rolled back did not"
                               : "some transactions failed";
}

}  // namespace

Result<TransactionsReport> transactions(const Options& options) {
  Run run(options);
  return run.run();
}

Status print(const Options& options, const TransactionsReport& report) {
  Report out(options);
  put_load(out, options);
  out.number("rollback_percent", options.rollback_percent);
  out.number("transactions_per_second", static_cast<double>(report.measured) / report.usage.seconds);
  out.number("measured_seconds", report.usage.seconds, 2);
  out.latency(report.half_latency, "half_");
  out.latency(report.end_latency, "end_");
  out.usage(report.usage);
  out.number("half_messages", static_cast<double>(report.half_messages));
  out.number("committed", static_cast<double>(report.committed));
  out.number("rolled_back", static_cast<double>(report.rolled_back));
  out.number("offsets_grew_by", static_cast<double>(report.check.offsets_grew_by));
  if (report.check.read_back) {
    out.number("messages_read_back", static_cast<double>(report.check.messages_read));
    out.number("lost", static_cast<double>(report.check.lost));
    out.number("duplicates", static_cast<double>(report.check.duplicates));
  }
  if (report.unanswered > 0) out.number("unanswered", static_cast<double>(report.unanswered));
  for (const auto& [code, count] : report.half_codes) {
    out.number("half_answers_with_code_" + std::to_string(code), static_cast<double>(count));
  }
  for (const auto& [code, count] : report.end_codes) {
    out.number("end_answers_with_code_" + std::to_string(code), static_cast<double>(count));
  }
  if (!report.first_remark.empty()) out.text("first_remark", report.first_remark);
  out.text("verdict", verdict_of(report));
  return out.print();
}

}  // namespace merlin::bench
