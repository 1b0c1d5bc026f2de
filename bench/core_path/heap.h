// Counts what this program takes from the heap: malloc and everything that stands on it, operator new included.
//
// Threads: own() counts the calling thread, all() every thread.
#pragma once

#include <cstdint>

namespace merlin::bench::heap {

int64_t own();
int64_t all();

}  // namespace merlin::bench::heap
