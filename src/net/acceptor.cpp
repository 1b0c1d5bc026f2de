#include "net/acceptor.h"

#include <cerrno>
#include <chrono>
#include <sys/socket.h>
#include <unistd.h>

namespace merlin::net {

namespace {

constexpr int backlog = 4096;              // the kernel cuts it to net.core.somaxconn
constexpr int accepts_per_turn_max = 128;  // then the connections of this reactor have a turn
constexpr int64_t descriptor_retry_ms = 100;
constexpr int64_t log_interval_ns = 1'000'000'000;

}  // namespace

Acceptor::Acceptor(boost::asio::io_context& io, std::shared_ptr<ConnectionEnv> env, int32_t tag, Deal deal)
    : socket_(io), retry_(io), env_(std::move(env)), tag_(tag), deal_(std::move(deal)) {}

Status Acceptor::open(const std::string& address, int32_t port) {
  namespace ip = boost::asio::ip;
  boost::system::error_code ec;
  const ip::address ip_address = ip::make_address(address, ec);
  if (ec) return Error{Errc::invalid, "cannot listen on \"" + address + "\": not a numeric IP address"};
  if (port < 0 || port > 65535) {
    return Error{Errc::invalid, "cannot listen on port " + std::to_string(port) + ": not within 0 and 65535"};
  }
  const ip::tcp::endpoint endpoint(ip_address, static_cast<uint16_t>(port));
  v6_ = ip_address.is_v6();
  socket_.open(endpoint.protocol(), ec);
  if (!ec) socket_.set_option(ip::tcp::acceptor::reuse_address(true), ec);
  if (!ec) socket_.bind(endpoint, ec);
  if (!ec) socket_.listen(backlog, ec);
  if (!ec) socket_.native_non_blocking(true, ec);
  if (ec) {
    const int sys_errno = ec.value();
    socket_.close(ec);
    return errno_error("cannot listen on " + address + ":" + std::to_string(port), sys_errno);
  }
  port_ = socket_.local_endpoint(ec).port();
  return {};
}

void Acceptor::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  retry_.cancel();
}

void Acceptor::arm() {
  socket_.async_wait(boost::asio::socket_base::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& ec) {
                       if (!ec) self->accept_all();
                     });
}

void Acceptor::accept_all() {
  for (int i = 0; i < accepts_per_turn_max && socket_.is_open(); ++i) {
    const int fd = accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return wait_for_descriptors(errno);
      continue;  // that one connection is gone already (ECONNABORTED and the like)
    }
    if (env_->connection_count.fetch_add(1) >= env_->limits.connections_max) {
      env_->connection_count--;
      ::close(fd);
      if (may_log()) {
        log_warn("net", "port {}: connection refused, {} are open, the limit is {} ({} more such lines left out)",
                 port_, env_->connection_count.load(), env_->limits.connections_max, std::exchange(lines_left_out_, 0));
      }
      continue;
    }
    deal_(fd, v6_, tag_);
  }
  if (socket_.is_open()) arm();
}

// Without descriptors accept() fails at once and the socket stays readable: waiting keeps it from spinning.
void Acceptor::wait_for_descriptors(int sys_errno) {
  if (may_log()) {
    log_error("net", "port {}: accept: {}; trying again every {} ms ({} more such lines left out)", port_,
              strerror(sys_errno), descriptor_retry_ms, std::exchange(lines_left_out_, 0));
  }
  retry_.expires_after(std::chrono::milliseconds(descriptor_retry_ms));
  retry_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
    if (!ec && self->socket_.is_open()) self->accept_all();
  });
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
