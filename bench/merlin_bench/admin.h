// Requests that prepare and check a run: topics and offsets. Blocking, on a link of their own; many of a kind are in
// flight at once, so that a million queues are asked within seconds.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "link.h"
#include "merlin/wire/command.h"
#include "options.h"

namespace merlin::bench {

struct Request {
  int32_t code = 0;
  std::vector<std::pair<std::string, std::string>> fields;
};

// Sends make(0) .. make(count - 1) and gives each answer to take(). An answer of another code than 0 is an error.
// REQUIRES: nothing else is in flight on the link.
Status call_all(Link& link, int64_t count, const std::function<Request(int64_t)>& make,
                const std::function<Status(int64_t, const wire::CommandView&)>& take);

// One queue among those of all topics: topic by topic.
struct QueueName {
  std::string topic;
  int32_t queue = 0;
};
QueueName queue_name(const Options& options, int64_t queue);

Status create_topics(Link& link, const Options& options);
// The offset that the next message of each queue gets, or of the first message that there is.
Result<std::vector<int64_t>> max_offsets(Link& link, const Options& options, const std::vector<int64_t>& queues);
Result<std::vector<int64_t>> min_offsets(Link& link, const Options& options, const std::vector<int64_t>& queues);

}  // namespace merlin::bench
