#include "machine_limits.h"

#include "drive.h"
#include "null_broker.h"
#include "process_stats.h"
#include "report.h"

namespace merlin::bench {

namespace {

// Sends to a broker that only answers, as `produce` does.
Status measure_echo(Options options, const std::string& name, int32_t connections, int32_t in_flight,
                    std::vector<Figure>& out) {
  auto server = NullBroker::start();
  if (!server) return server.error();
  options.broker = (*server)->address();
  options.connections = connections;
  options.in_flight = in_flight;
  Poller poller;
  Ledger ledger(options.queue_count(), new_run_mark());
  Sender sender(options, poller, ledger);
  if (Status s = sender.connect(); !s) return s;
  const int64_t start = now_ns();
  const int64_t measure_from = start + part_ns(options) / 4;
  const int64_t measure_to = measure_from + part_ns(options);
  Progress progress(options, Progress::Lines::sending, start, measure_to - start);
  progress.say(name + ": " + std::to_string(connections) + " x " + std::to_string(in_flight));
  const auto never = [] { return false; };
  if (Status s = sender.start(start, measure_from, measure_to); !s) return s;
  if (Status s = drive(poller, &sender, progress, sender.second(), measure_from, never); !s) return s;
  const int64_t before = ledger.acknowledged_count();
  UsageMeter meter((*server)->pid());
  if (Status s = drive(poller, &sender, progress, sender.second(), measure_to, never); !s) return s;
  meter.stop();
  const int64_t messages = ledger.acknowledged_count() - before;
  const Usage usage = meter.finish(messages);
  sender.stop(now_ns());
  const Histogram& latency = sender.totals().latency;
  out.push_back({name + "_per_second", static_cast<double>(messages) / usage.seconds, 0});
  out.push_back({name + "_p50_us", static_cast<double>(latency.quantile_ns(0.5)) / 1000, 1});
  out.push_back({name + "_p99_us", static_cast<double>(latency.quantile_ns(0.99)) / 1000, 1});
  out.push_back({name + "_server_cpu_s_per_million", usage.broker_cpu_s_per_million, 3});
  out.push_back({name + "_tool_cpu_s_per_million",
                 usage.own_cores * usage.seconds * 1e6 / static_cast<double>(std::max<int64_t>(messages, 1)), 3});
  return {};
}

}  // namespace

Result<LimitsReport> limits(const Options& options) {
  LimitsReport report;
  if (Status s = measure_echo(options, "echo_ping_pong", 1, 1, report.figures); !s) return s.error();
  if (Status s = measure_echo(options, "echo_pipelined", options.connections, options.in_flight, report.figures); !s)
    return s.error();
  if (Status s = measure_files(options, report.figures); !s) return s.error();
  return report;
}

Status print(const Options& options, const LimitsReport& report) {
  Report out(options);
  for (const Figure& figure : report.figures) out.number(figure.name, figure.value, figure.decimals);
  return out.print();
}

}  // namespace merlin::bench
