#include "net/acceptor.h"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket_address.h"

namespace merlin::net {

namespace {

constexpr int backlog = 4096;              // the kernel cuts it to net.core.somaxconn
constexpr int accepts_per_turn_max = 128;  // then the connections of this reactor have a turn
constexpr int64_t descriptor_retry_ms = 100;
constexpr int64_t log_interval_ns = 1'000'000'000;

}  // namespace

Acceptor::Acceptor(Reactor::Impl& reactor, std::shared_ptr<ConnectionEnv> env, int32_t tag, Deal deal)
    : reactor_(reactor), env_(std::move(env)), tag_(tag), deal_(std::move(deal)) {}

Status Acceptor::open(const std::string& address, int32_t port) {
  if (port < 0 || port > 65535) {
    return Error{Errc::invalid, "cannot listen on port " + std::to_string(port) + ": not within 0 and 65535"};
  }
  const auto parsed = SocketAddress::parse(address, port);
  if (!parsed) return Error{Errc::invalid, "cannot listen on \"" + address + "\": not a numeric IP address"};
  const auto failed = [&] {
    const int sys_errno = errno;
    close();
    return errno_error("cannot listen on " + address + ":" + std::to_string(port), sys_errno);
  };
  fd_ = ::socket(parsed->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return failed();
  const int on = 1;
  if (::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return failed();
  if (::bind(fd_, parsed->get(), parsed->size()) != 0 || ::listen(fd_, backlog) != 0) return failed();
  port_ = SocketAddress::local(fd_).host_port().port;
  return {};
}

void Acceptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  if (retry_) reactor_.cancel_timer(*retry_);
  retry_.reset();
}

// Watched by level: what one turn leaves is told again.
void Acceptor::start() {
  retry_.reset();
  if (fd_ < 0) return;
  if (const Status watched = reactor_.watch(fd_, EPOLLIN, *this); !watched) {
    wait_for_descriptors(watched.error().sys_errno);
  }
}

void Acceptor::on_events(uint32_t) {
  for (int i = 0; i < accepts_per_turn_max && fd_ >= 0; ++i) {
    if (!accept_one()) return;
  }
}

// False: nobody waits, or there is no room.
bool Acceptor::accept_one() {
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      const int sys_errno = errno;
      reactor_.unwatch(fd_);
      wait_for_descriptors(sys_errno);
      return false;
    }
    return true;  // that one connection is gone already (ECONNABORTED and the like)
  }
  if (env_->connection_count.fetch_add(1) >= env_->limits.connections_max) {
    env_->connection_count--;
    ::close(fd);
    if (may_log()) {
      log_warn("net", "port {}: connection refused, {} are open, the limit is {} ({} more such lines left out)", port_,
               env_->connection_count.load(), env_->limits.connections_max, std::exchange(lines_left_out_, 0));
    }
    return true;
  }
  deal_(fd, tag_);
  return true;
}

// Without descriptors accept() fails at once and the socket stays readable: waiting keeps it from spinning.
void Acceptor::wait_for_descriptors(int sys_errno) {
  if (may_log()) {
    log_error("net", "port {}: {}; trying again every {} ms ({} more such lines left out)", port_,
              errno_error("accept", sys_errno).message, descriptor_retry_ms, std::exchange(lines_left_out_, 0));
  }
  retry_ = reactor_.add_timer(descriptor_retry_ms, [this] { start(); });
}

bool Acceptor::may_log() {
  const int64_t now_ns = env_->clock.monotonic_ns();
  if (logged_ns_ != 0 && now_ns - logged_ns_ < log_interval_ns) {
    ++lines_left_out_;
    return false;
  }
  logged_ns_ = now_ns;
  return true;
}

}  // namespace merlin::net
