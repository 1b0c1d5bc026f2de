#include "app/broker.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "app/broker_settings.h"
#include "app/start_checks.h"
#include "door/remoting/broker_admin.h"
#include "door/remoting/clients.h"
#include "door/remoting/offsets.h"
#include "door/remoting/produce.h"
#include "door/remoting/pull.h"
#include "door/remoting/queries.h"
#include "door/remoting/registration.h"
#include "door/remoting/relay.h"
#include "door/remoting/reply.h"
#include "door/remoting/retry.h"
#include "door/remoting/static_topics.h"
#include "door/remoting/stats.h"
#include "door/remoting/topics.h"
#include "merlin/base/log.h"
#include "merlin/base/worker_pool.h"
#include "net/server.h"
#include "rpc/client.h"
#include "service/resend_rules.h"

namespace merlin::app {

namespace {

// Pulls that wait for the disk.
constexpr size_t cold_reads_waiting_max = 1024;

}  // namespace

// Declared in the order of need: each part is given only what stands above it, and is destroyed before that.
struct Broker::Parts {
  config::Settings& settings;
  FileSystem& files;
  const Clock& clock;
  service::BrokerStats stats;
  WorkerPool workers;
  WorkerPool cold_readers;
  net::Server server;
  rpc::Dispatcher dispatcher;
  rpc::Client client;
  meta::TopicTable topics;
  meta::QueueMappingTable mappings;
  meta::SubscriptionGroups groups;
  meta::ConsumerOffsets offsets;
  service::LongPoll long_poll;
  store::MessageStore store;
  service::Clients clients;
  service::QueueLocks locks;
  service::Relay relay;
  service::OffsetAdmin offset_admin;
  service::ResendRules resend_rules;
  service::Filtering filtering;
  service::Produce produce;
  service::DelayPositions delay_positions;
  service::Delay delay;
  service::Retry retry;
  service::Pull pull;
  service::Reply reply;
  door::Registration registration;
  door::ProduceDoor produce_door;
  door::PullDoor pull_door;
  door::ClientsDoor clients_door;
  door::ReplyDoor reply_door;
  door::OffsetsDoor offsets_door;
  door::TopicsDoor topics_door;
  door::StaticTopicsDoor static_topics_door;
  door::QueriesDoor queries_door;
  door::BrokerAdminDoor admin_door;
  door::RelayDoor relay_door;
  door::StatsDoor stats_door;
  door::RetryDoor retry_door;
  int64_t ticks = 0;           // seconds of housekeeping; reactor 0 only
  int64_t next_renewal_s = 0;  // reactor 0 only
  std::atomic<bool> persisting{false};
  std::atomic<bool> sampling{false};
  std::atomic<bool> persisting_positions{false};
  std::atomic<bool> registering{false};
  bool store_open = false;
  bool tables_open = false;
  bool serving = false;

  Parts(config::Settings& s, std::string config_path, FileSystem& f, const Clock& c,
        std::function<void(const Error&)> fail_stop)
      : settings(s),
        files(f),
        clock(c),
        stats(c),
        workers("worker", static_cast<size_t>(s.int32("merlinWorkerThreads")),
                static_cast<size_t>(s.int32("merlinWorkerQueueMax"))),
        cold_readers("cold-reader", static_cast<size_t>(s.int32("merlinColdReadThreads")), cold_reads_waiting_max),
        server(reactor_count(s), connection_limits(s), c),
        dispatcher(workers),
        client(server, dispatcher),
        topics(f, c, s.text("storePathRootDir")),
        mappings(f, c, s.text("storePathRootDir")),
        groups(f, c, s.text("storePathRootDir")),
        offsets(f, c, s.text("storePathRootDir"), s.boolean("enableLmq")),
        long_poll(c, static_cast<size_t>(s.int64("merlinHeldPullsMax"))),
        store(store_options(s), f, c, std::move(fail_stop)),
        clients(c),
        locks(c),
        relay(clients, wire::version_text),
        offset_admin(s.text("brokerName"), c, store, topics, mappings, groups, offsets, clients, relay, stats),
        resend_rules(groups, locks),
        filtering(f, c, s.text("storePathRootDir"),
                  {.keep_dead_ms = s.int64("filterDataCleanTimeSpan"),
                   .bloom_error_percent = s.int32("maxErrorRateOfBloomFilter"),
                   .bloom_consumers = s.int32("expectConsumerNumUseFilter")}),
        produce(produce_settings(s, store_host(s)), c, store, topics, s.live_int("brokerPermission"), stats),
        delay_positions(f, c, s.text("storePathRootDir")),
        delay(delay_levels(s), c, store, produce, delay_positions),
        retry(store, produce, groups, s.live_int("brokerPermission")),
        pull(s.text("brokerIP1"),
             service::PullLimits{s.live_int("maxTransferBytesOnMessageInMemory"),
                                 s.live_int("maxTransferCountOnMessageInMemory"),
                                 s.live_int("maxTransferBytesOnMessageInDisk"),
                                 s.live_int("maxTransferCountOnMessageInDisk"), s.live_int("brokerPermission"),
                                 s.live_int("useServerSideResetOffset"), s.live_int("enablePropertyFilter"),
                                 s.live_int("filterSupportRetry"), s.live_int("maxFilterMessageSize")},
             store, topics, groups, offsets, clients, filtering, stats),
        reply(c, store, produce, clients, s.live_int("storeReplyMessageEnable"), s.int32("syncFlushTimeout")),
        registration(registration_settings(s), client, topics, mappings),
        produce_door(produce, store, door::StaticQueues(mappings), workers, server.reactors().size(),
                     s.int32("syncFlushTimeout")),
        pull_door({s.live_int("longPollingEnable"), s.live_int("shortPollingTimeMills")}, c, pull,
                  door::StaticQueues(mappings), long_poll, cold_readers, server.reactors().size()),
        clients_door(c, dispatcher, clients, topics, groups, filtering,
                     {s.live_int("rejectPullConsumerEnable"), s.live_int("enablePropertyFilter")}),
        reply_door(reply, produce.settings()),
        offsets_door(s.text("brokerName"), store, topics, door::StaticQueues(mappings), groups, offsets, locks,
                     offset_admin, s.live_int("useServerSideResetOffset")),
        topics_door({s.text("brokerName"), s.live_int("brokerPermission"), s.live_int("enableMixedMessageType")}, store,
                    topics, mappings, groups, offsets, clients, stats),
        static_topics_door(s.text("brokerName"), topics, mappings),
        queries_door(store, s.int32("defaultQueryMaxNum")),
        admin_door(s, std::move(config_path), f, c, store, stats, long_poll, workers),
        relay_door(s.text("brokerName"), relay, store, topics, groups),
        stats_door(s.text("brokerName"), s.text("brokerIP1") + ":" + std::to_string(s.int32("listenPort")), store,
                   topics, clients, offsets, offset_admin, stats, filtering.groups),
        retry_door(retry, delay, store, s.int32("syncFlushTimeout")) {}

  void connect();
  Status open();
  void each_second();
  // On a worker, unless the last one is still at it: a slow disk must not pile up jobs.
  void work_alone(std::atomic<bool>& busy, std::function<void()> work);
  void persist();
  void sample_traffic();
  void persist_positions();
  void renew();
};

void Broker::Parts::connect() {
  store.set_listener(&long_poll);
  long_poll.set_records([this](const store::Arrival& arrival, store::LogBytes& out) {
    return store.newest_record(arrival.physical_offset, arrival.size, out);
  });
  clients.set_member_listener(&locks);
  clients.set_reject_mismatch(settings.live_int("merlinRejectSubscriptionMismatch"));
  clients.set_notice_rules(
      {&settings.live_int("notifyConsumerIdsChangedEnable"), &settings.live_int("realTimeNotifyConsumerChange")});
  server.set_handler(&dispatcher);
  dispatcher.add(produce_door, door::ProduceDoor::rows);
  dispatcher.add(pull_door, door::PullDoor::rows);
  dispatcher.add(clients_door, door::ClientsDoor::rows);
  dispatcher.add(reply_door, door::ReplyDoor::rows);
  dispatcher.add(offsets_door, door::OffsetsDoor::rows);
  dispatcher.add(topics_door, door::TopicsDoor::rows);
  dispatcher.add(static_topics_door, door::StaticTopicsDoor::rows);
  dispatcher.add(queries_door, door::QueriesDoor::rows);
  dispatcher.add(admin_door, door::BrokerAdminDoor::rows);
  dispatcher.add(relay_door, door::RelayDoor::rows);
  dispatcher.add(stats_door, door::StatsDoor::rows);
  clients_door.set_subscription_changed([this](const std::string& group, const std::string& topic) {
    const auto config = topics.find(topic);
    for (int32_t i = 0; config && i < config->read_queue_nums; ++i) {
      if (const auto* queue = store.find_queue(topic, i)) long_poll.wake_group(queue, group);
    }
  });
  offset_admin.set_queue_moved([this](const store::ConsumeQueue* queue) { long_poll.wake_all(queue); });
  stats.table().set_cluster_name(settings.text("brokerClusterName"));
  dispatcher.add(retry_door, door::RetryDoor::rows);
  dispatcher.add_burst_participant(&produce_door);
  dispatcher.add_close_listener([this](net::Connection& connection) {
    pull_door.connection_closed(connection);
    clients_door.connection_closed(connection.id());
  });
  const auto topic_changed = [this](const meta::TopicPtr& topic) { registration.register_topic(topic); };
  produce.set_topic_created(topic_changed);
  produce.set_delayed_listener(&delay);
  produce.set_resend_rules(&resend_rules);
  retry.set_sent_back(
      [this](std::string_view group, std::string_view topic) { stats.table().sent_back(group, topic); });
  retry.set_given_up([this](std::string_view group, std::string_view topic) { stats.table().given_up(group, topic); });
  admin_door.add_runtime_rows([this](door::BrokerAdminDoor::Table& rows) {
    for (const auto& [level, position, queue_end] : delay.progress()) {
      rows["scheduleMessageOffset_" + std::to_string(level)] =
          std::to_string(position) + "," + std::to_string(queue_end);
    }
  });
  clients_door.set_topic_created(topic_changed);
  topics_door.set_topic_changed(topic_changed);
  static_topics_door.set_topic_changed(topic_changed);
  admin_door.add_runtime_rows([this](door::BrokerAdminDoor::Table& t) {
    const service::GuardCounters& guard = clients.guard();
    t["merlinSubscriptionMismatches"] = std::to_string(guard.mismatches.load());
    t["merlinSubscriptionMismatchesRefused"] = std::to_string(guard.refused.load());
    t["merlinFilteredMessages"] = std::to_string(filtering.passed_over.total());
    t["merlinGroupsWithDifferentSubscriptions"] = std::to_string(guard.groups_differing.load());
  });
  admin_door.set_permission_changed([this] {
    topics.bump_version();
    registration.register_topic(nullptr);
  });
  const auto topic_rules = [this] {
    topics.set_auto_create(settings.boolean("autoCreateTopicEnable"), settings.int32("defaultTopicQueueNums"));
  };
  settings.on_change("autoCreateTopicEnable", topic_rules);
  settings.on_change("defaultTopicQueueNums", topic_rules);
  settings.on_change("maxLmqConsumeQueueNum",
                     [this] { store.set_light_queues_max(settings.int32("maxLmqConsumeQueueNum")); });
  topics.set_light_queues(settings.boolean("enableLmq"));
  groups.set_light_queues(settings.boolean("enableLmq"));
  for (const std::string_view key : {"fileReservedTime", "deleteWhen", "diskMaxUsedSpaceRatio",
                                     "diskSpaceCleanForciblyRatio", "diskSpaceWarningLevelRatio"}) {
    settings.on_change(key, [this] { store.set_cleaning(cleaning_limits(settings)); });
  }
  const auto group_rules = [this] {
    groups.set_auto_create(settings.boolean("autoCreateSubscriptionGroup"), settings.boolean("enableCreateSysGroup"));
  };
  settings.on_change("autoCreateSubscriptionGroup", group_rules);
  settings.on_change("enableCreateSysGroup", group_rules);
  group_rules();
}

Status Broker::Parts::open() {
  if (!HostPort::from_ip(settings.text("brokerIP1"), 0)) {
    return Error{Errc::invalid, "brokerIP1 must be a numeric address, it is \"" + settings.text("brokerIP1") + "\""};
  }
  const int32_t port = settings.int32("listenPort");
  if (port < 3)
    return Error{Errc::invalid,
                 "listenPort is " + std::to_string(port) + "; it must be at least 3, for listenPort-2 is used too"};
  if (Status s = check_security(settings); !s) return s;
  if (Status s = check_config_form(files, settings); !s) return s;
  if (const auto levels = service::parse_delay_levels(settings.text("messageDelayLevel")); !levels) {
    return levels.error();
  }
  if (Status s = store.open(); !s) return s.error().with("open the store " + settings.text("storePathRootDir"));
  store_open = true;
  delay.open();
  if (Status s = topics.open(topic_setup(settings)); !s) return s.error().with("open topics.json");
  if (Status s = mappings.open(); !s) return s.error().with("open topicQueueMapping.json");
  if (Status s = groups.open(); !s) return s.error().with("open subscriptionGroup.json");
  if (Status s = offsets.open(); !s) return s.error().with("open consumerOffset.json");
  if (Status s = filtering.groups.open(); !s) return s.error().with("open consumerFilter.json");
  tables_open = true;
  const std::string address = settings.text("bindAddress");
  if (Status s = server.listen(address, port, rpc::Dispatcher::main_port_tag); !s) return s;
  return server.listen(address, port - 2, rpc::Dispatcher::fast_port_tag);
}

void Broker::Parts::work_alone(std::atomic<bool>& busy, std::function<void()> work) {
  if (busy.exchange(true)) return;
  const bool accepted = workers.submit([&busy, work = std::move(work)] {
    work();
    busy = false;
  });
  if (!accepted) busy = false;
}

void Broker::Parts::persist() {
  work_alone(persisting, [this] {
    for (const Status& s : {offsets.persist_if_dirty(), topics.persist_if_dirty(), mappings.persist_if_dirty(),
                            groups.persist_if_dirty(), filtering.groups.persist_if_dirty()}) {
      if (!s) log_warn("meta", "{}", s.error().message);
    }
  });
}

// On a worker: there may be very many rows.
void Broker::Parts::sample_traffic() {
  work_alone(sampling, [this] { stats.table().sample(stats.put_messages(), stats.get_messages()); });
}

void Broker::Parts::persist_positions() {
  work_alone(persisting_positions, [this] {
    if (Status s = delay_positions.persist(store.stats().durable_offset); !s) {
      log_warn("delay", "{}", s.error().message);
    }
  });
}

// On a worker: a large table goes in many parts, and even a small one is put into text.
void Broker::Parts::renew() {
  work_alone(registering, [this] { registration.start_register_all(); });
}

void Broker::Parts::each_second() {
  ++ticks;
  stats.sample();
  sample_traffic();
  const int64_t persist_s = std::max<int64_t>(settings.live_int("flushConsumerOffsetInterval").load() / 1000, 1);
  if (ticks % persist_s == 0) persist();
  const int64_t positions_s = std::max<int64_t>(settings.live_int("flushDelayOffsetInterval").load() / 1000, 1);
  if (ticks % positions_s == 0) persist_positions();
  if (ticks % 10 == 0) {
    clients.drop_expired(settings.int64("channelExpiredTimeout"));
    filtering.groups.sweep([this](const std::string& group) { return clients.has_consumer_group(group); });
  }
  if (ticks % 60 == 0) locks.drop_expired();
  if (ticks >= next_renewal_s) {
    // While a nameserver has not taken the registration it is tried every other second: it may be starting too.
    const int64_t period_s = std::clamp<int64_t>(settings.live_int("registerNameServerPeriod").load() / 1000, 10, 60);
    next_renewal_s = ticks + (registration.all_registered() || ticks == 1 ? period_s : 2);
    renew();
  }
  if (!registration.all_registered()) next_renewal_s = std::min(next_renewal_s, ticks + 2);
}

Broker::Broker(config::Settings& settings, std::string config_path, FileSystem& files, const Clock& clock,
               std::function<void(const Error&)> fail_stop)
    : parts_(std::make_unique<Parts>(settings, std::move(config_path), files, clock, std::move(fail_stop))) {
  parts_->connect();
}

Broker::~Broker() {
  stop();
}

Status Broker::start() {
  Parts& p = *parts_;
  if (Status s = p.open(); !s) return s;
  net::Reactor& first = *p.server.reactors().front();
  first.every_ms(50, [&p] {
    p.long_poll.sweep();
    for (const std::string& group : p.locks.take_freed()) p.clients.notify_group(group);
    p.clients.send_due_notices();
  });
  first.every_ms(1000, [&p] { p.each_second(); });
  p.delay.start();
  p.server.start();
  p.serving = true;
  p.renew();
  return {};
}

namespace {

// Everything placed so far reaches the disk, so that waiting senders get their answers before the connections close.
void wait_until_durable(store::MessageStore& store) {
  std::mutex mutex;
  std::condition_variable done;
  bool finished = false;
  store.wait_durable(store.stats().max_physical_offset, 5'000, [&](store::DurableCode) {
    std::lock_guard lock(mutex);
    finished = true;
    done.notify_one();
  });
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return finished; });
}

}  // namespace

void Broker::stop() {
  if (!parts_) return;
  Parts& p = *parts_;
  if (p.serving) {
    p.server.stop_accepting();
    p.registration.unregister_all(1'000);
    p.dispatcher.set_draining(true);
    p.workers.stop();
    p.cold_readers.stop();
    p.delay.stop();
    if (p.store.sync_flush() || p.delay_positions.waits_for_disk(p.store.stats().durable_offset)) {
      wait_until_durable(p.store);
    }
    p.server.stop();
    p.serving = false;
    if (Status s = p.delay_positions.persist(p.store.stats().durable_offset); !s) {
      log_error("delay", "{}", s.error().message);
    }
  }
  // After a start that failed at a damaged file the tables hold defaults, which must not be written over that file.
  if (p.tables_open) {
    for (const Status& s : {p.offsets.close(), p.topics.close(), p.mappings.close(), p.groups.close(),
                            p.filtering.groups.persist_if_dirty()}) {
      if (!s) log_error("meta", "{}", s.error().message);
    }
    p.tables_open = false;
  }
  if (p.store_open) {
    p.store.close();
    p.store_open = false;
  }
  parts_.reset();
}

std::string Broker::boot_line() const {
  const config::Settings& s = parts_->settings;
  std::string line = "The broker[" + s.text("brokerName") + ", " + s.text("brokerIP1") + ":" +
                     std::to_string(s.int32("listenPort")) + "] boot success. serializeType=JSON";
  if (const std::string nameservers = s.text("namesrvAddr"); !nameservers.empty())
    line += " and name server is " + nameservers;
  return line;
}

}  // namespace merlin::app
