// Goes through the states in which a power cut may leave the disk of a workload.
//
// At each changing call of its trace: what was not synced (pages or sectors, sizes, changes of directories) may each be
// there or not. When there are few possibilities all are tried; else none of it, all of it, each alone, all but each,
// and random ones. Equal disks with equal memories are judged once.
#pragma once

#include <atomic>
#include <string>

#include "crash/rig/trace.h"
#include "crash/rig/workload.h"

namespace merlin::rig {

struct CrashRun {
  uint64_t seed = 1;
  int64_t states_per_call = 40;
  int64_t nested_every = 100;  // in one of so many states the recovery loses its power, too
  std::string out_dir;         // traces of failures
};

// Shared between processes.
struct CrashCount {
  std::atomic<int64_t> points{0};   // calls after which the power was cut
  std::atomic<int64_t> states{0};   // different disks that were judged
  std::atomic<int64_t> repeats{0};  // disks that had been judged already
  std::atomic<int64_t> nested{0};   // states among them that came from a cut in a recovery
  std::atomic<int64_t> failures{0};
};

// What came of one workload; the first failures are printed with the command that repeats them.
void explore(const Workload& workload, const CrashRun& run, CrashCount& count);

// Repeats one state; `choices` as a failure printed them. Prints and returns what is wrong.
std::string repeat_state(const Workload& workload, const Trace& trace, size_t at, const std::string& choices,
                         uint64_t seed, const Trace* recovery, size_t recovery_at, const std::string& recovery_choices);

Trace record(const Workload& workload, uint64_t seed);

}  // namespace merlin::rig
