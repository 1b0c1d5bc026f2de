#include "options.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace merlin::bench {

namespace {

struct Flag {
  std::string_view name;
  std::string_view sentence;
  int32_t Options::* number = nullptr;
  std::string Options::* text = nullptr;
  bool Options::* set = nullptr;
  int32_t min = 0;
  int32_t max = 0;
};

const std::vector<Flag>& flags() {
  static const std::vector<Flag> all = {
      {.name = "--topic", .sentence = "topic to use (merlin_bench)", .text = &Options::topic},
      {.name = "--group", .sentence = "producer or consumer group (merlin_bench)", .text = &Options::group},
      {.name = "--queues", .sentence = "queues of each topic (8)", .number = &Options::queues, .min = 1, .max = 65'536},
      {.name = "--topics",
       .sentence = "produce: topics, named <topic>_0, <topic>_1 ... when more than one (1)",
       .number = &Options::topics,
       .min = 1,
       .max = 1'000'000},
      {.name = "--first",
       .sentence = "produce: where in the order of the queues to begin (0): so many were sent to before",
       .number = &Options::first,
       .min = 0,
       .max = 1'000'000'000},
      {.name = "--lmq",
       .sentence = "produce: light queues (LMQ) that the messages also go to in turns (0)",
       .number = &Options::lmq,
       .min = 0,
       .max = 10'000'000},
      {.name = "--lmq-per-message",
       .sentence = "produce: light queues per message (1)",
       .number = &Options::lmq_per_message,
       .min = 1,
       .max = 64},
      {.name = "--connections",
       .sentence = "connections (8)",
       .number = &Options::connections,
       .min = 1,
       .max = 10'000},
      {.name = "--in-flight",
       .sentence = "requests without answer per connection (64)",
       .number = &Options::in_flight,
       .min = 1,
       .max = 4096},
      {.name = "--size",
       .sentence = "bytes of a message body (128)",
       .number = &Options::size_bytes,
       .min = 1,
       .max = 4 << 20},
      {.name = "--seconds", .sentence = "measured seconds (10)", .number = &Options::seconds, .min = 1, .max = 86'400},
      {.name = "--warmup",
       .sentence = "seconds before measuring (2)",
       .number = &Options::warmup_seconds,
       .min = 0,
       .max = 3600},
      {.name = "--batch", .sentence = "messages per request (1)", .number = &Options::batch, .min = 1, .max = 1024},
      {.name = "--rate",
       .sentence = "messages a second in all, latency counted from the intended time (0: closed loop)",
       .number = &Options::rate,
       .min = 0,
       .max = 10'000'000},
      {.name = "--pull-count",
       .sentence = "messages asked for per pull (32)",
       .number = &Options::pull_count,
       .min = 1,
       .max = 1024},
      {.name = "--passes",
       .sentence = "times that consume reads the backlog (1)",
       .number = &Options::passes,
       .min = 1,
       .max = 1'000'000},
      {.name = "--broker-pid",
       .sentence = "process whose CPU and memory are reported",
       .number = &Options::broker_pid,
       .min = 1,
       .max = INT32_MAX},
      {.name = "--cmd", .sentence = "first-send: the command that starts the broker", .text = &Options::command},
      {.name = "--binary", .sentence = "ROCKETMQ binary headers instead of JSON", .set = &Options::binary},
      {.name = "--keep-topic", .sentence = "do not create the topic first", .set = &Options::keep_topic},
      {.name = "--json", .sentence = "the result as one line of JSON", .set = &Options::json},
  };
  return all;
}

Status apply(const Flag& flag, std::string_view value, Options& out) {
  if (flag.text != nullptr) {
    out.*flag.text = value;
    return {};
  }
  int32_t number = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (ec != std::errc() || end != value.data() + value.size() || number < flag.min || number > flag.max) {
    return Error{Errc::invalid, std::string(flag.name) + " " + std::string(value) + ": a number from " +
                                    std::to_string(flag.min) + " to " + std::to_string(flag.max) + " is needed"};
  }
  out.*flag.number = number;
  return {};
}

Status set_broker(std::string_view value, Options& out) {
  const auto address = HostPort::parse(value);
  if (!address)
    return Error{Errc::invalid, "--broker " + std::string(value) + ": an address like 127.0.0.1:10911 is needed"};
  out.broker = *address;
  return {};
}

}  // namespace

std::string usage() {
  std::string text =
      "Usage: merlin-bench produce|consume|first-send [options]\n\n"
      "  produce     sends, measures, and checks that the queues grew by what was acknowledged\n"
      "  consume     pulls a backlog from its first to its present last message; checks offsets and CRCs\n"
      "  first-send  starts a broker (--cmd) and measures until its first SEND_OK\n\n"
      "  --broker          address of the broker (127.0.0.1:10911)\n";
  size_t column = 0;
  for (const Flag& flag : flags()) column = std::max(column, flag.name.size());
  for (const Flag& flag : flags()) {
    std::string name(flag.name);
    name.resize(std::max(name.size(), column), ' ');
    text += "  " + name + " " + std::string(flag.sentence) + "\n";
  }
  return text;
}

Result<Options> parse_options(std::span<char*> args) {
  Options out;
  if (args.empty()) return Error{Errc::invalid, "a verb is needed"};
  out.verb = args[0];
  if (Status s = set_broker("127.0.0.1:10911", out); !s) return s.error();
  for (size_t i = 1; i < args.size(); ++i) {
    const std::string_view name = args[i];
    const Flag* found = nullptr;
    for (const Flag& flag : flags()) {
      if (flag.name == name) found = &flag;
    }
    if (found != nullptr && found->set != nullptr) {
      out.*found->set = true;
      continue;
    }
    if (found == nullptr && name != "--broker") return Error{Errc::invalid, "unknown option " + std::string(name)};
    if (++i == args.size()) return Error{Errc::invalid, std::string(name) + " needs a value"};
    if (Status s = found == nullptr ? set_broker(args[i], out) : apply(*found, args[i], out); !s) return s.error();
  }
  return out;
}

}  // namespace merlin::bench
