#include "door/remoting/static_topics.h"

#include "door/remoting/answer.h"
#include "door/remoting/headers.h"
#include "merlin/base/log.h"
#include "merlin/message/names.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

struct CreateStaticTopicHeader : CreateTopicHeader {
  bool force = false;
  using H = CreateStaticTopicHeader;
  static constexpr auto fields =
      std::tuple_cat(CreateTopicHeader::fields, std::make_tuple(optional("force", &H::force)));
};

}  // namespace

StaticTopicsDoor::StaticTopicsDoor(std::string broker_name, meta::TopicTable& topics, meta::QueueMappingTable& mappings)
    : broker_name_(std::move(broker_name)), topics_(topics), mappings_(mappings) {}

Result<meta::QueueMapping> StaticTopicsDoor::mapping_of(rpc::Request& request, std::string_view topic) const {
  Result<meta::QueueMapping> mapping = meta::QueueMapping::parse(request.body_text());
  if (!mapping) return mapping;
  if (mapping->topic != topic) {
    return Error{Errc::invalid,
                 "the body maps queues of topic " + mapping->topic + ", the header names " + std::string(topic)};
  }
  if (mapping->broker_name != broker_name_) {
    return Error{Errc::invalid,
                 "the body maps queues of broker " + mapping->broker_name + ", this one is " + broker_name_};
  }
  for (const auto& [global_id, items] : mapping->hosted_queues) {
    const std::string queue = mapping->topic + "-" + std::to_string(global_id);
    if (items.size() > 1) {
      return Error{Errc::invalid, queue + " has " + std::to_string(items.size()) +
                                      " mapping items; queues that move between brokers are not built"};
    }
    if (!items.empty() && items.front().logic_offset < 0) {
      return Error{Errc::invalid, queue + " has no logic offset; queues that move between brokers are not built"};
    }
  }
  return mapping;
}

void StaticTopicsDoor::update(rpc::Request& request) {
  const auto header = header_or_answer<CreateStaticTopicHeader>(request);
  if (!header) return;
  log_info("admin", "update or create static topic {} by {}", header->topic, request.connection().remote_text());
  if (auto error = message::topic_name_error(header->topic)) return request.reply(rc::invalid_parameter, *error);
  if (topics_.is_system_topic(header->topic)) {
    return request.reply(rc::invalid_parameter,
                         "The topic[" + std::string(header->topic) + "] is conflict with system topic.");
  }
  auto mapping = mapping_of(request, header->topic);
  if (!mapping) return request.reply(rc::system_error, mapping.error().message);
  meta::TopicConfig config;
  config.name = header->topic;
  config.read_queue_nums = header->read_queue_nums;
  config.write_queue_nums = header->write_queue_nums;
  config.perm = header->perm;
  config.multi_tag = header->topic_filter_type == "MULTI_TAG";
  config.topic_sys_flag = header->topic_sys_flag;

  std::lock_guard lock(change_mutex_);
  // Both or none: Apache changes the topic and then refuses the mapping.
  if (const Status s = mappings_.check(*mapping, header->force); !s) {
    return request.reply(rc::system_error, s.error().message);
  }
  const auto topic = topics_.update(std::move(config));
  if (!topic) return request.reply(rc::system_error, topic.error().message);
  if (const Status s = mappings_.update(std::move(mapping).value(), header->force); !s) {
    return request.reply(rc::system_error, s.error().message);
  }
  if (topic_changed_) topic_changed_(*topic);
  request.reply(rc::success);
}

}  // namespace merlin::door
