#include "door/remoting/broker_admin.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "door/remoting/answer.h"
#include "door/remoting/json_text.h"
#include "merlin/base/log.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

// "98.0 GiB", "0 B": tools split this text on blanks.
std::string human_bytes(int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  static constexpr std::string_view units = "KMGTPE";
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}iB", value, units[unit]);
}

std::string runtime_text(int64_t ms) {
  const int64_t s = ms / 1000;
  return fmt::format("[ {} days, {} hours, {} minutes, {} seconds ]", s / 86400, s / 3600 % 24, s / 60 % 60, s % 60);
}

}  // namespace

BrokerAdminDoor::BrokerAdminDoor(config::Settings& settings, std::string config_path, FileSystem& files,
                                 const Clock& clock, store::MessageStore& store, service::BrokerStats& stats,
                                 service::LongPoll& long_poll, WorkerPool& workers)
    : settings_(settings),
      config_path_(std::move(config_path)),
      files_(files),
      clock_(clock),
      store_(store),
      stats_(stats),
      long_poll_(long_poll),
      workers_(workers) {}

void BrokerAdminDoor::add_store_numbers(Table& t) const {
  const store::StoreStats s = store_.stats();
  t["commitLogMinOffset"] = std::to_string(s.min_physical_offset);
  t["commitLogMaxOffset"] = std::to_string(s.max_physical_offset);
  t["commitLogDiskRatio"] = fmt::format("{:.6f}", s.commit_log_disk_ratio);
  t["commitLogDiskRatio_" + settings_.text("storePathCommitLog")] = t["commitLogDiskRatio"];
  t["consumeQueueDiskRatio"] = t["commitLogDiskRatio"];
  t["dispatchBehindBytes"] = std::to_string(std::max<int64_t>(s.max_physical_offset - s.dispatched_offset, 0));
  t["earliestMessageTimeStamp"] = std::to_string(s.earliest_store_timestamp_ms);
  t["remainHowManyDataToFlush"] = human_bytes(std::max<int64_t>(s.max_physical_offset - s.durable_offset, 0));
  t["remainTransientStoreBufferNumbs"] = "2147483647";
  t["dispatchMaxBuffer"] = "0";
  t["pageCacheLockTimeMills"] = "0";
  if (const auto space = files_.space(settings_.text("storePathRootDir"))) {
    t["commitLogDirCapacity"] =
        fmt::format("Total : {}, Free : {}.", human_bytes(space->total_bytes), human_bytes(space->free_bytes));
  }
}

void BrokerAdminDoor::add_traffic(Table& t) const {
  t["putMessageTimesTotal"] = std::to_string(stats_.put_messages());
  t["putMessageFailedTimes"] = std::to_string(stats_.put_failed());
  t["putMessageSizeTotal"] = std::to_string(stats_.put_bytes());
  t["putMessageAverageSize"] =
      fmt::format("{}", stats_.put_messages() == 0
                            ? 0.0
                            : static_cast<double>(stats_.put_bytes()) / static_cast<double>(stats_.put_messages()));
  t["putMessageEntireTimeMax"] = "0";
  t["getMessageEntireTimeMax"] = "0";
  t["putMessageDistributeTime"] =
      "[<=0ms]:0 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 [500ms~1s]:0 [1~2s]:0 [2~3s]:0 "
      "[3~4s]:0 "
      "[4~5s]:0 [5~10s]:0 [10s~]:0 ";
  t["putLatency99"] = "0.0";
  t["putLatency999"] = "0.0";
  t["putTps"] = stats_.put_tps();
  t["getFoundTps"] = stats_.get_found_tps();
  t["getMissTps"] = stats_.get_miss_tps();
  t["getTotalTps"] = stats_.get_total_tps();
  t["getTransferredTps"] = stats_.get_transferred_tps();
  t["getTransferedTps"] = stats_.get_transferred_tps();  // so up to 4.9: clusterList of those tools fails without it
  // Days are counted from the start of the process.
  t["msgPutTotalYesterdayMorning"] = "0";
  t["msgPutTotalTodayMorning"] = "0";
  t["msgPutTotalTodayNow"] = std::to_string(stats_.put_messages());
  t["msgGetTotalYesterdayMorning"] = "0";
  t["msgGetTotalTodayMorning"] = "0";
  t["msgGetTotalTodayNow"] = std::to_string(stats_.get_messages());
}

void BrokerAdminDoor::add_queues(Table& t) const {
  // Requests do not queue before pools here; the workers' queue stands for the ones that may wait.
  for (const char* name : {"send", "pull", "litePull", "query", "ack"}) {
    const std::string prefix = std::string(name) + "ThreadPoolQueue";
    t[prefix + "Size"] = "0";
    t[prefix + "Capacity"] = std::to_string(workers_.queue_limit());
    t[prefix + "HeadWaitTimeMills"] = "0";
  }
  t["queryThreadPoolQueueSize"] = std::to_string(workers_.queued());
  t["pullThreadPoolQueueCapacity"] = std::to_string(long_poll_.held_max());
  t["EndTransactionQueueSize"] = "0";
  t["EndTransactionThreadPoolQueueCapacity"] = std::to_string(workers_.queue_limit());
  for (const char* name : {"timerReadBehind", "timerOffsetBehind", "timerCongestNum"}) t[name] = "0";
  t["timerEnqueueTps"] = "0.0";
  t["timerDequeueTps"] = "0.0";
}

void BrokerAdminDoor::runtime_info(rpc::Request& request) {
  Table t;
  add_store_numbers(t);
  add_traffic(t);
  add_queues(t);
  t["bootTimestamp"] = std::to_string(stats_.boot_ms());
  t["runtime"] = runtime_text(clock_.wall_ms() - stats_.boot_ms());
  t["brokerActive"] = "true";
  t["brokerVersionDesc"] = wire::version_text(wire::version_claimed);
  t["brokerVersion"] = std::to_string(wire::version_claimed);  // the exporter reads an integer here
  t["startAcceptSendRequestTimeStamp"] = "0";
  for (const auto& fill : more_rows_) fill(t);
  std::string body = "{\"table\":{";
  for (const auto& [key, value] : t) {
    if (body.back() != '{') body += ',';
    body += json_string(key) + ':' + json_string(value);
  }
  request.reply_text(rc::success, body + "}}");
}

void BrokerAdminDoor::get_config(rpc::Request& request) {
  const config::Settings::Version version = settings_.version();
  const std::string version_json =
      fmt::format("{{\"counter\":{},\"stateVersion\":0,\"timestamp\":{}}}", version.counter, version.timestamp_ms);
  const std::string body = settings_.to_properties();
  request.reply_with(rc::success, {}, as_bytes(body),
                     [&](wire::CommandWriter& w) { w.field("version", std::string_view(version_json)); });
}

void BrokerAdminDoor::update_config(rpc::Request& request) {
  const auto changes = config::parse_properties(request.body_text());
  const std::string blacklist = ";" + settings_.text("configBlackList") + ";configBlackList;brokerConfigPath;";
  for (const auto& [key, value] : changes) {
    if (blacklist.find(";" + key + ";") != std::string::npos) {
      return request.reply(rc::no_permission, "Can not update config in black list.");
    }
  }
  std::lock_guard lock(update_mutex_);
  const int64_t permission_before = settings_.live_int("brokerPermission").load();
  if (const Status s = settings_.update_live(changes); !s) return request.reply(rc::system_error, s.error().message);
  for (const auto& [key, value] : changes) {
    log_info("admin", "configuration changed by {}: {}={}", request.connection().remote_text(), key, value);
    unwritten_.insert(key);
  }
  if (const Status s = write_config_file(); !s) {
    log_warn("admin", "the change is in force, but the configuration file was not written: {}", s.error().message);
  }
  if (settings_.live_int("brokerPermission").load() != permission_before && permission_changed_) permission_changed_();
  request.reply(rc::success);
}

Status BrokerAdminDoor::write_config_file() {
  if (config_path_.empty()) {
    unwritten_.clear();
    return {};
  }
  const auto old_text = files_.read_file(config_path_, size_t{1} << 20);
  if (!old_text) return old_text.error();
  if (Status s = files_.write_file_durably(config_path_, settings_.updated_file(*old_text, unwritten_)); !s) return s;
  unwritten_.clear();
  return {};
}

void BrokerAdminDoor::delete_expired_log(rpc::Request& request) {
  log_info("admin", "expired commit log files deleted at the wish of {}", request.connection().remote_text());
  store_.delete_expired_soon();
  request.reply(rc::success);
}

// Units of deleted messages. Queues all of whose messages are gone keep their next offset, which Apache's forget.
void BrokerAdminDoor::clean_expired_queues(rpc::Request& request) {
  log_info("admin", "expired queue files deleted at the wish of {}", request.connection().remote_text());
  store_.drop_expired_units_soon();
  request.reply(rc::success);
}

}  // namespace merlin::door
