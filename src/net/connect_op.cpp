#include "net/connect_op.h"

#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace merlin::net {

ConnectOp::ConnectOp(std::shared_ptr<Reactor> reactor, std::shared_ptr<ConnectionEnv> env, std::string host,
                     int32_t port, Done done)
    : reactor_(std::move(reactor)), env_(std::move(env)), host_(std::move(host)), port_(port), done_(std::move(done)) {}

ConnectOp::~ConnectOp() {
  if (fd_ >= 0) ::close(fd_);
}

void ConnectOp::start(int64_t timeout_ms) {
  Reactor::Impl& reactor = reactor_->impl();
  if (reactor.closing) return cancel();
  reactor.connecting.push_back(shared_from_this());
  deadline_ = reactor.add_timer(timeout_ms, [self = shared_from_this(), timeout_ms] {
    self->finish(Error{Errc::timeout, "connect to " + self->target() + ": no connection within " +
                                          std::to_string(timeout_ms) + " ms"});
  });
  if (const auto address = SocketAddress::parse(host_, port_)) {
    addresses_.push_back(*address);
    return connect_next(0);
  }
  resolve();
}

void ConnectOp::resolve() {
  auto& resolving = reactor_->impl().resolving;
  if (resolving.size() >= names_max) {
    return finish(Error{Errc::limit, "connect to " + target() + ": " + std::to_string(resolving.size()) +
                                         " names are being looked up, the limit is " + std::to_string(names_max)});
  }
  const auto thread = resolving.emplace(resolving.end());
  *thread = std::thread([self = shared_from_this(), thread]() mutable {
    auto found = std::make_shared<Result<std::vector<SocketAddress>>>(SocketAddress::resolve(self->host_, self->port_));
    const std::shared_ptr<Reactor> reactor = self->reactor_;
    // Refused by a reactor that has stopped: it joins us itself.
    (void)reactor->post([self = std::move(self), thread, found] {
      thread->join();
      self->reactor_->impl().resolving.erase(thread);
      if (!self->done_) return;
      if (!*found) {
        return self->finish(
            Error{Errc::closed, "connect to " + self->target() + ": cannot resolve: " + found->error().message});
      }
      self->addresses_ = std::move(**found);
      self->connect_next(0);
    });
  });
}

// Tries the next address; `sys_errno` says why the one before was none.
void ConnectOp::connect_next(int sys_errno) {
  while (next_ < addresses_.size()) {
    const SocketAddress& address = addresses_[next_++];
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) {
      sys_errno = errno;
      continue;
    }
    if (::connect(fd_, address.get(), address.size()) == 0) return connected();
    if (errno != EINPROGRESS) {
      sys_errno = errno;
      continue;
    }
    const Status watched = reactor_->impl().watch(fd_, EPOLLOUT, *this);
    if (watched) return;
    sys_errno = watched.error().sys_errno;
  }
  finish(Error{Errc::closed, errno_error("connect to " + target(), sys_errno).message, sys_errno});
}

void ConnectOp::on_events(uint32_t) {
  if (!done_ || fd_ < 0) return;
  int sys_errno = 0;
  socklen_t size = sizeof sys_errno;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &sys_errno, &size) != 0) sys_errno = errno;
  if (sys_errno != 0) return connect_next(sys_errno);
  reactor_->impl().unwatch(fd_);
  connected();
}

void ConnectOp::connected() {
  env_->connection_count++;
  auto connection = std::make_shared<TcpConnection>(reactor_, env_, std::exchange(fd_, -1), -1);
  if (const Status started = connection->start(); !started) {
    env_->connection_count--;
    return finish(Error{Errc::closed, "connect to " + target() + ": " + started.error().message});
  }
  finish(std::shared_ptr<Connection>(std::move(connection)));
}

void ConnectOp::finish(Result<std::shared_ptr<Connection>> result) {
  if (!done_) return;
  const Done done = std::exchange(done_, nullptr);
  const std::shared_ptr<ConnectOp> keep = shared_from_this();
  Reactor::Impl& reactor = reactor_->impl();
  std::erase(reactor.connecting, keep);
  reactor.bury(keep);
  reactor.cancel_timer(deadline_);
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  reactor.begin_batch();
  done(std::move(result));
  reactor.end_batch();
}

}  // namespace merlin::net
