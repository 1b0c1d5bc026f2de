#include "process_stats.h"

#include <ctime>
#include <fstream>
#include <string>

namespace merlin::bench {

namespace {

int64_t read_clock(clockid_t clock) {
  timespec t{};
  if (clock_gettime(clock, &t) != 0) return -1;
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

int64_t process_cpu_ns(int32_t pid) {
  // The same sum as utime + stime of /proc/PID/stat, but in nanoseconds and not in ticks of 10 ms.
  clockid_t clock{};
  if (clock_getcpuclockid(pid, &clock) != 0) return -1;
  return read_clock(clock);
}

int64_t own_cpu_ns() {
  return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

Memory process_memory(int32_t pid) {
  Memory memory;
  std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
  std::string word;
  int64_t kib = 0;
  std::string line;
  std::getline(file, line);  // the address range
  while (file >> word >> kib) {
    if (word == "Rss:") memory.rss_kib = kib;
    if (word == "Pss:") memory.pss_kib = kib;
    if (word == "Anonymous:") memory.anonymous_kib = kib;
    std::getline(file, line);
  }
  return memory;
}

}  // namespace merlin::bench
