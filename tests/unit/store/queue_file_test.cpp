#include <fstream>

#include "merlin/base/crc32.h"
#include "merlin/base/faulty_file_system.h"
#include "store/queue/bounds_file.h"
#include "store/queue/file_index.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

constexpr int32_t file_bytes = 10 * queue_unit_bytes;

// What a queue gets from its index.
struct Topic : QueueTopic {
  Topic() {
    name = "T";
    log_begin = &begin;
  }
  std::atomic<int64_t> begin{0};
};

std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

ConsumeQueue::Put put(FileQueue& queue, int64_t offset, int64_t tags = 7) {
  auto result = queue.put(offset, {1000 + offset * 100, 100, 1, tags}, 0);
  EXPECT_TRUE(result.ok());
  return *result;
}

QueueUnit unit_at(const FileQueue& queue, int64_t offset) {
  QueueUnit unit;
  EXPECT_EQ(queue.read(offset, {&unit, 1}), 1u) << offset;
  return unit;
}

TEST(FileQueueTest, UnitsAreReadBackFromMemoryAndFromFiles) {
  Topic topic_of_queue;
  FileQueueHome home_of_queue(posix_file_system(), {fresh_dir(), file_bytes});
  FileQueue queue(home_of_queue, topic_of_queue, 0);
  for (int64_t i = 0; i < 1000; ++i) ASSERT_EQ(put(queue, i, i), ConsumeQueue::Put::stored);
  EXPECT_EQ(queue.max_offset(), 1000);
  EXPECT_EQ(queue.max_physical(), 1000 + 999 * 100 + 100);
  for (int64_t i = 0; i < 1000; ++i) {
    const QueueUnit unit = unit_at(queue, i);
    EXPECT_EQ(unit.physical_offset, 1000 + i * 100);
    EXPECT_EQ(unit.tags_code, i);
  }
  // A read stops at the end of the file it began in, but never with nothing.
  std::array<QueueUnit, 64> units;
  EXPECT_EQ(queue.read(3, units), 7u);
  EXPECT_EQ(queue.read(1000, units), 0u);
  EXPECT_EQ(queue.read(-1, units), 0u);
}

TEST(FileQueueTest, FilesHaveApachesBytes) {
  const std::string dir = fresh_dir();
  Topic topic_of_queue;
  FileQueueHome home_of_queue(posix_file_system(), {dir, file_bytes});
  FileQueue queue(home_of_queue, topic_of_queue, 3);
  for (int64_t i = 0; i < 12; ++i) put(queue, i, -2);
  ASSERT_TRUE(queue.write_back().ok());
  const std::string second = slurp(dir + "/T/3/00000000000000000200");
  ASSERT_EQ(second.size(), static_cast<size_t>(file_bytes));
  const auto* bytes = reinterpret_cast<const uint8_t*>(second.data());
  EXPECT_EQ(load_be<int64_t>(bytes), 1000 + 10 * 100);
  EXPECT_EQ(load_be<int32_t>(bytes + 8), 100);
  EXPECT_EQ(load_be<int64_t>(bytes + 12), -2);
  EXPECT_EQ(load_be<int64_t>(bytes + 40), 0);
}

TEST(FileQueueTest, AFirstUnitInTheMiddleOfAFileGetsBlanksInFront) {
  const std::string dir = fresh_dir();
  {
    Topic topic_of_queue;
    FileQueueHome home_of_queue(posix_file_system(), {dir, file_bytes});
    FileQueue queue(home_of_queue, topic_of_queue, 0);
    ASSERT_EQ(put(queue, 23), ConsumeQueue::Put::stored);
    EXPECT_EQ(queue.min_offset(), 23);
    EXPECT_EQ(queue.max_offset(), 24);
    ASSERT_TRUE(queue.write_back().ok());
  }
  const std::string bytes = slurp(dir + "/T/0/00000000000000000400");
  for (int i = 0; i < 3; ++i) {
    const QueueUnit unit = load_unit(reinterpret_cast<const uint8_t*>(bytes.data()) + i * queue_unit_bytes);
    EXPECT_TRUE(unit.blank());
  }
  Topic topic_of_again;
  FileQueueHome home_of_again(posix_file_system(), {dir, file_bytes});
  FileQueue again(home_of_again, topic_of_again, 0);
  ASSERT_TRUE(again.load().ok());
  ASSERT_TRUE(again.cut(INT64_MAX, false).ok());
  EXPECT_EQ(again.max_offset(), 24);
  topic_of_again.begin = 0;
  EXPECT_EQ(again.min_offset(), 23);
}

TEST(FileQueueTest, PutIsIdempotentAndNoticesHoles) {
  Topic topic_of_queue;
  FileQueueHome home_of_queue(posix_file_system(), {fresh_dir(), file_bytes});
  FileQueue queue(home_of_queue, topic_of_queue, 0);
  put(queue, 0);
  put(queue, 1);
  EXPECT_EQ(put(queue, 0), ConsumeQueue::Put::already_there);
  EXPECT_EQ(put(queue, 1), ConsumeQueue::Put::already_there);
  EXPECT_EQ(put(queue, 3), ConsumeQueue::Put::hole);
  EXPECT_EQ(queue.max_offset(), 2);
  ASSERT_TRUE(queue.fill_hole(3).ok());
  EXPECT_TRUE(unit_at(queue, 2).blank());
  EXPECT_EQ(put(queue, 3), ConsumeQueue::Put::stored);
}

// It would take itself for an empty life of the topic, and the next record would clear it.
TEST(FileQueueTest, AReadThatFailsWhileAQueueIsOpenedIsAnError) {
  for (const bool adopts : {false, true}) {
    FaultyFileSystem disk(1);
    FileQueue::Synced synced;
    {
      Topic topic_of_queue;
      FileQueueHome home_of_queue(disk, {"/q", file_bytes});
      FileQueue queue(home_of_queue, topic_of_queue, 0);
      for (int64_t i = 0; i < 3; ++i) put(queue, i);
      ASSERT_TRUE(queue.write_back().ok());
      ASSERT_TRUE(queue.sync_files().ok());
      synced = queue.synced().value();
    }
    Topic topic_of_queue;
    FileQueueHome home_of_queue(disk, {"/q", file_bytes});
    FileQueue queue(home_of_queue, topic_of_queue, 0);
    if (adopts) {
      queue.adopt(synced);
    } else {
      ASSERT_TRUE(queue.load().ok());
    }
    // With zero_rest the last file is open, and the last unit is read through it.
    disk.add_fault({.op = FileOp::read});
    EXPECT_FALSE(queue.cut(INT64_MAX, true).ok());
    EXPECT_FALSE(home_of_queue.misfit.load());
    ASSERT_TRUE(queue.cut(INT64_MAX, true).ok());
    EXPECT_EQ(queue.max_offset(), 3);
    EXPECT_EQ(queue.max_physical(), 1000 + 3 * 100);
  }
}

TEST(FileQueueTest, CutDropsUnitsOfRecordsBehindTheLimitAndClearsThem) {
  const std::string dir = fresh_dir();
  {
    Topic topic_of_queue;
    FileQueueHome home_of_queue(posix_file_system(), {dir, file_bytes});
    FileQueue queue(home_of_queue, topic_of_queue, 0);
    for (int64_t i = 0; i < 37; ++i) put(queue, i);
    ASSERT_TRUE(queue.write_back().ok());
  }
  Topic topic_of_queue;
  FileQueueHome home_of_queue(posix_file_system(), {dir, file_bytes});
  FileQueue queue(home_of_queue, topic_of_queue, 0);
  ASSERT_TRUE(queue.load().ok());
  EXPECT_EQ(*queue.loaded_max_physical(), 1000 + 37 * 100);
  ASSERT_TRUE(queue.cut(1000 + 25 * 100, true).ok());
  EXPECT_EQ(queue.max_offset(), 25);
  EXPECT_EQ(queue.max_physical(), 1000 + 25 * 100);
  EXPECT_FALSE(std::filesystem::exists(dir + "/T/0/00000000000000000600"));
  const std::string bytes = slurp(dir + "/T/0/00000000000000000400");
  ASSERT_EQ(bytes.size(), static_cast<size_t>(file_bytes));
  EXPECT_EQ(bytes.substr(100), std::string(100, '\0'));
  EXPECT_EQ(put(queue, 25), ConsumeQueue::Put::stored);
  EXPECT_EQ(unit_at(queue, 25).physical_offset, 3500);
  // The first file stays, empty, so that the offsets do not start over.
  ASSERT_TRUE(queue.write_back().ok());
  ASSERT_TRUE(queue.cut(0, true).ok());
  EXPECT_EQ(queue.max_offset(), 0);
}

TEST(FileQueueTest, MinFollowsTheLog) {
  Topic topic_of_queue;
  FileQueueHome home_of_queue(posix_file_system(), {fresh_dir(), file_bytes});
  FileQueue queue(home_of_queue, topic_of_queue, 0);
  for (int64_t i = 0; i < 35; ++i) put(queue, i);
  topic_of_queue.begin = 1000;
  EXPECT_EQ(queue.min_offset(), 0);
  topic_of_queue.begin = 1000 + 12 * 100 + 1;
  EXPECT_EQ(queue.min_offset(), 13);
  ASSERT_TRUE(queue.write_back().ok());
  ASSERT_TRUE(queue.drop_files_below(queue.min_offset()).ok());
  EXPECT_EQ(unit_at(queue, 13).physical_offset, 1000 + 13 * 100);
  topic_of_queue.begin = 1'000'000;
  EXPECT_EQ(queue.min_offset(), 35);
  EXPECT_EQ(queue.max_offset(), 35);
}

TEST(FileQueueTest, AFileOfTheWrongSizeIsRefused) {
  const std::string dir = fresh_dir();
  {
    Topic topic_of_queue;
    FileQueueHome home_of_queue(posix_file_system(), {dir, file_bytes});
    FileQueue queue(home_of_queue, topic_of_queue, 0);
    for (int64_t i = 0; i < 15; ++i) put(queue, i);
    ASSERT_TRUE(queue.write_back().ok());
  }
  std::filesystem::resize_file(dir + "/T/0/00000000000000000000", 100);
  Topic topic_of_queue;
  FileQueueHome home_of_queue(posix_file_system(), {dir, file_bytes});
  FileQueue queue(home_of_queue, topic_of_queue, 0);
  const Status status = queue.load();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("mappedFileSizeConsumeQueue is 200"), std::string::npos)
      << status.error().message;
}

TEST(FileQueueTest, TheLargestFileSizeThatASettingMayHaveIsNoTrouble) {
  StoreFixture f(small_options(fresh_dir()));
  f.options.consume_queue_file_bytes = INT32_MAX;
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.send("T", 0, "a").code, AppendCode::ok);
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"a"});
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.bodies("T", 0), std::vector<std::string>{"a"});
  f.close();
}

TEST(BoundsFileTest, ACountWithoutItsRowsIsNoFile) {
  const std::string path = fresh_dir() + "/merlin.bounds";
  std::vector<uint8_t> bytes(36);
  std::memcpy(bytes.data(), "MRLNBND2", 8);
  store_be<int64_t>(bytes.data() + 8, 7);
  store_be<uint32_t>(bytes.data() + 32, UINT32_MAX);
  const uint32_t crc = crc32(bytes);
  bytes.resize(40);
  store_be<uint32_t>(bytes.data() + 36, crc);
  ASSERT_TRUE(posix_file_system().write_file_durably(path, as_text(bytes)).ok());
  EXPECT_FALSE(read_bounds(posix_file_system(), path).has_value());
}

TEST(BoundsFileTest, RowsAreReadBack) {
  const std::string path = fresh_dir() + "/merlin.bounds";
  Progress progress;
  progress.dispatched_offset = 9000;
  progress.last_record_offset = 8800;
  progress.last_record_timestamp_ms = 77;
  const std::vector<BoundsRow> rows = {
      {"A", 0, 0, {1, 100, 5, 700}}, {"A", 7, 50, {60, 200, 61, 300}}, {"B", 0, 0, {0, -1, 3, -1}}};
  ASSERT_TRUE(write_bounds(posix_file_system(), path, progress, rows).ok());
  const auto read = read_bounds(posix_file_system(), path);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->progress, progress);
  ASSERT_EQ(read->rows.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(read->rows[i].topic, rows[i].topic);
    EXPECT_EQ(read->rows[i].queue_id, rows[i].queue_id);
    EXPECT_EQ(read->rows[i].first, rows[i].first);
    EXPECT_EQ(read->rows[i].bounds.min_physical, rows[i].bounds.min_physical);
    EXPECT_EQ(read->rows[i].bounds.max_physical, rows[i].bounds.max_physical);
  }
  // One bit more or less, and it is no such file.
  std::string content = slurp(path);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  ASSERT_TRUE(posix_file_system().write_file_durably(path, content).ok());
  EXPECT_FALSE(read_bounds(posix_file_system(), path).has_value());
}

}  // namespace
}  // namespace merlin::store
