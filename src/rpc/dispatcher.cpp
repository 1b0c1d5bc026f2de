#include "rpc/dispatcher.h"

#include <atomic>
#include <cassert>
#include <chrono>
#include <deque>
#include <exception>
#include <unordered_map>

#include "merlin/base/log.h"
#include "merlin/wire/request_code.h"
#include "rpc/call_table.h"

namespace merlin::rpc {

namespace {

namespace request_code = wire::request_code;
namespace response_code = wire::response_code;

constexpr size_t direct_codes = 2048;  // codes below are looked up in an array, the few above in a map

struct RowEntry {
  int32_t code;
  Lane lane;
  Ports ports;
  std::function<void(Request&)> handle;
};

// A decoded frame of the bursts in progress. Each frame has its own, because views into it live until those end.
struct Slot {
  wire::HeaderScratch scratch;
  wire::CommandView command;
};

struct ReactorState {
  net::Reactor* owner = nullptr;
  std::deque<Slot> slots;  // kept between bursts; addresses stay
  size_t slots_used = 0;   // by bursts that are open
  CallTable calls;
  int64_t timer_due_ms = -1;  // a timer will look at the deadlines then; -1 none
};

// A frame on its way to a worker, in memory of its own.
struct WorkerJob {
  std::shared_ptr<net::Connection> connection;
  const RowEntry* row;
  wire::Serialization serialization;
  size_t header_size;
  Buffer bytes;
};

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What a producer sends to another broker when this one says 14.
bool client_can_go_elsewhere(int32_t code) {
  return code == request_code::send_message || code == request_code::send_message_v2 ||
         code == request_code::send_batch_message;
}

OwnedCommand own(const wire::CommandView& command) {
  OwnedCommand out;
  out.code = command.code;
  out.version = command.version;
  out.remark = command.remark;
  out.ext.reserve(command.ext.size());
  for (const wire::ExtField& field : command.ext) out.ext.emplace_back(field.key, field.value);
  out.body = as_text(command.body);
  return out;
}

void encode_call(Buffer& out, const Call& call, int32_t opaque, int32_t flag) {
  wire::CommandHead head;
  head.code = call.code;
  head.opaque = opaque;
  head.flag = flag;
  wire::CommandWriter writer(out, wire::Serialization::json, head);
  for (const auto& [key, value] : call.ext) writer.field(key, std::string_view(value));
  writer.finish(call.body.size());
  out.append(call.body);
}

Error call_error(Errc code, const WaitingCall& call, std::string_view why) {
  return Error{code, "call " + std::to_string(call.code) + " to " + call.peer + ": " + std::string(why)};
}

}  // namespace

std::string overload_remark(const WorkerPool& workers) {
  return "[OVERLOAD]worker queue is full: " + std::to_string(workers.queued()) + " requests wait, the limit is " +
         std::to_string(workers.queue_limit()) + "; they hold " + std::to_string(workers.queued_bytes()) +
         " bytes, the limit is " + std::to_string(WorkerPool::queue_bytes_max);
}

const std::string* OwnedCommand::find(std::string_view key) const {
  const std::string* found = nullptr;
  for (const auto& [k, v] : ext) {
    if (k == key) found = &v;
  }
  return found;
}

struct Dispatcher::Impl {
  explicit Impl(WorkerPool& pool) : workers(pool), direct(direct_codes, nullptr), states(net::reactors_max) {}

  ReactorState& state_of(net::Reactor& reactor);
  size_t collected(const net::Reactor& reactor) const;
  const RowEntry* find_row(int32_t code) const;
  void handle(ReactorState& state, net::Connection& connection, const wire::Frame& frame,
              const wire::CommandView& command);
  void run(const RowEntry& row, Request& request);
  void handler_threw(const RowEntry& row, Request& request, size_t out_before, bool is_inline, std::string_view what);
  void to_worker(const RowEntry& row, net::Connection& connection, const wire::Frame& frame, Request& request);
  void take_answer(ReactorState& state, net::Connection& connection, const wire::CommandView& command);
  void start_call(net::Connection& connection, int32_t opaque, ByteView bytes, WaitingCall call);
  void fail_calls(std::vector<WaitingCall> calls, Errc code, std::string_view why);
  void watch_deadlines(ReactorState& state);

  WorkerPool& workers;
  // Constant while the server runs.
  std::deque<RowEntry> rows;
  std::vector<const RowEntry*> direct;
  std::unordered_map<int32_t, const RowEntry*> others;
  std::vector<BurstParticipant*> participants;
  std::vector<std::function<void(net::Connection&)>> close_listeners;

  std::atomic<bool> draining{false};
  std::atomic<uint32_t> next_opaque{0};
  std::atomic<size_t> calls_waiting{0};
  std::vector<ReactorState> states;  // by reactor index; each belongs to its reactor's thread
};

ReactorState& Dispatcher::Impl::state_of(net::Reactor& reactor) {
  assert(reactor.on_this_thread());
  ReactorState& state = states[reactor.index()];
  assert(state.owner == nullptr || state.owner == &reactor);  // one Server per Dispatcher
  state.owner = &reactor;
  return state;
}

size_t Dispatcher::Impl::collected(const net::Reactor& reactor) const {
  size_t all = 0;
  for (const BurstParticipant* participant : participants) all += participant->collected(reactor);
  return all;
}

const RowEntry* Dispatcher::Impl::find_row(int32_t code) const {
  if (code >= 0 && static_cast<size_t>(code) < direct.size()) return direct[static_cast<size_t>(code)];
  const auto found = others.find(code);
  return found == others.end() ? nullptr : found->second;
}

// The gates, in the order that the header of this file's class promises.
void Dispatcher::Impl::handle(ReactorState& state, net::Connection& connection, const wire::Frame& frame,
                              const wire::CommandView& command) {
  if (command.is_response()) return take_answer(state, connection, command);
  Request request(command, connection);
  const RowEntry* row = find_row(command.code);
  if (row == nullptr || (row->ports == Ports::main_only && connection.listener_tag() == fast_port_tag)) {
    return request.reply(response_code::request_code_not_supported,
                         " request type " + std::to_string(command.code) + " not supported");
  }
  if (draining.load(std::memory_order_relaxed) && client_can_go_elsewhere(command.code)) {
    return request.reply(response_code::service_not_available, "the broker is shutting down, try another one");
  }
  if (row->lane == Lane::worker) return to_worker(*row, connection, frame, request);
  run(*row, request);
}

void Dispatcher::Impl::run(const RowEntry& row, Request& request) {
  const bool is_inline = request.connection().reactor().on_this_thread();
  const size_t out_before = is_inline ? request.connection().out().size() : 0;
  // The border to libraries that throw: what a handler did not catch becomes an answer.
  try {
    row.handle(request);
  } catch (const std::exception& e) {
    return handler_threw(row, request, out_before, is_inline, e.what());
  }
  if (request.answered() || request.command().is_oneway()) return;
  assert(false && "the handler returned without an answer");
  request.reply(response_code::system_error, "the handler of request " + std::to_string(row.code) + " gave no answer");
}

void Dispatcher::Impl::handler_threw(const RowEntry& row, Request& request, size_t out_before, bool is_inline,
                                     std::string_view what) {
  net::Connection& connection = request.connection();
  log_error("rpc", "request {} {} of {}: {}", row.code, wire::request_code_name(row.code), connection.remote_text(),
            what);
  if (is_inline && connection.out().size() != out_before) {
    // Half an answer stands in the stream, and nothing may follow it.
    return connection.close("a handler failed while it wrote an answer");
  }
  if (!request.answered()) request.reply(response_code::system_error, what);
}

void Dispatcher::Impl::to_worker(const RowEntry& row, net::Connection& connection, const wire::Frame& frame,
                                 Request& request) {
  auto job = std::make_shared<WorkerJob>();
  job->connection = connection.shared_from_this();
  job->row = &row;
  job->serialization = frame.serialization;
  job->header_size = frame.header.size();
  job->bytes.append(frame.header);
  job->bytes.append(frame.body);
  const bool submitted = workers.submit(
      [this, job] {
        static thread_local wire::HeaderScratch scratch;
        wire::Frame copy;
        copy.serialization = job->serialization;
        copy.header = job->bytes.view().first(job->header_size);
        copy.body = job->bytes.view().subspan(job->header_size);
        const Result<wire::CommandView> command = wire::decode_command(copy, scratch);
        assert(command.ok());  // it did on the reactor
        if (!command) return;
        Request own_request(*command, *job->connection);
        run(*job->row, own_request);
      },
      job->bytes.size());
  if (submitted) return;
  request.reply(response_code::system_busy, overload_remark(workers));
}

void Dispatcher::Impl::take_answer(ReactorState& state, net::Connection& connection, const wire::CommandView& command) {
  std::optional<WaitingCall> call = state.calls.take(connection.id(), command.opaque);
  if (!call) {
    log_debug("rpc", "answer {} of {} came too late or was never asked for", command.opaque, connection.remote_text());
    return;
  }
  --calls_waiting;
  call->done(own(command));
}

// On the reactor of the connection.
void Dispatcher::Impl::start_call(net::Connection& connection, int32_t opaque, ByteView bytes, WaitingCall call) {
  if (!connection.is_open()) {
    std::vector<WaitingCall> failed;
    failed.push_back(std::move(call));
    return fail_calls(std::move(failed), Errc::closed, "the connection is closed");
  }
  ReactorState& state = state_of(connection.reactor());
  const int64_t deadline_ms = now_ms() + call.timeout_ms;
  state.calls.add(connection.id(), opaque, deadline_ms, std::move(call));
  connection.out().append(bytes);
  connection.flush();
  watch_deadlines(state);
}

void Dispatcher::Impl::fail_calls(std::vector<WaitingCall> calls, Errc code, std::string_view why) {
  calls_waiting -= calls.size();
  for (WaitingCall& call : calls) {
    const Error error = code == Errc::timeout
                            ? call_error(code, call, "no answer within " + std::to_string(call.timeout_ms) + " ms")
                            : call_error(code, call, why);
    call.done(error);
  }
}

// Keeps one timer for the earliest deadline. A timer that an answer made needless finds nothing and is not renewed.
void Dispatcher::Impl::watch_deadlines(ReactorState& state) {
  const std::optional<int64_t> first_ms = state.calls.first_deadline_ms();
  if (!first_ms || (state.timer_due_ms >= 0 && state.timer_due_ms <= *first_ms)) return;
  state.timer_due_ms = *first_ms;
  state.owner->after_ms(std::max<int64_t>(*first_ms - now_ms(), 0), [this, &state, due_ms = *first_ms] {
    if (state.timer_due_ms == due_ms) state.timer_due_ms = -1;
    fail_calls(state.calls.take_expired(now_ms()), Errc::timeout, {});
    watch_deadlines(state);
  });
}

Dispatcher::Dispatcher(WorkerPool& workers) : impl_(std::make_unique<Impl>(workers)) {}
Dispatcher::~Dispatcher() = default;

void Dispatcher::add_row(int32_t code, Lane lane, Ports ports, std::function<void(Request&)> handle) {
  assert(!has_row(code));
  const RowEntry& row = impl_->rows.emplace_back(RowEntry{code, lane, ports, std::move(handle)});
  if (code >= 0 && static_cast<size_t>(code) < impl_->direct.size()) {
    impl_->direct[static_cast<size_t>(code)] = &row;
  } else {
    impl_->others[code] = &row;
  }
}

void Dispatcher::add_burst_participant(BurstParticipant* participant) {
  impl_->participants.push_back(participant);
}

void Dispatcher::add_close_listener(std::function<void(net::Connection&)> listener) {
  impl_->close_listeners.push_back(std::move(listener));
}

bool Dispatcher::has_row(int32_t code) const {
  return impl_->find_row(code) != nullptr;
}

void Dispatcher::set_draining(bool draining) {
  impl_->draining = draining;
}

void Dispatcher::call(net::Connection& connection, const Call& call, int64_t timeout_ms, CallDone done) {
  const int32_t opaque = static_cast<int32_t>(impl_->next_opaque++);
  const auto waiting =
      std::make_shared<WaitingCall>(WaitingCall{call.code, timeout_ms, connection.remote_text(), std::move(done)});
  const bool over_limit = impl_->calls_waiting.fetch_add(1) >= calls_waiting_max;
  const auto bytes = std::make_shared<Buffer>();
  encode_call(*bytes, call, opaque, 0);
  Impl* impl = impl_.get();
  const auto begin = [impl, waiting, bytes, opaque, over_limit, keep = connection.shared_from_this()] {
    if (!over_limit) return impl->start_call(*keep, opaque, bytes->view(), std::move(*waiting));
    std::vector<WaitingCall> failed;
    failed.push_back(std::move(*waiting));
    impl->fail_calls(std::move(failed), Errc::limit,
                     "too many calls wait for an answer, the limit is " + std::to_string(calls_waiting_max));
  };
  // A call that fails at once is told from the inbox as well: `done` never runs inside of call().
  if (connection.reactor().on_this_thread() && connection.is_open() && !over_limit) return begin();
  if (connection.reactor().post(begin)) return;
  std::vector<WaitingCall> failed;
  failed.push_back(std::move(*waiting));
  impl->fail_calls(std::move(failed), Errc::closed, "the server has stopped");
}

void Dispatcher::call_oneway(net::Connection& connection, const Call& call) {
  Buffer bytes;
  encode_call(bytes, call, static_cast<int32_t>(impl_->next_opaque++), wire::flag_oneway);
  connection.post_bytes(std::move(bytes));
}

size_t Dispatcher::on_burst(net::Connection& connection, std::span<const wire::Frame> frames) {
  ReactorState& state = impl_->state_of(connection.reactor());
  const size_t collected = impl_->collected(connection.reactor());
  const size_t slots_before = state.slots_used;
  size_t taken = 0;
  for (const wire::Frame& frame : frames) {
    if (taken > 0 && connection.write_is_full()) break;
    if (state.slots_used == state.slots.size()) state.slots.emplace_back();
    Slot& slot = state.slots[state.slots_used++];
    ++taken;
    if (Status s = wire::decode_command(frame, slot.scratch, slot.command); !s) {
      connection.close("its header does not decode: " + s.error().message);
      break;
    }
    impl_->handle(state, connection, frame, slot.command);
    if (!connection.is_open()) break;
  }
  if (impl_->collected(connection.reactor()) > collected) {
    connection.hold_burst();
  } else {
    state.slots_used = slots_before;  // all is answered or copied
  }
  return taken;
}

void Dispatcher::end_bursts(net::Reactor& reactor) {
  for (BurstParticipant* participant : impl_->participants) participant->on_bursts_end(reactor);
  impl_->state_of(reactor).slots_used = 0;
}

void Dispatcher::on_close(net::Connection& connection) {
  ReactorState& state = impl_->state_of(connection.reactor());
  impl_->fail_calls(state.calls.take_connection(connection.id()), Errc::closed, "the connection was closed");
  for (const auto& listener : impl_->close_listeners) listener(connection);
}

}  // namespace merlin::rpc
