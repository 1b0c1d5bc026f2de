#include "report.h"

#include <array>
#include <cstdio>

#include "merlin/base/bytes.h"
#include "merlin/wire/command.h"

namespace merlin::bench {

namespace {

std::string decimal(double value, int decimals) {
  std::array<char, 64> text{};
  const int n = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return {text.data(), static_cast<size_t>(n)};
}

}  // namespace

void Report::number(std::string_view name, double value, int decimals) {
  json_ += (json_.empty() ? "\"" : ",\"") + std::string(name) + "\":" + decimal(value, decimals);
  std::string label(name);
  label.resize(32, ' ');
  lines_ += "  " + label + decimal(value, decimals) + "\n";
}

void Report::text(std::string_view name, std::string_view value) {
  Buffer quoted;
  wire::append_json_string(quoted, value);
  json_ += (json_.empty() ? "\"" : ",\"") + std::string(name) + "\":" + std::string(as_text(quoted.view()));
  std::string label(name);
  label.resize(32, ' ');
  lines_ += "  " + label + std::string(value) + "\n";
}

void Report::latency(const Histogram& latency) {
  const auto us = [](int64_t ns) { return static_cast<double>(ns) / 1000; };
  number("p50_us", us(latency.quantile_ns(0.5)), 1);
  number("p90_us", us(latency.quantile_ns(0.9)), 1);
  number("p99_us", us(latency.quantile_ns(0.99)), 1);
  number("p99_9_us", us(latency.quantile_ns(0.999)), 1);
  number("max_us", us(latency.max_ns()), 1);
}

void Report::broker(double cores, double cpu_s_per_million, const Memory& memory) {
  if (options_.broker_pid <= 0) return;
  number("broker_cores", cores, 3);
  number("broker_cpu_s_per_million", cpu_s_per_million, 3);
  number("broker_rss_mib", static_cast<double>(memory.rss_kib) / 1024, 1);
  number("broker_anonymous_mib", static_cast<double>(memory.anonymous_kib) / 1024, 1);
  number("broker_pss_mib", static_cast<double>(memory.pss_kib) / 1024, 1);
}

void Report::print() const {
  if (options_.json) {
    std::printf("{%s}\n", json_.c_str());
  } else {
    std::printf("%s %s\n%s", options_.verb.c_str(), options_.topic.c_str(), lines_.c_str());
  }
}

}  // namespace merlin::bench
