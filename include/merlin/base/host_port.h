// An IP address with a port, as it stands in messages and routes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace merlin {

struct HostPort {
  std::array<uint8_t, 16> ip{};  // IPv4 uses the first four bytes
  bool v6 = false;
  int32_t port = 0;

  size_t ip_size() const { return v6 ? 16 : 4; }
  size_t wire_size() const { return ip_size() + 4; }
  std::string ip_text() const;  // "127.0.0.1", "::1"
  std::string text() const;     // "127.0.0.1:10911", "[::1]:10911"
  bool operator==(const HostPort&) const = default;

  // "1.2.3.4:5", "[::1]:5"; numeric addresses only.
  static std::optional<HostPort> parse(std::string_view text);
  static std::optional<HostPort> from_ip(std::string_view ip, int32_t port);
};

}  // namespace merlin
