// A small store in a temporary folder, or on the disk that the test brings, and shorthand to fill it.
#pragma once

#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "merlin/message/record.h"
#include "store/message_store.h"

namespace merlin::store {

// An empty folder of its own for the running test.
inline std::string fresh_dir() {
  const auto* info = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string("merlin_store_") + info->test_suite_name() + "_" + info->name();
  for (char& c : name) c = c == '/' ? '_' : c;
  const std::string dir = testing::TempDir() + name;
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir;
}

inline StoreOptions small_options(const std::string& dir) {
  StoreOptions o;
  o.root_dir = dir;
  o.segment_size_bytes = 16 * 1024;
  o.consume_queue_file_bytes = 50 * 20;
  o.message_size_bytes_max = 8 * 1024;
  o.flush_interval_ms = 5;
  o.queue_flush_interval_ms = 5;
  o.index_enabled = false;
  o.dispatch_ring_items = 64;
  return o;
}

inline message::RecordSpec spec_of(std::string_view topic, int32_t queue_id, std::string_view body,
                                   std::string_view properties = {}) {
  message::RecordSpec spec;
  spec.topic = topic;
  spec.queue_id = queue_id;
  spec.body = as_bytes(body);
  spec.properties = properties;
  spec.born_host = *HostPort::from_ip("127.0.0.1", 1);
  spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
  return spec;
}

// The body of a batch, as clients encode it.
inline std::string batch_body(const std::vector<std::string>& bodies) {
  std::string out;
  for (const std::string& body : bodies) {
    const size_t at = out.size();
    out.resize(at + 22 + body.size());
    auto* to = reinterpret_cast<uint8_t*>(out.data() + at);
    store_be<int32_t>(to, static_cast<int32_t>(22 + body.size()));
    store_be<int32_t>(to + 16, static_cast<int32_t>(body.size()));
    std::memcpy(to + 20, body.data(), body.size());
  }
  return out;
}

// What the service makes of a batch for a topic with queue.type=BatchCQ; the queue is left to the caller.
inline AppendItem batch_item(std::string_view topic, int32_t queue_id, std::string_view body,
                             std::string_view properties, size_t count) {
  AppendItem item;
  item.spec = spec_of(topic, queue_id, body, properties);
  item.spec.sys_flag = message::sys_flag::need_unwrap | message::sys_flag::inner_batch;
  item.count = static_cast<int32_t>(count);
  item.late_bytes_max = inner_base_bytes_max;
  return item;
}

struct StoreFixture {
  explicit StoreFixture(StoreOptions o, FileSystem& fs = posix_file_system()) : options(std::move(o)), files(fs) {}

  // Opens the store; an open one is dropped first, as a crash would.
  Status open() {
    store.reset();
    store = std::make_unique<MessageStore>(options, files, clock, [this](const Error&) { ++fail_stops; });
    store->set_listener(listener);
    return store->open();
  }
  void close() {
    store->close();
    store.reset();
  }

  AppendItem send(std::string_view topic, int32_t queue_id, std::string_view body, std::string_view properties = {},
                  int64_t tags_code = 0) {
    AppendItem item;
    item.spec = spec_of(topic, queue_id, body, properties);
    item.queue = store->queue(topic, queue_id);
    item.tags_code = tags_code;
    last_end = store->append({&item, 1}, scratch);
    return item;
  }

  // One record with the bodies as its messages, into a batch queue.
  AppendItem send_batch(std::string_view topic, int32_t queue_id, const std::vector<std::string>& bodies) {
    const std::string body = batch_body(bodies);
    const std::string properties = "INNER_NUM\001" + std::to_string(bodies.size()) + "\002";
    AppendItem item = batch_item(topic, queue_id, body, properties, bodies.size());
    item.queue = store->queue(topic, queue_id, true);
    last_end = store->append({&item, 1}, scratch);
    item.spec = {};
    return item;
  }

  // To the topic and to the light queues that are named; the offsets in those are in `light`.
  AppendItem send_light(std::string_view topic, int32_t queue_id, std::string_view body, std::string_view names,
                        int64_t tags_code = 0) {
    std::string properties;
    if (!names.empty()) message::append_property(properties, message::property::inner_multi_dispatch, names);
    AppendItem item;
    item.spec = spec_of(topic, queue_id, body, properties);
    item.queue = store->queue(topic, queue_id);
    item.tags_code = tags_code;
    const Status resolved = store->light_queues(names, topic, queue_id, light);
    EXPECT_TRUE(resolved.ok()) << resolved.error().message;
    if (light.late_bytes_max > 0) item.enter(light);
    last_end = store->append({&item, 1}, scratch);
    item.spec = {};
    return item;
  }

  GetResult get(std::string_view topic, int32_t queue_id, int64_t offset, const GetLimits& limits = {},
                const MessageFilter* filter = nullptr) {
    settle();
    GetResult result;
    store->get(store->find_queue(topic, queue_id), offset, limits, filter, result);
    return result;
  }

  // The sender's dispatch leaves its work to whoever is at it just then, the housekeeper for one. A test whose dispatch
  // is stuck on purpose goes on after a while.
  void settle() const {
    if (options.sync_flush) return;
    for (int i = 0; i < 10'000 && store->stats().dispatched_offset < last_end; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  // The bodies of all messages of a queue from its minimum on, read the way a consumer does.
  std::vector<std::string> bodies(std::string_view topic, int32_t queue_id);

  StoreOptions options;
  FileSystem& files;
  ManualClock clock{1'700'000'000'000};
  ArrivalListener* listener = nullptr;
  std::unique_ptr<MessageStore> store;
  Buffer scratch;
  LightQueues light;
  int64_t last_end = 0;
  std::atomic<int> fail_stops{0};
};

inline std::vector<message::RecordView> records_of(const LogBytes& bytes) {
  std::vector<message::RecordView> out;
  for (ByteView slice : bytes.slices) {
    while (!slice.empty()) {
      auto record = message::decode_record(slice, true);
      if (!record) {
        ADD_FAILURE() << record.error().message;
        return out;
      }
      slice = slice.subspan(static_cast<size_t>(record->total_size));
      out.push_back(*record);
    }
  }
  return out;
}

inline std::vector<std::string> StoreFixture::bodies(std::string_view topic, int32_t queue_id) {
  std::vector<std::string> out;
  settle();
  const ConsumeQueue* queue = store->find_queue(topic, queue_id);
  int64_t offset = store->min_offset(queue);
  const int64_t max = store->max_offset(queue);
  while (offset < max) {
    const GetResult result = get(topic, queue_id, offset);
    for (const message::RecordView& record : records_of(result.bytes)) {
      if (!message::is_lmq(topic)) {
        EXPECT_EQ(record.topic, topic);
        EXPECT_EQ(record.queue_id, queue_id);
      }
      out.emplace_back(as_text(record.body));
    }
    if (result.next_begin_offset <= offset) {
      ADD_FAILURE() << "stuck at " << offset << " with " << text(result.status);
      return out;
    }
    offset = result.next_begin_offset;
  }
  return out;
}

// Waits for a condition that another thread brings about; false after ten seconds.
template <class Condition>
bool eventually(Condition&& condition) {
  for (int i = 0; i < 10'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace merlin::store
