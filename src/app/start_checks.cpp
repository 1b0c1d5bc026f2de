#include "app/start_checks.h"

#include "merlin/base/log.h"

namespace merlin::app {

// The first key that asks for protection, as key=value.
static std::string security_wish(const config::Settings& s) {
  if (s.boolean("aclEnable")) return "aclEnable=true";
  if (s.boolean("authenticationEnabled")) return "authenticationEnabled=true";
  if (s.boolean("authorizationEnabled")) return "authorizationEnabled=true";
  if (s.text("tls.server.mode") == "enforcing") return "tls.server.mode=enforcing";
  if (s.boolean("useTLS")) return "useTLS=true";
  return {};
}

Status check_security(const config::Settings& settings) {
  const std::string wish = security_wish(settings);
  if (wish.empty()) return {};
  const std::string what =
      wish +
      " asks for protection that this build does not have: it checks no access and speaks no TLS, so everybody "
      "who reaches its port may read, write and administer";
  if (settings.boolean("merlinIgnoreSecurityConfig")) {
    log_warn("app", "{}; merlinIgnoreSecurityConfig=true, so it starts all the same", what);
    return {};
  }
  return Error{Errc::unsupported, what + ". Take the key away, or set merlinIgnoreSecurityConfig=true to start anyway"};
}

// Apache's broker with storeType=defaultRocksDB or a ConfigManagerVersion keeps topics, groups and offsets in
// databases. Whoever went on from the JSON files beside them would lose topics and go back in offsets.
Status check_config_form(FileSystem& files, const config::Settings& s) {
  if (s.boolean("merlinIgnoreRocksDBConfig")) return {};
  for (const std::string_view name : {"topics", "subscriptionGroups", "consumerOffsets", "metadata"}) {
    const std::string dir = s.text("storePathRootDir") + "/config/" + std::string(name);
    if (!files.exists(dir + "/CURRENT")) continue;
    return Error{
        Errc::unsupported,
        dir +
            " is Apache's RocksDB form of the configuration, which this broker does not read. Export it to JSON "
            "(mqadmin rocksDBConfigToJson), then move "
            "that directory away; or set merlinIgnoreRocksDBConfig=true to go on with the JSON files as they are"};
  }
  return {};
}

}  // namespace merlin::app
