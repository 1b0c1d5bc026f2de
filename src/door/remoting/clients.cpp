#include "door/remoting/clients.h"

#include <algorithm>

#include "door/remoting/answer.h"
#include "door/remoting/channel.h"
#include "door/remoting/json_text.h"
#include "merlin/base/log.h"
#include "merlin/message/names.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

service::Subscription subscription_of(const Json& json) {
  service::Subscription out = service::build_subscription(text_of(json, "topic"), text_of(json, "subString"),
                                                          text_of(json, "expressionType", "TAG"));
  out.sub_version = int_of(json, "subVersion", 0);
  out.class_filter_mode = bool_of(json, "classFilterMode", false);
  if (out.class_filter_mode) out.filter = nullptr;
  return out;
}

// One of the protocol's constants, or the fallback when the text cannot be one.
std::string constant_of(const Json& json, const char* key, std::string_view fallback) {
  static constexpr size_t constant_size_max = 64;
  std::string text = text_of(json, key, fallback);
  return text.size() <= constant_size_max ? text : std::string(fallback);
}

service::ConsumerHeartbeat consumer_of(const Json& json) {
  service::ConsumerHeartbeat out;
  out.group = text_of(json, "groupName");
  out.consume_type = constant_of(json, "consumeType", "CONSUME_PASSIVELY");
  out.message_model = constant_of(json, "messageModel", "CLUSTERING");
  out.consume_from_where = constant_of(json, "consumeFromWhere", "CONSUME_FROM_LAST_OFFSET");
  out.unit_mode = bool_of(json, "unitMode", false);
  if (const auto it = json.find("subscriptionDataSet"); it != json.end() && it->is_array()) {
    for (const Json& s : *it) {
      if (s.is_object()) out.subscriptions.push_back(subscription_of(s));
    }
  }
  return out;
}

const Json& array_of(const Json& object, const char* key) {
  static const Json none = Json::array();
  const auto it = object.find(key);
  return it != object.end() && it->is_array() ? *it : none;
}

Json subscription_json(const service::Subscription& s) {
  return Json{{"classFilterMode", s.class_filter_mode},
              {"codeSet", s.codes},
              {"expressionType", s.expression_type},
              {"subString", s.sub_string},
              {"subVersion", s.sub_version},
              {"tagsSet", s.tags},
              {"topic", s.topic}};
}

Json connection_json(const service::ClientInfo& c) {
  return Json{{"clientAddr", c.channel->remote_text()},
              {"clientId", c.client_id},
              {"language", c.language},
              {"version", c.version}};
}

}  // namespace

std::string subscription_text(const service::Subscription& subscription) {
  return subscription_json(subscription).dump(-1, ' ', false, Json::error_handler_t::replace);
}

ClientsDoor::ClientsDoor(const Clock& clock, rpc::Dispatcher& dispatcher, service::Clients& clients,
                         meta::TopicTable& topics, meta::SubscriptionGroups& groups, service::Filtering& filtering,
                         Rules rules)
    : clock_(clock),
      dispatcher_(dispatcher),
      clients_(clients),
      topics_(topics),
      groups_(groups),
      filtering_(filtering),
      rules_(rules) {}

bool ClientsDoor::notify_enabled(std::string_view group) const {
  const auto config = groups_.find(group);
  return !config || config->notify_consumer_ids_changed_enable;
}

void ClientsDoor::connection_closed(uint64_t connection_id) {
  clients_.channel_closed(connection_id, [this](const std::string& group) { return notify_enabled(group); });
}

// One write of the file and one registration for all of them: a heartbeat may bring thousands.
void ClientsDoor::register_topics(const std::vector<meta::TopicPtr>& created) {
  if (created.empty()) return;
  if (const Status written = topics_.persist_if_dirty(); !written) {
    log_error("meta", "{}; will be tried again", written.error().message);
  }
  if (topic_created_) topic_created_(created.size() == 1 ? created.front() : nullptr);
}

void ClientsDoor::heartbeat(rpc::Request& request) {
  const auto body = parse_object(request.body_text());
  if (!body) return request.reply(rc::system_error, "the heartbeat's body is no JSON object");
  const Json& consumers = array_of(*body, "consumerDataSet");
  const Json& producers = array_of(*body, "producerDataSet");
  if (consumers.size() + producers.size() > heartbeat_groups_max) {
    return request.reply(rc::system_error, "the heartbeat names " +
                                               std::to_string(consumers.size() + producers.size()) +
                                               " groups, the limit is " + std::to_string(heartbeat_groups_max));
  }
  service::ClientInfo client;
  client.channel = std::make_shared<RemotingChannel>(request.connection().shared_from_this(), dispatcher_);
  client.client_id = text_of(*body, "clientID");
  if (client.client_id.size() > client_id_max) {
    return request.reply(rc::system_error, "the clientID has " + std::to_string(client.client_id.size()) +
                                               " bytes, the limit is " + std::to_string(client_id_max));
  }
  client.language = wire::language_name(request.command().language);
  client.version = request.command().version;
  client.last_update_ms = clock_.wall_ms();
  const bool reject_pull = rules_.reject_pull_consumers.load(std::memory_order_relaxed) != 0;
  const auto fingerprint = static_cast<int32_t>(int_of(*body, "heartbeatFingerprint", 0));
  const bool without_subscriptions = fingerprint != 0 && bool_of(*body, "withoutSub", false);

  bool subscriptions_changed = false;
  std::string refusal;
  std::vector<meta::TopicPtr> retry_topics;
  for (const Json& entry : consumers) {
    if (!entry.is_object()) continue;
    const service::ConsumerHeartbeat consumer = consumer_of(entry);
    const auto too_many = std::find_if(consumer.subscriptions.begin(), consumer.subscriptions.end(),
                                       [](const auto& s) { return s.has_too_many_tags(); });
    if (too_many != consumer.subscriptions.end()) {
      register_topics(retry_topics);
      return request.reply(
          rc::subscription_parse_failed,
          "the subscription of " + too_many->topic + " names more than " + std::to_string(service::tags_max) + " tags");
    }
    if (reject_pull && consumer.consume_type == "CONSUME_ACTIVELY") continue;
    const auto group = groups_.find_or_create(consumer.group);
    if (!group) continue;
    if (clients_.fingerprint_changed(consumer.group, fingerprint)) subscriptions_changed = true;
    const std::string retry_topic = message::retry_topic(consumer.group);
    if (!topics_.find(retry_topic)) {
      const bool ordered =
          std::any_of(consumer.subscriptions.begin(), consumer.subscriptions.end(), [&](const auto& s) {
            const auto topic = topics_.find(s.topic);
            return topic && topic->order;
          });
      const meta::TopicPtr created =
          topics_.create_if_absent(retry_topic, group->retry_queue_nums, meta::perm_read | meta::perm_write, ordered,
                                   consumer.unit_mode ? meta::topic_sys_flag_unit_sub : 0, meta::WriteFile::later);
      if (created) retry_topics.push_back(created);
    }
    service::Registered registered =
        clients_.register_consumer(consumer, client, without_subscriptions, group->notify_consumer_ids_changed_enable);
    // A client that left its subscriptions out on a new connection sends them when it is told that they changed.
    if (registered.lacks_statement) subscriptions_changed = true;
    if (!without_subscriptions && registered.refusal.empty()) {
      filtering_.groups.heartbeat(consumer.group, consumer.subscriptions);
      // Pulls that are held were planned with what the group wanted before.
      if (!registered.changed_topics.empty()) filtering_.changes.fetch_add(1, std::memory_order_release);
      for (const std::string& topic : registered.changed_topics) subscription_changed_(consumer.group, topic);
    }
    if (refusal.empty()) refusal = std::move(registered.refusal);
  }
  register_topics(retry_topics);
  for (const Json& entry : producers) {
    if (!entry.is_object()) continue;
    const std::string group = text_of(entry, "groupName");
    if (group.size() <= group_name_max) clients_.register_producer(group, client);
  }
  // The connection may have closed while this waited for a worker: then nobody else will take its groups back.
  if (!request.connection().is_open()) connection_closed(request.connection().id());
  if (!refusal.empty()) return request.reply(rc::system_error, refusal);
  request.reply_with(rc::success, {}, {}, [&](wire::CommandWriter& w) {
    w.field("IS_SUPPORT_HEART_BEAT_V2", true);
    w.field("IS_SUB_CHANGE", fingerprint == 0 || subscriptions_changed);
  });
}

void ClientsDoor::unregister(rpc::Request& request) {
  const auto header = header_or_answer<UnregisterClientHeader>(request);
  if (!header) return;
  const uint64_t channel = request.connection().id();
  if (!header->producer_group.empty()) clients_.unregister_producer(header->producer_group, channel);
  if (!header->consumer_group.empty()) {
    clients_.unregister_consumer(header->consumer_group, channel, notify_enabled(header->consumer_group));
  }
  request.reply(rc::success);
}

void ClientsDoor::consumer_list(rpc::Request& request) {
  const auto header = header_or_answer<ConsumerGroupHeader>(request);
  if (!header) return;
  const std::vector<std::string> ids = clients_.consumer_ids(header->consumer_group);
  if (ids.empty()) {
    return request.reply(rc::system_error, "no consumer for this group, " + std::string(header->consumer_group));
  }
  std::string body = "{\"consumerIdList\":[";
  for (const std::string& id : ids) {
    if (body.back() != '[') body += ',';
    body += json_string(id);
  }
  request.reply_text(rc::success, body + "]}");
}

void ClientsDoor::check_config(rpc::Request& request) {
  const auto body = parse_object(request.body_text());
  if (body) {
    const auto it = body->find("subscriptionData");
    if (it != body->end() && it->is_object()) {
      const service::Subscription subscription = subscription_of(*it);
      if (subscription.is_tag_type()) return request.reply(rc::success);
      if (rules_.property_filter_enable.load(std::memory_order_relaxed) == 0) {
        return request.reply(rc::system_error, "The broker does not support consumer to filter message by " +
                                                   subscription.expression_type);
      }
      if (subscription.expression_type != service::expression_type_sql) {
        return request.reply(rc::subscription_parse_failed,
                             "the expression type " + subscription.expression_type + " is unknown");
      }
      const auto compiled = filtering_.programs.get(subscription.sub_string);
      if (compiled->filter == nullptr) return request.reply(rc::subscription_parse_failed, compiled->refusal);
    }
  }
  request.reply(rc::success);
}

void ClientsDoor::consumer_connections(rpc::Request& request) {
  const auto header = header_or_answer<ConsumerGroupHeader>(request);
  if (!header) return;
  const auto group = clients_.consumer_group(header->consumer_group);
  if (!group) {
    return request.reply(rc::consumer_not_online,
                         "the consumer group[" + std::string(header->consumer_group) + "] not online");
  }
  Json body{{"consumeFromWhere", group->consume_from_where},
            {"consumeType", group->consume_type},
            {"messageModel", group->message_model},
            {"connectionSet", Json::array()},
            {"subscriptionTable", Json::object()}};
  for (const service::ClientInfo& c : group->clients) body["connectionSet"].push_back(connection_json(c));
  for (const auto& s : group->subscriptions) body["subscriptionTable"][s->topic] = subscription_json(*s);
  request.reply_text(rc::success, body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void ClientsDoor::producer_connections(rpc::Request& request) {
  const auto header = header_or_answer<ProducerGroupHeader>(request);
  if (!header) return;
  const auto producers = clients_.producers(header->producer_group);
  if (producers.empty()) {
    return request.reply(rc::system_error, "the producer group[" + std::string(header->producer_group) + "] not exist");
  }
  Json body{{"connectionSet", Json::array()}};
  for (const service::ClientInfo& c : producers) body["connectionSet"].push_back(connection_json(c));
  request.reply_text(rc::success, body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void ClientsDoor::all_producers(rpc::Request& request) {
  Json data = Json::object();
  for (const auto& [group, clients] : clients_.all_producers()) {
    Json& list = data[group] = Json::array();
    for (const service::ClientInfo& c : clients) {
      list.push_back(Json{{"clientId", c.client_id},
                          {"language", c.language},
                          {"lastUpdateTimestamp", c.last_update_ms},
                          {"remoteIP", c.channel->remote_text()},
                          {"version", c.version}});
    }
  }
  request.reply_text(rc::success, Json{{"data", std::move(data)}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace merlin::door
