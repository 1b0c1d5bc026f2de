// UPDATE_AND_CREATE_STATIC_TOPIC: a topic whose queues are numbered over the whole cluster.
//
// Threads: workers (metadata files, nameservers). The mapping is on disk and known to the nameservers before the
// answer.
// Fails:   refused is what this build could not serve: a queue with more than one mapping item (one that moved from
// another broker), and a mapping of another topic or broker.
#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "merlin/wire/request_code.h"
#include "meta/topic_config.h"
#include "meta/topic_queue_mapping.h"
#include "rpc/dispatcher.h"

namespace merlin::door {

class StaticTopicsDoor {
 public:
  StaticTopicsDoor(std::string broker_name, meta::TopicTable& topics, meta::QueueMappingTable& mappings);
  // As TopicsDoor::set_topic_changed.
  void set_topic_changed(std::function<void(const meta::TopicPtr&)> callback) { topic_changed_ = std::move(callback); }

 private:
  void update(rpc::Request& request);
  Result<meta::QueueMapping> mapping_of(rpc::Request& request, std::string_view topic) const;

  const std::string broker_name_;
  meta::TopicTable& topics_;
  meta::QueueMappingTable& mappings_;
  std::function<void(const meta::TopicPtr&)> topic_changed_;
  std::mutex change_mutex_;  // one administrative change at a time, as Apache

 public:
  static constexpr rpc::Row<StaticTopicsDoor> rows[] = {
      {wire::request_code::update_and_create_static_topic, rpc::Lane::worker, rpc::Ports::all,
       &StaticTopicsDoor::update},
  };
};

}  // namespace merlin::door
