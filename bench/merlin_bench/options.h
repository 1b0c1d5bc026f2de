// The command line of merlin-bench.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin::bench {

struct Options {
  std::string verb;  // produce, consume, first-send
  HostPort broker;
  std::string topic = "merlin_bench";
  std::string group = "merlin_bench";
  int32_t queues = 8;           // of each topic
  int32_t topics = 1;           // more than one: <topic>_0, <topic>_1 ...
  int32_t first = 0;            // place in the order of the queues that is served first
  int32_t lmq = 0;              // light queues that messages are dispatched to as well; 0: none
  int32_t lmq_per_message = 1;  // of them, for each message
  int32_t connections = 8;
  int32_t in_flight = 64;    // requests without answer, per connection
  int32_t size_bytes = 128;  // of a message body
  int32_t seconds = 10;
  int32_t warmup_seconds = 2;
  int32_t batch = 1;        // messages per request
  int32_t rate = 0;         // messages a second over all connections; 0: as fast as answers come
  int32_t pull_count = 32;  // messages asked for per pull
  int32_t passes = 1;       // consume: times the backlog is read
  int32_t broker_pid = 0;   // whose CPU and memory are measured
  bool binary = false;      // ROCKETMQ header encoding instead of JSON
  bool keep_topic = false;  // do not create the topic first
  bool json = false;        // result as one line of JSON
  std::string command;      // first-send: what starts the broker
};

std::string usage();
Result<Options> parse_options(std::span<char*> args);

}  // namespace merlin::bench
