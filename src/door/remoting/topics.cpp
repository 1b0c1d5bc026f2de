#include "door/remoting/topics.h"

#include <algorithm>
#include <set>

#include "door/remoting/answer.h"
#include "door/remoting/json_text.h"
#include "door/remoting/static_queue.h"
#include "merlin/base/log.h"
#include "merlin/message/names.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

// {"<name>":["a","b"]}
template <class Names>
std::string name_list(std::string_view name, const Names& names) {
  std::string out = "{" + json_string(name) + ":[";
  for (const auto& n : names) {
    if (out.back() != '[') out += ',';
    out += json_string(n);
  }
  return out + "]}";
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}

}  // namespace

TopicsDoor::TopicsDoor(TopicsDoorSettings settings, store::MessageStore& store, meta::TopicTable& topics,
                       meta::QueueMappingTable& mappings, meta::SubscriptionGroups& groups,
                       meta::ConsumerOffsets& offsets, service::Clients& clients, service::BrokerStats& stats)
    : settings_(std::move(settings)),
      store_(store),
      topics_(topics),
      mappings_(mappings),
      groups_(groups),
      offsets_(offsets),
      clients_(clients),
      stats_(stats) {}

bool TopicsDoor::refuses_mixed(rpc::Request& request, const meta::Attributes& attributes) const {
  if (settings_.mixed_message_types.load(std::memory_order_relaxed) != 0) return false;
  const auto it = attributes.find("+message.type");
  if (it == attributes.end() || it->second != "MIXED") return false;
  request.reply(rc::invalid_parameter, "MIXED message type is not supported.");
  return true;
}

void TopicsDoor::update_topic(rpc::Request& request) {
  const auto header = header_or_answer<CreateTopicHeader>(request);
  if (!header) return;
  log_info("admin", "update or create topic {} by {}", header->topic, request.connection().remote_text());
  if (auto error = message::topic_name_error(header->topic)) return request.reply(rc::invalid_parameter, *error);
  if (topics_.is_system_topic(header->topic)) {
    return request.reply(rc::invalid_parameter,
                         "The topic[" + std::string(header->topic) + "] is conflict with system topic.");
  }
  meta::TopicConfig config;
  config.name = header->topic;
  config.read_queue_nums = header->read_queue_nums;
  config.write_queue_nums = header->write_queue_nums;
  config.perm = header->perm;
  config.multi_tag = header->topic_filter_type == "MULTI_TAG";
  config.topic_sys_flag = header->topic_sys_flag;
  config.order = header->order;
  auto attributes = meta::parse_attribute_changes(header->attributes);
  if (!attributes) return request.reply(rc::system_error, attributes.error().message);
  config.attributes = std::move(attributes).value();
  if (refuses_mixed(request, config.attributes)) return;
  std::lock_guard lock(change_mutex_);
  const auto updated = topics_.update(std::move(config));
  if (!updated) return request.reply(rc::system_error, updated.error().message);
  if (topic_changed_) topic_changed_(*updated);
  request.reply(rc::success);
}

void TopicsDoor::update_topic_list(rpc::Request& request) {
  auto configs = meta::TopicConfig::parse_list(request.body_text());
  if (!configs) return request.reply(rc::invalid_parameter, configs.error().message);
  for (const meta::TopicConfig& config : *configs) {
    if (auto error = message::topic_name_error(config.name)) return request.reply(rc::invalid_parameter, *error);
    if (topics_.is_system_topic(config.name)) {
      return request.reply(rc::invalid_parameter, "The topic[" + config.name + "] is conflict with system topic.");
    }
    if (refuses_mixed(request, config.attributes)) return;
  }
  std::lock_guard lock(change_mutex_);
  const Status updated = topics_.update_list(std::move(configs).value());
  if (topic_changed_) topic_changed_(nullptr);
  if (!updated) return request.reply(rc::system_error, updated.error().message);
  request.reply(rc::success);
}

void TopicsDoor::delete_topic(rpc::Request& request) {
  const auto header = header_or_answer<TopicHeader>(request);
  if (!header) return;
  log_info("admin", "delete topic {} by {}", header->topic, request.connection().remote_text());
  if (trimmed(header->topic).empty()) return request.reply(rc::invalid_parameter, "The specified topic is blank.");
  if (topics_.is_system_topic(header->topic)) {
    return request.reply(rc::invalid_parameter,
                         "The topic[" + std::string(header->topic) + "] is conflict with system topic.");
  }
  // A name that the rules forbid can still stand in a file from elsewhere; any other would be a path to delete.
  if (auto error = message::topic_name_error(header->topic); error && !topics_.contains(header->topic)) {
    return request.reply(rc::invalid_parameter, *error);
  }
  std::lock_guard lock(change_mutex_);
  // A full disk does not leave half a topic: all of it goes from memory, and what goes from the disk makes the room.
  Status removed = topics_.remove(header->topic);
  const bool was_there = removed || removed.error().code != Errc::not_found;
  const Status unmapped = mappings_.remove(header->topic);
  offsets_.remove_topic(header->topic);
  stats_.table().topic_deleted(header->topic);
  const Status deleted = store_.delete_topic(header->topic);
  if (was_there && !removed) removed = topics_.persist_if_dirty();
  if (was_there && topic_changed_) topic_changed_(nullptr);
  for (const Status& s :
       {was_there ? removed : Status(), unmapped ? unmapped : mappings_.persist_if_dirty(), deleted}) {
    if (s) continue;
    return request.reply(rc::system_error,
                         "topic " + std::string(header->topic) +
                             " is deleted, but not yet for good: " + s.error().message +
                             ". It is tried again; a broker that stops before may show the topic again");
  }
  request.reply(rc::success);
}

// Queues whose topic stands in no table any more, say because the file was replaced by hand.
void TopicsDoor::clean_unused(rpc::Request& request) {
  std::lock_guard lock(change_mutex_);
  std::set<std::string, std::less<>> seen;
  for (const store::QueueName& queue : store_.queues()) {
    if (!seen.insert(queue.topic).second) continue;
    if (topics_.contains(queue.topic) || message::is_system_topic(queue.topic) || message::is_lmq(queue.topic))
      continue;
    log_info("admin", "queues of {}, which is no topic, deleted at the wish of {}", queue.topic,
             request.connection().remote_text());
    if (const Status s = store_.delete_topic(queue.topic); !s)
      return request.reply(rc::system_error, s.error().message);
  }
  request.reply(rc::success);
}

void TopicsDoor::all_topics(rpc::Request& request) {
  const std::vector<meta::TopicPtr> topics = topics_.all();
  // Paging (5.4 slaves) is the asker's option; the whole table is a valid page of it.
  const meta::MappingTexts mappings{mappings_.version(), meta::mapping_details_json(mappings_.all()), {}};
  const std::string body =
      meta::topic_wrapper_json(topics, topics_.version(), meta::perm_read | meta::perm_write, mappings);
  request.reply_with(rc::success, {}, as_bytes(body),
                     [&](wire::CommandWriter& w) { w.field("totalTopicNum", static_cast<int64_t>(topics.size())); });
}

void TopicsDoor::topic_config(rpc::Request& request) {
  const auto header = header_or_answer<TopicHeader>(request);
  if (!header) return;
  const auto topic = topics_.find(header->topic);
  if (!topic)
    return request.reply(rc::topic_not_exist, "No topic in this broker. topic: " + std::string(header->topic));
  const auto mapping = logical_of(request.command()) == Logical::yes ? mappings_.find(header->topic) : nullptr;
  request.reply_text(rc::success, topic->json(mapping == nullptr ? std::string() : mapping->json()));
}

void TopicsDoor::consumed_by(rpc::Request& request) {
  const auto header = header_or_answer<TopicHeader>(request);
  if (!header) return;
  std::set<std::string> groups = offsets_.groups_of(header->topic);
  for (std::string& group : clients_.groups_subscribing(header->topic)) groups.insert(std::move(group));
  request.reply_text(rc::success, name_list("groupList", groups));
}

void TopicsDoor::system_topics(rpc::Request& request) {
  std::vector<std::string> names;
  for (const meta::TopicPtr& topic : topics_.all()) {
    if (topics_.is_system_topic(topic->name)) names.push_back(topic->name);
  }
  request.reply_text(rc::success, name_list("topicList", names));
}

void TopicsDoor::update_group(rpc::Request& request) {
  auto group = meta::SubscriptionGroup::parse(request.body_text());
  if (!group) return request.reply(rc::system_error, group.error().message);
  if (auto error = message::group_name_error(group->name)) return request.reply(rc::invalid_parameter, *error);
  std::lock_guard lock(change_mutex_);
  if (const auto updated = groups_.update(std::move(group).value()); !updated) {
    return request.reply(rc::system_error, updated.error().message);
  }
  request.reply(rc::success);
}

void TopicsDoor::update_group_list(rpc::Request& request) {
  auto groups = meta::SubscriptionGroup::parse_list(request.body_text());
  if (!groups) return request.reply(rc::invalid_parameter, groups.error().message);
  for (const meta::SubscriptionGroup& group : *groups) {
    if (auto error = message::group_name_error(group.name)) return request.reply(rc::invalid_parameter, *error);
  }
  std::lock_guard lock(change_mutex_);
  if (const Status s = groups_.update_list(std::move(groups).value()); !s) {
    return request.reply(rc::system_error, s.error().message);
  }
  request.reply(rc::success);
}

void TopicsDoor::delete_group(rpc::Request& request) {
  const auto header = header_or_answer<DeleteGroupHeader>(request);
  if (!header) return;
  std::lock_guard lock(change_mutex_);
  if (const Status s = groups_.remove(header->group_name); !s && s.error().code != Errc::not_found) {
    return request.reply(rc::system_error, s.error().message);
  }
  if (header->clean_offset) offsets_.remove_group(header->group_name);
  stats_.table().group_deleted(header->group_name);
  request.reply(rc::success);
}

void TopicsDoor::all_groups(rpc::Request& request) {
  const std::string body = groups_.json();
  request.reply_with(rc::success, {}, as_bytes(body),
                     [&](wire::CommandWriter& w) { w.field("totalGroupNum", static_cast<int64_t>(groups_.size())); });
}

void TopicsDoor::group_config(rpc::Request& request) {
  const auto header = header_or_answer<GroupHeader>(request);
  if (!header) return;
  const auto group = groups_.find_or_create(header->group);
  if (!group) {
    return request.reply(rc::subscription_group_not_exist,
                         "No group in this broker. group: " + std::string(header->group));
  }
  request.reply_text(rc::success, group->json());
}

// Whether a group may read a topic; pulls look at it.
void TopicsDoor::group_forbidden(rpc::Request& request) {
  static constexpr int32_t read_index = 2;
  const auto header = header_or_answer<GroupForbiddenHeader>(request);
  if (!header) return;
  if (auto error = message::group_name_error(header->group)) return request.reply(rc::invalid_parameter, *error);
  if (auto error = message::topic_name_error(header->topic)) return request.reply(rc::invalid_parameter, *error);
  if (header->readable) {
    log_info("admin", "{} may{} read {}, says {}", header->group, *header->readable ? "" : " not", header->topic,
             request.connection().remote_text());
    const Status set = groups_.set_forbidden(header->group, header->topic, read_index, !*header->readable);
    if (!set) return request.reply(rc::system_error, set.error().message);
  }
  const bool readable = !groups_.is_read_forbidden(header->group, header->topic);
  request.reply_text(rc::success, "{\"group\":" + json_string(header->group) + ",\"readable\":" +
                                      (readable ? "true" : "false") + ",\"topic\":" + json_string(header->topic) + "}");
}

void TopicsDoor::all_offsets(rpc::Request& request) {
  request.reply_text(rc::success, offsets_.json());
}

}  // namespace merlin::door
