// Durability as callers see it, on a disk that fails when told to.
#include <condition_variable>
#include <mutex>

#include "merlin/base/faulty_file_system.h"
#include "store/progress.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

class FlushTest : public testing::Test {
 protected:
  FlushTest() {
    f.options.sync_flush = true;
    f.options.queue_flush_interval_ms = 5;
  }
  void TearDown() override {
    release();
    f.store.reset();
  }

  // Log syncs wait from now on until release(). The segment is made before: that syncs on the appender's thread.
  void hold_syncs() {
    f.send("Warm", 0, "up");
    std::atomic<int> warm{pending};
    wait_for(f.last_end, warm);
    ASSERT_TRUE(eventually([&] { return warm == static_cast<int>(DurableCode::durable); }));
    {
      const std::lock_guard lock(mutex);
      held = true;
    }
    disk.set_hook([this](FileOp op, const std::string& path) {
      if (op != FileOp::sync || !path.ends_with("commitlog/00000000000000000000")) return;
      std::unique_lock lock(mutex);
      ++syncs_waiting;
      wake.wait(lock, [this] { return !held; });
      --syncs_waiting;
    });
  }
  void release() {
    {
      const std::lock_guard lock(mutex);
      held = false;
    }
    wake.notify_all();
  }
  int waiting() {
    const std::lock_guard lock(mutex);
    return syncs_waiting;
  }
  void wait_for(int64_t end, std::atomic<int>& code, int32_t timeout_ms = 60'000) {
    f.store->wait_durable(end, timeout_ms, [&code](DurableCode c) { code = static_cast<int>(c); });
  }

  static constexpr int pending = -1;
  FaultyFileSystem disk{1, 1 << 20};
  StoreFixture f{small_options("/store"), disk};
  std::mutex mutex;
  std::condition_variable wake;
  bool held = false;      // guarded by mutex
  int syncs_waiting = 0;  // guarded by mutex
};

TEST_F(FlushTest, MessagesAreShownOnlyWhenDurable) {
  ASSERT_TRUE(f.open().ok());
  hold_syncs();
  f.send("T", 0, "one");
  std::atomic<int> code{pending};
  wait_for(f.last_end, code);
  ASSERT_TRUE(eventually([&] { return waiting() > 0; }));
  EXPECT_EQ(code, pending);
  EXPECT_EQ(f.store->max_offset(f.store->find_queue("T", 0)), 0);
  EXPECT_EQ(f.get("T", 0, 0).status, GetStatus::no_message_in_queue);
  release();
  ASSERT_TRUE(eventually([&] { return code == static_cast<int>(DurableCode::durable); }));
  EXPECT_EQ(f.get("T", 0, 0).status, GetStatus::found);
}

TEST_F(FlushTest, TheNextGroupFormsWhileOneSyncs) {
  ASSERT_TRUE(f.open().ok());
  hold_syncs();
  f.send("T", 0, "first group");
  ASSERT_TRUE(eventually([&] { return waiting() > 0; }));
  const int64_t before = disk.calls(FileOp::sync);
  std::vector<std::unique_ptr<std::atomic<int>>> codes;
  for (int i = 0; i < 50; ++i) {
    f.send("T", 0, "second group");
    codes.push_back(std::make_unique<std::atomic<int>>(pending));
    wait_for(f.last_end, *codes.back());
  }
  for (const auto& code : codes) EXPECT_EQ(*code, pending);
  release();
  ASSERT_TRUE(eventually([&] {
    return std::all_of(codes.begin(), codes.end(),
                       [](const auto& c) { return *c == static_cast<int>(DurableCode::durable); });
  }));
  EXPECT_LT(disk.calls(FileOp::sync) - before, 25) << "fifty sends share a few syncs";
}

TEST_F(FlushTest, AFailedSyncIsFinal) {
  ASSERT_TRUE(f.open().ok());
  f.send("T", 0, "good");
  std::atomic<int> good{pending};
  wait_for(f.last_end, good);
  ASSERT_TRUE(eventually([&] { return good == static_cast<int>(DurableCode::durable); }));
  // Not once only: the segment made ahead is synced, too, on a slow machine just now.
  disk.add_fault({FileOp::sync, "commitlog", 0, 100, EIO, 0});
  f.send("T", 0, "bad");
  std::atomic<int> bad{pending};
  wait_for(f.last_end, bad);
  ASSERT_TRUE(eventually([&] { return bad == static_cast<int>(DurableCode::failed); }));
  ASSERT_TRUE(eventually([&] { return f.fail_stops == 1; }));
  EXPECT_EQ(f.send("T", 0, "late").code, AppendCode::closed);
  std::string why;
  EXPECT_FALSE(f.store->writable(why));
  EXPECT_NE(why.find("fdatasync"), std::string::npos) << why;
  std::atomic<int> late{pending};
  wait_for(f.last_end, late);
  EXPECT_EQ(late, static_cast<int>(DurableCode::failed));
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"good"}) << "what is not durable is never shown";
  f.store->close();
  EXPECT_TRUE(disk.exists("/store/abort")) << "the next start must recover";
}

TEST_F(FlushTest, AWaiterIsToldWhenItsTimeIsOver) {
  ASSERT_TRUE(f.open().ok());
  hold_syncs();
  f.send("T", 0, "one");
  std::atomic<int> code{pending};
  wait_for(f.last_end, code, 100);
  ASSERT_TRUE(eventually([&] { return waiting() > 0; }));
  EXPECT_EQ(code, pending);
  f.clock.advance_ms(101);
  EXPECT_TRUE(eventually([&] { return code == static_cast<int>(DurableCode::timed_out); }));
}

TEST_F(FlushTest, AsyncWaitersAreToldByTheBackgroundFlush) {
  f.options.sync_flush = false;
  ASSERT_TRUE(f.open().ok());
  f.send("T", 0, "one");
  EXPECT_EQ(f.get("T", 0, 0).status, GetStatus::found) << "async mode shows at once";
  std::atomic<int> code{pending};
  wait_for(f.last_end, code);
  EXPECT_TRUE(eventually([&] { return code == static_cast<int>(DurableCode::durable); }));
  std::atomic<int> already{pending};
  wait_for(f.last_end, already);
  EXPECT_EQ(already, static_cast<int>(DurableCode::durable));
}

TEST_F(FlushTest, AFullDiskRefusesAndResumes) {
  f.options.sync_flush = false;
  ASSERT_TRUE(f.open().ok());
  const std::string body(1000, 'b');
  for (int i = 0; i < 20; ++i) ASSERT_EQ(f.send("T", 0, body).code, AppendCode::ok);
  disk.set_quota_bytes(disk.used_bytes());
  AppendItem refused;
  for (int i = 0; i < 20 && refused.code == AppendCode::ok; ++i) refused = f.send("T", 0, body);
  EXPECT_EQ(refused.code, AppendCode::no_space);
  std::string why;
  EXPECT_FALSE(f.store->writable(why));
  EXPECT_NE(why.find("/store/commitlog"), std::string::npos) << why;
  const int64_t end = f.store->stats().max_physical_offset;
  const auto count = f.bodies("T", 0).size();
  disk.set_quota_bytes(FaultyFileSystem::quota_none);
  EXPECT_TRUE(eventually([&] { return f.store->writable(why); })) << "the housekeeper looks for space";
  const AppendItem next = f.send("T", 0, "resumed");
  EXPECT_EQ(next.code, AppendCode::ok);
  EXPECT_GE(next.physical_offset, end);
  EXPECT_EQ(next.queue_offset, static_cast<int64_t>(count));
  EXPECT_EQ(f.bodies("T", 0).size(), count + 1);
}

TEST_F(FlushTest, AFailedBurstPlacesNothing) {
  f.options.sync_flush = false;
  ASSERT_TRUE(f.open().ok());
  f.send("T", 0, "before");
  const int64_t end = f.store->stats().max_physical_offset;
  disk.add_fault({FileOp::write, "commitlog", 0, 1, EIO, 150});
  std::vector<AppendItem> items(5);
  for (AppendItem& item : items) {
    item.spec = spec_of("T", 0, "lost");
    item.queue = f.store->queue("T", 0);
  }
  EXPECT_EQ(f.store->append(items, f.scratch), end);
  for (const AppendItem& item : items) EXPECT_EQ(item.code, AppendCode::io_error);
  EXPECT_EQ(f.send("T", 0, "after").queue_offset, 1);
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 0), (std::vector<std::string>{"before", "after"}));
}

// Under load the log's end is always ahead of what is durable. Each mark must become valid in its turn, or no start
// after a crash knows where to begin.
TEST(KeeperTest, TheProgressMarkFollowsALogThatNeverComesToRest) {
  FaultyFileSystem disk{1, 16 << 20};
  StoreFixture f{small_options("/store"), disk};
  f.options.flush_least_pages = 0;
  f.options.queue_recovery_bytes_max = 2;  // the queues are synced at each tick
  f.options.segment_size_bytes = 8 << 20;  // no roll: that would sync on the sender's thread
  ASSERT_TRUE(f.open().ok());
  f.send("T", 0, "the segment is made");
  std::atomic<bool> done{false};
  disk.set_hook([&](FileOp op, const std::string& path) {
    if (op != FileOp::sync || path.find("/commitlog/") == std::string::npos) return;
    // Each sync of the log is slower than two looks at the queues: the newest mark is never below what it makes
    // durable.
    std::this_thread::sleep_for(std::chrono::milliseconds(4 * f.options.queue_flush_interval_ms));
  });
  std::thread sender([&] {
    while (!done) {
      f.send("T", 0, "m");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  EXPECT_TRUE(eventually([&] {
    const auto progress = read_progress(disk, "/store/merlin.progress");
    return progress && progress->dispatched_offset > 1000;
  }));
  done = true;
  sender.join();
  disk.set_hook({});
  f.store.reset();
}

}  // namespace
}  // namespace merlin::store
