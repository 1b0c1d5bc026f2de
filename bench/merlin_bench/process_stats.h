// What a process used: CPU time and memory, from the kernel's books.
#pragma once

#include <cstdint>

namespace merlin::bench {

// CPU time of all threads of a process, in ns; -1 when there is no such process.
int64_t process_cpu_ns(int32_t pid);
int64_t own_cpu_ns();

struct Memory {
  int64_t rss_kib = 0;
  int64_t anonymous_kib = 0;
  int64_t pss_kib = 0;
};
Memory process_memory(int32_t pid);

}  // namespace merlin::bench
