#include "environment.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <thread>

#ifndef MERLIN_BENCH_VERSION
#define MERLIN_BENCH_VERSION "unknown"
#endif

namespace merlin::bench {

namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string utc_now() {
  const time_t now = ::time(nullptr);
  tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 64> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

std::vector<Fact> environment() {
  utsname system{};
  ::uname(&system);
  const double memory_gib =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 30);
  return {
      {"tool_version", MERLIN_BENCH_VERSION, false},
      {"time", utc_now(), false},
      {"kernel", std::string(system.sysname) + " " + system.release, false},
      {"cpu", cpu_model(), false},
      {"cores", std::to_string(std::thread::hardware_concurrency()), true},
      {"memory_gib", std::to_string(memory_gib), true},
      {"clock_source", first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"), false},
      {"load_average", first_line("/proc/loadavg"), false},
  };
}

HostTicks host_ticks() {
  std::ifstream file("/proc/stat");
  std::string name;
  file >> name;
  HostTicks ticks;
  // user nice system idle iowait irq softirq steal; what follows is part of user and nice.
  for (int field = 0; field < 8; ++field) {
    int64_t value = 0;
    file >> value;
    ticks.all += value;
    if (field == 7) ticks.stolen = value;
  }
  return ticks;
}

double stolen_percent(const HostTicks& from, const HostTicks& to) {
  if (to.all <= from.all) return 0;
  return 100 * static_cast<double>(to.stolen - from.stolen) / static_cast<double>(to.all - from.all);
}

std::string prepare_process(bool real_time) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  // A sleep may end 50 us late by default, longer than many answers take.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  if (!real_time) return "normal";
  sched_param param{};
  param.sched_priority = 10;
  if (::sched_setscheduler(0, SCHED_FIFO, &param) != 0)
    return std::string("normal; SCHED_FIFO was refused: ") + std::strerror(errno);
  if (::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) return "SCHED_FIFO, memory not locked";
  return "SCHED_FIFO, memory locked";
}

}  // namespace merlin::bench
