// One attempt to open an outbound connection: resolve, connect to one address after the other, or give up at the
// deadline.
//
// Threads: one reactor. `done` runs exactly once, there. A name is looked up on a thread of its own, which the reactor
//          joins; names_max of them at a time, beyond it the attempt fails.
#pragma once

#include <functional>
#include <vector>

#include "net/reactor_impl.h"
#include "net/socket_address.h"
#include "net/tcp_connection.h"

namespace merlin::net {

class ConnectOp final : public std::enable_shared_from_this<ConnectOp>, private Watched {
 public:
  using Done = std::function<void(Result<std::shared_ptr<Connection>>)>;
  static constexpr size_t names_max = 16;  // of one reactor

  ConnectOp(std::shared_ptr<Reactor> reactor, std::shared_ptr<ConnectionEnv> env, std::string host, int32_t port,
            Done done);
  ~ConnectOp();
  ConnectOp(const ConnectOp&) = delete;
  ConnectOp& operator=(const ConnectOp&) = delete;

  void start(int64_t timeout_ms);
  void cancel() { finish(Error{Errc::closed, "connect to " + target() + ": the server stops"}); }

 private:
  void on_events(uint32_t events) override;
  void resolve();
  void connect_next(int sys_errno);
  void connected();
  void finish(Result<std::shared_ptr<Connection>> result);
  std::string target() const { return host_ + ":" + std::to_string(port_); }

  const std::shared_ptr<Reactor> reactor_;
  const std::shared_ptr<ConnectionEnv> env_;
  const std::string host_;
  const int32_t port_;
  Done done_;
  std::vector<SocketAddress> addresses_;
  size_t next_ = 0;  // of addresses_
  int fd_ = -1;
  Reactor::Impl::TimerKey deadline_{};
};

}  // namespace merlin::net
