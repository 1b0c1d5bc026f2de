#include "rpc/client.h"

#include <cassert>
#include <charconv>
#include <chrono>
#include <deque>
#include <future>
#include <mutex>
#include <unordered_map>

namespace merlin::rpc {

namespace {

using CallDone = std::function<void(Result<OwnedCommand>)>;

constexpr size_t calls_queued_max = 1024;  // for one address, while its connection is being opened
constexpr int64_t connect_timeout_ms = 3000;
constexpr int64_t blocking_grace_ms = 1000;  // beyond the call's own timeout, for a reactor that is very busy

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// "host:port"; an IPv6 host stands in brackets.
bool split_address(std::string_view address, std::string& host, int32_t& port) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view digits = address.substr(colon + 1);
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (ec != std::errc() || end != digits.data() + digits.size() || port < 1 || port > 65535) return false;
  host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return true;
}

}  // namespace

struct Client::Impl : std::enable_shared_from_this<Client::Impl> {
  struct Waiting {
    uint64_t id = 0;
    Call call;
    int64_t deadline_ms = 0;
    CallDone done;  // empty: one-way
  };
  struct Peer {
    std::shared_ptr<net::Connection> connection;
    bool connecting = false;
    std::deque<Waiting> waiting;
  };

  Impl(net::Server& s, Dispatcher& d) : server(s), dispatcher(d) {}

  void call(const std::string& address, Call call, int64_t timeout_ms, CallDone done);
  Status enqueue(const std::string& address, Waiting& waiting, std::shared_ptr<net::Connection>& open,
                 bool& must_connect);
  void connect(const std::string& address);
  void connected(const std::string& address, Result<std::shared_ptr<net::Connection>> result);
  void expire_later(const std::string& address, uint64_t id, int64_t timeout_ms);
  void send(net::Connection& connection, Waiting waiting);
  void close_all();

  net::Server& server;
  Dispatcher& dispatcher;
  std::mutex mutex;
  std::unordered_map<std::string, Peer> peers;  // guarded by mutex, like all below
  uint64_t next_id = 1;
  bool closed = false;
};

// Hands out the open connection, or queues the call for the one to come.
Status Client::Impl::enqueue(const std::string& address, Waiting& waiting, std::shared_ptr<net::Connection>& open,
                             bool& must_connect) {
  std::lock_guard lock(mutex);
  if (closed) return Error{Errc::closed, "call to " + address + ": the client is closed"};
  Peer& peer = peers[address];
  if (peer.connection && peer.connection->is_open()) {
    open = peer.connection;
    return {};
  }
  if (peer.waiting.size() >= calls_queued_max) {
    return Error{Errc::limit, "call to " + address + ": " + std::to_string(calls_queued_max) +
                                  " calls wait for its connection, which is the limit"};
  }
  waiting.id = next_id++;
  must_connect = !peer.connecting;
  peer.connecting = true;
  peer.waiting.push_back(Waiting{waiting.id, std::move(waiting.call), waiting.deadline_ms, waiting.done});
  return {};
}

void Client::Impl::call(const std::string& address, Call call, int64_t timeout_ms, CallDone done) {
  Waiting waiting{0, std::move(call), now_ms() + timeout_ms, std::move(done)};
  std::shared_ptr<net::Connection> open;
  bool must_connect = false;
  const Status queued = enqueue(address, waiting, open, must_connect);
  if (!queued) {
    if (waiting.done) waiting.done(queued.error());
    return;
  }
  if (open) return send(*open, std::move(waiting));
  expire_later(address, waiting.id, timeout_ms);
  if (must_connect) connect(address);
}

void Client::Impl::send(net::Connection& connection, Waiting waiting) {
  if (!waiting.done) return dispatcher.call_oneway(connection, waiting.call);
  dispatcher.call(connection, waiting.call, std::max<int64_t>(waiting.deadline_ms - now_ms(), 0),
                  std::move(waiting.done));
}

void Client::Impl::connect(const std::string& address) {
  std::string host;
  int32_t port = 0;
  if (!split_address(address, host, port)) {
    return connected(address, Error{Errc::invalid, "\"" + address + "\" is not host:port"});
  }
  server.connect(host, port, connect_timeout_ms,
                 [self = shared_from_this(), address](Result<std::shared_ptr<net::Connection>> result) {
                   self->connected(address, std::move(result));
                 });
}

void Client::Impl::connected(const std::string& address, Result<std::shared_ptr<net::Connection>> result) {
  std::deque<Waiting> waiting;
  bool wanted = false;
  {
    std::lock_guard lock(mutex);
    const auto peer = peers.find(address);
    wanted = !closed && peer != peers.end();
    if (wanted) {
      peer->second.connecting = false;
      if (result) peer->second.connection = *result;
      waiting.swap(peer->second.waiting);
    }
  }
  if (!wanted && result) (*result)->close("nobody needs it any more");
  for (Waiting& w : waiting) {
    if (result) {
      send(**result, std::move(w));
    } else if (w.done) {
      w.done(result.error());
    }
  }
}

// A call must not wait longer for its connection than for its answer.
void Client::Impl::expire_later(const std::string& address, uint64_t id, int64_t timeout_ms) {
  net::Reactor* reactor = server.reactors().front();
  const auto expire = [self = shared_from_this(), address, id, timeout_ms] {
    CallDone done;
    {
      std::lock_guard lock(self->mutex);
      const auto peer = self->peers.find(address);
      if (peer == self->peers.end()) return;
      std::deque<Waiting>& waiting = peer->second.waiting;
      for (auto it = waiting.begin(); it != waiting.end(); ++it) {
        if (it->id != id) continue;
        done = std::move(it->done);
        waiting.erase(it);
        break;
      }
    }
    if (done) {
      done(Error{Errc::timeout, "call to " + address + ": no connection within " + std::to_string(timeout_ms) + " ms"});
    }
  };
  // When the server has stopped, connect() says so to every waiting call.
  (void)reactor->post([reactor, expire, timeout_ms] { reactor->after_ms(timeout_ms, expire); });
}

void Client::Impl::close_all() {
  std::unordered_map<std::string, Peer> all;
  {
    std::lock_guard lock(mutex);
    closed = true;
    all.swap(peers);
  }
  for (auto& [address, peer] : all) {
    if (peer.connection) peer.connection->close("the client is closed");
    for (Waiting& w : peer.waiting) {
      if (w.done) w.done(Error{Errc::closed, "call to " + address + ": the client is closed"});
    }
  }
}

Client::Client(net::Server& server, Dispatcher& dispatcher) : impl_(std::make_shared<Impl>(server, dispatcher)) {}

Client::~Client() {
  impl_->close_all();
}

void Client::call(const std::string& address, Call call, int64_t timeout_ms, CallDone done) {
  assert(done);
  impl_->call(address, std::move(call), timeout_ms, std::move(done));
}

Result<OwnedCommand> Client::call_blocking(const std::string& address, Call call, int64_t timeout_ms) {
  for (const net::Reactor* reactor : impl_->server.reactors()) {
    assert(!reactor->on_this_thread());  // it would wait for itself
    (void)reactor;
  }
  const auto promise = std::make_shared<std::promise<Result<OwnedCommand>>>();
  std::future<Result<OwnedCommand>> future = promise->get_future();
  impl_->call(address, std::move(call), timeout_ms,
              [promise](Result<OwnedCommand> answer) { promise->set_value(std::move(answer)); });
  if (future.wait_for(std::chrono::milliseconds(timeout_ms + blocking_grace_ms)) != std::future_status::ready) {
    return Error{Errc::timeout, "call to " + address + ": no answer within " + std::to_string(timeout_ms) + " ms"};
  }
  return future.get();
}

void Client::call_oneway(const std::string& address, Call call) {
  impl_->call(address, std::move(call), connect_timeout_ms, nullptr);
}

void Client::close(const std::string& address) {
  Impl::Peer peer;
  {
    std::lock_guard lock(impl_->mutex);
    const auto found = impl_->peers.find(address);
    if (found == impl_->peers.end()) return;
    peer = std::move(found->second);
    impl_->peers.erase(found);
  }
  if (peer.connection) peer.connection->close("no longer needed");
  for (Impl::Waiting& w : peer.waiting) {
    if (w.done) w.done(Error{Errc::closed, "call to " + address + ": its connection was closed"});
  }
}

}  // namespace merlin::rpc
