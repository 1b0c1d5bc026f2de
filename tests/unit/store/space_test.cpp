// A disk that fills, for each kind of file, and one that hangs.
#include <condition_variable>
#include <mutex>
#include <sys/mount.h>
#include <unistd.h>

#include "merlin/base/faulty_file_system.h"
#include "store_fixture.h"

namespace merlin::store {
namespace {

class SpaceTest : public testing::Test {
 protected:
  static StoreOptions options() {
    StoreOptions o = small_options("/store");
    o.index_enabled = true;
    o.index_hash_slots = 100;
    o.index_entries_max = 1000;
    o.clean_first_delay_ms = 3'600'000;
    return o;
  }
  bool sends(std::string_view body = "x") { return f.send("T", 0, body, "KEYS\x01k\x02").code == AppendCode::ok; }

  FaultyFileSystem disk{1, 1 << 20};
  StoreFixture f{options(), disk};
};

TEST_F(SpaceTest, beyond_the_warning_level_appends_are_refused_by_name_and_reads_go_on) {
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(sends());
  disk.set_quota_bytes(disk.used_bytes() * 100 / 95);
  ASSERT_TRUE(eventually([&] { return f.send("T", 0, "y").code == AppendCode::no_space; }));
  std::string why;
  EXPECT_FALSE(f.store->writable(why));
  EXPECT_NE(why.find("% of the disk of /store"), std::string::npos) << why;
  EXPECT_NE(why.find("diskSpaceWarningLevelRatio is 90"), std::string::npos) << why;
  EXPECT_EQ(f.get("T", 0, 0).status, GetStatus::found);
  disk.set_quota_bytes(disk.used_bytes() * 10);
  ASSERT_TRUE(eventually([&] { return sends(); }));
  f.close();
}

// The disk fills while each kind of file is written; what was accepted is there, before and after a crash.
TEST_F(SpaceTest, no_kind_of_file_that_finds_no_space_loses_anything) {
  for (const char* part : {"commitlog", "consumequeue", "/index", "merlin.progress", "merlin.synced", "checkpoint"}) {
    SCOPED_TRACE(part);
    FaultyFileSystem own(7, 1 << 20);
    StoreFixture g(options(), own);
    ASSERT_TRUE(g.open().ok());
    std::vector<std::string> accepted;
    const auto send = [&](int count) {
      for (int i = 0; i < count; ++i) {
        const std::string body = std::to_string(accepted.size()) + std::string(200, 'x');
        if (g.send("T", 0, body, "KEYS\x01k\x02").code == AppendCode::ok) accepted.push_back(body);
      }
    };
    send(50);
    own.add_fault({.op = FileOp::write,
                   .path_part = part,
                   .calls_failed = FaultyFileSystem::forever,
                   .sys_errno = ENOSPC,
                   .bytes_before_failure = 7});
    send(150);
    ASSERT_FALSE(accepted.empty());
    EXPECT_EQ(g.get("T", 0, 0).status, GetStatus::found);
    own.clear_faults();
    const size_t before = accepted.size();
    ASSERT_TRUE(eventually([&] {
      send(1);
      return accepted.size() > before;
    }));
    send(50);
    ASSERT_TRUE(eventually([&] {
      const StoreStats s = g.store->stats();
      return s.dispatched_offset == s.max_physical_offset && s.indexed_offset == s.max_physical_offset;
    }));
    EXPECT_EQ(g.bodies("T", 0), accepted);
    ASSERT_TRUE(g.open().ok());  // as after a crash
    EXPECT_EQ(g.bodies("T", 0), accepted);
    g.close();
    ASSERT_TRUE(g.open().ok());
    EXPECT_EQ(g.bodies("T", 0), accepted);
    g.close();
  }
}

TEST_F(SpaceTest, a_hanging_sync_times_out_the_waiters) {
  f.options.sync_flush = true;
  std::mutex mutex;
  std::condition_variable wake;
  bool hangs = false;
  ASSERT_TRUE(f.open().ok());
  ASSERT_TRUE(sends());  // the first segment is there
  ASSERT_TRUE(eventually([&] { return f.get("T", 0, 0).message_count == 1; }));
  disk.set_hook([&](FileOp op, const std::string&) {
    std::unique_lock lock(mutex);
    if (op == FileOp::sync) wake.wait(lock, [&] { return !hangs; });
  });
  {
    const std::lock_guard lock(mutex);
    hangs = true;
  }
  ASSERT_TRUE(sends());
  std::atomic<int> code{-1};
  f.store->wait_durable(f.last_end, 100, [&](DurableCode c) { code = static_cast<int>(c); });
  f.clock.advance_ms(200);
  EXPECT_TRUE(eventually([&] { return code == static_cast<int>(DurableCode::timed_out); }));
  EXPECT_EQ(f.get("T", 0, 0).message_count, 1) << "what is not durable is not shown";
  {
    const std::lock_guard lock(mutex);
    hangs = false;
  }
  wake.notify_all();
  EXPECT_TRUE(eventually([&] { return f.get("T", 0, 0).message_count == 2; }));
  f.close();
}

TEST_F(SpaceTest, store_times_do_not_follow_a_small_step_back) {
  ASSERT_TRUE(f.open().ok());
  ASSERT_TRUE(sends());
  const AppendItem first = f.send("T", 0, "a");
  f.clock.advance_ms(-5000);
  EXPECT_EQ(f.send("T", 0, "b").store_timestamp_ms, first.store_timestamp_ms);
  f.clock.advance_ms(6000);
  EXPECT_EQ(f.send("T", 0, "c").store_timestamp_ms, first.store_timestamp_ms + 1000);
  f.clock.advance_ms(-3'600'000);
  EXPECT_EQ(f.send("T", 0, "d").store_timestamp_ms, first.store_timestamp_ms + 1000 - 3'600'000) << "a correction";
  f.close();
}

TEST(SmallDiskTest, a_real_full_disk_refuses_and_resumes_without_loss) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
  const std::string dir = fresh_dir();
  if (::mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=16m") != 0) GTEST_SKIP() << "mount: " << std::strerror(errno);
  {
    StoreOptions o = small_options(dir + "/store");
    o.segment_size_bytes = 1 << 20;
    o.index_enabled = true;
    o.index_hash_slots = 1000;
    o.index_entries_max = 10'000;
    o.clean_first_delay_ms = 3'600'000;
    StoreFixture f(o);
    ASSERT_TRUE(f.open().ok());
    const std::string big(4000, 'x');
    int accepted = 0;
    AppendCode code = AppendCode::ok;
    while (code == AppendCode::ok && accepted < 10'000) {
      code = f.send("T", 0, big, "KEYS\x01k\x02").code;
      accepted += code == AppendCode::ok ? 1 : 0;
    }
    ASSERT_EQ(code, AppendCode::no_space);
    std::string why;
    EXPECT_FALSE(f.store->writable(why));
    EXPECT_NE(why.find(dir), std::string::npos) << why;
    EXPECT_EQ(f.get("T", 0, 0).status, GetStatus::found);
    ASSERT_EQ(::mount("tmpfs", dir.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
    ASSERT_TRUE(eventually([&] { return f.send("T", 0, big).code == AppendCode::ok; }));
    EXPECT_EQ(static_cast<int>(f.bodies("T", 0).size()), accepted + 1);
    ASSERT_TRUE(f.open().ok());
    EXPECT_EQ(static_cast<int>(f.bodies("T", 0).size()), accepted + 1);
    f.close();
  }
  EXPECT_EQ(::umount(dir.c_str()), 0);
}

TEST(SmallDiskTest, a_topic_deleted_on_a_full_disk_is_gone_and_the_others_are_whole) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
  for (const bool database : {false, true}) {
    SCOPED_TRACE(database);
    const std::string dir = fresh_dir();
    if (::mount("tmpfs", dir.c_str(), "tmpfs", 0, "size=32m") != 0) GTEST_SKIP() << "mount: " << std::strerror(errno);
    {
      StoreOptions o = small_options(dir + "/store");
      o.segment_size_bytes = 1 << 20;
      o.clean_first_delay_ms = 3'600'000;
      o.disk_warning_percent = 100;  // until nothing at all is left
      o.queues_in_database = database;
      StoreFixture f(o);
      ASSERT_TRUE(f.open().ok());
      for (int i = 0; i < 50; ++i) ASSERT_EQ(f.send("Gone", 0, "old").code, AppendCode::ok);
      const std::string big(4000, 'x');
      int accepted = 0;
      while (f.send("T", 0, big).code == AppendCode::ok) ++accepted;
      ASSERT_EQ(f.get("Gone", 0, 0).status, GetStatus::found);
      const Status deleted = f.store->delete_topic("Gone");  // may say that it is not yet for good
      EXPECT_TRUE(deleted || deleted.error().code == Errc::no_space || deleted.error().code == Errc::io)
          << deleted.error().message;
      const ConsumeQueue* gone = f.store->find_queue("Gone", 0);
      EXPECT_TRUE(gone == nullptr || f.store->max_offset(gone) == 0);
      EXPECT_EQ(static_cast<int>(f.bodies("T", 0).size()), accepted) << "reads go on";
      ASSERT_EQ(::mount("tmpfs", dir.c_str(), "tmpfs", MS_REMOUNT, "size=128m"), 0);
      ASSERT_TRUE(eventually([&] { return f.send("T", 0, big).code == AppendCode::ok; }));
      ASSERT_TRUE(eventually([&] { return f.send("Gone", 0, "new").queue_offset == 0; }));
      EXPECT_EQ(static_cast<int>(f.bodies("T", 0).size()), accepted + 1);
      EXPECT_EQ(f.bodies("Gone", 0), std::vector<std::string>{"new"});
      ASSERT_TRUE(f.open().ok());  // as after a crash
      EXPECT_EQ(static_cast<int>(f.bodies("T", 0).size()), accepted + 1);
      f.close();
      ASSERT_TRUE(f.open().ok());
      EXPECT_EQ(f.bodies("Gone", 0), std::vector<std::string>{"new"});
      EXPECT_EQ(static_cast<int>(f.bodies("T", 0).size()), accepted + 1);
      f.close();
    }
    EXPECT_EQ(::umount(dir.c_str()), 0);
  }
}

}  // namespace
}  // namespace merlin::store
