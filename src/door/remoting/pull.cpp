#include "door/remoting/pull.h"

#include <algorithm>

#include "door/remoting/answer.h"

namespace merlin::door {

namespace rc = wire::response_code;

// A pull that waits: its own copy of the request, and the right to answer.
struct PullDoor::Held {
  std::string group, topic;
  service::PullRequest request;
  service::PullPlan plan;
  StaticQueue mapped;
  rpc::Responder responder;
  int64_t deadline_ms = 0;
  int64_t offset = 0;  // where to read on: what lies between request.queue_offset and it, the filter has refused
  uint64_t token = 0;  // of LongPoll, once held

  Held(const service::PullRequest& from, service::PullPlan&& from_plan, const StaticQueue& from_mapped,
       rpc::Responder&& to)
      : group(from.group),
        topic(from.topic),
        request(from),
        plan(std::move(from_plan)),
        mapped(from_mapped),
        responder(std::move(to)),
        offset(from.queue_offset) {
    request.group = group;
    request.topic = topic;
    request.subscription = {};  // the plan holds the filter
    request.expression_type = {};
    request.remote_text = {};
  }
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
  if (const service::Refusal refusal = pull_.plan(pull, plan); !refusal.ok()) return refuse(request, refusal);
  store::GetResult& result = reactors_[request.connection().reactor().index()].result;
  pull_.read(pull, plan, pull.queue_offset, result, store::ReadMode::no_wait);
  // Who is being sent elsewhere says where it came from.
  if (result.status != store::GetStatus::offset_reset) pull_.commit_carried_offset(pull);
  if (result.cold) return read_cold(std::make_shared<Held>(pull, std::move(plan), mapped, request.defer()));
  const bool may_wait = (pull.sys_flag & service::pull_flag::suspend) != 0 && !request.command().is_oneway();
  if (may_wait && outcome_of(mapped, pull.queue_offset, result).code == rc::pull_not_found) {
    auto held = std::make_shared<Held>(pull, std::move(plan), mapped, request.defer());
    const bool long_polling = settings_.long_polling_enable.load(std::memory_order_relaxed) != 0;
    const int64_t wanted_ms =
        long_polling ? header->suspend_timeout_ms : settings_.short_polling_ms.load(std::memory_order_relaxed);
    held->deadline_ms = clock_.wall_ms() + std::clamp<int64_t>(wanted_ms, 0, suspend_ms_max);
    return hold(std::move(held));
  }
  if (request.command().is_oneway()) return request.answer_later();
  answer(request, request.connection(), plan, mapped, pull.queue_offset, result);
}

void PullDoor::hold(std::shared_ptr<Held> held) {
  net::Connection& connection = *held->responder.connection();
  service::LongPoll::Waiter waiter;
  waiter.queue = held->plan.queue;
  waiter.offset = held->request.queue_offset;
  waiter.filter = held->plan.filter;
  waiter.deadline_ms = held->deadline_ms;
  waiter.wake = [this, held, reactor = &connection.reactor()](service::Wake, int64_t offset) {
    reactor->post([this, held, offset] { look_again(held, offset); });
  };
  const uint64_t token = long_poll_.hold(std::move(waiter));
  held->token = token;
  store::GetResult& result = reactors_[connection.reactor().index()].result;
  // A message or a reset that came between the read and the registration woke nobody: look again, now that we are
  // registered.
  if (token != 0 && !pull_.moved_on(held->request, held->plan, result)) {
    auto& own = reactors_[connection.reactor().index()].held_by_connection[connection.id()];
    if (own.pulls.size() >= own.prune_at) {
      std::erase_if(own.pulls, [](const auto& h) { return h.expired(); });
      own.prune_at = std::max<size_t>(64, own.pulls.size() * 2);  // so that clearing costs little per pull
    }
    own.pulls.push_back(held);
    return;
  }
  if (token == 0 || long_poll_.cancel(held->plan.queue, token)) look_again(held, held->request.queue_offset);
}

void PullDoor::connection_closed(net::Connection& connection) {
  auto& lists = reactors_[connection.reactor().index()].held_by_connection;
  const auto it = lists.find(connection.id());
  if (it == lists.end()) return;
  for (const std::weak_ptr<Held>& weak : it->second.pulls) {
    if (const auto held = weak.lock()) long_poll_.cancel(held->plan.queue, held->token);
  }
  lists.erase(it);
}

void PullDoor::look_again(const std::shared_ptr<Held>& held, int64_t offset) {
  net::Connection* connection = held->responder.connection();
  if (connection == nullptr || !connection->is_open()) return held->responder.release();
  // What an old subscription refused may be what a new one wants.
  if (!pull_.renew_filter(held->request, held->plan)) held->offset = offset;
  store::GetResult& result = reactors_[connection->reactor().index()].result;
  pull_.read(held->request, held->plan, held->offset, result, store::ReadMode::no_wait);
  if (result.cold) return read_cold(held);
  answer_held(*held, result);
}

void PullDoor::answer_held(Held& held, const store::GetResult& result) {
  net::Connection* connection = held.responder.connection();
  if (!held.responder.is_oneway() && connection->is_open()) {
    answer(held.responder, *connection, held.plan, held.mapped, held.offset, result);
    connection->flush();
  }
  held.responder.release();
}

// The disk is waited for on the pool; the answer leaves on the connection's own reactor.
void PullDoor::read_cold(std::shared_ptr<Held> held) {
  net::Connection& connection = *held->responder.connection();
  net::Reactor* reactor = &connection.reactor();
  auto& cold_reads = reactors_[reactor->index()].cold_reads;
  int& mine = cold_reads[connection.id()];
  const auto finish = [this, held, &cold_reads, id = connection.id()](const store::GetResult& result) {
    if (const auto it = cold_reads.find(id); it != cold_reads.end() && --it->second == 0) cold_reads.erase(it);
    answer_held(*held, result);
  };
  const auto job = [this, held, reactor, finish] {
    const auto result = std::make_shared<store::GetResult>();
    pull_.read(held->request, held->plan, held->offset, *result, store::ReadMode::may_wait);
    (void)reactor->post([finish, result] { finish(*result); });
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
  held->responder.reply(rc::system_busy, "[OVERLOAD]cold reads: " + why);
}

}  // namespace merlin::door
