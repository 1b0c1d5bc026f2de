#include "merlin/base/host_port.h"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>

namespace merlin {

std::string HostPort::ip_text() const {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, ip.data(), text, sizeof text);
  return text;
}

std::string HostPort::text() const {
  return v6 ? "[" + ip_text() + "]:" + std::to_string(port) : ip_text() + ":" + std::to_string(port);
}

std::optional<HostPort> HostPort::from_ip(std::string_view ip, int32_t port) {
  const std::string text(ip);
  HostPort out;
  out.port = port;
  if (inet_pton(AF_INET, text.c_str(), out.ip.data()) == 1) return out;
  out.v6 = true;
  if (inet_pton(AF_INET6, text.c_str(), out.ip.data()) == 1) return out;
  return std::nullopt;
}

std::optional<HostPort> HostPort::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  int32_t port = 0;
  const auto [end, ec] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (ec != std::errc() || end != port_text.data() + port_text.size() || port < 0 || port > 65535) return std::nullopt;
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return from_ip(host, port);
}

}  // namespace merlin
