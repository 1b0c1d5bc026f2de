// Counters of what went through the broker, and rates made from samples of them.
//
// Threads: add_* from anywhere (relaxed atomics); sample() once a second on the housekeeper; rates from anywhere.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "merlin/base/clock.h"
#include "service/stats_table.h"

namespace merlin::service {

class BrokerStats {
 public:
  explicit BrokerStats(const Clock& clock) : clock_(clock), boot_ms_(clock.wall_ms()), table_(clock) {}

  void add_put(int64_t messages, int64_t bytes) {
    put_messages_.fetch_add(messages, std::memory_order_relaxed);
    put_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  }
  void add_put_failed(int64_t messages) { put_failed_.fetch_add(messages, std::memory_order_relaxed); }
  void add_get(bool found, int64_t messages) {
    (found ? get_found_ : get_missed_).fetch_add(1, std::memory_order_relaxed);
    get_messages_.fetch_add(messages, std::memory_order_relaxed);
  }

  int64_t put_messages() const { return put_messages_.load(std::memory_order_relaxed); }
  int64_t put_bytes() const { return put_bytes_.load(std::memory_order_relaxed); }
  int64_t put_failed() const { return put_failed_.load(std::memory_order_relaxed); }
  int64_t get_messages() const { return get_messages_.load(std::memory_order_relaxed); }
  int64_t boot_ms() const { return boot_ms_; }
  int64_t now_ms() const { return clock_.wall_ms(); }

  // The same by topic and by group.
  StatsTable& table() { return table_; }
  const StatsTable& table() const { return table_; }

  void sample();
  // "1.0 2.0 3.0": rates over the last 10, 60 and 600 s, the shape that mqadmin and the exporter split on blanks.
  std::string put_tps() const;
  std::string get_found_tps() const;
  std::string get_miss_tps() const;
  std::string get_total_tps() const;
  std::string get_transferred_tps() const;

 private:
  struct Sample {
    int64_t at_ms = 0;
    int64_t put = 0;
    int64_t found = 0;
    int64_t missed = 0;
    int64_t transferred = 0;
  };
  static constexpr size_t samples_max = 601;
  template <class Value>
  std::string rates(Value value) const;
  Sample now() const;

  const Clock& clock_;
  const int64_t boot_ms_;
  StatsTable table_;
  std::atomic<int64_t> put_messages_{0};
  std::atomic<int64_t> put_bytes_{0};
  std::atomic<int64_t> put_failed_{0};
  std::atomic<int64_t> get_found_{0};
  std::atomic<int64_t> get_missed_{0};
  std::atomic<int64_t> get_messages_{0};
  mutable std::mutex mutex_;
  std::deque<Sample> samples_;  // guarded by mutex_; newest last
};

}  // namespace merlin::service
