#include "namesrv/namesrv_options.h"

#include <cstdlib>

namespace merlin::namesrv {

namespace {

using config::Change;
using config::Option;
using config::Type;
using config::UnusedKey;

constexpr int64_t no_min = INT64_MIN;
constexpr int64_t no_max = INT64_MAX;

constexpr Option options[] = {
    {"listenPort",
     Type::int32,
     "9876",
     0,
     65535,
     {},
     Change::restart,
     "Port for brokers, clients and tools; 0 takes any free one."},
    {"bindAddress", Type::text, "0.0.0.0", no_min, no_max, {}, Change::restart, "Address to listen on."},
    {"serverChannelMaxIdleTimeSeconds",
     Type::int32,
     "120",
     1,
     86'400,
     {},
     Change::restart,
     "A connection on which nothing moved for so many seconds is closed."},
    {"kvConfigPath",
     Type::text,
     "",
     no_min,
     no_max,
     {},
     Change::restart,
     "File of the KV config; default is namesrv/kvConfig.json in the home folder."},
    {"configStorePath",
     Type::text,
     "",
     no_min,
     no_max,
     {},
     Change::restart,
     "File that takes remote changes of this configuration; the file given with -c, else namesrv/namesrv.properties in "
     "the "
     "home folder."},
    {"configBlackList",
     Type::text,
     "configBlackList;configStorePath;kvConfigPath",
     no_min,
     no_max,
     {},
     Change::restart,
     "Keys that a remote update may not touch, separated by semicolons."},
    {"orderMessageEnable",
     Type::boolean,
     "false",
     no_min,
     no_max,
     {},
     Change::live,
     "Routes carry orderTopicConf from the KV namespace ORDER_TOPIC_CONFIG."},
    {"returnOrderTopicConfigToBroker",
     Type::boolean,
     "true",
     no_min,
     no_max,
     {},
     Change::live,
     "A registration is answered with the KV namespace ORDER_TOPIC_CONFIG."},
    {"supportActingMaster",
     Type::boolean,
     "false",
     no_min,
     no_max,
     {},
     Change::live,
     "Routes present the slave with the smallest id as master, without writes, while the master is away."},
    {"notifyMinBrokerIdChanged",
     Type::boolean,
     "false",
     no_min,
     no_max,
     {},
     Change::live,
     "Brokers of a group are told when its smallest broker id changes."},
    {"deleteTopicWithBrokerRegistration",
     Type::boolean,
     "false",
     no_min,
     no_max,
     {},
     Change::live,
     "Topics that a broker's registration no longer names are removed from that broker."},
    {"enableAllTopicList",
     Type::boolean,
     "true",
     no_min,
     no_max,
     {},
     Change::live,
     "The list of all topics may be asked for."},
    {"enableTopicList",
     Type::boolean,
     "true",
     no_min,
     no_max,
     {},
     Change::live,
     "Lists of topics by cluster and by unit may be asked for."},
    {"needWaitForService",
     Type::boolean,
     "false",
     no_min,
     no_max,
     {},
     Change::live,
     "After the start, routes are refused for waitSecondsForService, until brokers have registered."},
    {"waitSecondsForService", Type::int32, "45", 0, 86'400, {}, Change::live, "See needWaitForService; seconds."},
    {"scanNotActiveBrokerInterval",
     Type::int64,
     "5000",
     10,
     3'600'000,
     {},
     Change::restart,
     "Milliseconds between two looks for brokers that went silent."},
    {"unRegisterBrokerQueueCapacity",
     Type::int32,
     "3000",
     1,
     no_max,
     {},
     Change::restart,
     "Closed connections of brokers that may wait for their removal; more are removed at once."},
    {"defaultThreadPoolNums",
     Type::int32,
     "16",
     1,
     256,
     {},
     Change::restart,
     "Threads for what may block: registrations, the KV config, this configuration."},
    {"defaultThreadPoolQueueCapacity",
     Type::int32,
     "10000",
     1,
     no_max,
     {},
     Change::restart,
     "Requests that may wait for these threads; more are answered with SYSTEM_BUSY."},
};

constexpr UnusedKey unused_keys[] = {
    // NamesrvConfig.
    {"rocketmqHome", "", false},
    {"productEnvName", "center"},
    {"clusterTest", "false"},
    {"clientRequestThreadPoolNums", "8"},
    {"clientRequestThreadPoolQueueCapacity", "50000"},
    {"enableControllerInNamesrv", "false"},
    // NettyServerConfig.
    {"serverWorkerThreads", "8"},
    {"serverCallbackExecutorThreads", "0"},
    {"serverSelectorThreads", "3"},
    {"serverOnewaySemaphoreValue", "256"},
    {"serverAsyncSemaphoreValue", "64"},
    {"serverSocketSndBufSize", "0"},
    {"serverSocketRcvBufSize", "0"},
    {"writeBufferHighWaterMark", "0"},
    {"writeBufferLowWaterMark", "0"},
    {"serverSocketBacklog", "1024"},
    {"serverNettyWorkerGroupEnable", "true"},
    {"serverPooledByteBufAllocatorEnable", "true"},
    {"enableShutdownGracefully", "false"},
    {"shutdownWaitTimeSeconds", "30"},
    {"useEpollNativeSelector", "false"},
    // NettyClientConfig: read from the file by Apache, but not shown by GET_NAMESRV_CONFIG.
    {"clientWorkerThreads", "4", false},
    {"clientCallbackExecutorThreads", "2", false},
    {"clientOnewaySemaphoreValue", "65535", false},
    {"clientAsyncSemaphoreValue", "65535", false},
    {"connectTimeoutMillis", "3000", false},
    {"channelNotActiveInterval", "60000", false},
    {"isScanAvailableNameSrv", "true", false},
    {"clientChannelMaxIdleTimeSeconds", "120", false},
    {"clientSocketSndBufSize", "0", false},
    {"clientSocketRcvBufSize", "0", false},
    {"clientPooledByteBufAllocatorEnable", "false", false},
    {"clientCloseSocketIfTimeout", "true", false},
    {"useTLS", "false", false},
    {"socksProxyConfig", "{}", false},
    {"disableCallbackExecutor", "false", false},
    {"disableNettyWorkerGroup", "false", false},
    {"maxReconnectIntervalTimeSeconds", "60", false},
    {"enableReconnectForGoAway", "true", false},
};

}  // namespace

std::span<const Option> namesrv_options() {
  return options;
}
std::span<const UnusedKey> namesrv_unused_keys() {
  return unused_keys;
}

void set_computed_defaults(config::Settings& settings, const std::string& config_file) {
  const char* home = std::getenv("HOME");
  const std::string folder = std::string(home == nullptr ? "." : home) + "/namesrv";
  if (const char* rocketmq_home = std::getenv("ROCKETMQ_HOME");
      rocketmq_home != nullptr && !settings.find("rocketmqHome")) {
    // Read by nothing here, shown to tools that ask for the configuration.
    (void)settings.set("rocketmqHome", rocketmq_home).ok();
  }
  if (settings.text("kvConfigPath").empty()) settings.set_default("kvConfigPath", folder + "/kvConfig.json");
  if (!config_file.empty() && settings.is_set("configStorePath")) {
    (void)settings.set("configStorePath", config_file).ok();
  } else if (!config_file.empty()) {
    settings.set_default("configStorePath", config_file);
  } else if (settings.text("configStorePath").empty()) {
    settings.set_default("configStorePath", folder + "/namesrv.properties");
  }
}

}  // namespace merlin::namesrv
