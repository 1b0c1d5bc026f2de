#include "app/start_checks.h"

#include <charconv>
#include <map>

#include "merlin/base/log.h"
#include "meta/json_cursor.h"

namespace merlin::app {

static constexpr std::string_view schedule_topic = "SCHEDULE_TOPIC_XXXX";
static constexpr size_t delay_file_bytes_max = size_t{1} << 20;

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

// {"offsetTable":{1:30,2:7}}: how far each level has been delivered. Empty when there is no such file, or no such text.
static std::map<int64_t, int64_t> delivered_offsets(FileSystem& files, const std::string& root_dir) {
  std::map<int64_t, int64_t> delivered;
  const auto text = files.read_file(root_dir + "/config/delayOffset.json", delay_file_bytes_max);
  if (!text) return delivered;
  meta::JsonCursor cursor(*text);
  cursor.object([&](std::string_view field) {
    std::string_view passed;
    if (field != "offsetTable") return cursor.skip_value(passed);
    return cursor.object([&](std::string_view level_text) {
      int64_t level = 0;
      int64_t offset = 0;
      std::from_chars(level_text.data(), level_text.data() + level_text.size(), level);
      if (!cursor.integer(offset)) return false;
      delivered[level] = offset;
      return true;
    });
  });
  return delivered;
}

int64_t delayed_messages(FileSystem& files, const store::MessageStore& store, const std::string& root_dir) {
  static constexpr int32_t levels_max = 64;
  const std::map<int64_t, int64_t> delivered = delivered_offsets(files, root_dir);
  int64_t waiting = 0;
  for (int32_t id = 0; id < levels_max; ++id) {
    const store::ConsumeQueue* queue = store.find_queue(schedule_topic, id);
    if (queue == nullptr) continue;
    const auto known = delivered.find(id + 1);  // queue 0 is level 1
    const int64_t from = std::max(store.min_offset(queue), known == delivered.end() ? 0 : known->second);
    waiting += std::max<int64_t>(store.max_offset(queue) - from, 0);
  }
  return waiting;
}

void warn_of_delayed_messages(FileSystem& files, const store::MessageStore& store, const std::string& root_dir) {
  const int64_t waiting = delayed_messages(files, store, root_dir);
  if (waiting == 0) return;
  log_warn(
      "app",
      "{} delayed messages wait in {}: this build delivers none of them; they stay in the log for Apache's broker, "
      "as long as fileReservedTime lets them",
      waiting, schedule_topic);
}

}  // namespace merlin::app
