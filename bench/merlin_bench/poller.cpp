#include "poller.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <sys/epoll.h>
#include <unistd.h>

namespace merlin::bench {

Poller::Poller(bool spin) : spin_(spin), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

Poller::~Poller() {
  if (epoll_ >= 0) ::close(epoll_);
}

Status Poller::add(int fd, Ready& ready) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &ready;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return errno_error("epoll_ctl", errno);
  return {};
}

Status Poller::listen_for_write(int fd, Ready& ready, bool on) {
  epoll_event event{};
  event.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &ready;
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) != 0) return errno_error("epoll_ctl", errno);
  return {};
}

Status Poller::wait(int64_t timeout_ns) {
  constexpr int64_t second_ns = 1'000'000'000;
  constexpr int events_max = 256;
  epoll_event events[events_max];
  timeout_ns = spin_ ? 0 : std::max<int64_t>(timeout_ns, 0);
  const timespec timeout{timeout_ns / second_ns, timeout_ns % second_ns};
  int n = ::epoll_pwait2(epoll_, events, events_max, &timeout, nullptr);
  // Kernels before 5.11 and valgrind do not know it; then short waits are spent polling.
  if (n < 0 && errno == ENOSYS) n = ::epoll_wait(epoll_, events, events_max, static_cast<int>(timeout_ns / 1'000'000));
  if (n < 0 && errno != EINTR) return errno_error("epoll_wait", errno);
  for (int i = 0; i < n; ++i) {
    if (Status s = static_cast<Ready*>(events[i].data.ptr)->on_ready(); !s) return s;
  }
  return {};
}

}  // namespace merlin::bench
