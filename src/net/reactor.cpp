#include "net/reactor.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <limits>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

#include "net/reactor_impl.h"
#include "net/tcp_connection.h"

namespace merlin::net {

namespace {

// Posted work that posts again may go on so many rounds after stop(); then it is dropped.
constexpr int stop_rounds_max = 1000;
constexpr int events_per_turn_max = 256;
constexpr int64_t ns_per_ms = 1'000'000;

thread_local Reactor::Impl* current_reactor = nullptr;

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Reactor::Impl::Impl(size_t reactor_index)
    : index(reactor_index), read_buffer(new uint8_t[read_buffer_bytes]), events_(new epoll_event[events_per_turn_max]) {
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  // By edges: each write is one, so that the counter need not be read.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (epoll_fd < 0 || wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) != 0) {
    throw std::system_error(errno, std::generic_category(), "a reactor's epoll");
  }
}

Reactor::Impl::~Impl() {
  for (std::thread& resolver : resolving) resolver.join();
  ::close(wake_fd);
  ::close(epoll_fd);
}

Status Reactor::Impl::watch(int fd, uint32_t events, Watched& who) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &who;
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) return errno_error("epoll_ctl", errno);
  return {};
}

void Reactor::Impl::unwatch(int fd) {
  (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, nullptr);
}

void Reactor::Impl::run() {
  current_reactor = this;
  pthread_setname_np(pthread_self(), ("reactor-" + std::to_string(index)).c_str());
  while (!ended) turn();
  current_reactor = nullptr;
}

// One turn: what waits its turn, what is due, what was posted, and what the descriptors have brought.
void Reactor::Impl::turn() {
  run_turns();
  run_timers();
  bool stop = take_posted();
  if (!stop && !taken.empty()) {
    // Once more: when nothing follows, as mostly, the next wait may be a long one.
    run_posted();
    stop = take_posted();
  }
  if (stop) return finish_stop();
  run_posted();
  const int count = epoll_wait(epoll_fd, events_.get(), events_per_turn_max, wait_ms());
  asleep.store(false, std::memory_order_relaxed);  // who writes now finds its work taken at the next turn
  for (int i = 0; i < count; ++i) {
    if (auto* who = static_cast<Watched*>(events_[static_cast<size_t>(i)].data.ptr)) {
      who->on_events(events_[static_cast<size_t>(i)].events);
    }
  }
  end_bursts();
  buried.clear();
}

// Says whether the reactor is asked to stop.
bool Reactor::Impl::take_posted() {
  const std::lock_guard lock(mutex);
  taken.swap(inbox);
  // From here on a post() wakes us, unless there is something to do that brings us here again at once.
  asleep.store(taken.empty() && waiting_turn.empty() && !stop_wanted, std::memory_order_relaxed);
  return stop_wanted;
}

void Reactor::Impl::run_posted() {
  if (taken.empty()) return;
  begin_batch();
  for (std::function<void()>& work : taken) {
    work();
    work = nullptr;
  }
  taken.clear();
  end_batch();
}

void Reactor::Impl::run_turns() {
  if (waiting_turn.empty()) return;
  having_turn.swap(waiting_turn);
  for (const std::shared_ptr<TcpConnection>& connection : having_turn) connection->take_turn();
  having_turn.clear();
  end_bursts();
}

void Reactor::Impl::end_bursts() {
  if (held_bursts.empty()) return;
  ending_bursts.swap(held_bursts);
  begin_batch();
  // Mostly all have one handler; one that is told again finds nothing open.
  const FrameHandler* told = nullptr;
  for (const std::shared_ptr<TcpConnection>& connection : ending_bursts) {
    if (&connection->handler() != told) connection->handler().end_bursts(connection->reactor());
    told = &connection->handler();
  }
  read_used = 0;
  open_frames = 0;
  for (const std::shared_ptr<TcpConnection>& connection : ending_bursts) connection->burst_answered();
  end_batch();
  for (const std::shared_ptr<TcpConnection>& connection : ending_bursts) connection->burst_ended();
  ending_bursts.clear();
}

void Reactor::Impl::run_timers() {
  if (timers.empty()) return;
  const int64_t now = now_ns();
  while (!timers.empty() && timers.begin()->first.first <= now) {
    const std::function<void()> work = std::move(timers.begin()->second);
    timers.erase(timers.begin());
    begin_batch();
    work();
    end_batch();
  }
}

int Reactor::Impl::wait_ms() const {
  // Work posted by work, on this thread, did not wake us: it is found at the next turn.
  if (!asleep.load(std::memory_order_relaxed) || !waiting_turn.empty()) return 0;
  if (timers.empty()) return -1;
  const int64_t left_ns = timers.begin()->first.first - now_ns();
  return static_cast<int>(std::clamp<int64_t>((left_ns + ns_per_ms - 1) / ns_per_ms, 0, 60'000));
}

bool Reactor::Impl::post(std::function<void()> work) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex);
    if (refusing) return false;
    inbox.push_back(std::move(work));
    wake = asleep.exchange(false, std::memory_order_relaxed);
  }
  // On the reactor's own thread it is enough that it does not sleep now.
  if (wake && current_reactor != this) eventfd_write(wake_fd, 1);
  return true;
}

void Reactor::Impl::ask_to_stop() {
  {
    const std::lock_guard lock(mutex);
    stop_wanted = true;
    asleep.store(false, std::memory_order_relaxed);
  }
  eventfd_write(wake_fd, 1);
}

void Reactor::Impl::end_batch() {
  assert(batch_depth > 0);
  if (--batch_depth > 0) return;
  // A flush that fails closes its connection, which may mark others: hence the loop.
  while (!dirty.empty()) {
    flushing.swap(dirty);
    for (const std::shared_ptr<TcpConnection>& connection : flushing) connection->flush_dirty();
    flushing.clear();
  }
}

// Posted work runs, also what it posts, within limits; timers do not.
void Reactor::Impl::finish_stop() {
  stopping = true;
  run_posted();
  for (int round = 0; round < stop_rounds_max; ++round) {
    {
      const std::lock_guard lock(mutex);
      if (inbox.empty()) {
        refusing = true;
        break;
      }
      taken.swap(inbox);
    }
    run_posted();
  }
  std::vector<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex);
    refusing = true;
    dropped.swap(inbox);
  }
  timers.clear();
  waiting_turn.clear();
  buried.clear();
  ended = true;
}

Reactor::Impl::TimerKey Reactor::Impl::add_timer(int64_t delay_ms, std::function<void()> work) {
  constexpr int64_t delay_ms_max = std::numeric_limits<int64_t>::max() / ns_per_ms / 4;
  const TimerKey key{now_ns() + std::clamp<int64_t>(delay_ms, 0, delay_ms_max) * ns_per_ms, next_timer++};
  timers.emplace(key, std::move(work));
  return key;
}

void Reactor::Impl::add_periodic(int64_t interval_ms, std::function<void()> work) {
  (void)add_timer(interval_ms, [this, interval_ms, job = std::move(work)]() mutable {
    job();
    if (!stopping) add_periodic(interval_ms, std::move(job));
  });
}

Reactor::Reactor(size_t index) : impl_(std::make_unique<Impl>(index)) {}

Reactor::~Reactor() {
  stop();
}

void Reactor::start() {
  if (impl_->thread.joinable() || impl_->ended) return;
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

void Reactor::stop() {
  if (impl_->ended && !impl_->thread.joinable()) return;
  assert(!on_this_thread());
  // One that never ran runs now: what was posted to it waits for an answer.
  start();
  impl_->ask_to_stop();
  impl_->thread.join();
}

size_t Reactor::index() const {
  return impl_->index;
}

bool Reactor::on_this_thread() const {
  return current_reactor == impl_.get();
}

bool Reactor::post(std::function<void()> work) {
  return impl_->post(std::move(work));
}

void Reactor::every_ms(int64_t interval_ms, std::function<void()> work) {
  assert(on_this_thread() || !impl_->thread.joinable());
  if (!impl_->stopping) impl_->add_periodic(interval_ms, std::move(work));
}

void Reactor::after_ms(int64_t delay_ms, std::function<void()> work) {
  assert(on_this_thread() || !impl_->thread.joinable());
  if (!impl_->stopping) (void)impl_->add_timer(delay_ms, std::move(work));
}

}  // namespace merlin::net
