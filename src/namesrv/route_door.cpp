#include "namesrv/route_door.h"

#include <optional>
#include <set>
#include <strings.h>

#include "merlin/base/log.h"
#include "merlin/wire/request_code.h"
#include "namesrv/route_json.h"

namespace merlin::namesrv {

namespace request_code = wire::request_code;
namespace response_code = wire::response_code;
using rpc::Lane;
using rpc::Ports;

namespace {

struct RouteHeader {
  std::string_view topic;
  std::optional<bool> standard_json_only;
  std::optional<bool> zone_mode;
  std::optional<std::string_view> zone_name;
  static constexpr auto fields = std::make_tuple(
      wire::required("topic", &RouteHeader::topic),
      wire::optional("acceptStandardJsonOnly", &RouteHeader::standard_json_only),
      wire::optional("__ZONE_MODE", &RouteHeader::zone_mode), wire::optional("__ZONE_NAME", &RouteHeader::zone_name));
};

struct BrokerNameHeader {
  std::string_view broker_name;
  static constexpr auto fields = std::make_tuple(wire::required("brokerName", &BrokerNameHeader::broker_name));
};

struct DeleteTopicHeader {
  std::string_view topic;
  std::optional<std::string_view> cluster_name;
  static constexpr auto fields = std::make_tuple(wire::required("topic", &DeleteTopicHeader::topic),
                                                 wire::optional("clusterName", &DeleteTopicHeader::cluster_name));
};

struct ClusterHeader {
  std::string_view cluster;
  static constexpr auto fields = std::make_tuple(wire::required("cluster", &ClusterHeader::cluster));
};

bool same_zone(const std::optional<std::string>& a, std::string_view b) {
  return a && a->size() == b.size() && ::strncasecmp(a->data(), b.data(), b.size()) == 0;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

void keep_zone(TopicRoute& route, std::string_view zone) {
  std::set<std::string> removed;
  std::erase_if(route.brokers, [&](const BrokerData& broker) {
    if (!broker.addrs.contains(master_id) || same_zone(broker.zone_name, zone)) return false;
    removed.insert(broker.broker_name);
    for (const auto& [id, addr] : broker.addrs) route.filter_servers.erase(addr);
    return true;
  });
  std::erase_if(route.queues, [&](const NamedQueueData& q) { return removed.contains(q.broker_name); });
}

RouteDoor::RouteDoor(RouteTable& table, const KvTable& kv, const config::Settings& settings, const Clock& clock)
    : table_(table),
      kv_(kv),
      clock_(clock),
      started_ns_(clock.monotonic_ns()),
      need_wait_(settings.live_int("needWaitForService")),
      wait_seconds_(settings.live_int("waitSecondsForService")),
      order_enabled_(settings.live_int("orderMessageEnable")),
      all_topics_enabled_(settings.live_int("enableAllTopicList")),
      lists_enabled_(settings.live_int("enableTopicList")) {}

void RouteDoor::add_to(rpc::Dispatcher& dispatcher) {
  static constexpr rpc::Row<RouteDoor> rows[] = {
      {request_code::get_routeinfo_by_topic, Lane::reactor, Ports::all, &RouteDoor::route},
      {request_code::get_broker_cluster_info, Lane::reactor, Ports::all, &RouteDoor::cluster_info},
      {request_code::wipe_write_perm_of_broker, Lane::worker, Ports::all, &RouteDoor::wipe_write_perm},
      {request_code::add_write_perm_of_broker, Lane::worker, Ports::all, &RouteDoor::add_write_perm},
      {request_code::delete_topic_in_namesrv, Lane::reactor, Ports::all, &RouteDoor::delete_topic},
      {request_code::get_all_topic_list_from_nameserver, Lane::worker, Ports::all, &RouteDoor::all_topics},
      {request_code::get_topics_by_cluster, Lane::worker, Ports::all, &RouteDoor::topics_of_cluster},
      {request_code::get_system_topic_list_from_ns, Lane::reactor, Ports::all, &RouteDoor::system_topics},
      {request_code::get_unit_topic_list, Lane::worker, Ports::all, &RouteDoor::unit_topics},
      {request_code::get_has_unit_sub_topic_list, Lane::worker, Ports::all, &RouteDoor::unit_sub_topics},
      {request_code::get_has_unit_sub_ununit_topic_list, Lane::worker, Ports::all, &RouteDoor::unit_sub_ununit_topics},
  };
  dispatcher.add(*this, rows);
}

bool RouteDoor::is_ready() const {
  if (need_wait_.load(std::memory_order_relaxed) == 0) return true;
  return clock_.monotonic_ns() - started_ns_ >= wait_seconds_.load(std::memory_order_relaxed) * 1'000'000'000;
}

void RouteDoor::route(rpc::Request& request) {
  const auto header = wire::decode_header<RouteHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  if (!is_ready()) return request.reply(response_code::system_error, "name server not ready");
  const std::string topic(header->topic);
  auto route = table_.route(topic);
  if (!route) {
    return request.reply(response_code::topic_not_exist,
                         "No topic route info in name server for the topic: " + topic +
                             "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.");
  }
  if (order_enabled_.load(std::memory_order_relaxed) != 0)
    route->order_topic_conf = kv_.get(order_topic_namespace, topic);
  if (header->zone_mode.value_or(false) && header->zone_name && !is_blank(*header->zone_name)) {
    keep_zone(*route, *header->zone_name);
  }
  const bool is_standard =
      request.command().version >= wire::version_v4_9_4 || header->standard_json_only.value_or(false);
  request.reply_text(response_code::success, to_json(*route, is_standard ? JsonStyle::standard : JsonStyle::java));
}

void RouteDoor::cluster_info(rpc::Request& request) {
  request.reply_text(response_code::success, to_json(table_.clusters()));
}

void RouteDoor::wipe_write_perm(rpc::Request& request) {
  const auto header = wire::decode_header<BrokerNameHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const int32_t count = table_.wipe_write_perm(std::string(header->broker_name));
  log_info("namesrv", "write permission taken from {} topics of {} by {}", count, header->broker_name,
           request.connection().remote_text());
  request.reply_with(response_code::success, {}, {},
                     [&](wire::CommandWriter& writer) { writer.field("wipeTopicCount", count); });
}

void RouteDoor::add_write_perm(rpc::Request& request) {
  const auto header = wire::decode_header<BrokerNameHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const int32_t count = table_.add_write_perm(std::string(header->broker_name));
  log_info("namesrv", "write permission given to {} topics of {} by {}", count, header->broker_name,
           request.connection().remote_text());
  request.reply_with(response_code::success, {}, {},
                     [&](wire::CommandWriter& writer) { writer.field("addTopicCount", count); });
}

void RouteDoor::delete_topic(rpc::Request& request) {
  const auto header = wire::decode_header<DeleteTopicHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const std::string topic(header->topic);
  const std::string cluster(header->cluster_name.value_or(""));
  log_info("namesrv", "topic {} deleted{}{} by {}", topic, cluster.empty() ? "" : " in ", cluster,
           request.connection().remote_text());
  if (cluster.empty())
    table_.delete_topic(topic);
  else
    table_.delete_topic(topic, cluster);
  request.reply(response_code::success);
}

void RouteDoor::topics_of_cluster(rpc::Request& request) {
  if (lists_enabled_.load(std::memory_order_relaxed) == 0) return request.reply(response_code::system_error, "disable");
  const auto header = wire::decode_header<ClusterHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  request.reply_text(response_code::success, to_json(table_.topics_of_cluster(std::string(header->cluster))));
}

void RouteDoor::system_topics(rpc::Request& request) {
  request.reply_text(response_code::success, to_json(table_.system_topics()));
}

void RouteDoor::reply_list(rpc::Request& request, const std::atomic<int64_t>& enabled,
                           TopicList (RouteTable::*list)() const) {
  if (enabled.load(std::memory_order_relaxed) == 0) return request.reply(response_code::system_error, "disable");
  request.reply_text(response_code::success, to_json((table_.*list)()));
}

void RouteDoor::all_topics(rpc::Request& request) {
  reply_list(request, all_topics_enabled_, &RouteTable::all_topics);
}

void RouteDoor::unit_topics(rpc::Request& request) {
  reply_list(request, lists_enabled_, &RouteTable::unit_topics);
}

void RouteDoor::unit_sub_topics(rpc::Request& request) {
  reply_list(request, lists_enabled_, &RouteTable::unit_sub_topics);
}

void RouteDoor::unit_sub_ununit_topics(rpc::Request& request) {
  reply_list(request, lists_enabled_, &RouteTable::unit_sub_ununit_topics);
}

}  // namespace merlin::namesrv
