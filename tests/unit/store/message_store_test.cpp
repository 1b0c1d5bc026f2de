#include "store/message_store.h"

#include <atomic>
#include <future>
#include <numeric>
#include <thread>

#include "merlin/base/faulty_file_system.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

TEST(MessageStoreTest, WhatWasAppendedIsRead) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  std::vector<std::string> sent;
  for (int i = 0; i < 500; ++i) {
    sent.push_back("body " + std::to_string(i) + std::string(static_cast<size_t>(i % 300), 'x'));
    const AppendItem item = f.send("TopicA", 2, sent.back(), "TAGS\x01t\x02");
    ASSERT_EQ(item.code, AppendCode::ok);
    ASSERT_EQ(item.queue_offset, i);
  }
  EXPECT_EQ(f.bodies("TopicA", 2), sent);
  ASSERT_GT(f.store->stats().max_physical_offset, 3 * f.options.segment_size_bytes) << "the log has rolled";
  EXPECT_EQ(f.store->stats().dispatched_offset, f.store->stats().max_physical_offset);
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("TopicA", 2), sent);
  EXPECT_EQ(f.send("TopicA", 2, "next").queue_offset, 500);
  f.close();
}

TEST(MessageStoreTest, DroppedWithoutCloseNothingWrittenIsLost) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  std::vector<std::string> sent;
  for (int i = 0; i < 300; ++i) {
    sent.push_back(std::to_string(i));
    f.send("T", 0, sent.back());
  }
  EXPECT_TRUE(std::filesystem::exists(f.options.root_dir + "/abort"));
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 0), sent);
  EXPECT_EQ(f.send("T", 0, "next").queue_offset, 300);
  f.close();
  EXPECT_FALSE(std::filesystem::exists(f.options.root_dir + "/abort"));
}

TEST(MessageStoreTest, TheConsumeQueueFolderMayBeDeleted) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 200; ++i) f.send("T", i % 3, std::to_string(i));
  const auto before = f.bodies("T", 1);
  f.close();
  std::filesystem::remove_all(f.options.root_dir + "/consumequeue");
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 1), before);
  f.close();
}

TEST(MessageStoreTest, AQueueFileCutShortIsBuiltAgain) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 120; ++i) f.send("T", i % 3, std::to_string(i));
  const auto before = f.bodies("T", 1);
  f.close();
  std::filesystem::resize_file(f.options.root_dir + "/consumequeue/T/1/00000000000000000000", 205);
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 1), before);
  EXPECT_EQ(f.send("T", 1, "next").queue_offset, 40) << "no offset is given a second time";
  f.close();
}

class GetTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(f.open().ok());
    for (int i = 0; i < 60; ++i) ASSERT_EQ(f.send("T", 0, std::to_string(i), {}, i % 2).code, AppendCode::ok);
    queue = f.store->find_queue("T", 0);
  }
  void TearDown() override { f.close(); }

  StoreFixture f{small_options(fresh_dir())};
  const ConsumeQueue* queue = nullptr;
};

TEST_F(GetTest, StatusesAndNextOffsetsAreApaches) {
  struct Row {
    int64_t offset;
    GetStatus status;
    int64_t next;
  };
  const std::vector<Row> rows = {
      {60, GetStatus::offset_overflow_one, 60},
      {61, GetStatus::offset_overflow_badly, 60},
      {-1, GetStatus::offset_too_small, 0},
      {59, GetStatus::found, 60},
  };
  for (const Row& row : rows) {
    const GetResult r = f.get("T", 0, row.offset);
    EXPECT_EQ(text(r.status), text(row.status)) << row.offset;
    EXPECT_EQ(r.next_begin_offset, row.next) << row.offset;
    EXPECT_EQ(r.min_offset, 0);
    EXPECT_EQ(r.max_offset, 60);
  }
  const GetResult none = f.get("Nowhere", 0, 5);
  EXPECT_EQ(none.status, GetStatus::no_matched_logic_queue);
  EXPECT_EQ(none.next_begin_offset, 0);
  f.store->queue("Empty", 0);
  const GetResult empty = f.get("Empty", 0, 5);
  EXPECT_EQ(empty.status, GetStatus::no_message_in_queue);
  EXPECT_EQ(empty.next_begin_offset, 0);
}

TEST_F(GetTest, CountAndBytesAreLimitedButOneMessageAlwaysComes) {
  GetLimits limits;
  limits.count_max = 5;
  EXPECT_EQ(f.get("T", 0, 0, limits).message_count, 5);
  limits.count_max = 100;
  EXPECT_EQ(f.get("T", 0, 0, limits).message_count, 32) << "count_in_memory_max";
  limits.bytes_in_memory_max = 1;
  const GetResult one = f.get("T", 0, 10, limits);
  EXPECT_EQ(one.message_count, 1);
  EXPECT_EQ(one.next_begin_offset, 11);
  EXPECT_EQ(one.bytes.slices.size(), 1u);
}

TEST_F(GetTest, NeighboursShareASlice) {
  const GetResult r = f.get("T", 0, 0);
  EXPECT_EQ(r.bytes.slices.size(), 1u);
  EXPECT_EQ(r.bytes.pins.size(), 1u);
  EXPECT_EQ(r.bytes.bytes, r.bytes.slices[0].size());
}

struct OddTags final : MessageFilter {
  bool matches_tags_code(int64_t code) const override { return code == 1; }
};
struct NoTags final : MessageFilter {
  bool matches_tags_code(int64_t) const override { return false; }
};
struct BodyIs7 final : MessageFilter {
  bool matches_tags_code(int64_t) const override { return true; }
  bool needs_record() const override { return true; }
  bool matches_record(const message::RecordView& r) const override { return as_text(r.body) == "7"; }
};

TEST_F(GetTest, FiltersPassUnitsAndTheNextOffsetGoesOn) {
  const OddTags odd;
  GetLimits limits;
  limits.count_max = 3;
  const GetResult r = f.get("T", 0, 0, limits, &odd);
  EXPECT_EQ(r.status, GetStatus::found);
  EXPECT_EQ(r.message_count, 3);
  EXPECT_EQ(r.next_begin_offset, 6) << "unit 6 is looked at first when the batch is full, as Apache does";
  const NoTags none;
  const GetResult n = f.get("T", 0, 0, {}, &none);
  EXPECT_EQ(n.status, GetStatus::no_matched_message);
  EXPECT_EQ(n.next_begin_offset, 50) << "one call looks at one file of the queue";
  limits = {};
  limits.scanned_max = 100;  // five units
  limits.count_max = 1;
  EXPECT_EQ(f.get("T", 0, 0, limits, &none).next_begin_offset, 5);
  const BodyIs7 seven;
  const GetResult s = f.get("T", 0, 0, {}, &seven);
  ASSERT_EQ(s.message_count, 1);
  EXPECT_EQ(as_text(records_of(s.bytes)[0].body), "7");
}

TEST_F(GetTest, RecordAtFindsStartsOnly) {
  LogBytes bytes;
  const auto first = records_of(f.get("T", 0, 3).bytes)[0];
  ASSERT_TRUE(f.store->record_at(first.physical_offset, bytes).ok());
  EXPECT_EQ(as_text(records_of(bytes)[0].body), "3");
  EXPECT_EQ(f.store->record_at(first.physical_offset + 1, bytes).error().code, Errc::not_found);
  EXPECT_EQ(f.store->record_at(-1, bytes).error().code, Errc::not_found);
  EXPECT_EQ(f.store->record_at(f.store->stats().max_physical_offset, bytes).error().code, Errc::not_found);
  EXPECT_EQ(f.store->record_at(int64_t{1} << 60, bytes).error().code, Errc::not_found);
}

TEST(StoreTimeTest, OffsetsByTimeAreApachesBoundaries) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  const int64_t t0 = f.clock.wall_ms();
  for (const int64_t at : {10, 20, 20, 20, 30}) {
    f.clock.advance_ms(t0 + at - f.clock.wall_ms());
    f.send("T", 0, "x");
  }
  f.settle();
  const ConsumeQueue* q = f.store->find_queue("T", 0);
  const auto at = [&](int64_t ms, Boundary b) { return f.store->offset_by_time(q, t0 + ms, b); };
  EXPECT_EQ(at(5, Boundary::lower), 0);
  EXPECT_EQ(at(10, Boundary::lower), 0);
  EXPECT_EQ(at(15, Boundary::lower), 1);
  EXPECT_EQ(at(20, Boundary::lower), 1);
  EXPECT_EQ(at(25, Boundary::lower), 4);
  EXPECT_EQ(at(31, Boundary::lower), 5);
  EXPECT_EQ(at(5, Boundary::upper), 0);
  EXPECT_EQ(at(15, Boundary::upper), 0);
  EXPECT_EQ(at(20, Boundary::upper), 3);
  EXPECT_EQ(at(25, Boundary::upper), 3);
  EXPECT_EQ(at(99, Boundary::upper), 4);
  EXPECT_EQ(f.store->store_timestamp(q, 4), t0 + 30);
  EXPECT_EQ(f.store->store_timestamp(q, 5), -1);
  EXPECT_TRUE(f.store->is_in_memory(q, 0));
  EXPECT_FALSE(f.store->is_in_memory(q, 5));
  f.close();
}

TEST(StoreAppendTest, JoinedItemsNeverSpanSegments) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  const std::string body(3000, 'b');
  for (int burst = 0; burst < 20; ++burst) {
    std::vector<AppendItem> items(4);
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].spec = spec_of("T", 0, body);
      items[i].queue = f.store->queue("T", 0);
      items[i].joined_to_previous = i > 0;
    }
    f.store->append(items, f.scratch);
    const int64_t segment = items[0].physical_offset / f.options.segment_size_bytes;
    for (const AppendItem& item : items) {
      ASSERT_EQ(item.code, AppendCode::ok);
      ASSERT_EQ(item.physical_offset / f.options.segment_size_bytes, segment);
    }
  }
  EXPECT_EQ(f.bodies("T", 0).size(), 80u);
  f.close();
}

TEST(StoreAppendTest, TooLargeItemsAreRefusedWithTheirGroupOnly) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  const std::string huge(20'000, 'h');
  std::vector<AppendItem> items(4);
  for (AppendItem& item : items) {
    item.spec = spec_of("T", 0, "small");
    item.queue = f.store->queue("T", 0);
  }
  items[2].spec = spec_of("T", 0, huge);
  items[2].joined_to_previous = true;
  f.store->append(items, f.scratch);
  EXPECT_EQ(items[0].code, AppendCode::ok);
  EXPECT_EQ(items[1].code, AppendCode::record_too_large);
  EXPECT_EQ(items[2].code, AppendCode::record_too_large);
  EXPECT_EQ(items[3].code, AppendCode::ok);
  EXPECT_EQ(items[3].queue_offset, 1);
  EXPECT_EQ(f.bodies("T", 0).size(), 2u);
  f.close();
}

TEST(StoreAppendTest, ZeroBytesInPropertiesCannotCutTheLogAfterACrash) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  const std::string zeros = "k\x01" + std::string(2000, '\0') + "\x02";
  EXPECT_EQ(f.send("T", 0, "evil", zeros).code, AppendCode::record_too_large);
  f.send("T", 0, std::string(2000, '\0'));
  f.send("T", 0, "after");
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 0), (std::vector<std::string>{std::string(2000, '\0'), "after"}));
  f.close();
}

TEST(StoreAppendTest, ScheduledMessagesCarryTheirDeliveryTime) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  struct Seen final : MessageFilter {
    mutable int64_t code = 0;
    bool matches_tags_code(int64_t c) const override {
      code = c;
      return true;
    }
  };
  const AppendItem item = f.send("SCHEDULE_TOPIC_XXXX", 2, "later",
                                 "DELAY\x01"
                                 "3\x02",
                                 99);
  Seen seen;
  f.get("SCHEDULE_TOPIC_XXXX", 2, 0, {}, &seen);
  EXPECT_EQ(seen.code, item.store_timestamp_ms + 10'000);
  ASSERT_TRUE(f.open().ok()) << "recovery computes the same";
  f.get("SCHEDULE_TOPIC_XXXX", 2, 0, {}, &seen);
  EXPECT_EQ(seen.code, item.store_timestamp_ms + 10'000);
  f.close();
}

TEST(StoreTopicTest, DeletedTopicsStartOverAndDoNotComeBack) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 100; ++i) f.send("Gone", 0, std::to_string(i));
  for (int i = 0; i < 100; ++i) f.send("Stays", 0, std::to_string(i));
  ConsumeQueue* handle = f.store->find_queue("Gone", 0);
  ASSERT_TRUE(f.store->delete_topic("Gone").ok());
  EXPECT_EQ(f.store->find_queue("Gone", 0), nullptr);
  EXPECT_EQ(f.store->max_offset(handle), 0) << "old handles stay harmless";
  EXPECT_FALSE(std::filesystem::exists(f.options.root_dir + "/consumequeue/Gone"));
  ASSERT_TRUE(f.open().ok()) << "dropped without close";
  EXPECT_EQ(f.store->find_queue("Gone", 0), nullptr);
  EXPECT_EQ(f.bodies("Stays", 0).size(), 100u);
  EXPECT_EQ(f.send("Gone", 0, "anew").queue_offset, 0);
  EXPECT_EQ(f.bodies("Gone", 0), std::vector<std::string>{"anew"});
  f.close();
}

// The keeper is about to sync the queue's folder when the topic goes. That is no failed sync: the next mark is written,
// and the topic does not come back.
TEST(StoreTopicTest, ATopicMayBeDeletedWhileItsFolderIsSynced) {
  FaultyFileSystem disk;
  StoreFixture f(small_options("/store"), disk);
  std::promise<void> arrived;
  std::promise<void> deleted;
  std::atomic<bool> caught{false};
  disk.set_hook([&](FileOp op, const std::string& path) {
    if (op != FileOp::sync_dir || path.find("/Gone/") == std::string::npos || caught.exchange(true)) return;
    arrived.set_value();
    deleted.get_future().wait();
  });
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 100; ++i) f.send("Gone", 0, std::to_string(i));
  arrived.get_future().wait();
  std::thread releases([&] {
    // delete_topic() waits for the keeper in the end; the folder goes before that.
    while (disk.exists("/store/consumequeue/Gone/0")) std::this_thread::yield();
    deleted.set_value();
  });
  ASSERT_TRUE(f.store->delete_topic("Gone").ok());
  releases.join();
  ASSERT_TRUE(f.open().ok()) << "dropped without close";
  EXPECT_EQ(f.store->find_queue("Gone", 0), nullptr);
  EXPECT_EQ(f.send("Gone", 0, "anew").queue_offset, 0);
  f.close();
}

TEST(StoreLockTest, ForeignFilesAreIgnoredAndWrongSizesRefused) {
  StoreFixture f(small_options(fresh_dir()));
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 300; ++i) f.send("T", 0, std::string(100, 'x'));
  f.close();
  const std::string log_dir = f.options.root_dir + "/commitlog";
  f.options.segment_size_bytes *= 2;
  const Status refused = f.open();
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("mappedFileSizeCommitLog"), std::string::npos) << refused.error().message;
  f.options.segment_size_bytes /= 2;
  ASSERT_TRUE(f.files.write_file_durably(log_dir + "/readme.txt", "hello").ok());
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 0).size(), 300u);
  f.close();
  EXPECT_TRUE(std::filesystem::exists(log_dir + "/readme.txt"));
}

}  // namespace
}  // namespace merlin::store
