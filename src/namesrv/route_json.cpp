#include "namesrv/route_json.h"

namespace merlin::namesrv {

namespace {

void write_addrs(JsonText& json, const std::map<int64_t, std::string>& addrs) {
  json.begin_object();
  for (const auto& [id, addr] : addrs) json.int_key(id).text(addr);
  json.end_object();
}

void write_broker(JsonText& json, const BrokerData& broker) {
  json.begin_object();
  json.key("brokerAddrs");
  write_addrs(json, broker.addrs);
  json.key("brokerName").text(broker.broker_name);
  json.key("cluster").text(broker.cluster);
  json.key("enableActingMaster").boolean(broker.enable_acting_master);
  if (broker.zone_name) json.key("zoneName").text(*broker.zone_name);
  json.end_object();
}

void write_queues(JsonText& json, const NamedQueueData& q) {
  json.begin_object();
  json.key("brokerName").text(q.broker_name);
  json.key("perm").number(q.queues.perm);
  json.key("readQueueNums").number(q.queues.read_queue_nums);
  json.key("topicSysFlag").number(q.queues.topic_sys_flag);
  json.key("writeQueueNums").number(q.queues.write_queue_nums);
  json.end_object();
}

void write_mapping(JsonText& json, const TopicMapping& mapping) {
  json.begin_object();
  json.key("bname").text(mapping.broker_name);
  json.key("currIdMap").begin_object();
  for (const auto& [logic, physical] : mapping.current_ids) json.int_key(logic).number(physical);
  json.end_object();
  json.key("dirty").boolean(mapping.dirty);
  json.key("epoch").number(mapping.epoch);
  json.key("scope").text(mapping.scope);
  json.key("topic").text(mapping.topic);
  json.key("totalQueues").number(mapping.total_queues);
  json.end_object();
}

template <class Texts>
void write_texts(JsonText& json, const Texts& texts) {
  json.begin_array();
  for (const auto& text : texts) json.text(text);
  json.end_array();
}

void write_table(JsonText& json, const std::map<std::string, std::string>& table) {
  json.begin_object();
  for (const auto& [key, value] : table) json.key(key).text(value);
  json.end_object();
}

}  // namespace

std::string to_json(const TopicRoute& route, JsonStyle style) {
  JsonText json(style);
  json.begin_object();
  json.key("brokerDatas").begin_array();
  for (const BrokerData& broker : route.brokers) write_broker(json, broker);
  json.end_array();
  json.key("filterServerTable").begin_object();
  for (const auto& [addr, servers] : route.filter_servers) {
    json.key(addr);
    write_texts(json, servers);
  }
  json.end_object();
  if (route.order_topic_conf) json.key("orderTopicConf").text(*route.order_topic_conf);
  json.key("queueDatas").begin_array();
  for (const NamedQueueData& q : route.queues) write_queues(json, q);
  json.end_array();
  if (route.mappings) {
    json.key("topicQueueMappingByBroker").begin_object();
    for (const auto& [broker, mapping] : *route.mappings) {
      json.key(broker);
      write_mapping(json, mapping);
    }
    json.end_object();
  }
  json.end_object();
  return json.take();
}

std::string to_json(const ClusterInfo& info) {
  JsonText json;
  json.begin_object();
  json.key("brokerAddrTable").begin_object();
  for (const auto& [name, broker] : info.brokers) {
    json.key(name);
    write_broker(json, broker);
  }
  json.end_object();
  json.key("clusterAddrTable").begin_object();
  for (const auto& [cluster, names] : info.clusters) {
    json.key(cluster);
    write_texts(json, names);
  }
  json.end_object();
  json.end_object();
  return json.take();
}

std::string to_json(const TopicList& list) {
  JsonText json;
  json.begin_object();
  if (list.broker_addr) json.key("brokerAddr").text(*list.broker_addr);
  json.key("topicList");
  write_texts(json, list.topics);
  json.end_object();
  return json.take();
}

std::string to_json(const DataVersion& version) {
  JsonText json;
  json.begin_object();
  json.key("counter").number(version.counter);
  json.key("stateVersion").number(version.state_version);
  json.key("timestamp").number(version.timestamp_ms);
  json.end_object();
  return json.take();
}

std::string members_json(const std::string& cluster, const std::string& broker_name,
                         const std::map<int64_t, std::string>& addrs) {
  JsonText json;
  json.begin_object();
  json.key("brokerMemberGroup").begin_object();
  json.key("brokerAddrs");
  write_addrs(json, addrs);
  json.key("brokerName").text(broker_name);
  json.key("cluster").text(cluster);
  json.end_object();
  json.end_object();
  return json.take();
}

std::string kv_table_json(const std::map<std::string, std::string>& table) {
  JsonText json;
  json.begin_object().key("table");
  write_table(json, table);
  json.end_object();
  return json.take();
}

std::string kv_file_json(const std::map<std::string, std::map<std::string, std::string>>& namespaces) {
  JsonText json;
  json.begin_object().key("configTable").begin_object();
  for (const auto& [name, table] : namespaces) {
    json.key(name);
    write_table(json, table);
  }
  json.end_object().end_object();
  return json.take();
}

}  // namespace merlin::namesrv
