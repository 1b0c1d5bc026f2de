// Listeners and the set of reactors. Accepted connections are dealt out to the reactors in turn.
//
// Owns:    the reactors, the listening sockets, all connections.
// Threads: start/stop from the main thread; connect() from anywhere.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/result.h"
#include "net/connection.h"
#include "net/reactor.h"

namespace merlin::net {

class Server {
 public:
  Server(size_t reactor_count, ConnectionLimits limits, const Clock& clock);
  ~Server();

  // REQUIRES: before start().
  void set_handler(FrameHandler* handler);
  // Binds and listens; connections are accepted from start() on. `tag` comes back as Connection::listener_tag().
  Status listen(const std::string& address, int32_t port, int32_t tag);
  // The port that listen() got for `tag`, also when it was asked for port 0; -1 when there is no such listener.
  int32_t bound_port(int32_t tag) const;
  void start();
  // stop_accepting(): closes the listeners, connections go on. stop(): closes the connections, ends the reactors.
  void stop_accepting();
  void stop();

  std::vector<Reactor*> reactors();
  size_t connection_count() const;

  // Opens an outbound connection on one of the reactors; `done` runs on that reactor.
  void connect(const std::string& host, int32_t port, int64_t timeout_ms,
               std::function<void(Result<std::shared_ptr<Connection>>)> done);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

// How many reactors suit this machine: one per core that the process may use, at most 16.
size_t default_reactor_count();

}  // namespace merlin::net
