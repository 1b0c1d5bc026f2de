// What the parts of the broker are built from, taken from its settings. Pure; safe from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "config/options.h"
#include "door/remoting/registration.h"
#include "merlin/base/host_port.h"
#include "meta/topic_config.h"
#include "net/server.h"
#include "service/produce.h"
#include "store/message_store.h"

namespace merlin::app {

size_t reactor_count(const config::Settings& s);
net::ConnectionLimits connection_limits(const config::Settings& s);
store::CleaningLimits cleaning_limits(const config::Settings& s);
std::vector<int64_t> delay_levels(const config::Settings& s);
store::StoreOptions store_options(const config::Settings& s);
meta::TopicTable::Setup topic_setup(const config::Settings& s);
service::ProduceSettings produce_settings(const config::Settings& s, const HostPort& store_host);
door::RegistrationSettings registration_settings(const config::Settings& s);
// A host name in brokerIP1 is refused at the start; the ids in messages need numbers.
HostPort store_host(const config::Settings& s);

}  // namespace merlin::app
