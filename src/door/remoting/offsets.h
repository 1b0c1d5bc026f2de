// Offsets and order: QUERY/UPDATE_CONSUMER_OFFSET, GET_MAX/MIN_OFFSET, SEARCH_OFFSET_BY_TIMESTAMP,
// GET_EARLIEST_MSG_STORETIME, LOCK/UNLOCK_BATCH_MQ, INVOKE_BROKER_TO_RESET_OFFSET, CLONE_GROUP_OFFSET,
// QUERY_CORRECTION_OFFSET.
//
// Threads: reactors; memory only (a search by time may read old queue files, so it runs on a worker).
#pragma once

#include "door/remoting/headers.h"
#include "door/remoting/static_queue.h"
#include "merlin/wire/request_code.h"
#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "rpc/dispatcher.h"
#include "service/offset_admin.h"
#include "service/queue_locks.h"
#include "store/message_store.h"

namespace merlin::door {

class OffsetsDoor {
 public:
  OffsetsDoor(std::string broker_name, store::MessageStore& store, meta::TopicTable& topics, StaticQueues static_queues,
              meta::SubscriptionGroups& groups, meta::ConsumerOffsets& offsets, service::QueueLocks& locks,
              service::OffsetAdmin& admin, const std::atomic<int64_t>& server_side_reset);

 private:
  void query(rpc::Request& request);
  void update(rpc::Request& request);
  void max_offset(rpc::Request& request);
  void min_offset(rpc::Request& request);
  bool never_had_a_message(std::string_view topic, int32_t queue_id, const store::ConsumeQueue* queue) const;
  bool is_empty_batch(std::string_view topic, const store::ConsumeQueue* queue) const;
  void search(rpc::Request& request);
  void earliest_time(rpc::Request& request);
  void lock(rpc::Request& request);
  void unlock(rpc::Request& request);
  void reset(rpc::Request& request);
  void clone(rpc::Request& request);
  void correction(rpc::Request& request);

  const std::string broker_name_;
  store::MessageStore& store_;
  meta::TopicTable& topics_;
  const StaticQueues static_queues_;
  meta::SubscriptionGroups& groups_;
  meta::ConsumerOffsets& offsets_;
  service::QueueLocks& locks_;
  service::OffsetAdmin& admin_;
  const std::atomic<int64_t>& server_side_reset_;

 public:
  static constexpr rpc::Row<OffsetsDoor> rows[] = {
      {wire::request_code::query_consumer_offset, rpc::Lane::reactor, rpc::Ports::all, &OffsetsDoor::query},
      {wire::request_code::update_consumer_offset, rpc::Lane::reactor, rpc::Ports::all, &OffsetsDoor::update},
      {wire::request_code::get_max_offset, rpc::Lane::reactor, rpc::Ports::all, &OffsetsDoor::max_offset},
      {wire::request_code::get_min_offset, rpc::Lane::reactor, rpc::Ports::all, &OffsetsDoor::min_offset},
      {wire::request_code::search_offset_by_timestamp, rpc::Lane::worker, rpc::Ports::all, &OffsetsDoor::search},
      {wire::request_code::get_earliest_msg_storetime, rpc::Lane::worker, rpc::Ports::all, &OffsetsDoor::earliest_time},
      {wire::request_code::lock_batch_mq, rpc::Lane::reactor, rpc::Ports::all, &OffsetsDoor::lock},
      {wire::request_code::unlock_batch_mq, rpc::Lane::reactor, rpc::Ports::all, &OffsetsDoor::unlock},
      {wire::request_code::invoke_broker_to_reset_offset, rpc::Lane::worker, rpc::Ports::all, &OffsetsDoor::reset},
      {wire::request_code::clone_group_offset, rpc::Lane::worker, rpc::Ports::all, &OffsetsDoor::clone},
      {wire::request_code::query_correction_offset, rpc::Lane::worker, rpc::Ports::all, &OffsetsDoor::correction},
  };
};

}  // namespace merlin::door
