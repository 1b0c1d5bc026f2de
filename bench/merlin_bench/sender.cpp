#include "sender.h"

#include <algorithm>
#include <numeric>

namespace merlin::bench {

namespace {

// Few queues are served in turn; many in an order without neighbours, each once before any comes again.
int64_t step_through(int64_t count) {
  if (count <= 1024) return 1;
  int64_t step = static_cast<int64_t>(static_cast<double>(count) * 0.618);
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

}  // namespace

Sender::Sender(const Options& options, Poller& poller, Ledger& ledger)
    : options_(options),
      poller_(poller),
      ledger_(ledger),
      frame_(options),
      queue_step_(step_through(options.queue_count())),
      lane_step_(options.connections % options.queue_count() * queue_step_ % options.queue_count()),
      next_lmq_(int64_t{options.first} * options.lmq_per_message) {}

Sender::~Sender() = default;

Status Sender::connect() {
  const int64_t queues = options_.queue_count();
  for (int32_t i = 0; i < options_.connections; ++i) {
    auto link = Link::open(options_.broker, 5000);
    if (!link) return link.error();
    Lane& lane = lanes_.emplace_back();
    lane.sender = this;
    lane.link = std::move(*link);
    lane.slots.resize(static_cast<size_t>(options_.in_flight));
    for (int32_t slot = options_.in_flight; slot-- > 0;) lane.free_slots.push_back(slot);
    lane.next_queue = (int64_t{options_.first} + i) % queues * queue_step_ % queues;
    if (Status s = poller_.add(lane.link->fd(), lane); !s) return s;
  }
  return {};
}

Status Sender::start(int64_t now, int64_t measure_from, int64_t measure_to) {
  sending_ = true;
  measure_from_ = measure_from;
  measure_to_ = measure_to;
  waiting_since_ns_ = last_answer_ns_ = now;
  if (options_.rate > 0) {
    schedule_.emplace(now, static_cast<double>(options_.rate) / options_.batch);
    return {};
  }
  if (options_.oneway) return {};
  for (Lane& lane : lanes_) {
    while (!lane.free_slots.empty()) send(lane, now);
    if (Status s = flush(lane); !s) return s;
  }
  return {};
}

void Sender::stop(int64_t now) {
  measure_to_ = std::clamp(now, measure_from_, measure_to_);
  if (!schedule_) sending_ = false;
  if (in_flight_ > 0) note_answer(now);  // a silence that lasts until the end counts as well
}

int64_t Sender::never_sent() const {
  if (!schedule_) return 0;
  int64_t request = schedule_->requests();
  while (schedule_->intended_ns(request) < measure_to_) ++request;
  return request - schedule_->requests();
}

bool Sender::has_unsent() const {
  return std::any_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return lane.link->wants_write(); });
}

// Appends the frame of the lane's next request; returns its first key.
uint64_t Sender::append_next(Lane& lane, int32_t number) {
  const int64_t queues = options_.queue_count();
  const uint64_t key = ledger_.sent(lane.next_queue, options_.batch);
  frame_.append_to(lane.link->out(), number, key, lane.next_queue, next_lmq_);
  next_lmq_ += int64_t{options_.lmq_per_message} * options_.batch;
  lane.next_queue += lane_step_;
  if (lane.next_queue >= queues) lane.next_queue -= queues;
  return key;
}

// REQUIRES: a free slot.
void Sender::send(Lane& lane, int64_t since_ns) {
  if (options_.oneway) return send_oneway(lane, since_ns);
  const int32_t slot = lane.free_slots.back();
  lane.free_slots.pop_back();
  // The number names the slot and, against answers that come twice, the round.
  lane.generation = (lane.generation + 1) % (SendFrame::opaque_range / options_.in_flight);
  const int32_t number = lane.generation * options_.in_flight + slot;
  const int64_t queue = lane.next_queue;
  const uint64_t key = append_next(lane, number);
  lane.slots[static_cast<size_t>(slot)] = {number, queue, key, since_ns};
  if (in_flight_++ == 0) waiting_since_ns_ = since_ns;
}

// A message counts when it was handed to the socket; the check at the end tells what became of it.
void Sender::send_oneway(Lane& lane, int64_t since_ns) {
  append_next(lane, 0);
  if (is_measured(since_ns)) totals_.messages += options_.batch;
  second_.answered(options_.batch, 0);
  last_answer_ns_ = since_ns;
}

Status Sender::send_due(int64_t now) {
  if (!sending_) return {};
  frame_.set_born_ms(wall_ms());
  if (options_.rate == 0 && options_.oneway) {
    for (Lane& lane : lanes_) {
      if (lane.link->wants_write()) continue;
      for (int32_t i = 0; i < options_.in_flight; ++i) send(lane, now);
      if (Status s = flush(lane); !s) return s;
    }
  }
  if (!schedule_) return {};
  size_t full = 0;
  while (schedule_->is_due(now) && schedule_->next_ns() < measure_to_) {
    Lane& lane = lanes_[next_lane_];
    next_lane_ = next_lane_ + 1 == lanes_.size() ? 0 : next_lane_ + 1;
    if (options_.oneway ? lane.link->wants_write() && lane.listens_for_write : lane.free_slots.empty()) {
      if (++full < lanes_.size()) continue;
      schedule_->hold(now);
      break;
    }
    full = 0;
    const bool measured = is_measured(schedule_->next_ns());
    send(lane, schedule_->take(now_ns(), measured));
    if (!lane.has_unsent) {
      lane.has_unsent = true;
      unsent_.push_back(&lane);
    }
  }
  for (Lane* lane : unsent_) {
    lane->has_unsent = false;
    if (Status s = flush(*lane); !s) return s;
  }
  unsent_.clear();
  return {};
}

int64_t Sender::next_due_ns(int64_t now) const {
  if (!sending_) return INT64_MAX;
  if (!schedule_) {
    if (!options_.oneway) return INT64_MAX;
    const auto is_full = [](const Lane& lane) { return lane.link->wants_write(); };
    return std::all_of(lanes_.begin(), lanes_.end(), is_full) ? INT64_MAX : now;
  }
  // Overdue after send_due() means that every slot waits for an answer.
  const int64_t next = schedule_->next_ns();
  return next > now && next < measure_to_ ? next : INT64_MAX;
}

Status Sender::flush(Lane& lane) {
  if (Status s = lane.link->flush(); !s) return s;
  if (lane.link->wants_write() == lane.listens_for_write) return {};
  lane.listens_for_write = !lane.listens_for_write;
  return poller_.listen_for_write(lane.link->fd(), lane, lane.listens_for_write);
}

void Sender::note_answer(int64_t now) {
  const int64_t from = std::max(waiting_since_ns_, measure_from_);
  const int64_t to = std::min(now, measure_to_);
  if (to - from > totals_.max_gap_ns) {
    totals_.max_gap_ns = to - from;
    totals_.max_gap_at_ns = from - measure_from_;
  }
  waiting_since_ns_ = now;
}

void Sender::take_answer(Lane& lane, const wire::Frame& frame, int64_t now) {
  int32_t code = 0;
  int32_t opaque = 0;
  if (!scan_.scan(frame, code, opaque) || code != 0) {
    const auto command = wire::decode_command(frame, scratch_);
    if (!command || !command->is_response()) return;  // a request of the broker's is no business of ours
    code = command->code;
    opaque = command->opaque;
    if (code != 0 && totals_.first_remark.empty()) totals_.first_remark = command->remark;
  }
  const int32_t number = SendFrame::number_of(opaque);
  const auto index = static_cast<size_t>(number % options_.in_flight);
  if (number < 0 || lane.slots[index].number != number) {
    ++totals_.codes[-1];
    return;
  }
  Slot& slot = lane.slots[index];
  if (code == 0) {
    ledger_.acknowledged(slot.queue, slot.first_key, options_.batch);
    second_.answered(options_.batch, now - slot.since_ns);
  } else {
    ++totals_.codes[code];
    ++second_.refused;
  }
  if (is_measured(schedule_ ? slot.since_ns : now)) {
    totals_.messages += code == 0 ? options_.batch : 0;
    totals_.latency.add(now - slot.since_ns);
  }
  slot.number = -1;
  lane.free_slots.push_back(static_cast<int32_t>(index));
  --in_flight_;
}

Status Sender::serve(Lane& lane) {
  int64_t now = 0;
  Status read = lane.link->read_frames([&](const wire::Frame& frame) {
    if (now == 0) {
      now = now_ns();
      note_answer(now);
      last_answer_ns_ = now;
    }
    take_answer(lane, frame, now);
    if (sending_ && !schedule_ && !lane.free_slots.empty()) send(lane, now);
  });
  if (!read) return read;
  return flush(lane);
}

}  // namespace merlin::bench
