// What a process used: CPU time and memory, from the kernel's books.
#pragma once

#include <cstdint>

#include "environment.h"

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

// What the broker, the tool and the machine spent on a part of a run.
struct Usage {
  double seconds = 0;
  double own_cores = 0;
  double steal_percent = 0;
  bool has_broker = false;
  double broker_cores = 0;
  double broker_cpu_s_per_million = 0;  // of messages
  Memory broker_memory;
};

class UsageMeter {
 public:
  // From now on; `broker_pid` 0: nobody's.
  explicit UsageMeter(int32_t broker_pid);
  // What was used up to now; messages are counted later.
  void stop();
  // The broker may work on after the last answer: its CPU time up to now is divided among so many messages.
  Usage finish(int64_t messages);

 private:
  const int32_t broker_pid_;
  int64_t start_ns_ = 0;
  int64_t own_before_ = 0;
  int64_t broker_before_ = 0;
  HostTicks ticks_before_;
  Usage usage_;
};

}  // namespace merlin::bench
