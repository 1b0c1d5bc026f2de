#include "namesrv/name_server.h"

#include "merlin/base/log.h"
#include "merlin/base/worker_pool.h"
#include "namesrv/broker_door.h"
#include "namesrv/config_door.h"
#include "namesrv/kv_table.h"
#include "namesrv/route_door.h"
#include "namesrv/route_table.h"
#include "net/server.h"
#include "rpc/client.h"
#include "rpc/dispatcher.h"

namespace merlin::namesrv {

namespace {

net::ConnectionLimits limits_of(const config::Settings& settings) {
  net::ConnectionLimits limits;
  limits.idle_ms_max = int64_t{1000} * settings.int32("serverChannelMaxIdleTimeSeconds");
  return limits;
}

}  // namespace

// Members in the order they depend on each other; destroyed in reverse.
struct NameServer::Parts {
  Parts(config::Settings& settings_in, FileSystem& files, const Clock& clock)
      : settings(settings_in),
        workers("namesrv", static_cast<size_t>(settings.int32("defaultThreadPoolNums")),
                static_cast<size_t>(settings.int32("defaultThreadPoolQueueCapacity"))),
        table(clock),
        kv(files, settings.text("kvConfigPath")),
        dispatcher(workers),
        server(net::default_reactor_count(), limits_of(settings), clock),
        client(server, dispatcher),
        brokers(table, kv, settings, workers,
                [this](const std::string& address, rpc::Call call) { client.call_oneway(address, std::move(call)); }),
        routes(table, kv, settings, clock),
        configs(kv, settings, files) {}

  config::Settings& settings;
  WorkerPool workers;
  RouteTable table;
  KvTable kv;
  rpc::Dispatcher dispatcher;
  net::Server server;
  rpc::Client client;
  BrokerDoor brokers;
  RouteDoor routes;
  ConfigDoor configs;
  bool is_running = false;
};

NameServer::NameServer(config::Settings& settings, FileSystem& files, const Clock& clock)
    : parts_(std::make_unique<Parts>(settings, files, clock)) {
  Parts& p = *parts_;
  p.brokers.add_to(p.dispatcher);
  p.routes.add_to(p.dispatcher);
  p.configs.add_to(p.dispatcher);
  p.server.set_handler(&p.dispatcher);
  const auto apply = [&p] {
    p.table.set_support_acting_master(p.settings.boolean("supportActingMaster"));
    p.table.set_delete_topics_with_registration(p.settings.boolean("deleteTopicWithBrokerRegistration"));
  };
  apply();
  settings.on_change("supportActingMaster", apply);
  settings.on_change("deleteTopicWithBrokerRegistration", apply);
}

NameServer::~NameServer() {
  stop();
}

Status NameServer::start() {
  Parts& p = *parts_;
  if (Status s = p.kv.load(); !s) return s;
  if (Status s = p.server.listen(p.settings.text("bindAddress"), p.settings.int32("listenPort"),
                                 rpc::Dispatcher::main_port_tag);
      !s) {
    return s;
  }
  p.server.reactors().front()->every_ms(p.settings.int64("scanNotActiveBrokerInterval"), [&p] {
    if (!p.workers.submit([&p] { p.brokers.scan(); }))
      log_warn("namesrv", "workers are busy, a scan for silent brokers is left out");
  });
  p.server.start();
  p.is_running = true;
  return {};
}

void NameServer::stop() {
  Parts& p = *parts_;
  if (!p.is_running) return;
  p.is_running = false;
  p.brokers.stop();
  p.server.stop_accepting();
  p.workers.stop();
  p.server.stop();
}

int32_t NameServer::port() const {
  return parts_->server.bound_port(rpc::Dispatcher::main_port_tag);
}

}  // namespace merlin::namesrv
