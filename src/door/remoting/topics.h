// Administration of topics and groups: create, update, delete, list, and what is in them.
//
// Threads: workers (metadata files, nameservers). Each change is on disk and known to the nameservers before its
// answer.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "door/remoting/headers.h"
#include "merlin/wire/request_code.h"
#include "meta/consumer_offsets.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "meta/topic_queue_mapping.h"
#include "rpc/dispatcher.h"
#include "service/broker_stats.h"
#include "service/clients.h"
#include "store/message_store.h"

namespace merlin::door {

struct TopicsDoorSettings {
  std::string broker_name;
  const std::atomic<int64_t>& broker_permission;
  const std::atomic<int64_t>& mixed_message_types;
};

class TopicsDoor {
 public:
  TopicsDoor(TopicsDoorSettings settings, store::MessageStore& store, meta::TopicTable& topics,
             meta::QueueMappingTable& mappings, meta::SubscriptionGroups& groups, meta::ConsumerOffsets& offsets,
             service::Clients& clients, service::BrokerStats& stats);
  // Registers a changed topic (nullptr: the whole table, after a deletion) with the nameservers; blocks until they
  // know.
  void set_topic_changed(std::function<void(const meta::TopicPtr&)> callback) { topic_changed_ = std::move(callback); }

 private:
  // Whether the attributes, as changes or as values, want a message type that is switched off; answers if so.
  bool refuses_mixed(rpc::Request& request, const meta::Attributes& attributes) const;
  void update_topic(rpc::Request& request);
  void update_topic_list(rpc::Request& request);
  void delete_topic(rpc::Request& request);
  void clean_unused(rpc::Request& request);
  void all_topics(rpc::Request& request);
  void topic_config(rpc::Request& request);
  void consumed_by(rpc::Request& request);
  void system_topics(rpc::Request& request);
  void update_group(rpc::Request& request);
  void update_group_list(rpc::Request& request);
  void delete_group(rpc::Request& request);
  void all_groups(rpc::Request& request);
  void group_config(rpc::Request& request);
  void group_forbidden(rpc::Request& request);
  void all_offsets(rpc::Request& request);

  const TopicsDoorSettings settings_;
  store::MessageStore& store_;
  meta::TopicTable& topics_;
  meta::QueueMappingTable& mappings_;
  meta::SubscriptionGroups& groups_;
  meta::ConsumerOffsets& offsets_;
  service::Clients& clients_;
  service::BrokerStats& stats_;
  std::function<void(const meta::TopicPtr&)> topic_changed_;
  std::mutex change_mutex_;  // one administrative change at a time, as Apache

 public:
  static constexpr rpc::Row<TopicsDoor> rows[] = {
      {wire::request_code::update_and_create_topic, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::update_topic},
      {wire::request_code::update_and_create_topic_list, rpc::Lane::worker, rpc::Ports::all,
       &TopicsDoor::update_topic_list},
      {wire::request_code::delete_topic_in_broker, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::delete_topic},
      {wire::request_code::clean_unused_topic, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::clean_unused},
      {wire::request_code::get_all_topic_config, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::all_topics},
      {wire::request_code::get_topic_config, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::topic_config},
      {wire::request_code::query_topic_consume_by_who, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::consumed_by},
      {wire::request_code::get_system_topic_list_from_broker, rpc::Lane::worker, rpc::Ports::all,
       &TopicsDoor::system_topics},
      {wire::request_code::update_and_create_subscriptiongroup, rpc::Lane::worker, rpc::Ports::all,
       &TopicsDoor::update_group},
      {wire::request_code::update_and_create_subscriptiongroup_list, rpc::Lane::worker, rpc::Ports::all,
       &TopicsDoor::update_group_list},
      {wire::request_code::delete_subscriptiongroup, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::delete_group},
      {wire::request_code::get_all_subscriptiongroup_config, rpc::Lane::worker, rpc::Ports::all,
       &TopicsDoor::all_groups},
      {wire::request_code::get_subscriptiongroup_config, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::group_config},
      {wire::request_code::update_and_get_group_forbidden, rpc::Lane::worker, rpc::Ports::all,
       &TopicsDoor::group_forbidden},
      {wire::request_code::get_all_consumer_offset, rpc::Lane::worker, rpc::Ports::all, &TopicsDoor::all_offsets},
  };
};

}  // namespace merlin::door
