// merlin-broker: stores messages and gives them to consumers.
#include "app/broker.h"
#include "app/program.h"
#include "config/broker_options.h"
#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"

namespace {

constexpr std::string_view important_keys[] = {"namesrvAddr",          "brokerIP1",        "brokerName",
                                               "brokerClusterName",    "brokerId",         "listenPort",
                                               "storePathRootDir",     "flushDiskType",    "brokerRole",
                                               "fileReservedTime",     "brokerPermission", "autoCreateTopicEnable",
                                               "defaultTopicQueueNums"};

}  // namespace

int main(int argc, char* argv[]) {
  using namespace merlin;
  config::Settings settings(config::broker_options(), config::broker_unused_keys());
  app::Program program({.name = "merlin-broker", .purpose = "A RocketMQ broker.", .important_keys = important_keys},
                       settings);
  const auto defaults = [&](const app::Flags&) { config::set_computed_defaults(settings); };
  if (const auto exit_code = program.configure(argc, argv, defaults)) return *exit_code;

  const SystemClock clock;
  app::Broker broker(settings, program.flags().config_file, posix_file_system(), clock,
                     [&](const Error& why) { program.fail_stop(why); });
  const auto start = [&]() -> Status {
    if (Status s = broker.start(); !s) return s;
    program.announce(broker.boot_line());
    return {};
  };
  return program.run(start, [&] { broker.stop(); });
}
