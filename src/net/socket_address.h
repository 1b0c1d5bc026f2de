// An IP address and port as the socket calls take them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <vector>

#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin::net {

class SocketAddress {
 public:
  SocketAddress() = default;
  // A numeric address, of either family.
  static std::optional<SocketAddress> parse(const std::string& address, int32_t port);
  // What a name stands for; waits for its name server.
  static Result<std::vector<SocketAddress>> resolve(const std::string& host, int32_t port);
  // Of the two ends of a socket; all zero when it is not connected.
  static SocketAddress local(int fd);
  static SocketAddress peer(int fd);

  int family() const { return storage_.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  HostPort host_port() const;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace merlin::net
