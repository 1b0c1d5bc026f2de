// Time through a port, so that tests own it.
#pragma once

#include <atomic>
#include <cstdint>

namespace merlin {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_ms() const = 0;       // milliseconds since the Unix epoch; may step
  virtual int64_t monotonic_ns() const = 0;  // never steps back; only differences mean something
};

class SystemClock final : public Clock {
 public:
  int64_t wall_ms() const override;
  int64_t monotonic_ns() const override;
};

// A clock that stands still until it is told to move. Both readings advance together.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t wall_ms) : wall_ms_(wall_ms) {}
  int64_t wall_ms() const override { return wall_ms_.load(); }
  int64_t monotonic_ns() const override { return wall_ms_.load() * 1'000'000; }
  void advance_ms(int64_t ms) { wall_ms_ += ms; }

 private:
  std::atomic<int64_t> wall_ms_;
};

}  // namespace merlin
