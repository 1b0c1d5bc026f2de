#include "option_table.h"

#include <array>

namespace merlin::bench {

namespace {

constexpr auto all_verbs = std::to_array<Verb>({
    {"produce", 'p', "sends at full speed or at --rate, then reads back all that was acknowledged"},
    {"consume", 'c', "pulls a backlog from its first to its present last message and checks it"},
    {"e2e", 'e', "sends at --rate while held pulls wait for the messages: latency from end to end"},
    {"sparse", 's', "queues that are idle most of the time while held pulls wait: the slowest delivery"},
    {"tx", 't', "half messages, each committed or rolled back"},
    {"many-queues", 'm', "as produce, over --topics x --queues; counts every queue and reads a sample"},
    {"limits", 'l', "what this machine can do at best: echo over TCP, file appends, fdatasync, memcpy"},
    {"first-send", 'f', "starts a broker (--cmd) and measures until its first SEND_OK"},
});

constexpr std::string_view where = "Where";
constexpr std::string_view messages = "Messages";
constexpr std::string_view load = "Load";
constexpr std::string_view output = "Checks and output";

constexpr auto all_flags = std::to_array<Flag>({
    {where, "--topic", "pcestmf", "topic to use", &Options::topic},
    {where, "--queues", "pcestmf", "queues of each topic", &Options::queues, 1, 65'536},
    {where, "--topics", "pcmf", "topics, named <topic>_0, <topic>_1 ... when more than one", &Options::topics, 1,
     1'000'000},
    {where, "--first", "pm", "where in the order of the queues to begin", &Options::first, 0, 1'000'000'000},
    {where, "--group", "pcestmf", "producer or consumer group", &Options::group},
    {where, "--keep-topic", "pestmf", "do not create the topic first", &Options::keep_topic},
    {where, "--cmd", "f", "the command that starts the broker", &Options::command},
    {where, "--dir", "l", "folder whose disk is measured", &Options::directory},

    {messages, "--size", "pestmlf", "bytes of a message body", &Options::size_bytes, 1, 4 << 20},
    {messages, "--batch", "pm", "messages per request", &Options::batch, 1, 1024},
    {messages, "--keys", "pem", "each message has a KEYS property of its own", &Options::keys},
    {messages, "--tags", "pem", "so many different tags (tag0, tag1 ...) in turns; 0: none", &Options::tags, 0,
     1'000'000},
    {messages, "--lmq", "pm", "light queues (LMQ) that the messages also go to in turns", &Options::lmq, 0, 10'000'000},
    {messages, "--lmq-per-message", "pm", "light queues per message", &Options::lmq_per_message, 1, 64},
    {messages, "--kind", "pem", "all messages have this tag, and a property `kind` that says the same", &Options::kind},
    {messages, "--tag", "cs", "pull only messages with this tag (sparse: all that is sent has it, the noise has not)",
     &Options::tag},
    {messages, "--sql", "s", "pull only what this SQL92 expression is true of (messages have kind = 'hit')",
     &Options::sql},
    {messages, "--count", "s", "messages in all, without the noise", &Options::count, 1, 100'000'000},
    {messages, "--rollback", "t", "per cent of the half messages that are rolled back", &Options::rollback_percent, 0,
     100},
    {messages, "--binary", "pcesmlf", "ROCKETMQ binary headers instead of JSON", &Options::binary},

    {load, "--connections", "pcestml", "connections", &Options::connections, 1, 50'000},
    {load, "--in-flight", "pcetml", "requests without answer per connection", &Options::in_flight, 1, 4096},
    {load, "--sync", "pet", "the same as --in-flight 1", &Options::sync},
    {load, "--idle-ms", "s", "each queue is idle for a random time up to this before its next message",
     &Options::idle_ms, 1, 3'600'000},
    {load, "--noise", "s", "messages a second, over all queues, that no filter matches; 0: none", &Options::noise, 0,
     10'000'000},
    {load, "--oneway", "pm", "requests that ask for no answer", &Options::oneway},
    {load, "--rate", "pem", "messages a second in all, latency counted from the intended time; 0: closed loop",
     &Options::rate, 0, 10'000'000},
    {load, "--seconds", "petml", "measured seconds; limits: over all that is measured", &Options::seconds, 1, 86'400},
    {load, "--warmup", "petm", "seconds before measuring", &Options::warmup_seconds, 0, 3600},
    {load, "--consumers", "es", "connections that pull", &Options::consumers, 1, 50'000},
    {load, "--pull-count", "pcestm", "messages asked for per pull", &Options::pull_count, 1, 1024},
    {load, "--suspend-ms", "es", "how long the broker may hold a pull", &Options::suspend_ms, 0, 600'000},
    {load, "--passes", "c", "times the backlog is read", &Options::passes, 1, 1'000'000},
    {load, "--rt", "pcestm", "try to run in real time (SCHED_FIFO), so that the tool is not late itself",
     &Options::real_time},
    {load, "--spin", "pcestm",
     "never sleep: no wake-up time of the tool in the latencies, at the price of a whole core", &Options::spin},

    {output, "--max-ms", "s", "fail when a message takes longer from its send to its consumer; 0: report only",
     &Options::max_ms, 0, 3'600'000},
    {output, "--broker-pid", "pcestm", "process whose CPU and memory are reported", &Options::broker_pid, 1, INT32_MAX},
    {output, "--no-read-back", "ptm", "check the growth of the queues only", &Options::no_read_back},
    {output, "--json", "pcestmlf", "the result as one line of JSON, with all options and the machine", &Options::json},
    {output, "--compare", "pcestmlf", "print the result beside this earlier one of --json", &Options::compare},
    {output, "--quiet", "pcestmlf", "no line per second and no progress bar on stderr", &Options::quiet},
});

}  // namespace

std::span<const Verb> verbs() {
  return all_verbs;
}

std::span<const Flag> flags() {
  return all_flags;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb& verb : all_verbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

void set_defaults(Options& options) {
  if (options.verb == "e2e") {
    options.connections = 4;
    options.size_bytes = 1024;
    options.rate = 1000;
  }
  if (options.verb == "sparse") {
    options.connections = 1;
    options.queues = 200;
  }
  if (options.verb == "many-queues") options.topics = 1000;
  if (options.verb == "limits") options.seconds = 16;
  if (options.verb == "tx") {
    options.in_flight = 16;
    options.half = true;
  }
}

}  // namespace merlin::bench
