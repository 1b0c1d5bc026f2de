// Messages by id and by key: VIEW_MESSAGE_BY_ID, QUERY_MESSAGE.
//
// Threads: workers: old records may have to come from the disk.
#pragma once

#include "door/remoting/headers.h"
#include "merlin/wire/request_code.h"
#include "rpc/dispatcher.h"
#include "store/message_store.h"

namespace merlin::door {

class QueriesDoor {
 public:
  QueriesDoor(store::MessageStore& store, int32_t query_messages_max)
      : store_(store), query_messages_max_(query_messages_max) {}

 private:
  void view(rpc::Request& request);
  void query(rpc::Request& request);

  store::MessageStore& store_;
  const int32_t query_messages_max_;  // defaultQueryMaxNum: hits returned for a unique key

 public:
  static constexpr rpc::Row<QueriesDoor> rows[] = {
      {wire::request_code::view_message_by_id, rpc::Lane::worker, rpc::Ports::all, &QueriesDoor::view},
      {wire::request_code::query_message, rpc::Lane::worker, rpc::Ports::all, &QueriesDoor::query},
  };
};

}  // namespace merlin::door
