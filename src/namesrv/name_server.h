// The nameserver as a whole: builds its parts, connects them, starts and stops them.
//
// Owns:    everything but the settings, the files and the clock.
// Threads: constructor, start() and stop() on the main thread.
// Fails:   start() says what is in the way (a taken port, a broken KV file); stop() may be called after that.
#pragma once

#include <memory>

#include "config/options.h"
#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"

namespace merlin::namesrv {

class NameServer {
 public:
  NameServer(config::Settings& settings, FileSystem& files, const Clock& clock);
  ~NameServer();

  Status start();
  void stop();
  // The port it listens on, also when listenPort is 0.
  int32_t port() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace merlin::namesrv
