// Defaults that depend on the machine the broker runs on.
#include <arpa/inet.h>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include "config/broker_options.h"

namespace merlin::config {

namespace {

// How far other machines can be expected to reach this address; higher is better. Apache leaves out bridges and prefers
// what does not start with 127.0, 192.168 or 0. in the order of the interfaces.
enum class Reach { none, local_network, general };

Reach reach_of(const std::string& ip, const std::string& interface) {
  if (ip.starts_with("127.") || ip.starts_with("0.") || ip.starts_with("169.254.")) return Reach::none;
  std::error_code ignored;
  if (std::filesystem::exists("/sys/class/net/" + interface + "/bridge", ignored)) return Reach::none;
  return ip.starts_with("192.168.") ? Reach::local_network : Reach::general;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == 0) return "DEFAULT_BROKER";
  return name.data();
}

void default_if_empty(Settings& settings, std::string_view key, const std::string& value) {
  if (settings.text(key).empty()) settings.set_default(key, value);
}

}  // namespace

std::string local_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return "127.0.0.1";
  std::string best = "127.0.0.1";
  Reach best_reach = Reach::none;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    const bool is_usable = at->ifa_addr != nullptr && at->ifa_addr->sa_family == AF_INET &&
                           (at->ifa_flags & IFF_UP) != 0 && (at->ifa_flags & IFF_LOOPBACK) == 0;
    if (!is_usable) continue;
    std::array<char, INET_ADDRSTRLEN> ip{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(at->ifa_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, ip.data(), ip.size()) == nullptr) continue;
    const Reach reach = reach_of(ip.data(), at->ifa_name);
    if (reach > best_reach) {
      best_reach = reach;
      best = ip.data();
    }
  }
  ::freeifaddrs(list);
  return best;
}

void set_computed_defaults(Settings& settings) {
  default_if_empty(settings, "namesrvAddr", environment("NAMESRV_ADDR"));
  default_if_empty(settings, "brokerName", host_name());
  default_if_empty(settings, "brokerIP1", local_address());
  default_if_empty(settings, "brokerIP2", local_address());
  const std::string home = environment("HOME");
  default_if_empty(settings, "storePathRootDir", (home.empty() ? std::string(".") : home) + "/store");
  default_if_empty(settings, "storePathCommitLog", settings.text("storePathRootDir") + "/commitlog");
  if (!settings.is_set("haListenPort") && settings.int32("listenPort") < 65535) {
    settings.set_default("haListenPort", std::to_string(settings.int32("listenPort") + 1));
  }
}

}  // namespace merlin::config
