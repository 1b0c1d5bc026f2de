#include "produce.h"

#include <cerrno>
#include <memory>
#include <numeric>
#include <sys/epoll.h>
#include <unistd.h>
#include <vector>

#include "link.h"
#include "report.h"
#include "send_frame.h"

namespace merlin::bench {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int64_t answers_wait_ns = 10 * second_ns;
constexpr int64_t readable_wait_ns = 60 * second_ns;
// The growth of so many queues is checked at most: an offset costs a round trip.
constexpr int64_t sample_max = 1024;

// Few queues are served in turn; many in an order without neighbours, each once before any comes again.
int64_t step_through(int64_t count) {
  if (count <= 1024) return 1;
  int64_t step = static_cast<int64_t>(static_cast<double>(count) * 0.618);
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

struct Slot {
  int32_t number = -1;  // of the request that waits for its answer; -1: free
  int64_t queue = 0;
  int64_t since_ns = 0;  // when it was sent, or should have been
};

// One connection with its requests in flight.
struct Lane {
  std::unique_ptr<Link> link;
  std::vector<Slot> slots;
  std::vector<int32_t> free_slots;
  int32_t generation = 0;
  int64_t next_queue = 0;
  bool listens_for_write = false;
};

class Producer {
 public:
  explicit Producer(const Options& options)
      : options_(options),
        frame_(options),
        queue_count_(int64_t{options.topics} * options.queues),
        queue_step_(step_through(queue_count_)),
        queues_(static_cast<size_t>(queue_count_)) {
    next_lmq_ = int64_t{options.first} * options.lmq_per_message;
    next_key_ = static_cast<uint64_t>(::getpid()) << 40 ^ static_cast<uint64_t>(now_ns());
  }
  ~Producer() {
    if (epoll_ >= 0) ::close(epoll_);
  }
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  Result<ProduceReport> run();

 private:
  Status connect();
  void send(Lane& lane, int64_t since_ns);
  void send_due(int64_t now);
  Status flush(Lane& lane);
  Status receive(Lane& lane);
  void take_answer(Lane& lane, const wire::Frame& frame, int64_t now);
  Status loop_until(int64_t end_ns);
  int wait(epoll_event* events, int count, int64_t now, int64_t end_ns) const;
  int64_t intended_ns() const {
    return start_ns_ + static_cast<int64_t>(static_cast<double>(sends_) * 1e9 * options_.batch / options_.rate);
  }
  Status drain();
  Status create_topics(Link& admin);
  Status choose_sample(Link& admin);
  Status check_offsets(Link& admin);

  // What one queue was sent.
  struct Queue {
    int32_t acknowledged = 0;
    int32_t unsure = 0;  // refused or without answer: may have been stored
  };
  // A queue whose growth is checked.
  struct Sample {
    int64_t queue = 0;
    int64_t before = 0;
  };

  const Options& options_;
  const SendFrame frame_;
  const int64_t queue_count_;
  const int64_t queue_step_;  // from one queue to the next
  std::vector<Queue> queues_;
  std::vector<Sample> sample_;
  int64_t next_lmq_ = 0;
  std::vector<Lane> lanes_;
  int epoll_ = -1;
  bool sending_ = false;
  bool measuring_ = false;
  int64_t start_ns_ = 0;  // open loop: of the first intended send
  int64_t sends_ = 0;     // open loop: requests sent so far
  size_t next_lane_ = 0;
  uint64_t next_key_ = 0;
  int64_t in_flight_ = 0;
  int64_t last_answer_ns_ = 0;
  wire::HeaderScratch scratch_;
  ProduceReport report_;
};

Status Producer::connect() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return errno_error("epoll_create1", errno);
  lanes_.resize(static_cast<size_t>(options_.connections));
  for (size_t i = 0; i < lanes_.size(); ++i) {
    auto link = Link::open(options_.broker, 5000);
    if (!link) return link.error();
    lanes_[i].link = std::move(*link);
    lanes_[i].slots.resize(static_cast<size_t>(options_.in_flight));
    for (int32_t slot = options_.in_flight; slot-- > 0;) lanes_[i].free_slots.push_back(slot);
    lanes_[i].next_queue = (options_.first + static_cast<int64_t>(i)) % queue_count_ * queue_step_ % queue_count_;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, lanes_[i].link->fd(), &event) != 0) return errno_error("epoll_ctl", errno);
  }
  return {};
}

// REQUIRES: a free slot.
void Producer::send(Lane& lane, int64_t since_ns) {
  const int32_t slot = lane.free_slots.back();
  lane.free_slots.pop_back();
  // The number names the slot and, against answers that come twice, the round.
  lane.generation = (lane.generation + 1) % (SendFrame::opaque_range / options_.in_flight);
  const int32_t number = lane.generation * options_.in_flight + slot;
  lane.slots[static_cast<size_t>(slot)] = {number, lane.next_queue, since_ns};
  queues_[static_cast<size_t>(lane.next_queue)].unsure += options_.batch;
  frame_.append_to(lane.link->out(), number, next_key_, lane.next_queue, next_lmq_);
  next_key_ += static_cast<uint64_t>(options_.batch);
  next_lmq_ += options_.lmq_per_message;
  // The connections share one order.
  lane.next_queue = (lane.next_queue + std::ssize(lanes_) % queue_count_ * queue_step_) % queue_count_;
  ++in_flight_;
}

// Open loop: sends what is due, each with the time at which it should have left.
void Producer::send_due(int64_t now) {
  size_t full = 0;
  while (full < lanes_.size()) {
    const int64_t intended = intended_ns();
    if (intended > now) return;
    Lane& lane = lanes_[next_lane_];
    next_lane_ = next_lane_ + 1 == lanes_.size() ? 0 : next_lane_ + 1;
    if (lane.free_slots.empty()) {
      ++full;
      continue;
    }
    full = 0;
    send(lane, intended);
    ++sends_;
  }
}

Status Producer::flush(Lane& lane) {
  if (Status s = lane.link->flush(); !s) return s;
  if (lane.link->wants_write() == lane.listens_for_write) return {};
  lane.listens_for_write = !lane.listens_for_write;
  epoll_event event{};
  event.events = lane.listens_for_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(&lane - lanes_.data());
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, lane.link->fd(), &event) != 0) return errno_error("epoll_ctl", errno);
  return {};
}

void Producer::take_answer(Lane& lane, const wire::Frame& frame, int64_t now) {
  int32_t code = 0;
  int32_t opaque = 0;
  if (!scan_answer(frame, code, opaque) || code != 0) {
    const auto command = wire::decode_command(frame, scratch_);
    if (!command || !command->is_response()) return;  // a request of the broker's is no business of ours
    code = command->code;
    opaque = command->opaque;
    if (code != 0 && report_.first_remark.empty()) report_.first_remark = command->remark;
  }
  const int32_t number = SendFrame::number_of(opaque);
  const auto slot = static_cast<size_t>(number % options_.in_flight);
  if (number < 0 || lane.slots[slot].number != number) {
    ++report_.codes[-1];  // an answer to nothing
    return;
  }
  if (code == 0) {
    Queue& queue = queues_[static_cast<size_t>(lane.slots[slot].queue)];
    queue.acknowledged += options_.batch;
    queue.unsure -= options_.batch;
    report_.acknowledged += options_.batch;
  } else {
    ++report_.codes[code];
  }
  if (measuring_) {
    report_.messages += code == 0 ? options_.batch : 0;
    report_.latency.add(now - lane.slots[slot].since_ns);
  }
  lane.slots[slot].number = -1;
  lane.free_slots.push_back(static_cast<int32_t>(slot));
  --in_flight_;
  last_answer_ns_ = now;
}

Status Producer::receive(Lane& lane) {
  const int64_t now = now_ns();
  return lane.link->read_frames([&](const wire::Frame& frame) {
    take_answer(lane, frame, now);
    if (sending_ && options_.rate == 0 && !lane.free_slots.empty()) send(lane, now);
  });
}

// Waits for answers, or until the next intended send.
int Producer::wait(epoll_event* events, int count, int64_t now, int64_t end_ns) const {
  int64_t wait_ns = end_ns - now;
  if (sending_ && options_.rate > 0) {
    // Overdue after send_due() means that every slot waits for an answer.
    const int64_t until_next_ns = intended_ns() - now;
    if (until_next_ns > 0) wait_ns = std::min(wait_ns, until_next_ns);
  }
  const timespec timeout{wait_ns / second_ns, wait_ns % second_ns};
  return ::epoll_pwait2(epoll_, events, count, &timeout, nullptr);
}

Status Producer::loop_until(int64_t end_ns) {
  epoll_event events[256];
  for (int64_t now = now_ns(); now < end_ns && (sending_ || in_flight_ > 0); now = now_ns()) {
    if (sending_ && options_.rate > 0) {
      send_due(now);
      for (Lane& lane : lanes_) {
        if (lane.link->out().empty()) continue;
        if (Status s = flush(lane); !s) return s;
      }
    }
    const int n = wait(events, 256, now, end_ns);
    if (n < 0 && errno != EINTR) return errno_error("epoll_wait", errno);
    for (int i = 0; i < n; ++i) {
      Lane& lane = lanes_[events[i].data.u64];
      if ((events[i].events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) {
        if (Status s = receive(lane); !s) return s;
      }
      if (Status s = flush(lane); !s) return s;
    }
  }
  return {};
}

Status Producer::drain() {
  sending_ = false;
  if (Status s = loop_until(now_ns() + answers_wait_ns); !s) return s;
  report_.unanswered = in_flight_ * options_.batch;
  return {};
}

Status Producer::create_topics(Link& admin) {
  for (int64_t topic = 0; topic < options_.topics; ++topic) {
    if (Status s = create_topic(admin, topic_name(options_, topic), options_.queues); !s) return s;
  }
  return {};
}

Status Producer::choose_sample(Link& admin) {
  const int64_t count = std::min(queue_count_, sample_max);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t queue = i * queue_count_ / count;
    const auto before =
        max_offset(admin, topic_name(options_, queue / options_.queues), static_cast<int32_t>(queue % options_.queues));
    if (!before) return before.error();
    sample_.push_back({queue, *before});
  }
  report_.queues_checked = count;
  return {};
}

// Each queue looked at must have grown by what was acknowledged. Requests that failed or stayed without answer may have
// been stored.
Status Producer::check_offsets(Link& admin) {
  report_.offsets_agree = true;
  for (const Sample& sample : sample_) {
    const Queue& sent = queues_[static_cast<size_t>(sample.queue)];
    const std::string topic = topic_name(options_, sample.queue / options_.queues);
    for (;;) {
      const auto after = max_offset(admin, topic, static_cast<int32_t>(sample.queue % options_.queues));
      if (!after) return after.error();
      const int64_t grew_by = *after - sample.before;
      const int64_t surplus = grew_by - sent.acknowledged;
      const int64_t since_ns = now_ns() - last_answer_ns_;
      if (surplus >= 0 || since_ns > readable_wait_ns) {
        report_.offsets_grew_by += grew_by;
        if (surplus < 0 || surplus > sent.unsure) report_.offsets_agree = false;
        break;
      }
      const timespec pause{0, 1'000'000};
      nanosleep(&pause, nullptr);
    }
  }
  report_.readable_after_ms = static_cast<double>(now_ns() - last_answer_ns_) / 1e6;
  return {};
}

Result<ProduceReport> Producer::run() {
  auto admin = Link::open(options_.broker, 5000);
  if (!admin) return admin.error();
  if (!options_.keep_topic) {
    if (Status s = create_topics(**admin); !s) return s.error();
  }
  if (Status s = choose_sample(**admin); !s) return s.error();
  if (Status s = connect(); !s) return s.error();

  sending_ = true;
  start_ns_ = last_answer_ns_ = now_ns();
  if (options_.rate == 0) {
    for (Lane& lane : lanes_) {
      while (!lane.free_slots.empty()) send(lane, start_ns_);
      if (Status s = flush(lane); !s) return s.error();
    }
  }
  if (Status s = loop_until(start_ns_ + options_.warmup_seconds * second_ns); !s) return s.error();

  measuring_ = true;
  const int64_t acknowledged_before = report_.acknowledged;
  const int64_t own_before = own_cpu_ns();
  const int64_t broker_before = process_cpu_ns(options_.broker_pid);
  const int64_t measure_from = now_ns();
  if (Status s = loop_until(measure_from + options_.seconds * second_ns); !s) return s.error();
  measuring_ = false;
  report_.seconds = static_cast<double>(now_ns() - measure_from) / 1e9;
  report_.own_cores = static_cast<double>(own_cpu_ns() - own_before) / 1e9 / report_.seconds;
  const int64_t broker_after = process_cpu_ns(options_.broker_pid);
  report_.broker_cores = static_cast<double>(broker_after - broker_before) / 1e9 / report_.seconds;

  if (Status s = drain(); !s) return s.error();
  if (Status s = check_offsets(**admin); !s) return s.error();
  if (options_.broker_pid > 0) {
    const auto millions = static_cast<double>(report_.acknowledged - acknowledged_before) / 1e6;
    report_.broker_cpu_s_per_million =
        static_cast<double>(process_cpu_ns(options_.broker_pid) - broker_before) / 1e9 / millions;
    report_.broker_memory = process_memory(options_.broker_pid);
  }
  return std::move(report_);
}

}  // namespace

Result<ProduceReport> produce(const Options& options) {
  Producer producer(options);
  return producer.run();
}

void print(const Options& options, const ProduceReport& report) {
  Report out(options);
  out.number("topics", options.topics);
  out.number("queues", options.queues);
  if (options.lmq > 0) out.number("light_queues", options.lmq);
  out.number("connections", options.connections);
  out.number("in_flight_per_connection", options.in_flight);
  out.number("body_bytes", options.size_bytes);
  out.number("messages_per_request", options.batch);
  out.text("header", options.binary ? "binary" : "json");
  out.number("messages_per_second", static_cast<double>(report.messages) / report.seconds);
  out.number("measured_seconds", report.seconds, 2);
  out.latency(report.latency);
  out.number("own_cores", report.own_cores, 3);
  out.broker(report.broker_cores, report.broker_cpu_s_per_million, report.broker_memory);
  out.number("acknowledged", static_cast<double>(report.acknowledged));
  out.number("queues_checked", static_cast<double>(report.queues_checked));
  out.number("offsets_grew_by", static_cast<double>(report.offsets_grew_by));
  out.number("readable_after_ms", report.readable_after_ms, 1);
  if (report.unanswered > 0) out.number("unanswered", static_cast<double>(report.unanswered));
  for (const auto& [code, count] : report.codes) {
    out.number("answers_with_code_" + std::to_string(code), static_cast<double>(count));
  }
  if (!report.first_remark.empty()) out.text("first_remark", report.first_remark);
  out.text("verdict", !report.offsets_agree ? "WRONG: the queues did not grow by what was acknowledged"
                      : report.codes.empty() && report.unanswered == 0 ? "good"
                                                                       : "some sends failed");
  out.print();
}

}  // namespace merlin::bench
