// One listening socket. It accepts on its reactor and hands each descriptor to `deal`.
//
// Owns:    the listening socket.
// Threads: its reactor; open() before the reactor runs.
// Limits:  connections_max: one over it is accepted and closed at once. Without free descriptors it waits and tries
// again.
//          Both are logged at most once a second, with the number of lines left out.
#pragma once

#include <functional>
#include <optional>

#include "net/reactor_impl.h"
#include "net/tcp_connection.h"

namespace merlin::net {

class Acceptor final : private Watched {
 public:
  using Deal = std::function<void(int fd, int32_t tag)>;
  // Lives as long as the reactor.
  Acceptor(Reactor::Impl& reactor, std::shared_ptr<ConnectionEnv> env, int32_t tag, Deal deal);
  ~Acceptor() { close(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  Status open(const std::string& address, int32_t port);
  void start();
  void close();
  int32_t tag() const { return tag_; }
  int32_t port() const { return port_; }

 private:
  void on_events(uint32_t events) override;
  bool accept_one();
  void wait_for_descriptors(int sys_errno);
  bool may_log();

  Reactor::Impl& reactor_;
  const std::shared_ptr<ConnectionEnv> env_;
  const int32_t tag_;
  const Deal deal_;
  int fd_ = -1;
  int32_t port_ = -1;
  std::optional<Reactor::Impl::TimerKey> retry_;
  int64_t logged_ns_ = 0;
  size_t lines_left_out_ = 0;
};

}  // namespace merlin::net
