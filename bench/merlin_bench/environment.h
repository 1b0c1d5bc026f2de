// Where a run took place: without it, a figure says little. And how the process is scheduled.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace merlin::bench {

// Name and value of what is known of this machine and program; numbers as text.
struct Fact {
  std::string name;
  std::string value;
  bool is_number = false;
};
std::vector<Fact> environment();

// Ticks of all CPUs since boot, and those that the hypervisor gave to others.
struct HostTicks {
  int64_t all = 0;
  int64_t stolen = 0;
};
HostTicks host_ticks();
double stolen_percent(const HostTicks& from, const HostTicks& to);

// Lets timers fire on time, asks for SCHED_FIFO when `real_time`, and for as many files as the system allows. Returns
// how the process is scheduled now: "normal", "SCHED_FIFO", or why not.
std::string prepare_process(bool real_time);

}  // namespace merlin::bench
