#include "config/broker_options.h"

#include <array>

namespace merlin::config {

namespace {

using enum Type;
constexpr Change live = Change::live;
constexpr Change restart = Change::restart;
constexpr int64_t any = INT64_MAX;

// A row: key, type, default, range, change, sentence. Text and booleans have no range.
constexpr Option text_key(std::string_view key, std::string_view value, Change change, std::string_view sentence) {
  return {.key = key, .type = text, .default_text = value, .change = change, .sentence = sentence};
}
constexpr Option flag(std::string_view key, std::string_view value, Change change, std::string_view sentence) {
  return {.key = key, .type = boolean, .default_text = value, .change = change, .sentence = sentence};
}
constexpr Option i32(std::string_view key, std::string_view value, int64_t min, int64_t max, Change change,
                     std::string_view sentence) {
  return {
      .key = key, .type = int32, .default_text = value, .min = min, .max = max, .change = change, .sentence = sentence};
}
constexpr Option i64(std::string_view key, std::string_view value, int64_t min, int64_t max, Change change,
                     std::string_view sentence) {
  return {
      .key = key, .type = int64, .default_text = value, .min = min, .max = max, .change = change, .sentence = sentence};
}
constexpr Option choice_key(std::string_view key, std::string_view value, std::string_view choices,
                            std::string_view sentence) {
  return {.key = key, .type = choice, .default_text = value, .choices = choices, .sentence = sentence};
}

constexpr std::array options = {
    // Who this broker is and where it listens.
    text_key(
        "namesrvAddr", "", restart,
        "Nameservers to register with, host:port separated by semicolons; empty: the environment's NAMESRV_ADDR, else "
        "none."),
    text_key("brokerClusterName", "DefaultCluster", restart, "Name of the cluster this broker belongs to."),
    text_key("brokerName", "", restart,
             "Name of this broker, the same for a master and its slaves; empty: the host's name."),
    i64("brokerId", "0", 0, any, restart, "0 is the master of its name; this build runs masters only."),
    choice_key("brokerRole", "ASYNC_MASTER", "ASYNC_MASTER|SYNC_MASTER",
               "Role in replication; this build has no replicas, so both masters behave alike and SLAVE is refused."),
    text_key("brokerIP1", "", restart, "Address told to clients; empty: the first usable address of this machine."),
    text_key("brokerIP2", "", restart, "Address told to slaves; empty: the same choice as brokerIP1."),
    text_key("bindAddress", "0.0.0.0", restart, "Address to listen on."),
    i32("listenPort", "10911", 3, 65535, restart, "Port for clients; the VIP port is this minus 2."),
    i32("haListenPort", "10912", 0, 65535, restart,
        "Port told to slaves, listenPort plus 1 unless set; nothing listens on it in this build."),
    text_key("regionId", "DefaultRegion", restart, "Region written into each message's MSG_REGION."),
    flag("traceOn", "true", restart, "Written into each message's TRACE_ON and told to producers: clients then trace."),

    // What clients may do.
    i32("brokerPermission", "6", 0, 15, live,
        "What clients may do here: 4 read, 2 write, 6 both; topics are registered with it."),
    flag("autoCreateTopicEnable", "true", live, "Make a topic when a message for an unknown one comes in."),
    i32("defaultTopicQueueNums", "8", 1, 65536, live, "Most queues that an automatically made topic gets."),
    flag("autoCreateSubscriptionGroup", "true", live, "Make a consumer group when an unknown one asks."),
    flag("enableCreateSysGroup", "true", live, "Make CID_RMQ_SYS_ groups even when groups are not made automatically."),
    flag("enableMixedMessageType", "false", live, "Let topics be made with message.type=MIXED."),
    flag("clusterTopicEnable", "true", restart, "Let the topic named like the cluster be read and written."),
    flag("brokerTopicEnable", "true", restart, "Let the topic named like the broker be read and written."),
    flag("traceTopicEnable", "false", restart, "Keep a topic for message traces on this broker."),
    text_key("msgTraceTopicName", "RMQ_SYS_TRACE_TOPIC", restart, "Name of that topic."),
    flag("timerWheelEnable", "true", restart,
         "Keep the topic of timed messages; the timer itself is not in this build."),
    i32("reviveQueueNum", "8", 1, 65536, restart, "Queues of the pop revive topic; pop itself is not in this build."),
    text_key("configBlackList", "configBlackList;brokerConfigPath", restart,
             "Keys that no remote update may touch, separated by semicolons."),

    // Registration with nameservers.
    i32("registerNameServerPeriod", "30000", 1000, any, live,
        "Milliseconds between registrations; values outside 10000 to 60000 count as the nearest of these."),
    i32("registerBrokerTimeoutMills", "24000", 1, any, restart,
        "Milliseconds to wait for a nameserver's answer to a registration."),
    flag("enableSingleTopicRegister", "false", live, "Tell nameservers a new topic alone instead of the whole table."),
    flag("enableSplitRegistration", "false", live,
         "Register the table of topics in parts, whatever its size. A table of more than 20000 topics always goes in "
         "parts."),
    i32("splitRegistrationSize", "800", 2, 10'000, live, "Topics in one part of a registration."),
    flag("compressedRegister", "false", live, "Compress registrations."),

    // Consumers.
    flag("longPollingEnable", "true", live,
         "Hold a pull that finds nothing until a message comes or its time is over."),
    i64("shortPollingTimeMills", "1000", 1, any, live, "Milliseconds to hold it when longPollingEnable is false."),
    i32("flushConsumerOffsetInterval", "5000", 10, any, live,
        "Milliseconds between writes of config/consumerOffset.json."),
    text_key("messageDelayLevel", "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h", restart,
             "How long a message of delay level 1, 2, ... waits: numbers with s, m, h or d, at most 64 of them."),
    i64("flushDelayOffsetInterval", "10000", 10, any, live,
        "Milliseconds between writes of config/delayOffset.json, rounded to seconds."),
    flag("useServerSideResetOffset", "true", live,
         "Keep a requested reset of offsets here until the consumer has taken it."),
    i64("channelExpiredTimeout", "120000", 1000, any, live,
        "Milliseconds without a heartbeat after which a client is forgotten."),
    flag("notifyConsumerIdsChangedEnable", "true", live,
         "Tell the members of a group to rebalance when one comes or goes; the group has a switch of its own."),
    flag("realTimeNotifyConsumerChange", "true", live,
         "Tell them at once, and further changes at most twice a second; false: at most every 15 seconds."),
    flag("rejectPullConsumerEnable", "false", live, "Do not take consumers that pull by hand into their groups."),
    flag("storeReplyMessageEnable", "true", live, "Store the answers of request-reply, besides passing them on."),
    i32("maxTransferBytesOnMessageInMemory", "262144", 1, any, live,
        "Most bytes in one pull answer, for messages in memory."),
    i32("maxTransferCountOnMessageInMemory", "32", 1, any, live,
        "Most messages in one pull answer, for messages in memory."),
    i32("maxTransferBytesOnMessageInDisk", "65536", 1, any, live,
        "Most bytes in one pull answer, for messages older than that."),
    i32("maxTransferCountOnMessageInDisk", "8", 1, any, live,
        "Most messages in one pull answer, for messages older than that."),
    i32("accessMessageInMemoryMaxRatio", "40", 1, 100, restart,
        "Percent of the machine's memory that counts as in memory."),
    flag("enablePropertyFilter", "true", live,
         "Let consumers choose messages by SQL92 over their properties; Apache's default is false."),
    flag("filterSupportRetry", "false", live,
         "Ask messages of a %RETRY% topic by the filter of the topic that they came from."),
    i32("maxFilterMessageSize", "16000", 20, 16'000'000, live,
        "Bytes of queue units, 20 for each message, that one pull looks at while its filter lets none pass."),
    i64("filterDataCleanTimeSpan", "86400000", 0, any, restart,
        "Milliseconds that the SQL92 filter of a group without members is kept."),
    i32("maxErrorRateOfBloomFilter", "20", 1, 99, restart,
        "Written into consumerFilter.json in the way Apache expects it there; nothing else depends on it."),
    i32("expectConsumerNumUseFilter", "32", 1, 1'000'000, restart,
        "Written into consumerFilter.json in the way Apache expects it there; nothing else depends on it."),
    i32("defaultQueryMaxNum", "32", 1, 10000, restart, "Most messages in the answer to a query by key."),

    // How long messages are kept.
    i32("fileReservedTime", "72", 0, any, live, "Hours that a commit log file is kept after its last message."),
    Option{.key = "deleteWhen",
           .type = hours,
           .default_text = "04",
           .change = live,
           .sentence = "Hours of the day at which old files go, two digits each, separated by ;."},
    i32("cleanResourceInterval", "10000", 100, any, restart, "Milliseconds between looks for files that may go."),
    i32("deleteFileBatchMax", "10", 1, any, restart, "Most commit log files deleted in one look."),
    i32("diskMaxUsedSpaceRatio", "75", 10, 95, live,
        "Percent of the disk in use beyond which old files go at any hour."),
    i32("diskSpaceCleanForciblyRatio", "85", 10, 100, live,
        "Percent of the disk in use beyond which the oldest files go at any age; 85 at most, as Apache takes it."),
    i32("diskSpaceWarningLevelRatio", "90", 1, 100, live,
        "Percent of the disk in use beyond which sends are refused; between 35 and 90, as Apache takes it."),
    flag("cleanFileForciblyEnable", "true", restart, "Whether the oldest files may go at any age when the disk fills."),

    // Messages and files.
    text_key("storePathRootDir", "", restart, "Directory of all data; empty: store in the home directory."),
    text_key("storePathCommitLog", "", restart, "Directory of the commit log; empty: commitlog in storePathRootDir."),
    i32("mappedFileSizeCommitLog", "1073741824", 4096, any, restart, "Bytes of one commit log file."),
    i32("mappedFileSizeConsumeQueue", "6000000", 20, any, restart,
        "Bytes of one consume queue file, rounded up to whole units of 20."),
    i32("mapperFileSizeBatchConsumeQueue", "13800000", 46, any, restart,
        "The same for topics with queue.type=BatchCQ, in units of 46."),
    choice_key(
        "storeType", "default", "default|defaultRocksDB",
        "defaultRocksDB keeps the queue index in a database instead of files; changed, it is built from the log."),
    i32("maxMessageSize", "4194304", 1, any, restart,
        "Most bytes of a message's body; frames above 16 MiB are refused anyway."),
    choice_key("flushDiskType", "ASYNC_FLUSH", "ASYNC_FLUSH|SYNC_FLUSH",
               "SYNC_FLUSH answers a send when its bytes are on disk, ASYNC_FLUSH before."),
    i32("syncFlushTimeout", "5000", 1, any, restart,
        "Milliseconds that a send waits for the disk before it is answered 10."),
    i32("flushIntervalCommitLog", "500", 1, any, restart,
        "Milliseconds between flushes of the commit log with ASYNC_FLUSH."),
    i32("flushCommitLogLeastPages", "4", 0, any, restart, "Flush earlier only when so many pages of 4 KiB wait."),
    i32("flushCommitLogThoroughInterval", "10000", 1, any, restart,
        "Milliseconds after which fewer pages are flushed too."),
    i32("flushIntervalConsumeQueue", "1000", 1, any, restart,
        "Milliseconds between writes of consume queues to their files."),
    flag("checkCRCOnRecover", "true", restart, "Check each body's CRC in the part of the log that recovery reads."),
    flag("messageIndexEnable", "true", restart, "Keep the index that finds messages by key."),
    i32("maxHashSlotNum", "5000000", 1, any, restart, "Hash slots of one index file."),
    i32("maxIndexNum", "20000000", 2, any, restart, "Entries of one index file."),
    flag("enableLmq", "false", restart,
         "Light queues: each name that begins with %LMQ% is a topic of one queue, and such groups need no creation."),
    flag("enableMultiDispatch", "false", restart,
         "With enableLmq: a message also enters the light queues that its property INNER_MULTI_DISPATCH names."),
    i32("maxLmqConsumeQueueNum", "20000", 0, any, live,
        "Light queues there may be; a message or a pull that needs one more is refused. An idle one takes memory."),

    // Protection.
    flag("aclEnable", "false", restart,
         "Access control of 4.x; this build has none: true is refused, see merlinIgnoreSecurityConfig."),
    flag("authenticationEnabled", "false", restart,
         "Authentication of 5.x; this build has none: true is refused, see merlinIgnoreSecurityConfig."),
    flag("authorizationEnabled", "false", restart,
         "Authorization of 5.x; this build has none: true is refused, see merlinIgnoreSecurityConfig."),
    choice_key("tls.server.mode", "disabled", "disabled|permissive|enforcing",
               "Apache takes this as a Java property; this build speaks no TLS: enforcing is refused, see "
               "merlinIgnoreSecurityConfig."),
    flag("useTLS", "false", restart,
         "TLS towards nameservers; this build has none: true is refused, see merlinIgnoreSecurityConfig."),

    // Connections.
    i32("serverChannelMaxIdleTimeSeconds", "120", 1, 86400, restart,
        "Seconds of silence after which a connection is closed."),

    // MerlinMQ's own.
    flag("merlinIgnoreSecurityConfig", "false", restart,
         "Start although the file asks for access control or TLS, which this build does not have: anybody may do "
         "anything."),
    flag(
        "merlinIgnoreRocksDBConfig", "false", restart,
        "Start with the JSON files in config/ although Apache's RocksDB form of the configuration stands beside them."),
    i32("merlinReactors", "0", 0, 256, restart, "Threads that serve connections; 0: one per core, at most 16."),
    i32("merlinColdReadThreads", "2", 1, 64, restart, "Threads that read old messages from the disk for pulls."),
    i32("merlinWorkerThreads", "4", 1, 256, restart, "Threads for requests that may block, such as admin requests."),
    i32("merlinWorkerQueueMax", "10000", 1, 1'000'000, restart,
        "Requests that may wait for such a thread before SYSTEM_BUSY."),
    i32("merlinConnectionsMax", "100000", 1, 10'000'000, restart, "Most connections at a time."),
    i64("merlinUnsentBytesMax", "67108864", 65536, any, restart,
        "Bytes of unsent answers above which a connection is closed as too slow."),
    flag("merlinCheckMessageType", "false", restart,
         "Refuse a message whose kind (normal, FIFO, delay, transaction) is not its topic's message.type, as Apache's "
         "proxy does; false: its broker's way, which never looks."),
    flag("merlinRejectSubscriptionMismatch", "false", live,
         "Refuse the heartbeat of a consumer that subscribes to something else than the other live members of its "
         "group; false: only a warning in the log."),
    i32("merlinHeldPullsMax", "100000", 1, 10'000'000, restart, "Most pulls that wait for messages at a time."),
};

}  // namespace

std::span<const Option> broker_options() {
  return options;
}

}  // namespace merlin::config
