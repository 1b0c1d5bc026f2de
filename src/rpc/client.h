// Outbound calls by address: keeps one connection per address, opens it when needed. The broker's side of the
// nameserver.
//
// Owns:    the connections it opened. Threads: anywhere; call_blocking() never on a reactor.
// Fails:   Errc::timeout, Errc::closed (refused or lost), each with the address in the message.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "rpc/dispatcher.h"

namespace merlin::rpc {

class Client {
 public:
  Client(net::Server& server, Dispatcher& dispatcher);
  ~Client();

  // `address` is host:port; host may be a name (resolved when connecting).
  void call(const std::string& address, Call call, int64_t timeout_ms, std::function<void(Result<OwnedCommand>)> done);
  Result<OwnedCommand> call_blocking(const std::string& address, Call call, int64_t timeout_ms);
  void call_oneway(const std::string& address, Call call);
  void close(const std::string& address);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace merlin::rpc
