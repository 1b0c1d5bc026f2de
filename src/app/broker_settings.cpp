#include "app/broker_settings.h"

#include <algorithm>

#include "service/delay_levels.h"

namespace merlin::app {

size_t reactor_count(const config::Settings& s) {
  const int32_t wanted = s.int32("merlinReactors");
  return wanted > 0 ? static_cast<size_t>(wanted) : net::default_reactor_count();
}

net::ConnectionLimits connection_limits(const config::Settings& s) {
  net::ConnectionLimits limits;
  limits.idle_ms_max = int64_t{s.int32("serverChannelMaxIdleTimeSeconds")} * 1000;
  limits.connections_max = static_cast<size_t>(s.int64("merlinConnectionsMax"));
  limits.unsent_bytes_max = static_cast<size_t>(s.int64("merlinUnsentBytesMax"));
  return limits;
}

store::CleaningLimits cleaning_limits(const config::Settings& s) {
  // Narrowed as Apache does it.
  return {.file_reserved_hours = s.int32("fileReservedTime"),
          .delete_when = s.text("deleteWhen"),
          .disk_used_percent_max = s.int32("diskMaxUsedSpaceRatio"),
          .disk_forcibly_percent = std::clamp(s.int32("diskSpaceCleanForciblyRatio"), 30, 85),
          .disk_warning_percent = std::clamp(s.int32("diskSpaceWarningLevelRatio"), 35, 90)};
}

std::vector<int64_t> delay_levels(const config::Settings& s) {
  // A text that does not fit is refused in open().
  auto levels = service::parse_delay_levels(s.text("messageDelayLevel"));
  return levels ? std::move(levels).value() : store::default_delay_levels();
}

store::StoreOptions store_options(const config::Settings& s) {
  store::StoreOptions o;
  o.root_dir = s.text("storePathRootDir");
  o.commit_log_dir = s.text("storePathCommitLog");
  o.segment_size_bytes = s.int64("mappedFileSizeCommitLog");
  o.consume_queue_file_bytes = s.int32("mappedFileSizeConsumeQueue");
  o.batch_queue_file_bytes = s.int32("mapperFileSizeBatchConsumeQueue");
  o.queues_in_database = s.text("storeType") == "defaultRocksDB";
  o.sync_flush = s.text("flushDiskType") == "SYNC_FLUSH";
  o.flush_interval_ms = s.int32("flushIntervalCommitLog");
  o.flush_least_pages = s.int32("flushCommitLogLeastPages");
  o.flush_thorough_interval_ms = s.int32("flushCommitLogThoroughInterval");
  o.queue_flush_interval_ms = s.int32("flushIntervalConsumeQueue");
  o.message_size_bytes_max = s.int32("maxMessageSize");
  o.check_crc_on_recover = s.boolean("checkCRCOnRecover");
  o.index_enabled = s.boolean("messageIndexEnable");
  o.index_hash_slots = s.int32("maxHashSlotNum");
  o.index_entries_max = s.int32("maxIndexNum");
  o.memory_ratio_percent = s.int32("accessMessageInMemoryMaxRatio");
  static_cast<store::CleaningLimits&>(o) = cleaning_limits(s);
  o.clean_interval_ms = s.int32("cleanResourceInterval");
  o.delete_files_max = s.int32("deleteFileBatchMax");
  o.clean_forcibly = s.boolean("cleanFileForciblyEnable");
  o.light_queues_max = s.int32("maxLmqConsumeQueueNum");
  o.delay_level_ms = delay_levels(s);
  return o;
}

meta::TopicTable::Setup topic_setup(const config::Settings& s) {
  meta::TopicTable::Setup t;
  t.cluster_name = s.text("brokerClusterName");
  t.broker_name = s.text("brokerName");
  t.auto_create_topic_enable = s.boolean("autoCreateTopicEnable");
  t.default_topic_queue_nums = s.int32("defaultTopicQueueNums");
  t.cluster_topic_enable = s.boolean("clusterTopicEnable");
  t.broker_topic_enable = s.boolean("brokerTopicEnable");
  t.trace_topic_enable = s.boolean("traceTopicEnable");
  t.trace_topic_name = s.text("msgTraceTopicName");
  t.revive_queue_num = s.int32("reviveQueueNum");
  t.timer_wheel_enable = s.boolean("timerWheelEnable");
  t.has_batch_queues = s.text("storeType") != "defaultRocksDB";
  return t;
}

service::ProduceSettings produce_settings(const config::Settings& s, const HostPort& store_host) {
  service::ProduceSettings p;
  p.cluster_name = s.text("brokerClusterName");
  p.broker_ip = s.text("brokerIP1");
  p.region_id = s.text("regionId");
  p.trace_on = s.boolean("traceOn");
  p.store_host = store_host;
  p.message_size_bytes_max = s.int32("maxMessageSize");
  p.check_message_type = s.boolean("merlinCheckMessageType");
  p.delay_level_ms = delay_levels(s);
  p.multi_dispatch = s.boolean("enableLmq") && s.boolean("enableMultiDispatch");
  return p;
}

door::RegistrationSettings registration_settings(const config::Settings& s) {
  return {.nameservers = door::split_nameservers(s.text("namesrvAddr")),
          .cluster_name = s.text("brokerClusterName"),
          .broker_name = s.text("brokerName"),
          .broker_addr = s.text("brokerIP1") + ":" + std::to_string(s.int32("listenPort")),
          .ha_addr = s.text("brokerIP2") + ":" + std::to_string(s.int32("haListenPort")),
          .broker_id = s.int64("brokerId"),
          .broker_permission = s.live_int("brokerPermission"),
          .single_topic_register = s.live_int("enableSingleTopicRegister"),
          .split_registration = s.live_int("enableSplitRegistration"),
          .split_size = s.live_int("splitRegistrationSize"),
          .compressed_register = s.live_int("compressedRegister"),
          .timeout_ms = s.int32("registerBrokerTimeoutMills")};
}

HostPort store_host(const config::Settings& s) {
  // A host name in brokerIP1 is refused in start(); the ids in messages need numbers.
  return HostPort::from_ip(s.text("brokerIP1"), s.int32("listenPort")).value_or(HostPort{});
}

}  // namespace merlin::app
