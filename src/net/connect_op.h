// One attempt to open an outbound connection: resolve, connect, or give up at the deadline.
//
// Threads: one reactor. `done` runs exactly once, there.
#pragma once

#include <functional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/reactor_impl.h"
#include "net/tcp_connection.h"

namespace merlin::net {

class ConnectOp : public std::enable_shared_from_this<ConnectOp> {
 public:
  using Done = std::function<void(Result<std::shared_ptr<Connection>>)>;
  ConnectOp(std::shared_ptr<Reactor> reactor, std::shared_ptr<ConnectionEnv> env, std::string host, int32_t port,
            Done done);

  void start(int64_t timeout_ms);
  void cancel() { finish(Error{Errc::closed, "connect to " + target() + ": the server stops"}); }

 private:
  void resolve();
  void connect(const boost::asio::ip::tcp::resolver::results_type& endpoints);
  void finish(Result<std::shared_ptr<Connection>> result);
  std::string target() const { return host_ + ":" + std::to_string(port_); }

  const std::shared_ptr<Reactor> reactor_;
  const std::shared_ptr<ConnectionEnv> env_;
  const std::string host_;
  const int32_t port_;
  Done done_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer deadline_;
};

}  // namespace merlin::net
