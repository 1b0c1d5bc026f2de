// What a broker must not pass over in silence when it starts: a configuration that asks for protection which this build
// does not have, a store in a form that it does not read, messages that nothing here would ever deliver.
#pragma once

#include <cstdint>

#include "config/options.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "store/message_store.h"

namespace merlin::app {

// Refuses access control and enforced TLS; with merlinIgnoreSecurityConfig=true it only warns.
Status check_security(const config::Settings& settings);

// Refuses Apache's RocksDB form of topics, groups and offsets; see merlinIgnoreRocksDBConfig.
Status check_config_form(FileSystem& files, const config::Settings& settings);

// Messages of the delay levels that have not been delivered, by the queues and config/delayOffset.json.
int64_t delayed_messages(FileSystem& files, const store::MessageStore& store, const std::string& root_dir);
void warn_of_delayed_messages(FileSystem& files, const store::MessageStore& store, const std::string& root_dir);

}  // namespace merlin::app
