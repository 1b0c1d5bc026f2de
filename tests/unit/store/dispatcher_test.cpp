#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

// Appends from inside on_arrivals are not allowed, but slow listeners are: the ring fills meanwhile.
struct Gate final : ArrivalListener {
  std::atomic<bool> closed{true};
  std::atomic<int64_t> seen{0};
  void on_arrivals(std::span<const Arrival> arrivals) override {
    while (closed) std::this_thread::yield();
    seen += static_cast<int64_t>(arrivals.size());
  }
};

TEST(DispatcherTest, WhatTheRingCouldNotHoldComesFromTheLog) {
  StoreFixture f(small_options(fresh_dir()));
  f.options.dispatch_ring_items = 8;
  Gate gate;
  f.listener = &gate;
  ASSERT_TRUE(f.open().ok());
  std::jthread stuck([&] {
    Buffer scratch;
    AppendItem item;
    item.spec = spec_of("T", 0, "0");
    item.queue = f.store->queue("T", 0);
    f.store->append({&item, 1}, scratch);
  });
  // The first appender pumps and hangs in the listener; the others leave it the work and go on.
  ASSERT_TRUE(eventually([&] { return f.store->max_offset(f.store->find_queue("T", 0)) == 1; }));
  std::vector<std::string> sent{"0"};
  for (int i = 1; i < 500; ++i) {
    sent.push_back(std::to_string(i));
    f.send("T", 0, sent.back());
  }
  EXPECT_LT(f.store->stats().dispatched_offset, f.store->stats().max_physical_offset);
  gate.closed = false;
  ASSERT_TRUE(eventually([&] { return f.store->max_offset(f.store->find_queue("T", 0)) == 500; }));
  EXPECT_TRUE(eventually([&] { return gate.seen == 500; }));
  EXPECT_EQ(f.bodies("T", 0), sent);
  stuck.join();
  f.close();
}

TEST(DispatcherTest, PreparedMessagesEnterNoQueueAlsoAfterRecovery) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  AppendItem half;
  half.spec = spec_of("T", 0, "half");
  half.spec.sys_flag = message::sys_flag::transaction_prepared;
  f.store->append({&half, 1}, f.scratch);
  ASSERT_EQ(half.code, AppendCode::ok);
  f.send("T", 0, "whole");
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"whole"});
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"whole"});
  f.close();
}

TEST(DispatcherTest, ATopicThatIsNoFolderNameStaysInTheLog) {
  const std::string dir = fresh_dir();
  StoreFixture f(small_options(dir + "/inner"));
  ASSERT_TRUE(f.open().ok());
  for (const std::string_view topic : {"../evil", "..", ".", ""}) {
    AppendItem item;
    item.spec = spec_of(topic, 0, "x");
    f.store->append({&item, 1}, f.scratch);
    ASSERT_EQ(item.code, AppendCode::ok);
  }
  f.send("Good", 0, "whole");
  ASSERT_TRUE(f.open().ok()) << "recovery dispatches from the log";
  EXPECT_EQ(f.bodies("Good", 0), std::vector<std::string>{"whole"});
  EXPECT_EQ(f.store->queues().size(), 1u);
  EXPECT_FALSE(f.store->delete_topic("..").ok());
  f.close();
  EXPECT_TRUE(std::filesystem::exists(dir + "/inner/consumequeue/Good"));
  EXPECT_FALSE(std::filesystem::exists(dir + "/inner/evil"));
}

TEST(IndexFollowerTest, KeysAreFoundBehindTheDispatcherAndAfterReopening) {
  StoreFixture f(small_options(fresh_dir()));
  f.options.index_enabled = true;
  f.options.index_hash_slots = 64;
  f.options.index_entries_max = 1000;
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 100; ++i)
    f.send("T", 0, std::to_string(i),
           "KEYS\x01k" + std::to_string(i % 10) + "\x02TAGS\x01t" + std::to_string(i % 20) + "\x02");
  const auto query = [&](std::string_view key, KeyKind kind) {
    EXPECT_TRUE(eventually([&] { return f.store->stats().indexed_offset >= f.store->stats().max_physical_offset; }));
    LogBytes bytes;
    int64_t timestamp = 0;
    int64_t offset = 0;
    EXPECT_TRUE(f.store->query("T", key, kind, 32, 0, INT64_MAX, bytes, timestamp, offset).ok());
    EXPECT_EQ(timestamp, f.clock.wall_ms());
    std::vector<std::string> bodies;
    for (const auto& record : records_of(bytes)) bodies.emplace_back(as_text(record.body));
    return bodies;
  };
  const std::vector<std::string> keyed{"3", "13", "23", "33", "43", "53", "63", "73", "83", "93"};
  const std::vector<std::string> tagged{"7", "27", "47", "67", "87"};
  EXPECT_EQ(query("k3", KeyKind::key), keyed);
  EXPECT_EQ(query("t7", KeyKind::tag), tagged);
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(query("k3", KeyKind::key), keyed);
  EXPECT_EQ(query("t7", KeyKind::tag), tagged);
  ASSERT_TRUE(f.open().ok()) << "dropped without close";
  EXPECT_EQ(query("k3", KeyKind::key), keyed);
  EXPECT_EQ(query("t7", KeyKind::tag), tagged);
  f.close();
}

}  // namespace
}  // namespace merlin::store
