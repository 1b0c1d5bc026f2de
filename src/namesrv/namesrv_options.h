// The nameserver's table of keys: what this build reads, and what of Apache's it only keeps.
//
// Source of names, types and defaults: NamesrvConfig, NettyServerConfig, NettyClientConfig of 5.5.0.
#pragma once

#include <span>
#include <string>

#include "config/options.h"

namespace merlin::namesrv {

std::span<const config::Option> namesrv_options();
std::span<const config::UnusedKey> namesrv_unused_keys();

// Fills in kvConfigPath and configStorePath where no file has set them; like Apache, a program that was started with -c
// keeps remote changes in that very file. Call after load().
void set_computed_defaults(config::Settings& settings, const std::string& config_file);

}  // namespace merlin::namesrv
