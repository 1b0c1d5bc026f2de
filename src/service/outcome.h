// What a service may answer, in words every door can translate. One switch per door turns it into that protocol's
// codes.
#pragma once

#include <cstdint>
#include <string>

namespace merlin::service {

enum class Outcome : uint8_t {
  ok,
  flush_disk_timeout,  // stored, but not durable within the time
  message_illegal,     // body, properties or kind of message not acceptable
  invalid_parameter,   // a name or a number out of range
  no_permission,
  topic_not_exist,
  group_not_exist,
  service_not_available,  // closing, stopped, or the disk is full
  system_error,
  system_busy,  // a named limit is reached
  subscription_parse_failed,
  subscription_not_exist,
  subscription_not_latest,
  filter_data_not_exist,
  filter_data_not_latest,
  query_not_found,
  consumer_not_online,
  consume_timeout,  // a client did not answer in time
  needs_worker,     // not an answer: the work may block and must be repeated on a worker
};

// `remark` goes to the client as it is: what, why, the value and the limit.
struct Refusal {
  Outcome outcome = Outcome::ok;
  std::string remark;
  bool ok() const { return outcome == Outcome::ok; }
};

}  // namespace merlin::service
