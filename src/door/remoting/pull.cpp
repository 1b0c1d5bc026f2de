#include "door/remoting/pull.h"

#include <algorithm>

#include "door/remoting/answer.h"

namespace merlin::door {

namespace rc = wire::response_code;

// A pull that waits: its own copy of the request, and the right to answer. Touched on its reactor alone, but for wake()
// and a cold read, while which nobody else has it.
struct PullDoor::Held final : service::Waiter {
  Held(PullDoor& its_door, net::Reactor& its_reactor, size_t its_place)
      : door(its_door), reactor(its_reactor), place(its_place) {}

  void wake(service::Wake why, int64_t begin) override {
    woken_by = why;
    read_from = begin;
    // Refused when the reactor has stopped, and then nobody waits.
    (void)reactor.post([this] { door.look_again(*this); });
  }
  void enter(HeldList& list) {
    home = &list;
    before = nullptr;
    next = list.first;
    if (next != nullptr) next->before = this;
    list.first = this;
  }
  void leave() {
    if (home == nullptr) return;
    (before == nullptr ? home->first : before->next) = next;
    if (next != nullptr) next->before = before;
    home = nullptr;
  }

  PullDoor& door;
  net::Reactor& reactor;
  size_t place;  // in ReactorState::all
  std::string group_name, topic;
  service::PullRequest request;
  service::PullPlan plan;
  StaticQueue mapped;
  rpc::Responder responder;
  service::Wake woken_by = service::Wake::arrival;
  int64_t read_from = 0;  // what lies between request.queue_offset and it, the filter has refused
  // Of the connection's held pulls, or of the spare ones.
  HeldList* home = nullptr;
  Held* before = nullptr;
  Held* next = nullptr;
};

PullDoor::PullDoor(PullDoorSettings settings, const Clock& clock, service::Pull& pull, StaticQueues static_queues,
                   service::LongPoll& long_poll, WorkerPool& cold_readers, size_t reactor_count)
    : settings_(settings),
      clock_(clock),
      pull_(pull),
      static_queues_(static_queues),
      long_poll_(long_poll),
      cold_readers_(cold_readers),
      reactors_(reactor_count) {}

PullDoor::~PullDoor() {
  for (ReactorState& state : reactors_) {
    for (const auto& [id, list] : state.held_by_connection) {
      for (Held* held = list.first; held != nullptr; held = held->next) (void)long_poll_.cancel(*held);
    }
  }
}

PullDoor::Held& PullDoor::keep(rpc::Request& request, const service::PullRequest& pull, service::PullPlan&& plan,
                               const StaticQueue& mapped) {
  ReactorState& state = state_of(request.connection());
  Held* held = state.spare;
  if (held != nullptr) {
    state.spare = held->next;
    --state.spare_count;
  } else {
    held =
        state.all.emplace_back(std::make_unique<Held>(*this, request.connection().reactor(), state.all.size())).get();
  }
  held->group_name = pull.group;
  held->topic = pull.topic;
  held->request = pull;
  held->request.group = held->group_name;
  held->request.topic = held->topic;
  held->request.subscription = {};  // the plan holds the filter
  held->request.expression_type = {};
  held->request.remote_text = {};
  held->plan = std::move(plan);
  held->mapped = mapped;
  held->responder = request.defer();
  held->read_from = pull.queue_offset;
  return *held;
}

// The pull is answered, or nobody waits for the answer any more.
void PullDoor::done(Held& held) {
  held.responder.release();
  held.plan.filter.reset();
  ReactorState& state = reactors_[held.reactor.index()];
  if (state.spare_count < spare_held_max) {
    held.next = state.spare;
    state.spare = &held;
    ++state.spare_count;
    return;
  }
  const size_t place = held.place;
  std::swap(state.all[place], state.all.back());
  state.all[place]->place = place;
  state.all.pop_back();
}

namespace {

int32_t code_of(store::GetStatus status, int64_t asked_offset) {
  using store::GetStatus;
  switch (status) {
    case GetStatus::found:
      return rc::success;
    case GetStatus::message_was_removing:
    case GetStatus::no_matched_message:
      return rc::pull_retry_immediately;
    case GetStatus::no_matched_logic_queue:
    case GetStatus::no_message_in_queue:
      return asked_offset == 0 ? rc::pull_not_found : rc::pull_offset_moved;
    case GetStatus::offset_found_null:
    case GetStatus::offset_overflow_one:
      return rc::pull_not_found;
    case GetStatus::offset_overflow_badly:
    case GetStatus::offset_reset:
    case GetStatus::offset_too_small:
      return rc::pull_offset_moved;
    case GetStatus::damaged:
      return rc::system_error;
  }
  return rc::system_error;
}

// What the consumer is told, in the offsets it knows.
struct PullOutcome {
  int32_t code = 0;
  int64_t next_begin_offset = 0;
  int64_t min_offset = 0;
  int64_t max_offset = 0;
};

PullOutcome outcome_of(const StaticQueue& mapped, int64_t asked_offset, const store::GetResult& result) {
  PullOutcome out{code_of(result.status, asked_offset), result.next_begin_offset, result.min_offset, result.max_offset};
  if (!mapped.is_mapped) return out;
  // At a physical queue's end a logical one may go on elsewhere, so its reader waits instead of moving back.
  if (out.code != rc::success && result.status != store::GetStatus::offset_reset) {
    if (asked_offset < out.min_offset) {
      out.code = rc::pull_offset_moved;
      out.next_begin_offset = out.min_offset;
    } else if (asked_offset >= out.max_offset) {
      if (asked_offset > out.max_offset && out.code == rc::pull_offset_moved) out.next_begin_offset = out.max_offset;
      out.code = rc::pull_not_found;
    }
  }
  out.next_begin_offset = mapped.end_offset > mapped.start_offset ? mapped.to_logic_within(out.next_begin_offset)
                                                                  : mapped.to_logic(out.next_begin_offset);
  out.min_offset = mapped.to_logic(out.min_offset);
  out.max_offset = std::max(mapped.to_logic(out.max_offset), mapped.to_logic(mapped.end_offset));
  return out;
}

void write_fields(wire::CommandWriter& w, const service::PullPlan& plan, const StaticQueue& mapped,
                  const PullOutcome& outcome) {
  w.field("suggestWhichBrokerId", int64_t{0});
  w.field("nextBeginOffset", outcome.next_begin_offset);
  w.field("minOffset", outcome.min_offset);
  w.field("maxOffset", outcome.max_offset);
  if (mapped.is_mapped) w.field("offsetDelta", mapped.delta());
  w.field("topicSysFlag", plan.topic_sys_flag);
  w.field("groupSysFlag", plan.group_sys_flag);
}

// Queues the log's bytes behind the head that stands in the connection's buffer.
void write_body(net::Connection& connection, const store::LogBytes& bytes, size_t copied_slice_bytes_max) {
  std::shared_ptr<const void> pin;
  for (const ByteView slice : bytes.slices) {
    if (slice.size() <= copied_slice_bytes_max) {
      connection.out().append(slice);
      continue;
    }
    if (!pin) {
      pin = bytes.pins.size() == 1 ? bytes.pins.front()
                                   : std::shared_ptr<const void>(
                                         std::make_shared<const std::vector<std::shared_ptr<const void>>>(bytes.pins));
    }
    connection.write_pinned(slice, pin);
  }
}

}  // namespace

template <class Answer>
void PullDoor::answer(Answer& to, net::Connection& connection, const service::PullPlan& plan, const StaticQueue& mapped,
                      int64_t asked_offset, const store::GetResult& result) {
  const PullOutcome outcome = outcome_of(mapped, asked_offset, result);
  const size_t body_bytes = outcome.code == rc::success ? result.bytes.bytes : 0;
  const std::string_view remark =
      result.status == store::GetStatus::damaged ? std::string_view(result.error) : store::text(result.status);
  to.begin_body(outcome.code, remark, body_bytes,
                [&](wire::CommandWriter& w) { write_fields(w, plan, mapped, outcome); });
  if (body_bytes > 0) write_body(connection, result.bytes, copied_slice_bytes_max);
}

void PullDoor::handle(rpc::Request& request) {
  const auto header = header_or_answer<PullMessageHeader>(request);
  if (!header) return;
  service::PullRequest pull;
  pull.group = header->consumer_group;
  pull.topic = header->topic;
  pull.queue_id = header->queue_id;
  pull.queue_offset = header->queue_offset;
  pull.messages_max = header->max_msg_nums;
  pull.sys_flag = header->sys_flag;
  pull.commit_offset = header->commit_offset;
  pull.subscription = header->subscription;
  pull.expression_type = header->expression_type;
  pull.sub_version = header->sub_version;
  pull.remote_text = request.connection().remote_text();
  StaticQueue mapped;
  if (!static_queues_.resolve(request, pull.topic, pull.queue_id, mapped)) return;
  pull.queue_offset = mapped.to_physical(pull.queue_offset);
  pull.commit_offset = mapped.to_physical(pull.commit_offset);

  service::PullPlan plan;
  ReactorState& state = state_of(request.connection());
  if (const service::Refusal refusal = pull_.plan(pull, state.cache, plan); !refusal.ok()) {
    return refuse(request, refusal);
  }
  store::GetResult& result = state.result;
  pull_.read(pull, plan, pull.queue_offset, result, store::ReadMode::no_wait);
  // Who is being sent elsewhere says where it came from.
  if (result.status != store::GetStatus::offset_reset) pull_.commit_carried_offset(pull);
  if (result.cold) return read_cold(keep(request, pull, std::move(plan), mapped));
  const bool may_wait = (pull.sys_flag & service::pull_flag::suspend) != 0 && !request.command().is_oneway();
  if (may_wait && outcome_of(mapped, pull.queue_offset, result).code == rc::pull_not_found) {
    Held& held = keep(request, pull, std::move(plan), mapped);
    const bool long_polling = settings_.long_polling_enable.load(std::memory_order_relaxed) != 0;
    const int64_t wanted_ms =
        long_polling ? header->suspend_timeout_ms : settings_.short_polling_ms.load(std::memory_order_relaxed);
    held.deadline_ms = clock_.wall_ms() + std::clamp<int64_t>(wanted_ms, 0, suspend_ms_max);
    return hold(held);
  }
  if (request.command().is_oneway()) return request.answer_later();
  answer(request, request.connection(), plan, mapped, pull.queue_offset, result);
}

bool PullDoor::wait(Held& held) {
  net::Connection& connection = *held.responder.connection();
  held.queue = held.plan.queue;
  held.offset = held.read_from;
  held.filter = held.plan.filter.get();
  held.group = held.group_name;
  held.enter(state_of(connection).held_by_connection[connection.id()]);
  return long_poll_.hold(held);
}

// What came between the read and the registration woke nobody.
bool PullDoor::is_news(const Held& held, const store::GetResult& result) const {
  return pull_.moved_on(held.request, held.plan, result) || pull_.may_be_outdated(held.plan);
}

void PullDoor::hold(Held& held) {
  net::Connection& connection = *held.responder.connection();
  if (!connection.is_open()) return done(held);
  held.woken_by = service::Wake::arrival;
  const bool is_held = wait(held);
  if (!is_held) held.woken_by = service::Wake::deadline;
  if (is_held && !is_news(held, state_of(connection).result)) return;
  if (!is_held || long_poll_.cancel(held)) look_again(held);
}

void PullDoor::connection_closed(net::Connection& connection) {
  auto& lists = state_of(connection).held_by_connection;
  const auto it = lists.find(connection.id());
  if (it == lists.end()) return;
  while (Held* held = it->second.first) {
    held->leave();
    // One that is woken already finds the connection closed.
    if (long_poll_.cancel(*held)) done(*held);
  }
  lists.erase(it);
}

void PullDoor::look_again(Held& held) {
  held.leave();
  net::Connection* connection = held.responder.connection();
  if (!connection->is_open()) return done(held);
  store::GetResult& result = state_of(*connection).result;
  if (pull_.subscription_changed(held.request, held.plan)) {
    // What the old one refused may be what the new one wants. Java's client compares what this pull brings with the
    // tags that it had when it sent it, and drops the rest: it must send another one.
    pull_.begin_again(held.request, held.plan, result);
    return answer_held(held, result);
  }
  pull_.read(held.request, held.plan, held.read_from, result, store::ReadMode::no_wait);
  if (result.cold) return read_cold(held);
  if (held.woken_by == service::Wake::deadline || !found_nothing(held, result)) return answer_held(held, result);
  held.read_from = result.next_begin_offset;
  if (!wait(held)) {
    held.leave();
    return answer_held(held, result);
  }
  // Not at once: messages may come as fast as they are looked at.
  if (is_news(held, result)) long_poll_.look_soon(held);
}

// It was woken before its filter was asked, and there is no more to look at.
bool PullDoor::found_nothing(const Held& held, const store::GetResult& result) const {
  if (result.next_begin_offset < result.max_offset || clock_.wall_ms() >= held.deadline_ms) return false;
  return result.status == store::GetStatus::no_matched_message ||
         outcome_of(held.mapped, held.read_from, result).code == rc::pull_not_found;
}

void PullDoor::answer_held(Held& held, const store::GetResult& result) {
  net::Connection* connection = held.responder.connection();
  if (!held.responder.is_oneway() && connection->is_open()) {
    answer(held.responder, *connection, held.plan, held.mapped, held.read_from, result);
    connection->flush();
  }
  done(held);
}

// The disk is waited for on the pool; the answer leaves on the connection's own reactor.
void PullDoor::read_cold(Held& held) {
  net::Connection& connection = *held.responder.connection();
  auto& cold_reads = state_of(connection).cold_reads;
  int& mine = cold_reads[connection.id()];
  const auto job = [this, &held] {
    const auto result = std::make_shared<store::GetResult>();
    pull_.read(held.request, held.plan, held.read_from, *result, store::ReadMode::may_wait);
    (void)held.reactor.post([this, &held, result] { cold_read(held, *result); });
  };
  if (mine < cold_reads_max && cold_readers_.submit(job)) {
    ++mine;
    return;
  }
  const std::string why = mine >= cold_reads_max
                              ? "the connection has " + std::to_string(mine) + " pulls that wait for the disk, limit " +
                                    std::to_string(cold_reads_max)
                              : std::to_string(cold_readers_.queued()) + " pulls wait for the disk, limit " +
                                    std::to_string(cold_readers_.queue_limit());
  if (mine == 0) cold_reads.erase(connection.id());
  held.responder.reply(rc::system_busy, "[OVERLOAD]cold reads: " + why);
  done(held);
}

void PullDoor::cold_read(Held& held, const store::GetResult& result) {
  net::Connection& connection = *held.responder.connection();
  auto& cold_reads = state_of(connection).cold_reads;
  if (const auto it = cold_reads.find(connection.id()); it != cold_reads.end() && --it->second == 0) {
    cold_reads.erase(it);
  }
  answer_held(held, result);
}

}  // namespace merlin::door
