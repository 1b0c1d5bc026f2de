// What a broker must not pass over in silence when it starts: a configuration that asks for protection which this build
// does not have, a configuration in a form that it does not read.
#pragma once

#include "config/options.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"

namespace merlin::app {

// Refuses access control and enforced TLS; with merlinIgnoreSecurityConfig=true it only warns.
Status check_security(const config::Settings& settings);

// Refuses Apache's RocksDB form of topics, groups and offsets; see merlinIgnoreRocksDBConfig.
Status check_config_form(FileSystem& files, const config::Settings& settings);

}  // namespace merlin::app
