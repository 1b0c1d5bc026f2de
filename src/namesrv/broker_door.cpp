#include "namesrv/broker_door.h"

#include <optional>

#include "merlin/base/crc32.h"
#include "merlin/base/log.h"
#include "merlin/wire/request_code.h"
#include "namesrv/registration_body.h"
#include "namesrv/route_json.h"

namespace merlin::namesrv {

namespace request_code = wire::request_code;
namespace response_code = wire::response_code;
using rpc::Lane;
using rpc::Ports;

namespace {

struct RegisterBrokerHeader {
  std::string_view broker_name;
  std::string_view broker_addr;
  std::string_view cluster_name;
  std::string_view ha_server_addr;
  int64_t broker_id = 0;
  std::optional<int64_t> heartbeat_timeout_ms;
  std::optional<bool> enable_acting_master;
  std::optional<bool> compressed;
  std::optional<int32_t> body_crc32;
  std::optional<std::string_view> zone_name;
  static constexpr auto fields =
      std::make_tuple(wire::required("brokerName", &RegisterBrokerHeader::broker_name),
                      wire::required("brokerAddr", &RegisterBrokerHeader::broker_addr),
                      wire::required("clusterName", &RegisterBrokerHeader::cluster_name),
                      wire::required("haServerAddr", &RegisterBrokerHeader::ha_server_addr),
                      wire::required("brokerId", &RegisterBrokerHeader::broker_id),
                      wire::optional("heartbeatTimeoutMillis", &RegisterBrokerHeader::heartbeat_timeout_ms),
                      wire::optional("enableActingMaster", &RegisterBrokerHeader::enable_acting_master),
                      wire::optional("compressed", &RegisterBrokerHeader::compressed),
                      wire::optional("bodyCrc32", &RegisterBrokerHeader::body_crc32),
                      wire::optional("__ZONE_NAME", &RegisterBrokerHeader::zone_name));
};

// Who a broker is: UNREGISTER_BROKER, QUERY_DATA_VERSION.
struct BrokerHeader {
  std::string_view broker_name;
  std::string_view broker_addr;
  std::string_view cluster_name;
  int64_t broker_id = 0;
  static constexpr auto fields = std::make_tuple(wire::required("brokerName", &BrokerHeader::broker_name),
                                                 wire::required("brokerAddr", &BrokerHeader::broker_addr),
                                                 wire::required("clusterName", &BrokerHeader::cluster_name),
                                                 wire::required("brokerId", &BrokerHeader::broker_id));
};

struct HeartbeatHeader {
  std::string_view cluster_name;
  std::string_view broker_addr;
  std::string_view broker_name;
  static constexpr auto fields = std::make_tuple(wire::required("clusterName", &HeartbeatHeader::cluster_name),
                                                 wire::required("brokerAddr", &HeartbeatHeader::broker_addr),
                                                 wire::required("brokerName", &HeartbeatHeader::broker_name));
};

struct MemberGroupHeader {
  std::string_view cluster_name;
  std::string_view broker_name;
  static constexpr auto fields = std::make_tuple(wire::required("clusterName", &MemberGroupHeader::cluster_name),
                                                 wire::required("brokerName", &MemberGroupHeader::broker_name));
};

struct RegisterTopicHeader {
  std::string_view topic;
  static constexpr auto fields = std::make_tuple(wire::required("topic", &RegisterTopicHeader::topic));
};

template <class T>
std::optional<std::string> owned(const std::optional<T>& view) {
  if (!view) return std::nullopt;
  return std::string(*view);
}

Registration registration_of(const RegisterBrokerHeader& header, uint64_t connection_id, RegistrationBody body) {
  Registration r;
  r.cluster = header.cluster_name;
  r.broker_name = header.broker_name;
  r.broker_addr = header.broker_addr;
  r.broker_id = header.broker_id;
  r.ha_server_addr = header.ha_server_addr;
  r.zone_name = owned(header.zone_name);
  r.heartbeat_timeout_ms = header.heartbeat_timeout_ms;
  r.enable_acting_master = header.enable_acting_master;
  r.connection_id = connection_id;
  r.body = std::move(body);
  return r;
}

}  // namespace

BrokerDoor::BrokerDoor(RouteTable& table, const KvTable& kv, const config::Settings& settings, WorkerPool& workers,
                       Notify notify)
    : table_(table),
      kv_(kv),
      workers_(workers),
      notify_(std::move(notify)),
      closed_max_(static_cast<size_t>(settings.int32("unRegisterBrokerQueueCapacity"))),
      notify_min_id_changed_(settings.live_int("notifyMinBrokerIdChanged")),
      return_order_config_(settings.live_int("returnOrderTopicConfigToBroker")) {}

void BrokerDoor::add_to(rpc::Dispatcher& dispatcher) {
  static constexpr rpc::Row<BrokerDoor> rows[] = {
      {request_code::register_broker, Lane::worker, Ports::all, &BrokerDoor::register_broker},
      {request_code::unregister_broker, Lane::worker, Ports::all, &BrokerDoor::unregister_broker},
      {request_code::query_data_version, Lane::reactor, Ports::all, &BrokerDoor::query_data_version},
      {request_code::broker_heartbeat, Lane::reactor, Ports::all, &BrokerDoor::broker_heartbeat},
      {request_code::get_broker_member_group, Lane::reactor, Ports::all, &BrokerDoor::broker_member_group},
      {request_code::register_topic_in_namesrv, Lane::worker, Ports::all, &BrokerDoor::register_topic},
  };
  dispatcher.add(*this, rows);
  dispatcher.add_close_listener([this](net::Connection& connection) { on_close(connection); });
}

void BrokerDoor::register_broker(rpc::Request& request) {
  const auto header = wire::decode_header<RegisterBrokerHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const int32_t crc = header->body_crc32.value_or(0);
  if (crc != 0 && (request.body().empty() || crc32_31(request.body()) != crc)) {
    log_warn("namesrv", "registration from {}: body CRC does not match", request.connection().remote_text());
    return request.reply(response_code::system_error, "crc32 not match");
  }
  auto body = parse_registration(request.body(), header->compressed.value_or(false), request.command().version);
  if (!body) {
    log_warn("namesrv", "registration from {}: {}", request.connection().remote_text(), body.error().message);
    return request.reply(response_code::system_error, body.error().with("Failed to decode RegisterBrokerBody").message);
  }
  net::Connection& connection = request.connection();
  remember(connection);
  const RegisterOutcome outcome = table_.register_broker(registration_of(*header, connection.id(), std::move(*body)));
  // A connection that closed while this ran may have been looked at before the table knew its broker.
  if (!connection.is_open()) on_close(connection);
  if (outcome.state == RegisterOutcome::State::single_topic) {
    return request.reply(response_code::system_error, "register broker failed");
  }
  if (outcome.state == RegisterOutcome::State::limit) {
    log_warn("namesrv", "refused the registration of {} from {}: {}", header->broker_name, connection.remote_text(),
             outcome.why);
    return request.reply(response_code::system_error, outcome.why);
  }
  if (outcome.min_id_change) notify_min_id(*outcome.min_id_change);
  std::optional<std::string> order_config;
  if (return_order_config_.load(std::memory_order_relaxed) != 0) order_config = kv_.table_json(order_topic_namespace);
  request.reply_with(response_code::success, {}, as_bytes(order_config.value_or("")), [&](wire::CommandWriter& writer) {
    if (outcome.ha_server_addr) writer.field("haServerAddr", *outcome.ha_server_addr);
    if (outcome.master_addr) writer.field("masterAddr", *outcome.master_addr);
  });
}

void BrokerDoor::unregister_broker(rpc::Request& request) {
  const auto header = wire::decode_header<BrokerHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  unregister({{std::string(header->cluster_name), std::string(header->broker_name), std::string(header->broker_addr),
               header->broker_id}});
  request.reply(response_code::success);
}

void BrokerDoor::query_data_version(rpc::Request& request) {
  const auto header = wire::decode_header<BrokerHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const auto asked = parse_data_version(request.body_text());
  if (!asked) return request.reply(response_code::system_error, asked.error().with("data version").message);
  const BrokerIdentity identity{std::string(header->cluster_name), std::string(header->broker_addr)};
  const auto known = table_.version_of(identity);
  table_.refresh(identity);
  const std::string body = known ? to_json(*known) : std::string();
  request.reply_with(response_code::success, {}, as_bytes(body),
                     [&](wire::CommandWriter& writer) { writer.field("changed", !known || *known != *asked); });
}

void BrokerDoor::broker_heartbeat(rpc::Request& request) {
  const auto header = wire::decode_header<HeartbeatHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  table_.refresh({std::string(header->cluster_name), std::string(header->broker_addr)});
  request.reply(response_code::success);
}

void BrokerDoor::broker_member_group(rpc::Request& request) {
  const auto header = wire::decode_header<MemberGroupHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  const std::string name(header->broker_name);
  request.reply_text(response_code::success,
                     members_json(std::string(header->cluster_name), name, table_.members(name)));
}

void BrokerDoor::register_topic(rpc::Request& request) {
  const auto header = wire::decode_header<RegisterTopicHeader>(request.command());
  if (!header) return request.reply(response_code::system_error, header.error().message);
  if (!request.body().empty()) {
    const auto queues = parse_queue_datas(request.body_text());
    if (!queues) return request.reply(response_code::system_error, queues.error().with("topic route").message);
    table_.register_topic(std::string(header->topic), *queues);
  }
  request.reply(response_code::success);
}

void BrokerDoor::remember(net::Connection& connection) {
  const std::lock_guard lock(mutex_);
  connections_[connection.id()] = connection.weak_from_this();
}

void BrokerDoor::on_close(net::Connection& connection) {
  if (stopping_) return;
  {
    const std::lock_guard lock(mutex_);
    if (connections_.erase(connection.id()) == 0) return;
    closed_.push_back(connection.id());
    const bool is_full = closed_.size() > closed_max_;
    if (is_removing_ && !is_full) return;
    is_removing_ = true;
    if (!is_full && workers_.submit([this] { remove_closed(); })) return;
  }
  remove_closed();
}

// One pass over the topics for all connections that closed meanwhile: many brokers often go at the same time.
void BrokerDoor::remove_closed() {
  while (true) {
    std::vector<uint64_t> closed;
    {
      const std::lock_guard lock(mutex_);
      closed.swap(closed_);
      if (closed.empty()) {
        is_removing_ = false;
        return;
      }
    }
    std::vector<Unregistration> requests;
    for (const uint64_t id : closed) {
      auto brokers = table_.brokers_of_connection(id);
      requests.insert(requests.end(), std::make_move_iterator(brokers.begin()), std::make_move_iterator(brokers.end()));
    }
    if (!requests.empty()) unregister(requests);
  }
}

void BrokerDoor::scan() {
  std::vector<Unregistration> requests;
  for (RouteTable::Expired& expired : table_.take_expired()) {
    log_warn("namesrv", "no sign of life from {} in {} for {} ms", expired.identity.addr, expired.identity.cluster,
             expired.timeout_ms);
    if (!expired.request) continue;
    std::shared_ptr<net::Connection> connection;
    {
      const std::lock_guard lock(mutex_);
      const auto at = connections_.find(expired.connection_id);
      if (at != connections_.end()) connection = at->second.lock();
    }
    if (connection) connection->close("its broker gave no sign of life");
    requests.push_back(*std::move(expired.request));
  }
  if (!requests.empty()) unregister(requests);
}

void BrokerDoor::unregister(const std::vector<Unregistration>& requests) {
  for (const MinIdChange& change : table_.unregister_brokers(requests)) notify_min_id(change);
}

void BrokerDoor::notify_min_id(const MinIdChange& change) {
  if (notify_min_id_changed_.load(std::memory_order_relaxed) == 0) return;
  rpc::Call call;
  call.code = request_code::notify_min_broker_id_change;
  call.ext = {{"minBrokerId", std::to_string(change.min_broker_id)}, {"minBrokerAddr", change.min_broker_addr}};
  if (change.offline_broker_addr) call.ext.emplace_back("offlineBrokerAddr", *change.offline_broker_addr);
  if (change.ha_broker_addr) call.ext.emplace_back("haBrokerAddr", *change.ha_broker_addr);
  log_info("namesrv", "smallest broker id is now {} at {}; telling {} brokers", change.min_broker_id,
           change.min_broker_addr, change.notify_addrs.size());
  for (const std::string& address : change.notify_addrs) notify_(address, call);
}

}  // namespace merlin::namesrv
