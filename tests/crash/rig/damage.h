// Bit flips in, and truncation at, every byte of every file of a small store that had been stopped, cleanly or not.
//
// The store then opens, or refuses with a reason. What it shows is what was sent, or fails its CRC, so that a client
// sees it; and nothing is lost but what the damaged place held: one message for a byte of log or queue, none for the
// rest.
#pragma once

#include <atomic>
#include <string>

#include "crash/rig/workload.h"

namespace merlin::rig {

struct DamageRun {
  uint64_t seed = 1;
  int64_t every = 1;  // each n-th byte only
  // Also what is known and not mended yet: a damaged queue file that hides more than its unit, and fields of a record
  // that no CRC covers (queue, queue offset, topic) in a part of the log that is scanned again after an unclean stop.
  bool strict = false;
  int64_t only_at = -1;   // this byte ...
  std::string only_file;  // ... of this file
};

// Shared between processes.
struct DamageCount {
  std::atomic<int64_t> flips{0};
  std::atomic<int64_t> truncations{0};
  std::atomic<int64_t> refused{0};   // starts
  std::atomic<int64_t> told{0};      // a message was answered with an error
  std::atomic<int64_t> crc_only{0};  // a message was shown whose CRC tells the client
  std::atomic<int64_t> known{0};     // violations that are known and not mended yet
  std::atomic<int64_t> failures{0};
};

void damage_files(const Workload& workload, const DamageRun& run, DamageCount& count);

}  // namespace merlin::rig
