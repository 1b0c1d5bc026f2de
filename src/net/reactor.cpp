#include "net/reactor.h"

#include <cassert>
#include <chrono>
#include <pthread.h>

#include <boost/asio/post.hpp>

#include "net/reactor_impl.h"
#include "net/tcp_connection.h"

namespace merlin::net {

namespace {

// Posted work that posts again may go on so many rounds after stop(); then it is dropped.
constexpr int stop_rounds_max = 1000;

thread_local Reactor::Impl* current_reactor = nullptr;

}  // namespace

// Only the reactor's thread touches descriptors and timers, so Asio need not lock them; its queue stays locked.
Reactor::Impl::Impl(size_t reactor_index)
    : index(reactor_index),
      io(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      guard(boost::asio::make_work_guard(io)),
      read_buffer(new uint8_t[read_buffer_bytes]) {}

void Reactor::Impl::run() {
  current_reactor = this;
  pthread_setname_np(pthread_self(), ("reactor-" + std::to_string(index)).c_str());
  io.run();
  current_reactor = nullptr;
}

bool Reactor::Impl::post(std::function<void()> work) {
  bool wake = false;
  {
    std::lock_guard lock(mutex);
    if (refusing) return false;
    wake = inbox.empty();
    inbox.push_back(std::move(work));
  }
  // One wake-up serves all work that is posted before the reactor gets to it.
  if (wake) boost::asio::post(io, [this] { drain_inbox(); });
  return true;
}

void Reactor::Impl::drain_inbox() {
  {
    std::lock_guard lock(mutex);
    taken.swap(inbox);
  }
  begin_batch();
  for (std::function<void()>& work : taken) {
    work();
    work = nullptr;
  }
  taken.clear();
  end_batch();
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

void Reactor::Impl::begin_stop() {
  stopping = true;
  for (int round = 0; round < stop_rounds_max; ++round) {
    {
      std::lock_guard lock(mutex);
      if (inbox.empty()) {
        refusing = true;
        break;
      }
    }
    drain_inbox();
  }
  std::vector<std::function<void()>> dropped;
  {
    std::lock_guard lock(mutex);
    refusing = true;
    dropped.swap(inbox);
  }
  for (const std::unique_ptr<Periodic>& periodic : periodics) periodic->timer.cancel();
  for (boost::asio::steady_timer& timer : one_shots) timer.cancel();
  // io.run() returns when the cancelled operations have completed.
  guard.reset();
}

void Reactor::Impl::arm_periodic(size_t position) {
  Periodic& periodic = *periodics[position];
  periodic.timer.expires_after(std::chrono::milliseconds(periodic.interval_ms));
  periodic.timer.async_wait([this, position](const boost::system::error_code& ec) {
    if (ec || stopping) return;
    begin_batch();
    periodics[position]->work();
    end_batch();
    if (!stopping) arm_periodic(position);
  });
}

Reactor::Reactor(size_t index) : impl_(std::make_unique<Impl>(index)) {}

Reactor::~Reactor() {
  stop();
}

void Reactor::start() {
  if (impl_->thread.joinable() || !impl_->guard) return;
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

void Reactor::stop() {
  if (!impl_->guard && !impl_->thread.joinable()) return;
  assert(!on_this_thread());
  // One that never ran runs now: what was posted to it waits for an answer.
  start();
  boost::asio::post(impl_->io, [impl = impl_.get()] { impl->begin_stop(); });
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
  if (impl_->stopping) return;
  impl_->periodics.push_back(std::make_unique<Impl::Periodic>(
      Impl::Periodic{boost::asio::steady_timer(impl_->io), interval_ms, std::move(work)}));
  impl_->arm_periodic(impl_->periodics.size() - 1);
}

void Reactor::after_ms(int64_t delay_ms, std::function<void()> work) {
  assert(on_this_thread() || !impl_->thread.joinable());
  if (impl_->stopping) return;
  Impl* impl = impl_.get();
  const auto timer = impl->one_shots.emplace(impl->one_shots.end(), impl->io);
  timer->expires_after(std::chrono::milliseconds(delay_ms));
  timer->async_wait([impl, timer, job = std::move(work)](const boost::system::error_code& ec) {
    impl->one_shots.erase(timer);
    if (ec || impl->stopping) return;
    impl->begin_batch();
    job();
    impl->end_batch();
  });
}

}  // namespace merlin::net
