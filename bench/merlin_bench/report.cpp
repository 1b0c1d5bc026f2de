#include "report.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "environment.h"

namespace merlin::bench {

namespace {

std::string decimal(double value, int decimals) {
  std::array<char, 64> text{};
  const int n = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return {text.data(), static_cast<size_t>(n)};
}

std::string quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string member(std::string_view name, std::string_view value, bool is_number) {
  return quoted(name) + ":" + (is_number ? std::string(value) : quoted(value));
}

std::string padded(std::string_view text, size_t columns) {
  std::string out(text);
  out.resize(std::max(out.size() + 1, columns), ' ');
  return out;
}

std::string right(std::string_view text, size_t columns) {
  return std::string(columns - std::min(columns, text.size()), ' ') + std::string(text);
}

constexpr size_t name_columns = 32;
constexpr size_t value_columns = 16;

}  // namespace

void Report::number(std::string_view name, double value, int decimals) {
  entries_.push_back({std::string(name), decimal(value, decimals), true});
}

void Report::text(std::string_view name, std::string_view value) {
  entries_.push_back({std::string(name), std::string(value), false});
}

void Report::latency(const Histogram& latency, std::string_view prefix) {
  const auto put = [&](std::string_view name, double ns) {
    number(std::string(prefix) + std::string(name), ns / 1000, 1);
  };
  const auto quantile = [&](double q) { return static_cast<double>(latency.quantile_ns(q)); };
  put("mean_us", latency.mean_ns());
  put("p50_us", quantile(0.5));
  put("p90_us", quantile(0.9));
  put("p99_us", quantile(0.99));
  put("p99_9_us", quantile(0.999));
  put("p99_99_us", quantile(0.9999));
  put("max_us", static_cast<double>(latency.max_ns()));
}

void Report::usage(const Usage& usage) {
  number("own_cores", usage.own_cores, 3);
  number("steal_percent", usage.steal_percent, 2);
  if (!usage.has_broker) return;
  number("broker_cores", usage.broker_cores, 3);
  number("broker_cpu_s_per_million", usage.broker_cpu_s_per_million, 3);
  number("broker_rss_mib", static_cast<double>(usage.broker_memory.rss_kib) / 1024, 1);
  number("broker_anonymous_mib", static_cast<double>(usage.broker_memory.anonymous_kib) / 1024, 1);
  number("broker_pss_mib", static_cast<double>(usage.broker_memory.pss_kib) / 1024, 1);
}

std::string Report::as_json() const {
  std::string json = "{" + member("verb", options_.verb, false);
  for (const Entry& entry : entries_) json += "," + member(entry.name, entry.value, entry.is_number);
  std::string values;
  for (const OptionValue& option : option_values(options_)) {
    values += (values.empty() ? "" : ",") + member(option.name, option.value, option.is_number);
  }
  json += ",\"options\":{" + values + "}";
  values.clear();
  for (const Fact& fact : environment()) {
    values += (values.empty() ? "" : ",") + member(fact.name, fact.value, fact.is_number);
  }
  return json + ",\"environment\":{" + values + "}}";
}

std::string Report::as_lines() const {
  std::string lines;
  for (const Entry& entry : entries_) lines += "  " + padded(entry.name, name_columns) + entry.value + "\n";
  return lines;
}

Result<std::string> Report::beside(std::string_view base) const {
  const auto json = nlohmann::json::parse(base, nullptr, false);
  if (!json.is_object()) return Error{Errc::invalid, "the earlier result is not what --json writes"};
  std::string lines = "  " + padded("", name_columns) + right("now", value_columns) + right("base", value_columns) +
                      right("now/base", 12) + "\n";
  for (const Entry& entry : entries_) {
    const auto other = json.find(entry.name);
    const bool both = other != json.end() && other->is_number() && entry.is_number;
    std::string line = "  " + padded(entry.name, name_columns);
    if (both) {
      const double was = other->get<double>();
      const size_t point = entry.value.find('.');
      const int decimals = point == std::string::npos ? 0 : static_cast<int>(entry.value.size() - point - 1);
      line += right(entry.value, value_columns) + right(decimal(was, decimals), value_columns);
      if (was != 0) line += right(decimal(std::strtod(entry.value.c_str(), nullptr) / was, 3), 12);
    } else if (entry.is_number) {
      line += right(entry.value, value_columns) + right("-", value_columns);
    } else {
      line += entry.value;
      if (other != json.end() && other->is_string()) line += " (base: " + other->get<std::string>() + ")";
    }
    lines += line + "\n";
  }
  return lines;
}

Status Report::print() const {
  if (options_.json) {
    std::printf("%s\n", as_json().c_str());
    std::fflush(stdout);
  }
  if (options_.compare.empty()) {
    if (!options_.json) std::printf("%s %s\n%s", options_.verb.c_str(), options_.topic.c_str(), as_lines().c_str());
    return {};
  }
  std::ifstream file(options_.compare);
  if (!file) return Error{Errc::not_found, "cannot read " + options_.compare};
  const std::string base{std::istreambuf_iterator<char>(file), {}};
  const auto lines = beside(base);
  if (!lines) return lines.error().with(options_.compare);
  // With --json, stdout is for scripts.
  std::fprintf(options_.json ? stderr : stdout, "%s %s\n%s", options_.verb.c_str(), options_.topic.c_str(),
               lines->c_str());
  return {};
}

}  // namespace merlin::bench
