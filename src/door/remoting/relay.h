// Requests that the broker hands on to a client: GET_CONSUMER_RUNNING_INFO, CONSUME_MESSAGE_DIRECTLY,
// INVOKE_BROKER_TO_GET_CONSUMER_STATUS.
//
// Threads: workers (a message may come from the disk); the answers leave from the client's reactor.
#pragma once

#include <string>

#include "door/remoting/headers.h"
#include "merlin/wire/request_code.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "rpc/dispatcher.h"
#include "service/relay.h"
#include "store/message_store.h"

namespace merlin::door {

class RelayDoor {
 public:
  RelayDoor(std::string broker_name, const service::Relay& relay, store::MessageStore& store, meta::TopicTable& topics,
            meta::SubscriptionGroups& groups);

 private:
  void running_info(rpc::Request& request);
  void consume_directly(rpc::Request& request);
  void consume_status(rpc::Request& request);
  void ask(rpc::Request& request, std::string_view group, std::string_view client_id, service::ClientQuestion question);

  const std::string broker_name_;
  const service::Relay& relay_;
  store::MessageStore& store_;
  meta::TopicTable& topics_;
  meta::SubscriptionGroups& groups_;

 public:
  static constexpr rpc::Row<RelayDoor> rows[] = {
      {wire::request_code::get_consumer_running_info, rpc::Lane::worker, rpc::Ports::all, &RelayDoor::running_info},
      {wire::request_code::consume_message_directly, rpc::Lane::worker, rpc::Ports::all, &RelayDoor::consume_directly},
      {wire::request_code::invoke_broker_to_get_consumer_status, rpc::Lane::worker, rpc::Ports::all,
       &RelayDoor::consume_status},
  };
};

// The text of the object that `name` has in a JSON object, cut out as it stands; empty when there is none. Clients
// write maps whose keys are objects, which no JSON library reads.
std::string_view object_member(std::string_view json, std::string_view name);

}  // namespace merlin::door
