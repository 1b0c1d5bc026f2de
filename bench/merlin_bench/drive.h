// The loop of a run: sends what is due, waits for the sockets, prints a line per second.
#pragma once

#include <functional>

#include "poller.h"
#include "progress.h"
#include "puller.h"
#include "sender.h"

namespace merlin::bench {

// Until `end_ns`, or `done` says so. `sender` may be null: then `second` is filled by others.
Status drive(Poller& poller, Sender* sender, Progress& progress, Second& second, int64_t end_ns,
             const std::function<bool()>& done);

// Until the puller has read all its queues; a silence of 30 s is an error.
Status read_to_end(Poller& poller, Puller& puller, Progress& progress, Second& second);

}  // namespace merlin::bench
