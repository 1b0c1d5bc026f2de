// What a deleted topic leaves, and what must not come back of it.
#include "merlin/base/faulty_file_system.h"
#include "store/queue/file_index.h"
#include "store/queue/rocks_index.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

class DeletedTopicTest : public testing::TestWithParam<bool> {
 protected:
  DeletedTopicTest() { f.options.queues_in_database = GetParam(); }
  std::string path(const char* name) const { return f.options.root_dir + "/" + name; }

  StoreFixture f{small_options(fresh_dir())};
};

// The log still has the messages; whoever builds the queues from it must know that they are dead.
TEST_P(DeletedTopicTest, ItsMessagesStayAwayWhenTheFormChanges) {
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 5; ++i) f.send("T", 0, "old");
  f.send("Other", 0, "kept");
  ASSERT_TRUE(f.store->delete_topic("T").ok());
  f.close();
  for (int change = 0; change < 3; ++change) {
    f.options.queues_in_database = !f.options.queues_in_database;
    ASSERT_TRUE(f.open().ok());
    EXPECT_EQ(f.store->max_offset(f.store->queue("T", 0)), 0) << "change " << change;
    EXPECT_EQ(f.bodies("Other", 0), std::vector<std::string>{"kept"});
    f.close();
  }
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.send("T", 0, "new").queue_offset, 0);
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"new"});
  f.close();
}

TEST_P(DeletedTopicTest, ItsMessagesStayAwayWhenTheQueuesAreBuiltAgain) {
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 5; ++i) f.send("T", 0, "old");
  ASSERT_TRUE(f.store->delete_topic("T").ok());
  f.send("Other", 0, "kept");
  f.close();
  std::filesystem::remove_all(path("consumequeue"));
  std::filesystem::remove_all(path("merlin.queues"));
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->max_offset(f.store->queue("T", 0)), 0);
  EXPECT_EQ(f.bodies("Other", 0), std::vector<std::string>{"kept"});
  f.close();
}

// A log that begins again, or has lost its end in a power cut, gives the places below the grave to new messages.
TEST_P(DeletedTopicTest, ItsGraveDoesNotSwallowMessagesOfAShorterLog) {
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 50; ++i) f.send("T", 0, "old");
  ASSERT_TRUE(f.store->delete_topic("T").ok());
  f.close();
  std::filesystem::remove_all(path("commitlog"));
  std::filesystem::remove(path("merlin.synced"));
  std::filesystem::remove(path("merlin.progress"));
  ASSERT_TRUE(f.open().ok());
  f.send("T", 0, "new");
  ASSERT_TRUE(eventually([&] { return f.store->max_offset(f.store->find_queue("T", 0)) == 1; }));
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"new"});
  f.close();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(f.open().ok());
    EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"new"}) << "also when the queues are built again";
    f.close();
    f.options.queues_in_database = !f.options.queues_in_database;
  }
}

TEST_P(DeletedTopicTest, NamesThatNobodyUsedLeaveNothing) {
  ASSERT_TRUE(f.open().ok());
  f.send("T", 0, "kept");
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(f.store->delete_topic("Never" + std::to_string(i)).ok());
  EXPECT_FALSE(std::filesystem::exists(path("merlin.floors")));
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"kept"});
  f.close();
}

INSTANTIATE_TEST_SUITE_P(Forms, DeletedTopicTest, testing::Bool(),
                         [](const auto& form) { return form.param ? "Database" : "Files"; });

// Its offsets begin again; a send that is acknowledged must then be readable, whatever the disk refused.
TEST(DeletedTopicFaultTest, ADeleteThatFailsDoesNotSwallowLaterMessages) {
  FaultyFileSystem disk{1, 1 << 20};
  StoreFixture f{small_options("/store"), disk};
  ASSERT_TRUE(f.open().ok());
  for (int32_t queue = 0; queue < 2; ++queue) {
    for (int i = 0; i < 60; ++i) f.send("T", queue, "old");
  }
  ASSERT_TRUE(eventually([&] { return disk.exists("/store/consumequeue/T/1"); }));
  disk.add_fault({.op = FileOp::remove, .path_part = "consumequeue/T/0", .calls_failed = FaultyFileSystem::forever});
  ASSERT_FALSE(f.store->delete_topic("T").ok());
  disk.clear_faults();
  const AppendItem sent = f.send("T", 1, "new");
  ASSERT_EQ(sent.code, AppendCode::ok);
  const GetResult got = f.get("T", 1, sent.queue_offset);
  ASSERT_EQ(got.status, GetStatus::found);
  EXPECT_EQ(as_text(records_of(got.bytes).front().body), "new");
  f.close();
}

// Each form forgets its units before it reads the log again. A crash in between must not take what only they knew.
TEST(DeletedTopicFaultTest, AFloorOutlivesACrashInTheMidstOfARebuild) {
  for (const bool database : {false, true}) {
    StoreFixture f{small_options(fresh_dir())};
    f.options.queues_in_database = database;
    f.options.file_reserved_hours = 1;
    f.options.clean_interval_ms = 0;
    f.options.clean_first_delay_ms = 0;
    f.options.disk_used_percent_max = 100;
    f.options.disk_forcibly_percent = 100;
    ASSERT_TRUE(f.open().ok());
    for (int i = 0; i < 7; ++i) f.send("Idle", 0, "old");
    for (int i = 0; i < 300; ++i) f.send("Busy", 0, std::string(200, 'x'));
    f.clock.advance_ms(3 * 3'600'000);
    ASSERT_TRUE(eventually([&] {
      f.send("Busy", 0, std::string(200, 'y'));
      f.store->delete_expired_soon();
      return f.store->stats().min_physical_offset > 20'000;
    }));
    f.close();
    const std::string root = f.options.root_dir;
    const auto forget = [&](std::unique_ptr<QueueIndex> index) {
      ASSERT_TRUE(index->load());
      ASSERT_TRUE(index->loaded_max_physical());
      ASSERT_TRUE(index->distrust().ok());
      ASSERT_TRUE(index->reset_all().ok());
      index->stop();
    };
    if (database) {
      forget(std::make_unique<RocksIndex>(RocksIndex::Options{.root_dir = root}, posix_file_system()));
    } else {
      const FileIndex::Options form{.root_dir = root, .file_bytes = f.options.consume_queue_file_bytes};
      forget(std::make_unique<FileIndex>(form, posix_file_system()));
    }
    ASSERT_TRUE(f.open().ok());
    EXPECT_EQ(f.send("Idle", 0, "new").queue_offset, 7) << "database " << database;
    f.close();
  }
}

}  // namespace
}  // namespace merlin::store
