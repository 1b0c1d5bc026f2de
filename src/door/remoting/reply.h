// SEND_REPLY_MESSAGE, SEND_REPLY_MESSAGE_V2.
//
// Threads: workers; the answer comes when the producer has taken the reply, or from any thread when it does not.
#pragma once

#include "door/remoting/headers.h"
#include "merlin/wire/request_code.h"
#include "rpc/dispatcher.h"
#include "service/reply.h"

namespace merlin::door {

class ReplyDoor {
 public:
  ReplyDoor(service::Reply& reply, const service::ProduceSettings& settings);

 private:
  void send(rpc::Request& request);
  void send_v2(rpc::Request& request);
  void handle(rpc::Request& request, const SendMessageHeader& header);

  service::Reply& reply_;
  const wire::PreparedFields own_fields_;  // what every answer to a send carries

 public:
  static constexpr rpc::Row<ReplyDoor> rows[] = {
      {wire::request_code::send_reply_message, rpc::Lane::worker, rpc::Ports::all, &ReplyDoor::send},
      {wire::request_code::send_reply_message_v2, rpc::Lane::worker, rpc::Ports::all, &ReplyDoor::send_v2},
  };
};

}  // namespace merlin::door
