#include "link.h"

#include <arpa/inet.h>
#include <cerrno>
#include <ctime>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace merlin::bench {

namespace {

socklen_t fill_address(const HostPort& from, sockaddr_storage& to) {
  if (from.v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(from.port));
    std::memcpy(&v6->sin6_addr, from.ip.data(), 16);
    return sizeof(sockaddr_in6);
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&to);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(static_cast<uint16_t>(from.port));
  std::memcpy(&v4->sin_addr, from.ip.data(), 4);
  return sizeof(sockaddr_in);
}

Status wait_for(int fd, int16_t events, int32_t timeout_ms) {
  pollfd waiting{fd, events, 0};
  const int n = ::poll(&waiting, 1, timeout_ms);
  if (n < 0) return errno_error("poll", errno);
  if (n == 0) return Error{Errc::timeout, "no answer within " + std::to_string(timeout_ms) + " ms"};
  return {};
}

}  // namespace

int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

Result<std::unique_ptr<Link>> Link::open(const HostPort& address, int32_t timeout_ms) {
  sockaddr_storage to{};
  const socklen_t size = fill_address(address, to);
  const int fd = ::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_error("socket", errno);
  std::unique_ptr<Link> link(new Link(fd));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), size) != 0) {
    if (errno != EINPROGRESS) return errno_error("connect to " + address.text(), errno);
    if (Status s = wait_for(fd, POLLOUT, timeout_ms); !s) return s.error().with("connect to " + address.text());
    int failure = 0;
    socklen_t length = sizeof failure;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length);
    if (failure != 0) return errno_error("connect to " + address.text(), failure);
  }
  return link;
}

Link::~Link() {
  ::close(fd_);
}

Status Link::flush() {
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return {};
    if (n < 0) return errno_error("send", errno);
    sent_ += static_cast<size_t>(n);
  }
  out_.clear();
  sent_ = 0;
  return {};
}

Status Link::read_once() {
  if (bytes_needed_ > in_.size()) in_.resize(bytes_needed_);
  const ssize_t n = ::recv(fd_, in_.data() + in_size_, in_.size() - in_size_, 0);
  if (n == 0) return Error{Errc::closed, "the broker closed the connection"};
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) return errno_error("receive", errno);
  in_size_ += static_cast<size_t>(n);
  if (in_size_ == in_.size()) bytes_needed_ = std::max(bytes_needed_, std::max(in_busy_bytes, in_.size()));
  return {};
}

void Link::keep_from(size_t at) {
  if (at > 0) std::memmove(in_.data(), in_.data() + at, in_size_ - at);
  in_size_ -= at;
}

}  // namespace merlin::bench
