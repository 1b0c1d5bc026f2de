// merlin-bench first-send: starts a broker and measures until its port answers and until its first SEND_OK.
#pragma once

#include "options.h"
#include "process_stats.h"

namespace merlin::bench {

struct FirstSendReport {
  double port_ms = 0;
  double send_ms = 0;
  double cpu_s = 0;  // of the broker, until then
  Memory memory;

  bool good() const { return send_ms > 0; }
};

// The broker is ended by SIGTERM afterwards.
Result<FirstSendReport> first_send(const Options& options);
Status print(const Options& options, const FirstSendReport& report);

}  // namespace merlin::bench
