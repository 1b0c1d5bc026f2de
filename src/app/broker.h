// The broker as a whole: builds every part from the settings, connects them, starts and stops them in order.
//
// Owns:    all parts. Threads: construct, start() and stop() on the main thread.
// Fails:   start() names what could not be opened or bound; nothing is left running then.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/options.h"
#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"

namespace merlin::app {

class Broker {
 public:
  // `fail_stop` is called from the store's flusher after a failed fsync; it must end the process.
  Broker(config::Settings& settings, std::string config_path, FileSystem& files, const Clock& clock,
         std::function<void(const Error&)> fail_stop);
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  Status start();
  // Says goodbye to the nameservers, answers what is under way, flushes, closes.
  void stop();
  // "The broker[name, ip:port] boot success. serializeType=JSON ..."
  std::string boot_line() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace merlin::app
