// Numbers about topics, queues and groups: GET_CONSUME_STATS, GET_BROKER_CONSUME_STATS, GET_TOPIC_STATS_INFO,
// VIEW_BROKER_STATS_DATA, QUERY_CONSUME_TIME_SPAN, QUERY_CONSUME_QUEUE, QUERY_SUBSCRIPTION_BY_CONSUMER,
// QUERY_TOPICS_BY_CONSUMER.
//
// Threads: workers.
// Limits:  body_bytes_max for the statistics of a whole broker; queue_entries_max in a dump of a queue.
#pragma once

#include <string>

#include "door/remoting/headers.h"
#include "merlin/wire/request_code.h"
#include "meta/topic_config.h"
#include "rpc/dispatcher.h"
#include "service/broker_stats.h"
#include "service/clients.h"
#include "service/consumer_filters.h"
#include "service/offset_admin.h"
#include "store/message_store.h"

namespace merlin::door {

class StatsDoor {
 public:
  static constexpr size_t body_bytes_max = size_t{15} << 20;  // clients take frames of 16 MiB
  static constexpr int32_t queue_entries_max = 100'000;

  StatsDoor(std::string broker_name, std::string broker_addr, store::MessageStore& store, meta::TopicTable& topics,
            service::Clients& clients, const meta::ConsumerOffsets& offsets, const service::OffsetAdmin& admin,
            const service::BrokerStats& stats, const service::ConsumerFilters& filters);

 private:
  void consume_stats(rpc::Request& request);
  void broker_consume_stats(rpc::Request& request);
  void topic_stats(rpc::Request& request);
  void stats_data(rpc::Request& request);
  void time_span(rpc::Request& request);
  void consume_queue(rpc::Request& request);
  void subscription(rpc::Request& request);
  void topics_by_consumer(rpc::Request& request);

  // As text, for the body holds JSON within a text; "null" without an expression.
  std::string filter_data(std::string_view group, std::string_view topic) const;
  std::string queue_table(const service::TopicProgress& topic) const;

  const std::string broker_name_;
  const std::string broker_addr_;
  store::MessageStore& store_;
  meta::TopicTable& topics_;
  service::Clients& clients_;
  const meta::ConsumerOffsets& offsets_;
  const service::OffsetAdmin& admin_;
  const service::BrokerStats& stats_;
  const service::ConsumerFilters& filters_;

 public:
  static constexpr rpc::Row<StatsDoor> rows[] = {
      {wire::request_code::get_consume_stats, rpc::Lane::worker, rpc::Ports::all, &StatsDoor::consume_stats},
      {wire::request_code::get_broker_consume_stats, rpc::Lane::worker, rpc::Ports::all,
       &StatsDoor::broker_consume_stats},
      {wire::request_code::get_topic_stats_info, rpc::Lane::worker, rpc::Ports::all, &StatsDoor::topic_stats},
      {wire::request_code::view_broker_stats_data, rpc::Lane::worker, rpc::Ports::all, &StatsDoor::stats_data},
      {wire::request_code::query_consume_time_span, rpc::Lane::worker, rpc::Ports::all, &StatsDoor::time_span},
      {wire::request_code::query_consume_queue, rpc::Lane::worker, rpc::Ports::all, &StatsDoor::consume_queue},
      {wire::request_code::query_subscription_by_consumer, rpc::Lane::worker, rpc::Ports::all,
       &StatsDoor::subscription},
      {wire::request_code::query_topics_by_consumer, rpc::Lane::worker, rpc::Ports::all,
       &StatsDoor::topics_by_consumer},
  };
};

}  // namespace merlin::door
