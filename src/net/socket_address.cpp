#include "net/socket_address.h"

#include <arpa/inet.h>
#include <cstring>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>

namespace merlin::net {

namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

int look_up(const std::string& host, int32_t port, int flags, AddressList& out) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code == 0) out.reset(found);
  return code;
}

}  // namespace

std::optional<SocketAddress> SocketAddress::parse(const std::string& address, int32_t port) {
  // Of one host only: inet_pton() takes no zone ("fe80::1%eth0"), getaddrinfo() takes "1" for an address.
  uint8_t ip[16];
  const std::string plain = address.substr(0, address.find('%'));
  if (inet_pton(AF_INET, plain.c_str(), ip) != 1 && inet_pton(AF_INET6, plain.c_str(), ip) != 1) return std::nullopt;
  AddressList list(nullptr, &freeaddrinfo);
  if (look_up(address, port, AI_NUMERICHOST, list) != 0 || list == nullptr) return std::nullopt;
  SocketAddress out;
  std::memcpy(&out.storage_, list->ai_addr, list->ai_addrlen);
  out.size_ = list->ai_addrlen;
  return out;
}

Result<std::vector<SocketAddress>> SocketAddress::resolve(const std::string& host, int32_t port) {
  AddressList list(nullptr, &freeaddrinfo);
  const int code = look_up(host, port, AI_ADDRCONFIG, list);
  if (code != 0) return Error{Errc::closed, gai_strerror(code)};
  std::vector<SocketAddress> out;
  for (const addrinfo* entry = list.get(); entry != nullptr; entry = entry->ai_next) {
    SocketAddress& address = out.emplace_back();
    std::memcpy(&address.storage_, entry->ai_addr, entry->ai_addrlen);
    address.size_ = entry->ai_addrlen;
  }
  return out;
}

SocketAddress SocketAddress::local(int fd) {
  SocketAddress out;
  out.size_ = sizeof out.storage_;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&out.storage_), &out.size_) != 0) return {};
  return out;
}

SocketAddress SocketAddress::peer(int fd) {
  SocketAddress out;
  out.size_ = sizeof out.storage_;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&out.storage_), &out.size_) != 0) return {};
  return out;
}

HostPort SocketAddress::host_port() const {
  HostPort out;
  if (storage_.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &storage_, sizeof v6);
    out.v6 = true;
    std::memcpy(out.ip.data(), &v6.sin6_addr, 16);
    out.port = ntohs(v6.sin6_port);
  } else if (storage_.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &storage_, sizeof v4);
    std::memcpy(out.ip.data(), &v4.sin_addr, 4);
    out.port = ntohs(v4.sin_port);
  }
  return out;
}

}  // namespace merlin::net
