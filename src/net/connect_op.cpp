#include "net/connect_op.h"

#include <algorithm>
#include <chrono>

#include <boost/asio/connect.hpp>

namespace merlin::net {

ConnectOp::ConnectOp(std::shared_ptr<Reactor> reactor, std::shared_ptr<ConnectionEnv> env, std::string host,
                     int32_t port, Done done)
    : reactor_(std::move(reactor)),
      env_(std::move(env)),
      host_(std::move(host)),
      port_(port),
      done_(std::move(done)),
      resolver_(reactor_->impl().io),
      socket_(reactor_->impl().io),
      deadline_(reactor_->impl().io) {}

void ConnectOp::start(int64_t timeout_ms) {
  if (reactor_->impl().closing) return cancel();
  reactor_->impl().connecting.push_back(shared_from_this());
  deadline_.expires_after(std::chrono::milliseconds(timeout_ms));
  deadline_.async_wait([self = shared_from_this(), timeout_ms](const boost::system::error_code& ec) {
    if (ec) return;
    self->finish(Error{Errc::timeout, "connect to " + self->target() + ": no connection within " +
                                          std::to_string(timeout_ms) + " ms"});
  });
  resolve();
}

void ConnectOp::resolve() {
  namespace ip = boost::asio::ip;
  boost::system::error_code ec;
  const ip::address address = ip::make_address(host_, ec);
  if (!ec) {
    const ip::tcp::endpoint endpoint(address, static_cast<uint16_t>(port_));
    return connect(ip::tcp::resolver::results_type::create(endpoint, host_, ""));
  }
  resolver_.async_resolve(
      host_, std::to_string(port_),
      [self = shared_from_this()](const boost::system::error_code& error, ip::tcp::resolver::results_type endpoints) {
        if (!self->done_) return;
        if (!error) return self->connect(endpoints);
        self->finish(Error{Errc::closed, "connect to " + self->target() + ": cannot resolve: " + error.message()});
      });
}

void ConnectOp::connect(const boost::asio::ip::tcp::resolver::results_type& endpoints) {
  boost::asio::async_connect(
      socket_, endpoints,
      [self = shared_from_this()](const boost::system::error_code& ec, const boost::asio::ip::tcp::endpoint&) {
        if (!self->done_) return;
        if (ec) {
          return self->finish(Error{Errc::closed, "connect to " + self->target() + ": " + ec.message(), ec.value()});
        }
        self->env_->connection_count++;
        auto connection = std::make_shared<TcpConnection>(self->reactor_, self->env_, std::move(self->socket_), -1);
        connection->start();
        self->finish(std::shared_ptr<Connection>(std::move(connection)));
      });
}

void ConnectOp::finish(Result<std::shared_ptr<Connection>> result) {
  if (!done_) return;
  const Done done = std::exchange(done_, nullptr);
  const std::shared_ptr<ConnectOp> keep = shared_from_this();
  std::erase(reactor_->impl().connecting, keep);
  boost::system::error_code ignored;
  resolver_.cancel();
  deadline_.cancel();
  if (socket_.is_open()) socket_.close(ignored);
  Reactor::Impl& reactor = reactor_->impl();
  reactor.begin_batch();
  done(std::move(result));
  reactor.end_batch();
}

}  // namespace merlin::net
