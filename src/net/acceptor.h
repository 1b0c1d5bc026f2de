// One listening socket. It accepts on its reactor and hands each descriptor to `deal`.
//
// Owns:    the listening socket.
// Threads: its reactor; open() before the reactor runs.
// Limits:  connections_max: one over it is accepted and closed at once. Without free descriptors it waits and tries
// again.
//          Both are logged at most once a second, with the number of lines left out.
#pragma once

#include <functional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/tcp_connection.h"

namespace merlin::net {

class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  using Deal = std::function<void(int fd, bool v6, int32_t tag)>;
  Acceptor(boost::asio::io_context& io, std::shared_ptr<ConnectionEnv> env, int32_t tag, Deal deal);

  Status open(const std::string& address, int32_t port);
  void start() { arm(); }
  void close();
  int32_t tag() const { return tag_; }
  int32_t port() const { return port_; }

 private:
  void arm();
  void accept_all();
  void wait_for_descriptors(int sys_errno);
  bool may_log();

  boost::asio::ip::tcp::acceptor socket_;
  boost::asio::steady_timer retry_;
  const std::shared_ptr<ConnectionEnv> env_;
  const int32_t tag_;
  const Deal deal_;
  int32_t port_ = -1;
  bool v6_ = false;
  int64_t logged_ns_ = 0;
  size_t lines_left_out_ = 0;
};

}  // namespace merlin::net
