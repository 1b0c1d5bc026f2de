#include "service/broker_stats.h"

#include <spdlog/fmt/fmt.h>

namespace merlin::service {

BrokerStats::Sample BrokerStats::now() const {
  return Sample{clock_.wall_ms(), put_messages(), get_found_.load(std::memory_order_relaxed),
                get_missed_.load(std::memory_order_relaxed), get_messages()};
}

void BrokerStats::sample() {
  std::lock_guard lock(mutex_);
  samples_.push_back(now());
  if (samples_.size() > samples_max) samples_.pop_front();
}

template <class Value>
std::string BrokerStats::rates(Value value) const {
  const Sample last = now();
  std::lock_guard lock(mutex_);
  std::string out;
  for (const size_t seconds : {size_t{10}, size_t{60}, size_t{600}}) {
    double rate = 0;
    if (!samples_.empty()) {
      const Sample& first = samples_[samples_.size() > seconds ? samples_.size() - seconds : 0];
      const int64_t span_ms = last.at_ms - first.at_ms;
      if (span_ms > 0) rate = static_cast<double>(value(last) - value(first)) * 1000.0 / static_cast<double>(span_ms);
    }
    if (!out.empty()) out += ' ';
    out += fmt::format("{}", rate);
  }
  return out;
}

std::string BrokerStats::put_tps() const {
  return rates([](const Sample& s) { return s.put; });
}
std::string BrokerStats::get_found_tps() const {
  return rates([](const Sample& s) { return s.found; });
}
std::string BrokerStats::get_miss_tps() const {
  return rates([](const Sample& s) { return s.missed; });
}
std::string BrokerStats::get_total_tps() const {
  return rates([](const Sample& s) { return s.found + s.missed; });
}
std::string BrokerStats::get_transferred_tps() const {
  return rates([](const Sample& s) { return s.transferred; });
}

}  // namespace merlin::service
