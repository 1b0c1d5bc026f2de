// The command line of merlin-bench: the values, how they are read, and the help.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin::bench {

struct Options {
  std::string verb;
  HostPort broker;
  std::string topic = "merlin_bench";
  std::string group = "merlin_bench";
  int32_t queues = 8;           // of each topic
  int32_t topics = 1;           // more than one: <topic>_0, <topic>_1 ...
  int32_t first = 0;            // place in the order of the queues that is served first
  int32_t lmq = 0;              // light queues that messages are dispatched to as well; 0: none
  int32_t lmq_per_message = 1;  // of them, for each message
  int32_t connections = 8;
  int32_t consumers = 2;     // e2e: connections that pull
  int32_t in_flight = 64;    // requests without answer, per connection
  int32_t size_bytes = 128;  // of a message body
  int32_t tags = 0;          // different tags, in turns; 0: no tag
  int32_t seconds = 10;
  int32_t warmup_seconds = 2;
  int32_t batch = 1;              // messages per request
  int32_t rate = 0;               // messages a second over all connections; 0: as fast as answers come
  int32_t pull_count = 32;        // messages asked for per pull
  int32_t passes = 1;             // consume: times the backlog is read
  int32_t suspend_ms = 15'000;    // e2e: how long the broker may hold a pull
  int32_t rollback_percent = 10;  // tx: of the half messages
  int32_t broker_pid = 0;         // whose CPU and memory are measured
  std::string tag;                // only messages with this tag are pulled
  std::string sql;                // or only those that this SQL92 expression is true of
  std::string kind;               // messages carry it as tag and as property "kind"
  int32_t count = 10'000;         // sparse: messages in all
  int32_t idle_ms = 10'000;       // sparse: the longest pause of a queue
  int32_t noise = 0;              // sparse: messages a second that no filter matches
  int32_t max_ms = 0;             // sparse: a message that takes longer fails the run; 0: none does
  std::string command;            // first-send: what starts the broker
  std::string directory = ".";    // limits: where the files are written
  std::string compare;            // a result of --json to print beside this one
  bool binary = false;            // ROCKETMQ header encoding instead of JSON
  bool keys = false;              // each message has a KEYS property
  bool oneway = false;            // requests that ask for no answer
  bool sync = false;              // one request in flight per connection
  bool keep_topic = false;        // do not create the topic first
  bool no_read_back = false;      // do not read what was acknowledged
  bool real_time = false;         // try SCHED_FIFO
  bool spin = false;              // never sleep
  bool json = false;              // result as one line of JSON
  bool quiet = false;             // no line per second
  bool half = false;              // not an option: tx sends half messages

  int64_t queue_count() const { return int64_t{topics} * queues; }
};

// What the command line asks for: a run, or a text to print.
struct CommandLine {
  Options options;
  std::string help;  // not empty: print it and end
};

Result<CommandLine> parse_options(std::span<char*> args);
std::string usage();

// Every option with its value, as in the help, for the record of a run.
struct OptionValue {
  std::string name;  // without dashes
  std::string value;
  bool is_number = false;
};
std::vector<OptionValue> option_values(const Options& options);

}  // namespace merlin::bench
