#include "net/server.h"

#include <algorithm>
#include <cassert>
#include <future>
#include <sched.h>
#include <unistd.h>

#include "net/acceptor.h"
#include "net/connect_op.h"
#include "net/reactor_impl.h"
#include "net/tcp_connection.h"

namespace merlin::net {

namespace {

constexpr size_t default_reactors_max = 16;
// Idle connections are found by a sweep over the reactor's connections, at a tenth of the limit within these bounds.
constexpr int64_t sweep_ms_min = 10;
constexpr int64_t sweep_ms_max = 1000;

void sweep(Reactor::Impl& reactor, const Clock& clock) {
  const int64_t now_ns = clock.monotonic_ns();
  // From the back: closing one moves the last one into its place.
  for (size_t i = reactor.connections.size(); i-- > 0;) {
    const std::shared_ptr<TcpConnection> connection = reactor.connections[i];
    connection->sweep(now_ns);
  }
}

void adopt(const std::shared_ptr<Reactor>& reactor, const std::shared_ptr<ConnectionEnv>& env, int fd, int32_t tag) {
  const Status started = std::make_shared<TcpConnection>(reactor, env, fd, tag)->start();
  if (started) return;
  env->connection_count--;
  log_error("net", "an accepted connection could not be watched: {}", started.error().message);
}

}  // namespace

struct Server::Impl {
  Impl(size_t reactor_count, const ConnectionLimits& limits, const Clock& clock)
      : env(std::make_shared<ConnectionEnv>(limits, clock)) {
    for (size_t i = 0; i < std::clamp<size_t>(reactor_count, 1, reactors_max); ++i) {
      reactors.push_back(std::make_shared<Reactor>(i));
    }
  }

  void deal(int fd, int32_t tag);
  // Runs `work` on the reactor and waits; at once when the reactor does not run.
  void run_on(Reactor& reactor, const std::function<void()>& work);

  const std::shared_ptr<ConnectionEnv> env;
  std::vector<std::shared_ptr<Reactor>> reactors;
  std::vector<std::shared_ptr<Acceptor>> acceptors;
  std::atomic<size_t> next_connect{0};
  size_t next_accept = 0;  // on the first reactor, where all listeners live
  bool started = false;
  bool stopped = false;
};

void Server::Impl::deal(int fd, int32_t tag) {
  const std::shared_ptr<Reactor>& reactor = reactors[next_accept++ % reactors.size()];
  if (reactor->on_this_thread()) return adopt(reactor, env, fd, tag);
  const bool posted = reactor->post([reactor, env = env, fd, tag] { adopt(reactor, env, fd, tag); });
  if (!posted) {
    ::close(fd);
    env->connection_count--;
  }
}

void Server::Impl::run_on(Reactor& reactor, const std::function<void()>& work) {
  if (!started) return work();
  std::promise<void> ran;
  const bool posted = reactor.post([&] {
    work();
    ran.set_value();
  });
  if (posted) ran.get_future().wait();
}

Server::Server(size_t reactor_count, ConnectionLimits limits, const Clock& clock)
    : impl_(std::make_unique<Impl>(reactor_count, limits, clock)) {}

Server::~Server() {
  stop();
}

void Server::set_handler(FrameHandler* handler) {
  assert(!impl_->started);
  impl_->env->handler = handler;
}

Status Server::listen(const std::string& address, int32_t port, int32_t tag) {
  assert(!impl_->started);
  auto acceptor =
      std::make_shared<Acceptor>(impl_->reactors[0]->impl(), impl_->env, tag,
                                 [impl = impl_.get()](int fd, int32_t listener_tag) { impl->deal(fd, listener_tag); });
  Status opened = acceptor->open(address, port);
  if (opened) impl_->acceptors.push_back(std::move(acceptor));
  return opened;
}

int32_t Server::bound_port(int32_t tag) const {
  for (const std::shared_ptr<Acceptor>& acceptor : impl_->acceptors) {
    if (acceptor->tag() == tag) return acceptor->port();
  }
  return -1;
}

void Server::start() {
  assert(impl_->env->handler != nullptr);
  if (impl_->started) return;
  const ConnectionEnv& env = *impl_->env;
  const int64_t sweep_ms = std::clamp(env.limits.idle_ms_max / 10, sweep_ms_min, sweep_ms_max);
  for (const std::shared_ptr<Reactor>& reactor : impl_->reactors) {
    reactor->every_ms(sweep_ms, [r = reactor.get(), &env] { sweep(r->impl(), env.clock); });
  }
  for (const std::shared_ptr<Acceptor>& acceptor : impl_->acceptors) acceptor->start();
  impl_->started = true;
  for (const std::shared_ptr<Reactor>& reactor : impl_->reactors) reactor->start();
}

void Server::stop_accepting() {
  impl_->run_on(*impl_->reactors[0], [this] {
    for (const std::shared_ptr<Acceptor>& acceptor : impl_->acceptors) acceptor->close();
  });
}

void Server::stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  stop_accepting();
  // After this no new connection can come but by connect(), which begin_stop() or the closing below refuses.
  for (const std::shared_ptr<Reactor>& reactor : impl_->reactors) {
    impl_->run_on(*reactor, [&reactor] {
      Reactor::Impl& inside = reactor->impl();
      inside.closing = true;
      while (!inside.connecting.empty()) inside.connecting.back()->cancel();
      while (!inside.connections.empty()) std::shared_ptr(inside.connections.back())->close_for_stop();
    });
  }
  for (const std::shared_ptr<Reactor>& reactor : impl_->reactors) reactor->stop();
}

std::vector<Reactor*> Server::reactors() {
  std::vector<Reactor*> out;
  for (const std::shared_ptr<Reactor>& reactor : impl_->reactors) out.push_back(reactor.get());
  return out;
}

size_t Server::connection_count() const {
  return impl_->env->connection_count;
}

void Server::connect(const std::string& host, int32_t port, int64_t timeout_ms,
                     std::function<void(Result<std::shared_ptr<Connection>>)> done) {
  const std::shared_ptr<Reactor>& reactor = impl_->reactors[impl_->next_connect++ % impl_->reactors.size()];
  const auto shared_done = std::make_shared<decltype(done)>(std::move(done));
  const bool posted = reactor->post([reactor, env = impl_->env, host, port, timeout_ms, shared_done] {
    std::make_shared<ConnectOp>(reactor, env, host, port, std::move(*shared_done))->start(timeout_ms);
  });
  if (!posted) (*shared_done)(Error{Errc::closed, "connect to " + host + ": the server has stopped"});
}

size_t default_reactor_count() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  const size_t count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? static_cast<size_t>(CPU_COUNT(&cpus)) : 1;
  return std::clamp<size_t>(count, 1, default_reactors_max);
}

}  // namespace merlin::net
