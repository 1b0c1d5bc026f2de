// Opens a store on a disk as a crash left it and says what is wrong with it.
#pragma once

#include <string>

#include "crash/rig/oracle.h"
#include "crash/rig/workload.h"

namespace merlin::rig {

// Empty, or the first violation: the store opens, holds what the oracle demands, takes new messages at the right
// offsets, stops cleanly, opens again and shows the same.
std::string judge(FaultyFileSystem& disk, const Config& config, const Oracle& oracle);

}  // namespace merlin::rig
