#include "store/log/retention.h"

#include "merlin/base/faulty_file_system.h"
#include "store/progress.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

TEST(RetentionTest, HoursAreParsedAsApacheDoes) {
  EXPECT_EQ(parse_hours("04").to_ulong(), 1u << 4);
  EXPECT_EQ(parse_hours("00;23;7").to_ulong(), 1u | 1u << 23 | 1u << 7);
  EXPECT_TRUE(parse_hours("").none());
  EXPECT_TRUE(parse_hours("24;x;-1;;").none());
}

class RetentionStoreTest : public testing::Test {
 protected:
  RetentionStoreTest() {
    f.options.file_reserved_hours = 1;
    f.options.clean_interval_ms = 0;
    f.options.clean_first_delay_ms = 0;
    f.options.delete_when = "";
    f.options.disk_used_percent_max = 100;
    f.options.disk_forcibly_percent = 100;
  }
  void fill(int messages) {
    for (int i = 0; i < messages; ++i)
      ASSERT_EQ(f.send("T", 0, std::to_string(i) + std::string(100, 'x')).code, AppendCode::ok);
  }
  // Only what is durable may go.
  void settle() {
    std::atomic<bool> done{false};
    f.store->wait_durable(f.last_end, 60'000, [&](DurableCode) { done = true; });
    ASSERT_TRUE(eventually([&] { return done.load(); }));
  }
  int64_t begin() { return f.store->stats().min_physical_offset; }

  FaultyFileSystem disk{1, 1 << 20};
  StoreFixture f{small_options("/store"), disk};
};

TEST_F(RetentionStoreTest, ExpiredSegmentsGoAndTheQueuesFollow) {
  ASSERT_TRUE(f.open().ok());
  ASSERT_NO_FATAL_FAILURE(fill(500));
  f.clock.advance_ms(3'600'000);
  ASSERT_NO_FATAL_FAILURE(fill(300));
  EXPECT_EQ(begin(), 0) << "not the hour";
  const auto held = f.get("T", 0, 0);
  ASSERT_NO_FATAL_FAILURE(settle());
  f.store->delete_expired_soon();
  ASSERT_TRUE(eventually([&] { return begin() > 0; }));
  const ConsumeQueue* queue = f.store->find_queue("T", 0);
  ASSERT_TRUE(eventually([&] { return f.store->min_offset(queue) > 0; }));
  const int64_t min = f.store->min_offset(queue);
  EXPECT_LT(min, 500) << "the segment that holds the change stays";
  EXPECT_EQ(f.get("T", 0, 0).status, GetStatus::offset_too_small);
  EXPECT_EQ(f.get("T", 0, 0).next_begin_offset, min);
  EXPECT_EQ(static_cast<int64_t>(f.bodies("T", 0).size()), 800 - min);
  EXPECT_FALSE(disk.exists("/store/commitlog/00000000000000000000"));
  EXPECT_EQ(records_of(held.bytes).size(), 32u) << "what a reader holds stays readable";
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.store->min_offset(f.store->find_queue("T", 0)), min);
  EXPECT_EQ(f.send("T", 0, "next").queue_offset, 800);
  // The queues can be built again although the first messages are gone.
  f.close();
  ASSERT_TRUE(disk.remove_tree("/store/consumequeue").ok());
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(static_cast<int64_t>(f.bodies("T", 0).size()), 801 - f.store->min_offset(f.store->find_queue("T", 0)));
  EXPECT_EQ(f.send("T", 0, "last").queue_offset, 801);
  f.close();
}

TEST_F(RetentionStoreTest, AFillingDiskTakesTheOldestAtAnyAge) {
  f.options.disk_forcibly_percent = 85;
  ASSERT_TRUE(f.open().ok());
  ASSERT_NO_FATAL_FAILURE(fill(800));
  ASSERT_NO_FATAL_FAILURE(settle());
  f.clock.advance_ms(1);
  EXPECT_EQ(begin(), 0);
  // Units follow their records to the disk, and take room there.
  ASSERT_TRUE(eventually([&] {
    const auto progress = read_progress(disk, "/store/merlin.progress");
    return progress && progress->dispatched_offset == f.last_end;
  }));
  disk.set_quota_bytes(disk.used_bytes() * 10 / 9);
  EXPECT_TRUE(eventually([&] { return begin() > 0; }));
  EXPECT_FALSE(f.bodies("T", 0).empty());
  f.close();
}

TEST_F(RetentionStoreTest, LimitsMayChangeWhileTheStoreIsOpen) {
  ASSERT_TRUE(f.open().ok());
  ASSERT_NO_FATAL_FAILURE(fill(500));
  ASSERT_NO_FATAL_FAILURE(settle());
  f.clock.advance_ms(1'800'000);
  f.store->delete_expired_soon();
  const int64_t looks = disk.calls(FileOp::space);
  ASSERT_TRUE(eventually([&] { return disk.calls(FileOp::space) > looks + 3; }));
  EXPECT_EQ(begin(), 0) << "an hour is to pass";
  CleaningLimits limits = f.options;
  limits.file_reserved_hours = 0;
  limits.delete_when = "00;01;02;03;04;05;06;07;08;09;10;11;12;13;14;15;16;17;18;19;20;21;22;23";
  f.store->set_cleaning(limits);
  EXPECT_TRUE(eventually([&] { return begin() > 0; }));
  limits.disk_warning_percent = 0;
  f.store->set_cleaning(limits);
  std::string why;
  EXPECT_TRUE(eventually([&] { return !f.store->writable(why); }));
  EXPECT_NE(why.find("diskSpaceWarningLevelRatio is 0"), std::string::npos) << why;
  limits.disk_warning_percent = 100;
  f.store->set_cleaning(limits);
  EXPECT_TRUE(eventually([&] { return f.store->writable(why); }));
  f.close();
}

TEST_F(RetentionStoreTest, NothingGoesBeforeItsTime) {
  f.options.delete_when = "00;01;02;03;04;05;06;07;08;09;10;11;12;13;14;15;16;17;18;19;20;21;22;23";
  ASSERT_TRUE(f.open().ok());
  ASSERT_NO_FATAL_FAILURE(fill(500));
  ASSERT_NO_FATAL_FAILURE(settle());
  f.clock.advance_ms(3'599'999);
  const int64_t looks = disk.calls(FileOp::space);
  ASSERT_TRUE(eventually([&] { return disk.calls(FileOp::space) > looks + 3; }));
  EXPECT_EQ(begin(), 0);
  f.clock.advance_ms(1);
  EXPECT_TRUE(eventually([&] { return begin() > 0; }));
  f.close();
}

}  // namespace
}  // namespace merlin::store
