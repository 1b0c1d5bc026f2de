// One life of a broker's inside: store, tables, and the services that put messages. No sockets, no threads of delivery.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "merlin/base/faulty_file_system.h"
#include "merlin/message/properties.h"
#include "service/delay.h"
#include "service/produce.h"
#include "service/resend_rules.h"
#include "service/retry.h"

namespace merlin::service {

struct Got {
  std::string topic, body, properties;
  int32_t queue_id = 0;
  int32_t reconsume_times = 0;
  int64_t physical_offset = 0;
  int64_t store_timestamp_ms = 0;
  int64_t born_timestamp_ms = 0;
  std::string property(std::string_view name) const {
    return std::string(message::find_property(properties, name).value_or("(none)"));
  }
};

struct Life {
  struct Options {
    bool sync_flush = false;
    std::vector<int64_t> level_ms = store::default_delay_levels();
    int64_t segment_size_bytes = 256 * 1024;
  };

  Life(FileSystem& disk, ManualClock& at, Options options)
      : clock(at),
        store(store_options(options), disk, at, [this](const Error&) { ++fail_stops; }),
        topics(disk, at, "/store"),
        groups(disk, at, "/store"),
        locks(at),
        stats(at),
        resend_rules(groups, locks),
        produce(produce_settings(options), at, store, topics, permission, stats),
        positions(disk, at, "/store"),
        delay(options.level_ms, at, store, produce, positions),
        retry(store, produce, groups, permission) {
    produce.set_delayed_listener(&delay);
    produce.set_resend_rules(&resend_rules);
  }

  Status open() {
    if (Status s = store.open(); !s) return s;
    meta::TopicTable::Setup setup;
    setup.broker_name = "b";
    if (Status s = topics.open(setup); !s) return s;
    if (Status s = groups.open(); !s) return s;
    topics.create_if_absent("T", 4, 6, false, 0);
    delay.open();
    return {};
  }
  void close() {
    delay.stop();
    wait_durable();
    EXPECT_TRUE(positions.persist(store.stats().durable_offset).ok());
    store.close();
  }

  static store::StoreOptions store_options(const Options& options) {
    store::StoreOptions o;
    o.root_dir = "/store";
    o.segment_size_bytes = options.segment_size_bytes;
    o.consume_queue_file_bytes = 200 * 20;
    o.message_size_bytes_max = 16 * 1024;
    o.flush_interval_ms = 5;
    o.flush_least_pages = 0;
    o.queue_flush_interval_ms = 5;
    o.index_enabled = false;
    o.sync_flush = options.sync_flush;
    o.delay_level_ms = options.level_ms;
    return o;
  }
  static ProduceSettings produce_settings(const Options& options) {
    ProduceSettings p;
    p.cluster_name = "c";
    p.broker_ip = "127.0.0.1";
    p.region_id = "r";
    p.store_host = *HostPort::from_ip("127.0.0.1", 10911);
    p.message_size_bytes_max = 16 * 1024;
    p.delay_level_ms = options.level_ms;
    return p;
  }

  static SendRequest request(std::string_view topic, std::string_view body, std::string_view properties = {},
                             int32_t queue_id = 0) {
    SendRequest r;
    r.producer_group = "P";
    r.topic = topic;
    r.default_topic = "TBW102";
    r.default_topic_queue_nums = 4;
    r.queue_id = queue_id;
    r.properties = properties;
    r.born_host = *HostPort::from_ip("127.0.0.1", 1);
    r.body = as_bytes(body);
    r.born_timestamp_ms = 1'600'000'000'000;
    return r;
  }

  // As the door does it: on the reactor, or first on a worker.
  Refusal send(const SendRequest& r) {
    ProduceBurst burst;
    PlacedRequest placed;
    Refusal refusal = produce.prepare(r, burst, placed);
    if (refusal.outcome == Outcome::needs_worker) refusal = produce.prepare_on_worker(r, burst, placed);
    if (!refusal.ok()) return refusal;
    last_end = produce.append(burst);
    answered_queue = placed.queue_id;
    last_physical = burst.items.front().physical_offset;
    return produce.refusal_of(burst.items.front());
  }
  Refusal send_delayed(std::string_view topic, std::string_view body, int32_t level, int32_t queue_id = 0) {
    const std::string properties = "TAGS\1tag\2DELAY\1" + std::to_string(level);
    return send(request(topic, body, properties, queue_id));
  }

  bool wait_durable() {
    for (int i = 0; i < 10'000; ++i) {
      const store::StoreStats s = store.stats();
      if (s.durable_offset >= s.max_physical_offset && s.dispatched_offset >= s.max_physical_offset) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  // What was appended is in its queue. In sync mode that needs a disk that works: a test that takes it away goes on.
  void settle() {
    for (int i = 0;
         i < (fail_stops > 0 ? 0 : 3'000) && store.stats().dispatched_offset < store.stats().max_physical_offset; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  // Everything that is due by now.
  void deliver() {
    settle();
    for (int i = 0; i < 1000 && delay.deliver_due() <= clock.wall_ms(); ++i) settle();
    settle();
  }

  std::vector<Got> read(std::string_view topic, int32_t queue_id = 0) {
    settle();
    std::vector<Got> out;
    const store::ConsumeQueue* queue = store.find_queue(topic, queue_id);
    int64_t offset = store.min_offset(queue);
    while (offset < store.max_offset(queue)) {
      store::GetResult result;
      store.get(queue, offset, {}, nullptr, result);
      for (ByteView slice : result.bytes.slices) {
        while (!slice.empty()) {
          const auto r = message::decode_record(slice, true);
          if (!r) {
            ADD_FAILURE() << r.error().message;
            return out;
          }
          slice = slice.subspan(static_cast<size_t>(r->total_size));
          out.push_back({std::string(r->topic), std::string(as_text(r->body)), std::string(r->properties), r->queue_id,
                         r->reconsume_times, r->physical_offset, r->store_timestamp_ms, r->born_timestamp_ms});
        }
      }
      if (result.next_begin_offset <= offset) break;
      offset = result.next_begin_offset;
    }
    return out;
  }
  std::vector<std::string> bodies(std::string_view topic, int32_t queue_id = 0) {
    std::vector<std::string> out;
    for (const Got& got : read(topic, queue_id)) out.push_back(got.body);
    return out;
  }

  ManualClock& clock;
  std::atomic<int> fail_stops{0};
  std::atomic<int64_t> permission{6};
  store::MessageStore store;
  meta::TopicTable topics;
  meta::SubscriptionGroups groups;
  QueueLocks locks;
  BrokerStats stats;
  ResendRules resend_rules;
  Produce produce;
  DelayPositions positions;
  Delay delay;
  Retry retry;
  int64_t last_end = 0;
  int64_t last_physical = 0;
  int32_t answered_queue = 0;
};

}  // namespace merlin::service
