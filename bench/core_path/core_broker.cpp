#include "core_broker.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

#include "config/broker_options.h"
#include "door/remoting/produce.h"
#include "door/remoting/pull.h"

namespace merlin::bench {

namespace {

[[noreturn]] void die(std::string_view what, std::string_view why) {
  std::fprintf(stderr, "core_path: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(why.size()), why.data());
  std::_Exit(1);
}

void must(std::string_view what, const Status& status) {
  if (!status) die(what, status.error().message);
}

const HostPort own_address = *HostPort::from_ip("127.0.0.1", 10911);

store::StoreOptions store_options(const std::string& dir) {
  store::StoreOptions options;
  options.root_dir = dir;
  // The disk and the clock stay out of the measured thread's way: nothing is flushed while the program runs.
  options.flush_interval_ms = 3'600'000;
  options.queue_flush_interval_ms = 3'600'000;
  // Smaller files than a broker's; a message's way is the same.
  options.index_hash_slots = 100'000;
  options.index_entries_max = 2'000'000;
  return options;
}

service::ProduceSettings produce_settings(const config::Settings& settings) {
  service::ProduceSettings p;
  p.cluster_name = settings.text("brokerClusterName");
  p.broker_ip = "127.0.0.1";
  p.region_id = settings.text("regionId");
  p.trace_on = settings.boolean("traceOn");
  p.store_host = own_address;
  p.message_size_bytes_max = settings.int32("maxMessageSize");
  return p;
}

}  // namespace

MemoryConnection::MemoryConnection(net::Reactor& reactor) : reactor_(reactor) {
  id_ = 1;
  remote_ = *HostPort::from_ip("127.0.0.1", 40000);
  local_ = own_address;
  remote_text_ = remote_.text();
  listener_tag_ = rpc::Dispatcher::main_port_tag;
}

void MemoryConnection::write_pinned(ByteView bytes, std::shared_ptr<const void> pin) {
  pinned_.push_back({out_.size(), bytes, std::move(pin)});
}

void MemoryConnection::post_bytes(Buffer bytes) {
  out_.append(bytes.view());
}

void MemoryConnection::close(std::string_view why) {
  die("the connection was closed", why);
}

std::string MemoryConnection::text() const {
  std::string all;
  size_t done = 0;
  for (const Pinned& p : pinned_) {
    all.append(as_text(out_.view().subspan(done, p.at - done)));
    all.append(as_text(p.bytes));
    done = p.at;
  }
  all.append(as_text(out_.view().subspan(done)));
  return all;
}

void MemoryConnection::clear() {
  out_.clear();
  pinned_.clear();
}

// In the order of need, as in app/broker.cpp.
struct CoreBroker::Parts {
  explicit Parts(const std::string& dir)
      : settings(config::broker_options(), config::broker_unused_keys()),
        stats(clock),
        topics(files, clock, dir),
        mappings(files, clock, dir),
        groups(files, clock, dir),
        offsets(files, clock, dir),
        long_poll(clock, 1000),
        store(store_options(dir), files, clock, [](const Error& e) { die("fail stop", e.message); }),
        clients(clock),
        filtering(files, clock, dir, {}),
        produce(produce_settings(settings), clock, store, topics, settings.live_int("brokerPermission"), stats),
        pull("127.0.0.1",
             service::PullLimits{settings.live_int("maxTransferBytesOnMessageInMemory"),
                                 settings.live_int("maxTransferCountOnMessageInMemory"),
                                 settings.live_int("maxTransferBytesOnMessageInDisk"),
                                 settings.live_int("maxTransferCountOnMessageInDisk"),
                                 settings.live_int("brokerPermission"), settings.live_int("useServerSideResetOffset"),
                                 settings.live_int("enablePropertyFilter"), settings.live_int("filterSupportRetry"),
                                 settings.live_int("maxFilterMessageSize")},
             store, topics, groups, offsets, clients, filtering, stats),
        produce_door(produce, store, door::StaticQueues(mappings), workers, 1, 5000),
        pull_door({settings.live_int("longPollingEnable"), settings.live_int("shortPollingTimeMills")}, clock, pull,
                  door::StaticQueues(mappings), long_poll, cold_readers, 1) {}

  config::Settings settings;
  FileSystem& files = posix_file_system();
  SystemClock clock;
  service::BrokerStats stats;
  WorkerPool workers{"worker", 1, 100};
  WorkerPool cold_readers{"cold-reader", 1, 100};
  net::Reactor reactor{0};
  rpc::Dispatcher dispatcher{workers};
  meta::TopicTable topics;
  meta::QueueMappingTable mappings;
  meta::SubscriptionGroups groups;
  meta::ConsumerOffsets offsets;
  service::LongPoll long_poll;
  store::MessageStore store;
  service::Clients clients;
  service::Filtering filtering;
  service::Produce produce;
  service::Pull pull;
  door::ProduceDoor produce_door;
  door::PullDoor pull_door;
};

CoreBroker::CoreBroker(const std::string& dir) : parts_(std::make_unique<Parts>(dir)) {
  Parts& p = *parts_;
  p.store.set_listener(&p.long_poll);
  p.dispatcher.add(p.produce_door, door::ProduceDoor::rows);
  p.dispatcher.add(p.pull_door, door::PullDoor::rows);
  p.dispatcher.add_burst_participant(&p.produce_door);
  must("the store", p.store.open());
  must("topics", p.topics.open({}));
  must("mappings", p.mappings.open());
  must("groups", p.groups.open());
  must("offsets", p.offsets.open());
  p.groups.set_auto_create(true, true);
  meta::TopicConfig config;
  config.name = topic;
  config.read_queue_nums = config.write_queue_nums = queues;
  if (const auto made = p.topics.update(std::move(config)); !made) die("the topic", made.error().message);
  p.reactor.start();
  connection_ = std::make_shared<MemoryConnection>(p.reactor);
}

CoreBroker::~CoreBroker() {
  Parts& p = *parts_;
  connection_->clear();
  p.reactor.stop();
  p.workers.stop();
  p.cold_readers.stop();
  p.store.close();
}

void CoreBroker::run(const std::function<void()>& work) {
  std::promise<void> done;
  const bool posted = parts_->reactor.post([&] {
    work();
    done.set_value();
  });
  if (!posted) die("the reactor", "it has stopped");
  done.get_future().wait();
}

rpc::Dispatcher& CoreBroker::dispatcher() {
  return parts_->dispatcher;
}

int64_t CoreBroker::readable() const {
  int64_t sum = 0;
  for (int32_t queue = 0; queue < queues; ++queue) {
    if (const auto* q = parts_->store.find_queue(topic, queue)) sum += parts_->store.max_offset(q);
  }
  return sum;
}

void CoreBroker::wait_until_indexed() const {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (;;) {
    const store::StoreStats stats = parts_->store.stats();
    if (stats.indexed_offset >= stats.max_physical_offset) return;
    if (std::chrono::steady_clock::now() > give_up) die("the key index", "it does not come to the end of the log");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace merlin::bench
