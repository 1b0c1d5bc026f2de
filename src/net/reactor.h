// One reactor per core: an epoll loop, its thread, and everything that lives on it. A connection never migrates.
//
// Owns:    the thread, the shared read buffer, the timers.
// Threads: post() from anywhere; everything else on the reactor's own thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace merlin::net {

inline constexpr size_t reactors_max = 64;              // in one Server
inline constexpr size_t read_buffer_bytes = 256 << 10;  // one per reactor, shared by its connections

class Reactor {
 public:
  explicit Reactor(size_t index);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  void start();
  void stop();  // from another thread: lets posted work run, then joins
  size_t index() const;
  bool on_this_thread() const;
  // Runs `work` on the reactor, after what is posted already. False, without running it, once the reactor has stopped.
  bool post(std::function<void()> work);
  // Calls `work` every interval, on the reactor, until stop(). Call before start() or on the reactor.
  void every_ms(int64_t interval_ms, std::function<void()> work);
  // Calls `work` once after the delay.
  void after_ms(int64_t delay_ms, std::function<void()> work);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace merlin::net
