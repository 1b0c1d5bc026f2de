#include "store/queue/batch_queue.h"

#include <fstream>
#include <map>

#include "merlin/message/properties.h"
#include "store/queue/file_index.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

constexpr int32_t file_bytes = 4 * batch_unit_bytes;

struct Topic : QueueTopic {
  Topic() {
    name = "T";
    log_begin = &begin;
  }
  std::atomic<int64_t> begin{0};
};

class BatchQueueTest : public testing::Test {
 protected:
  std::unique_ptr<BatchQueue> make() { return std::make_unique<BatchQueue>(home_, topic_, 0); }
  // As a start does.
  std::unique_ptr<BatchQueue> load() {
    auto queue = make();
    EXPECT_TRUE(queue->load().ok());
    EXPECT_TRUE(queue->loaded_max_physical().ok());
    return queue;
  }
  static ConsumeQueue::Put put(BatchQueue& queue, int64_t base, int32_t count, int64_t stored_ms = 0) {
    const auto result = queue.put(base, {1000 + base * 100, 100 * count, count, 7}, stored_ms);
    EXPECT_TRUE(result.ok());
    return *result;
  }
  // Records of 1, 2 and 3 messages in turn; returns the next offset.
  static int64_t fill(BatchQueue& queue, int records) {
    int64_t base = 0;
    for (int i = 0; i < records; ++i) {
      EXPECT_EQ(put(queue, base, i % 3 + 1, 100 * i), ConsumeQueue::Put::stored);
      base += i % 3 + 1;
    }
    return base;
  }
  static BatchUnit at(const BatchQueue& queue, int64_t offset) {
    BatchUnit batch;
    EXPECT_EQ(queue.read_batches(offset, {&batch, 1}), 1u) << offset;
    return batch;
  }

  const std::string dir_ = fresh_dir();
  FileQueueHome home_{posix_file_system(), {}, {dir_, file_bytes, batch_unit_bytes}};
  Topic topic_;
};

TEST_F(BatchQueueTest, EachOffsetFindsTheRecordThatHoldsIt) {
  auto queue = make();
  const int64_t end = fill(*queue, 100);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(queue->max_offset(), end);
    int64_t base = 0;
    for (int i = 0; i < 100; ++i) {
      for (int64_t offset = base; offset < base + i % 3 + 1; ++offset) {
        const BatchUnit batch = at(*queue, offset);
        EXPECT_EQ(batch.base, base) << offset;
        EXPECT_EQ(batch.unit.count, i % 3 + 1);
        EXPECT_EQ(batch.unit.physical_offset, 1000 + base * 100);
        EXPECT_EQ(queue->base_of(offset), base);
      }
      base += i % 3 + 1;
    }
    std::array<BatchUnit, 64> batches;
    EXPECT_EQ(queue->read_batches(0, batches), 64u);
    EXPECT_EQ(queue->read_batches(end - 1, batches), 1u);
    EXPECT_EQ(queue->read_batches(end, batches), 0u);
    EXPECT_EQ(queue->read_batches(-1, batches), 0u);
    if (round == 0) {
      ASSERT_TRUE(queue->write_back().ok());
    }
    if (round == 1) queue = load();
  }
}

TEST_F(BatchQueueTest, UnitsHaveApachesBytes) {
  auto queue = make();
  ASSERT_TRUE(queue->put(5, {0x0102030405060708, 0x11121314, 3, -2}, 0x2122232425262728).ok());
  ASSERT_TRUE(queue->write_back().ok());
  std::ifstream in(dir_ + "/T/0/00000000000000000000", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  ASSERT_EQ(bytes.size(), static_cast<size_t>(file_bytes));
  // Made by BatchConsumeQueue of Apache 5.5.0 from the same numbers.
  std::string hex;
  for (size_t i = 0; i < static_cast<size_t>(batch_unit_bytes); ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<uint8_t>(bytes[i])));
    hex += digits;
  }
  EXPECT_EQ(hex, "010203040506070811121314fffffffffffffffe212223242526272800000000000000050003ffffffff00000000");
}

TEST_F(BatchQueueTest, AQueueMayBeginAnywhereAndHaveGaps) {
  auto queue = make();
  EXPECT_EQ(put(*queue, 100, 5), ConsumeQueue::Put::stored);
  EXPECT_EQ(put(*queue, 104, 5), ConsumeQueue::Put::already_there);
  EXPECT_EQ(put(*queue, 200, 5), ConsumeQueue::Put::hole);
  ASSERT_TRUE(queue->fill_hole(200).ok());
  EXPECT_EQ(put(*queue, 200, 5), ConsumeQueue::Put::stored);
  EXPECT_EQ(queue->max_offset(), 205);
  EXPECT_EQ(at(*queue, 102).base, 100);
  EXPECT_EQ(at(*queue, 105).base, 200) << "what comes next";
  ASSERT_TRUE(queue->write_back().ok());
  queue = load();
  EXPECT_EQ(at(*queue, 3).base, 100);
  EXPECT_EQ(at(*queue, 150).base, 200);
  EXPECT_EQ(queue->max_offset(), 205);
}

TEST_F(BatchQueueTest, ACutQueueGoesOnWhereItsLastRecordEnds) {
  const int64_t end = [&] {
    auto queue = make();
    const int64_t all = fill(*queue, 30);
    EXPECT_TRUE(queue->write_back().ok());
    return all;
  }();
  for (int64_t limit = 1000 + end * 100; limit > 900; limit -= 50) {
    auto queue = load();
    ASSERT_TRUE(queue->cut(limit, true).ok());
    ASSERT_TRUE(queue->sync_files().ok());
    int64_t expected = 0;
    for (int i = 0, base = 0; i < 30; base += i % 3 + 1, ++i) {
      if (1000 + base * 100 < limit) expected = base + i % 3 + 1;
    }
    EXPECT_EQ(queue->max_offset(), expected) << limit;
    EXPECT_EQ(load()->max_offset(), expected) << limit;
  }
}

TEST_F(BatchQueueTest, FilesGoWithTheLogButTheNextOffsetStays) {
  auto queue = make();
  const int64_t end = fill(*queue, 30);
  ASSERT_TRUE(queue->write_back().ok());
  topic_.begin = 1000 + 20 * 100;  // in the midst of a record of three, 19 to 21
  const int64_t min = queue->min_offset();
  EXPECT_GE(at(*queue, min).unit.physical_offset, topic_.begin.load());
  EXPECT_LT(at(*queue, min - 1).unit.physical_offset, topic_.begin.load());
  ASSERT_TRUE(queue->drop_files_below(min).ok());
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/T/0/00000000000000000000"));
  queue = load();
  EXPECT_EQ(queue->min_offset(), min);
  EXPECT_EQ(queue->max_offset(), end);
  // What is left in the last files comes to nothing: its offsets are not given again.
  const int64_t first = at(*queue, 0).base;
  ASSERT_GT(first, 0);
  ASSERT_TRUE(queue->cut(0, true).ok());
  EXPECT_EQ(queue->max_offset(), first);
  queue = load();
  EXPECT_EQ(queue->max_offset(), first);
  EXPECT_EQ(queue->max_physical(), -1);
  ASSERT_TRUE(queue->start_at(77).ok());
  EXPECT_EQ(load()->max_offset(), 77);
  EXPECT_EQ(load()->min_offset(), 77);
}

// Lower: the answers of BatchConsumeQueue of Apache 5.5.0. Its upper is -1 or a later record when no record has that
// very time, depending on where its search ends; ours is the last that is not younger.
TEST_F(BatchQueueTest, OffsetsByTimeAreThoseOfApache) {
  auto queue = make();
  EXPECT_EQ(queue->base_by_time(1, false), -1);
  const std::vector<int64_t> times = {100, 200, 200, 300, 500, 500, 600, 700, 700, 700};
  for (size_t i = 0; i < times.size(); ++i) put(*queue, static_cast<int64_t>(i) * 10, 10, times[i]);
  const auto lower = [&](int64_t ms) { return queue->base_by_time(ms, false); };
  EXPECT_EQ(lower(50), 0);
  EXPECT_EQ(lower(100), 0);
  EXPECT_EQ(lower(150), 10);
  EXPECT_EQ(lower(200), 10);
  EXPECT_EQ(lower(300), 30) << "the last of its file";
  EXPECT_EQ(lower(400), 30) << "the same: the next file begins later";
  EXPECT_EQ(lower(500), 40);
  EXPECT_EQ(lower(650), 70);
  EXPECT_EQ(lower(700), 90) << "not younger than the last";
  EXPECT_EQ(lower(900), 90);
  EXPECT_EQ(queue->base_by_time(200, true), 20);
  EXPECT_EQ(queue->base_by_time(650, true), 60);
}

class BatchStoreTest : public testing::Test {
 protected:
  BatchStoreTest() {
    f.options.batch_queue_file_bytes = 6 * batch_unit_bytes;
    EXPECT_TRUE(f.open().ok());
  }
  // Each message that a consumer of queue 0 gets, by its offset.
  std::map<int64_t, std::string> messages(std::string_view topic) {
    std::map<int64_t, std::string> out;
    const ConsumeQueue* queue = f.store->find_queue(topic, 0);
    if (queue == nullptr) return out;
    int64_t next = f.store->min_offset(queue);
    while (next < f.store->max_offset(queue)) {
      const GetResult result = f.get(topic, 0, next);
      EXPECT_EQ(result.status, GetStatus::found) << next;
      if (result.next_begin_offset <= next) break;
      next = result.next_begin_offset;
      for (const message::RecordView& record : records_of(result.bytes)) unpack(record, out);
    }
    return out;
  }
  static void unpack(const message::RecordView& record, std::map<int64_t, std::string>& out) {
    if ((record.sys_flag & message::sys_flag::inner_batch) == 0) {
      EXPECT_TRUE(out.emplace(record.queue_offset, as_text(record.body)).second);
      return;
    }
    EXPECT_EQ(message::find_property(record.properties, "INNER_BASE"), std::to_string(record.queue_offset));
    int64_t offset = record.queue_offset;
    for (ByteView rest = record.body; !rest.empty();) {
      const auto entry = message::take_batch_entry(rest);
      ASSERT_TRUE(entry.ok());
      EXPECT_TRUE(out.emplace(offset++, as_text(entry->body)).second);
    }
    EXPECT_EQ(message::find_property(record.properties, "INNER_NUM"), std::to_string(offset - record.queue_offset));
  }
  AppendItem send_single() {
    AppendItem item;
    item.spec = spec_of("B", 0, "single");
    item.queue = f.store->queue("B", 0, true);
    f.last_end = f.store->append({&item, 1}, f.scratch);
    return item;
  }
  // Sends batches of one to five messages and single ones in between; all of it is in `sent_` by offset.
  void send_some(int records) {
    for (int i = 0; i < records; ++i) {
      const int count = (i + static_cast<int>(sent_.size())) % 6;
      std::vector<std::string> bodies;
      for (int k = 0; k < count; ++k) bodies.push_back("m" + std::to_string(sent_.size() + static_cast<size_t>(k)));
      const AppendItem item = count == 0 ? send_single() : f.send_batch("B", 0, bodies);
      ASSERT_EQ(item.code, AppendCode::ok);
      ASSERT_EQ(item.queue_offset, static_cast<int64_t>(sent_.size()));
      if (count == 0) bodies.push_back("single");
      for (const std::string& body : bodies) sent_.emplace(static_cast<int64_t>(sent_.size()), body);
    }
  }

  StoreFixture f{small_options(fresh_dir())};
  std::map<int64_t, std::string> sent_;
};

TEST_F(BatchStoreTest, ABatchIsOneRecordThatTakesAnOffsetForEachMessage) {
  EXPECT_EQ(f.send_batch("B", 0, {"a", "b", "c"}).queue_offset, 0);
  EXPECT_EQ(send_single().queue_offset, 3);
  EXPECT_EQ(f.send_batch("B", 0, {"d", "e"}).queue_offset, 4);
  const ConsumeQueue* queue = f.store->find_queue("B", 0);
  EXPECT_EQ(f.store->max_offset(queue), 6);
  const GetResult all = f.get("B", 0, 0);
  EXPECT_EQ(all.message_count, 6);
  EXPECT_EQ(all.next_begin_offset, 6);
  EXPECT_EQ(records_of(all.bytes).size(), 3u);
  // A pull from the midst of a batch gets all of it.
  const GetResult midst = f.get("B", 0, 1, {.count_max = 3});
  EXPECT_EQ(midst.message_count, 3);
  EXPECT_EQ(midst.next_begin_offset, 3);
  ASSERT_EQ(records_of(midst.bytes).size(), 1u);
  EXPECT_EQ(records_of(midst.bytes)[0].queue_offset, 0);
  // Not even the first record is cut to the number asked for.
  EXPECT_EQ(f.get("B", 0, 4, {.count_max = 1}).message_count, 2);
  EXPECT_EQ(f.get("B", 0, 6).status, GetStatus::offset_overflow_one);
  EXPECT_EQ(messages("B").size(), 6u);
}

TEST_F(BatchStoreTest, TheWidthOfTheBaseIsPartOfTheRecord) {
  // Bursts of batches and others, over the steps from one digit to two and to three, and over the ends of segments.
  const std::string body = batch_body({"x", "yy", "zzz"});
  ConsumeQueue* batch_queue = f.store->queue("B", 0, true);
  ConsumeQueue* plain_queue = f.store->queue("P", 0);
  int64_t end = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<AppendItem> items;
    for (int i = 0; i < 3; ++i) {
      items.push_back(batch_item("B", 0, body, "INNER_NUM\0013", 3));
      items.back().queue = batch_queue;
      items.emplace_back();
      items.back().spec = spec_of("P", 0, std::string_view("plain body").substr(static_cast<size_t>(i)));
      items.back().queue = plain_queue;
    }
    f.store->append(items, f.scratch);
    for (const AppendItem& item : items) {
      ASSERT_EQ(item.code, AppendCode::ok);
      ASSERT_GE(item.physical_offset, end);
      end = item.physical_offset + item.size;
    }
  }
  EXPECT_EQ(messages("B").size(), 540u);
  EXPECT_EQ(f.bodies("P", 0).size(), 180u);
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(messages("B").size(), 540u);
  EXPECT_EQ(f.store->stats().damaged_ranges, 0);
}

TEST_F(BatchStoreTest, PropertiesThatGetTooLongWithTheBaseAreRefusedAlone) {
  f.options.message_size_bytes_max = 64 * 1024;
  f.options.segment_size_bytes = 256 * 1024;
  f.close();
  std::filesystem::remove_all(f.options.root_dir);
  ASSERT_TRUE(f.open().ok());
  const std::string body = batch_body({"a", "b", "c", "d", "e"});
  bool was_refused = false;
  for (size_t length = 32'767 - 16; length < 32'767; ++length) {
    std::string properties = "INNER_NUM\0015\002K\001";
    properties.resize(length - 1, 'v');
    properties += '\002';
    std::vector<AppendItem> items(2);
    items[0] = batch_item("B", 0, body, properties, 5);
    items[1] = batch_item("B", 0, body, "INNER_NUM\0015\002", 5);
    for (AppendItem& item : items) item.queue = f.store->queue("B", 0, true);
    const int64_t before = f.store->max_offset(items[0].queue);
    f.store->append(items, f.scratch);
    const size_t added = 12 + std::to_string(before).size();
    const bool fits = length + added <= message::properties_length_max;
    was_refused = was_refused || !fits;
    EXPECT_EQ(items[0].code, fits ? AppendCode::ok : AppendCode::record_too_large) << length;
    EXPECT_EQ(items[1].code, AppendCode::ok);
    EXPECT_EQ(items[1].queue_offset, before + (fits ? 5 : 0));
  }
  EXPECT_TRUE(was_refused);
  EXPECT_EQ(messages("B").size(), static_cast<size_t>(f.store->max_offset(f.store->find_queue("B", 0))));
}

TEST_F(BatchStoreTest, EverythingIsThereAfterAnyKindOfStop) {
  ASSERT_NO_FATAL_FAILURE(send_some(40));
  EXPECT_EQ(messages("B"), sent_);
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(messages("B"), sent_);
  ASSERT_NO_FATAL_FAILURE(send_some(40));
  ASSERT_TRUE(f.open().ok()) << "after a crash";
  EXPECT_EQ(messages("B"), sent_);
  EXPECT_TRUE(is_batch_queue(f.store->find_queue("B", 0)));
  ASSERT_NO_FATAL_FAILURE(send_some(5));
  f.close();
  std::filesystem::remove_all(f.options.root_dir + "/batchconsumequeue");
  ASSERT_TRUE(f.open().ok()) << "without the files";
  EXPECT_EQ(messages("B"), sent_);
  ASSERT_NO_FATAL_FAILURE(send_some(5));
  EXPECT_EQ(messages("B"), sent_);
}

TEST_F(BatchStoreTest, TheFirstBatchTellsTheKindOfAQueueThatIsBuiltAgain) {
  EXPECT_EQ(f.send("Other", 0, "before").queue_offset, 0);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(send_single().queue_offset, i);
    sent_.emplace(i, "single");
  }
  ASSERT_NO_FATAL_FAILURE(send_some(20));
  f.close();
  std::filesystem::remove_all(f.options.root_dir + "/batchconsumequeue");
  ASSERT_TRUE(f.open().ok());
  EXPECT_TRUE(is_batch_queue(f.store->find_queue("B", 0)));
  EXPECT_EQ(messages("B"), sent_);
  EXPECT_EQ(f.bodies("Other", 0).size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(f.options.root_dir + "/consumequeue/B/0"));
}

TEST_F(BatchStoreTest, ADeletedTopicMayComeBackAsAnotherKind) {
  ASSERT_NO_FATAL_FAILURE(send_some(10));
  ASSERT_TRUE(f.store->delete_topic("B").ok());
  EXPECT_EQ(f.store->find_queue("B", 0), nullptr);
  EXPECT_FALSE(std::filesystem::exists(f.options.root_dir + "/batchconsumequeue/B"));
  EXPECT_EQ(f.send("B", 0, "plain").queue_offset, 0);
  EXPECT_FALSE(is_batch_queue(f.store->find_queue("B", 0)));
  EXPECT_FALSE(is_batch_queue(f.store->queue("B", 0, true))) << "it has messages";
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("B", 0), std::vector<std::string>{"plain"});
  ASSERT_TRUE(f.store->delete_topic("B").ok());
  EXPECT_EQ(f.send_batch("B", 0, {"a", "b"}).queue_offset, 0);
  EXPECT_EQ(messages("B").size(), 2u);
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(messages("B").size(), 2u);
}

TEST_F(BatchStoreTest, ATopicInBothFoldersAndADatabaseAreRefusedWithTheReason) {
  ASSERT_NO_FATAL_FAILURE(send_some(3));
  f.close();
  f.options.queues_in_database = true;
  const Status database = f.open();
  ASSERT_FALSE(database.ok());
  EXPECT_NE(database.error().message.find("queue.type=BatchCQ"), std::string::npos) << database.error().message;
  f.options.queues_in_database = false;
  const std::string root = f.options.root_dir;
  std::filesystem::create_directories(root + "/consumequeue/B/0");
  ASSERT_TRUE(f.open().ok()) << "an empty folder is no queue";
  f.close();
  std::filesystem::create_directories(root + "/consumequeue/B/0");
  std::ofstream(root + "/consumequeue/B/0/00000000000000000000") << std::string(1000, '\0');
  const Status both = f.open();
  ASSERT_FALSE(both.ok());
  EXPECT_NE(both.error().message.find("batchconsumequeue"), std::string::npos) << both.error().message;
}

TEST_F(BatchStoreTest, DamageTakesOnlyItsOwnMessages) {
  f.options.segment_size_bytes = 64 * 1024;
  f.close();
  std::filesystem::remove_all(f.options.root_dir);
  ASSERT_TRUE(f.open().ok());
  ASSERT_NO_FATAL_FAILURE(send_some(12));
  const auto lost = f.send_batch("B", 0, {"lost", "lost", "lost"});
  for (int i = 0; i < 3; ++i) sent_.emplace(static_cast<int64_t>(sent_.size()), "lost");
  ASSERT_NO_FATAL_FAILURE(send_some(12));
  f.close();
  {
    std::fstream log(f.options.root_dir + "/commitlog/00000000000000000000",
                     std::ios::in | std::ios::out | std::ios::binary);
    log.seekp(lost.physical_offset + 4);
    log.write("BAD!", 4);
  }
  std::filesystem::remove_all(f.options.root_dir + "/batchconsumequeue");
  std::filesystem::remove(f.options.root_dir + "/merlin.progress");
  ASSERT_TRUE(f.open().ok());
  const ConsumeQueue* queue = f.store->find_queue("B", 0);
  EXPECT_EQ(f.store->max_offset(queue), static_cast<int64_t>(sent_.size()));
  EXPECT_EQ(f.get("B", 0, lost.queue_offset).status, GetStatus::damaged);
  EXPECT_EQ(f.get("B", 0, lost.queue_offset + 2).status, GetStatus::damaged);
  const GetResult behind = f.get("B", 0, lost.queue_offset + 3);
  EXPECT_EQ(behind.status, GetStatus::found);
  EXPECT_EQ(records_of(behind.bytes)[0].queue_offset, lost.queue_offset + 3);
  const GetResult before = f.get("B", 0, 0, {.count_max = 200, .count_in_memory_max = 200});
  EXPECT_EQ(before.next_begin_offset, lost.queue_offset);
}

}  // namespace
}  // namespace merlin::store
