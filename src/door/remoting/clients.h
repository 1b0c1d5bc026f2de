// HEART_BEAT, UNREGISTER_CLIENT, GET_CONSUMER_LIST_BY_GROUP, CHECK_CLIENT_CONFIG, and the queries about who is
// connected.
//
// Threads: heartbeats on workers (a new group makes its retry topic, which writes a file); the rest on the reactors.
#pragma once

#include <functional>

#include "door/remoting/headers.h"
#include "merlin/base/clock.h"
#include "merlin/wire/request_code.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "rpc/dispatcher.h"
#include "service/clients.h"
#include "service/consumer_filters.h"

namespace merlin::door {

class ClientsDoor {
 public:
  static constexpr size_t heartbeat_groups_max = 10'000;  // groups in one heartbeat
  static constexpr size_t client_id_max = 1024;           // it is kept once per group
  static constexpr size_t group_name_max = 255;           // of producers, whose names no rule restricts otherwise

  struct Rules {
    const std::atomic<int64_t>& reject_pull_consumers;
    const std::atomic<int64_t>& property_filter_enable;
  };
  ClientsDoor(const Clock& clock, rpc::Dispatcher& dispatcher, service::Clients& clients, meta::TopicTable& topics,
              meta::SubscriptionGroups& groups, service::Filtering& filtering, Rules rules);
  // Called after retry topics were created: registers it, or all topics when it is null, with the nameservers.
  void set_topic_created(std::function<void(const meta::TopicPtr&)> callback) { topic_created_ = std::move(callback); }
  // Called with group and topic when a group wants other messages of a topic than before.
  void set_subscription_changed(std::function<void(const std::string&, const std::string&)> callback) {
    subscription_changed_ = std::move(callback);
  }
  void connection_closed(uint64_t connection_id);

 private:
  void heartbeat(rpc::Request& request);
  void unregister(rpc::Request& request);
  void consumer_list(rpc::Request& request);
  void check_config(rpc::Request& request);
  void consumer_connections(rpc::Request& request);
  void producer_connections(rpc::Request& request);
  void all_producers(rpc::Request& request);

  void register_topics(const std::vector<meta::TopicPtr>& created);
  bool notify_enabled(std::string_view group) const;

  const Clock& clock_;
  rpc::Dispatcher& dispatcher_;
  service::Clients& clients_;
  meta::TopicTable& topics_;
  meta::SubscriptionGroups& groups_;
  service::Filtering& filtering_;
  const Rules rules_;
  std::function<void(const meta::TopicPtr&)> topic_created_;
  std::function<void(const std::string&, const std::string&)> subscription_changed_;

 public:
  static constexpr rpc::Row<ClientsDoor> rows[] = {
      {wire::request_code::heart_beat, rpc::Lane::worker, rpc::Ports::all, &ClientsDoor::heartbeat},
      {wire::request_code::unregister_client, rpc::Lane::worker, rpc::Ports::all, &ClientsDoor::unregister},
      {wire::request_code::get_consumer_list_by_group, rpc::Lane::reactor, rpc::Ports::all,
       &ClientsDoor::consumer_list},
      {wire::request_code::check_client_config, rpc::Lane::reactor, rpc::Ports::all, &ClientsDoor::check_config},
      {wire::request_code::get_consumer_connection_list, rpc::Lane::worker, rpc::Ports::all,
       &ClientsDoor::consumer_connections},
      {wire::request_code::get_producer_connection_list, rpc::Lane::worker, rpc::Ports::all,
       &ClientsDoor::producer_connections},
      {wire::request_code::get_all_producer_info, rpc::Lane::worker, rpc::Ports::all, &ClientsDoor::all_producers},
  };
};

// The JSON of Apache's SubscriptionData.
std::string subscription_text(const service::Subscription& subscription);

}  // namespace merlin::door
