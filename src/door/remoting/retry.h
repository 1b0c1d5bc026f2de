// CONSUMER_SEND_MSG_BACK and GET_ALL_DELAY_OFFSET.
//
// Threads: workers. Fails: every refusal is answered with Apache's code; a copy that is not durable in time, with 1.
#pragma once

#include "door/remoting/headers.h"
#include "merlin/wire/request_code.h"
#include "rpc/dispatcher.h"
#include "service/delay.h"
#include "service/retry.h"

namespace merlin::door {

class RetryDoor {
 public:
  RetryDoor(service::Retry& retry, const service::Delay& delay, store::MessageStore& store,
            int32_t sync_flush_timeout_ms)
      : retry_(retry), delay_(delay), store_(store), sync_flush_timeout_ms_(sync_flush_timeout_ms) {}

 private:
  void send_back(rpc::Request& request);
  void all_delay_offsets(rpc::Request& request);

  service::Retry& retry_;
  const service::Delay& delay_;
  store::MessageStore& store_;
  const int32_t sync_flush_timeout_ms_;

 public:
  static constexpr rpc::Row<RetryDoor> rows[] = {
      {wire::request_code::consumer_send_msg_back, rpc::Lane::worker, rpc::Ports::all, &RetryDoor::send_back},
      {wire::request_code::get_all_delay_offset, rpc::Lane::worker, rpc::Ports::all, &RetryDoor::all_delay_offsets},
  };
};

}  // namespace merlin::door
