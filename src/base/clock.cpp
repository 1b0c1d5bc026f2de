#include "merlin/base/clock.h"

#include <ctime>

namespace merlin {

static int64_t read_ns(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

int64_t SystemClock::wall_ms() const {
  return read_ns(CLOCK_REALTIME) / 1'000'000;
}
int64_t SystemClock::monotonic_ns() const {
  return read_ns(CLOCK_MONOTONIC);
}

}  // namespace merlin
