// One epoll for all connections of a run.
//
// Owns: the epoll. Threads: one.
#pragma once

#include <cstdint>

#include "merlin/base/result.h"

namespace merlin::bench {

class Ready {
 public:
  // The socket can be read, or written where that was asked for; a broken connection reads as its error.
  virtual Status on_ready() = 0;

 protected:
  ~Ready() = default;
};

class Poller {
 public:
  // With `spin`, wait() looks once and does not sleep.
  explicit Poller(bool spin = false);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // `ready` must outlive the poller's last wait().
  Status add(int fd, Ready& ready);
  Status listen_for_write(int fd, Ready& ready, bool on);
  // Waits at most so long for anything, then serves all that is ready.
  Status wait(int64_t timeout_ns);

 private:
  const bool spin_;
  int epoll_ = -1;
};

}  // namespace merlin::bench
