// Several appenders, readers and a listener at once; meant for the thread sanitizer as much as for its checks.
#include <atomic>
#include <thread>

#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

constexpr int appenders = 3;
constexpr int queue_count = 2;
constexpr int bursts = 150;
constexpr int burst_items = 8;

// Each queue's arrivals must come once, in order, and be readable when they are told.
struct Watcher final : ArrivalListener {
  MessageStore* store = nullptr;
  std::array<std::atomic<int64_t>, queue_count> next{};
  std::atomic<int> wrong{0};

  void on_arrivals(std::span<const Arrival> arrivals) override {
    for (const Arrival& a : arrivals) {
      auto& expected = next[static_cast<size_t>(queue_id(a.queue))];
      if (a.queue_offset != expected || store->max_offset(a.queue) <= a.queue_offset) ++wrong;
      expected = a.queue_offset + 1;
    }
  }
};

void append_bursts(MessageStore& store, int who, std::atomic<int>& acknowledged) {
  Buffer scratch;
  for (int burst = 0; burst < bursts; ++burst) {
    std::array<AppendItem, burst_items> items;
    const std::string body = std::to_string(who) + "." + std::to_string(burst);
    for (size_t i = 0; i < items.size(); ++i) {
      const int32_t queue = static_cast<int32_t>((static_cast<size_t>(who) + i) % queue_count);
      items[i].spec = spec_of("T", queue, body);
      items[i].queue = store.queue("T", queue);
    }
    const int64_t end = store.append(items, scratch);
    for (const AppendItem& item : items) EXPECT_EQ(item.code, AppendCode::ok);
    store.wait_durable(end, 60'000, [&](DurableCode code) {
      EXPECT_EQ(code, DurableCode::durable);
      ++acknowledged;
    });
  }
}

void read_all(MessageStore& store, int32_t id, int64_t messages) {
  int64_t offset = 0;
  GetResult result;
  while (offset < messages) {
    store.get(store.queue("T", id), offset, {}, nullptr, result);
    if (result.status != GetStatus::found) {
      std::this_thread::yield();
      continue;
    }
    for (const message::RecordView& record : records_of(result.bytes)) ASSERT_EQ(record.queue_offset, offset++);
    ASSERT_EQ(result.next_begin_offset, offset);
  }
}

void run(bool sync_flush, size_t ring_items) {
  StoreFixture f(small_options(fresh_dir()));
  f.options.sync_flush = sync_flush;
  f.options.dispatch_ring_items = ring_items;
  f.options.index_enabled = true;
  f.options.index_hash_slots = 100;
  f.options.index_entries_max = 10'000;
  Watcher watcher;
  f.listener = &watcher;
  watcher.store = nullptr;
  SystemClock clock;
  MessageStore store(f.options, f.files, clock, [](const Error&) { FAIL(); });
  watcher.store = &store;
  store.set_listener(&watcher);
  ASSERT_TRUE(store.open().ok());
  std::atomic<int> acknowledged{0};
  constexpr int64_t per_queue = int64_t{appenders} * bursts * burst_items / queue_count;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < appenders; ++i) threads.emplace_back([&, i] { append_bursts(store, i, acknowledged); });
    for (int32_t q = 0; q < queue_count; ++q) threads.emplace_back([&, q] { read_all(store, q, per_queue); });
    threads.emplace_back([&] {
      std::string why;
      for (int i = 0; i < 100; ++i) {
        (void)store.stats();
        EXPECT_TRUE(store.writable(why));
        (void)store.offset_by_time(store.queue("T", 0), clock.wall_ms() - 5, Boundary::lower);
        std::this_thread::yield();
      }
    });
  }
  EXPECT_TRUE(eventually([&] { return acknowledged == appenders * bursts; }));
  store.close();
  EXPECT_EQ(watcher.wrong, 0);
  for (const auto& next : watcher.next) EXPECT_EQ(next, per_queue);
}

TEST(ConcurrencyTest, AsyncFlush) {
  run(false, 1024);
}
TEST(ConcurrencyTest, AsyncFlushWithARingThatOverflows) {
  run(false, 4);
}
TEST(ConcurrencyTest, SyncFlush) {
  run(true, 1024);
}
TEST(ConcurrencyTest, SyncFlushWithARingThatOverflows) {
  run(true, 4);
}

}  // namespace
}  // namespace merlin::store
