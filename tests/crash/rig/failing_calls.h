// Runs workloads while one call of their disk fails, or all from one call on, for every call and several kinds of
// failure.
//
// Afterwards: nobody hangs; what is shown is right; once the disk is well again messages are taken again, unless the
// store has stopped for good; what was acknowledged survives the end of the process and a power cut.
#pragma once

#include <atomic>
#include <string>

#include "crash/rig/workload.h"

namespace merlin::rig {

struct CallRun {
  uint64_t seed = 1;
  int64_t every = 1;  // each n-th call only
  int64_t only_call = -1;
  std::string only_fault;
};

// Shared between processes.
struct CallCount {
  std::atomic<int64_t> runs{0};
  std::atomic<int64_t> fail_stops{0};
  std::atomic<int64_t> failures{0};
};

void fail_calls(const Workload& workload, const CallRun& run, CallCount& count);

}  // namespace merlin::rig
