// The broker's table of keys: what this build reads, and what of Apache's it only keeps.
//
// Source of names, types and defaults: BrokerConfig, MessageStoreConfig, NettyServerConfig, NettyClientConfig of 5.5.0.
#pragma once

#include <span>
#include <string>

#include "config/options.h"

namespace merlin::config {

std::span<const Option> broker_options();
std::span<const UnusedKey> broker_unused_keys();

// Fills in what depends on the machine or on other keys, where no file has set it: brokerName, brokerIP1, brokerIP2,
// storePathRootDir, storePathCommitLog, haListenPort, namesrvAddr (environment NAMESRV_ADDR). Call after load().
void set_computed_defaults(Settings& settings);

// The address other machines reach this one by: the first IPv4 that is neither loopback nor private-by-container, else
// the best there is, else 127.0.0.1.
std::string local_address();

}  // namespace merlin::config
