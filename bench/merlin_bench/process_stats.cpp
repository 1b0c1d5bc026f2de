#include "process_stats.h"

#include <ctime>
#include <fstream>
#include <string>

#include "link.h"

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

UsageMeter::UsageMeter(int32_t broker_pid)
    : broker_pid_(broker_pid),
      start_ns_(now_ns()),
      own_before_(own_cpu_ns()),
      broker_before_(process_cpu_ns(broker_pid)),
      ticks_before_(host_ticks()) {
  // Clock id 0 would be this process's.
  usage_.has_broker = broker_pid > 0 && broker_before_ >= 0;
}

void UsageMeter::stop() {
  usage_.seconds = static_cast<double>(now_ns() - start_ns_) / 1e9;
  usage_.own_cores = static_cast<double>(own_cpu_ns() - own_before_) / 1e9 / usage_.seconds;
  usage_.steal_percent = stolen_percent(ticks_before_, host_ticks());
  if (!usage_.has_broker) return;
  usage_.broker_cores = static_cast<double>(process_cpu_ns(broker_pid_) - broker_before_) / 1e9 / usage_.seconds;
}

Usage UsageMeter::finish(int64_t messages) {
  if (!usage_.has_broker) return usage_;
  const double cpu_s = static_cast<double>(process_cpu_ns(broker_pid_) - broker_before_) / 1e9;
  if (messages > 0) usage_.broker_cpu_s_per_million = cpu_s / (static_cast<double>(messages) / 1e6);
  usage_.broker_memory = process_memory(broker_pid_);
  return usage_;
}

}  // namespace merlin::bench
