// merlin-namesrv: tells clients which brokers carry which topics.
#include <fmt/format.h>

#include "app/program.h"
#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "namesrv/name_server.h"
#include "namesrv/namesrv_options.h"

namespace {

constexpr std::string_view important_keys[] = {"listenPort",      "bindAddress",        "kvConfigPath",
                                               "configStorePath", "orderMessageEnable", "supportActingMaster"};

}  // namespace

int main(int argc, char* argv[]) {
  using namespace merlin;
  config::Settings settings(namesrv::namesrv_options(), namesrv::namesrv_unused_keys());
  app::Program program({.name = "merlin-namesrv",
                        .purpose = "A name server for RocketMQ brokers and clients.",
                        .important_keys = important_keys,
                        .says_loaded_file = true},
                       settings);
  const auto defaults = [&](const app::Flags& flags) { namesrv::set_computed_defaults(settings, flags.config_file); };
  if (const auto exit_code = program.configure(argc, argv, defaults)) return *exit_code;

  const SystemClock clock;
  namesrv::NameServer server(settings, posix_file_system(), clock);
  const auto start = [&]() -> Status {
    if (Status s = server.start(); !s) return s;
    program.announce(fmt::format("The Name Server boot success. serializeType=JSON, address {}:{}",
                                 settings.text("bindAddress"), server.port()));
    return {};
  };
  return program.run(start, [&] { server.stop(); });
}
