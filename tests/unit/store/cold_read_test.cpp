// Old messages: read without waiting where memory has them, off the reactor where it has not.
#include <atomic>

#include "merlin/base/faulty_file_system.h"
#include "store_fixture.h"

namespace merlin::store {
namespace {

// A mapping that tells what memory holds only when the test wants it to.
class TellingMapping final : public Mapping {
 public:
  TellingMapping(std::shared_ptr<Mapping> map, const std::atomic<bool>& tells, std::atomic<int>& mapped)
      : map_(std::move(map)), tells_(tells), mapped_(mapped) {
    data_ = map_->data();
    size_ = map_->size();
    ++mapped_;
  }
  ~TellingMapping() override { --mapped_; }
  bool in_memory(size_t, size_t) const override { return tells_; }

 private:
  const std::shared_ptr<Mapping> map_;
  const std::atomic<bool>& tells_;
  std::atomic<int>& mapped_;
};

// A disk whose page cache holds nothing when the test says so.
class ColdFile final : public File {
 public:
  struct Counts {
    std::atomic<bool> cold{false};
    std::atomic<bool> tells{false};
    std::atomic<int> copies{0};
    std::atomic<int> waits{0};
    std::atomic<int> forgotten{0};
    std::atomic<int> mapped{0};
    std::atomic<int> open{0};
    std::atomic<int> others{0};  // mappings that are not of the log
  };
  ColdFile(std::unique_ptr<File> file, Counts& counts, bool is_log)
      : file_(std::move(file)), counts_(counts), is_log_(is_log) {
    counts_.open += is_log_ ? 1 : 0;
  }
  ~ColdFile() override { counts_.open -= is_log_ ? 1 : 0; }
  Result<size_t> pread(std::span<uint8_t> out, int64_t offset) override {
    counts_.waits += is_log_ ? 1 : 0;
    return file_->pread(out, offset);
  }
  Result<size_t> pread_now(std::span<uint8_t> out, int64_t offset) override {
    counts_.copies += is_log_ ? 1 : 0;
    return counts_.cold ? Result<size_t>(size_t{0}) : file_->pread(out, offset);
  }
  void forget(int64_t, int64_t) override { ++counts_.forgotten; }
  Status pwrite(ByteView bytes, int64_t offset) override { return file_->pwrite(bytes, offset); }
  Status sync_data() override { return file_->sync_data(); }
  Status truncate(int64_t size) override { return file_->truncate(size); }
  Result<int64_t> size() override { return file_->size(); }
  Result<std::shared_ptr<Mapping>> map_read(size_t length) override {
    auto map = file_->map_read(length);
    if (!map) return map;
    return std::shared_ptr<Mapping>(
        std::make_shared<TellingMapping>(std::move(*map), counts_.tells, is_log_ ? counts_.mapped : counts_.others));
  }

 private:
  const std::unique_ptr<File> file_;
  Counts& counts_;
  const bool is_log_;
};

class ColdDisk final : public FileSystem {
 public:
  explicit ColdDisk(FileSystem& disk) : disk_(disk) {}
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    auto file = disk_.open(path, mode);
    if (!file) return file.error();
    const bool is_log = path.find("/commitlog/") != std::string::npos;
    return std::unique_ptr<File>(std::make_unique<ColdFile>(std::move(*file), counts, is_log));
  }
  Status rename(const std::string& from, const std::string& to) override { return disk_.rename(from, to); }
  Status remove(const std::string& path) override { return disk_.remove(path); }
  Status remove_tree(const std::string& path) override { return disk_.remove_tree(path); }
  Status make_dirs(const std::string& path) override { return disk_.make_dirs(path); }
  Status sync_dir(const std::string& path) override { return disk_.sync_dir(path); }
  Result<std::vector<std::string>> list(const std::string& path) override { return disk_.list(path); }
  bool exists(const std::string& path) override { return disk_.exists(path); }
  bool is_dir(const std::string& path) override { return disk_.is_dir(path); }
  Result<DiskSpace> space(const std::string& path) override { return disk_.space(path); }
  Result<std::unique_ptr<File>> lock(const std::string& path) override { return disk_.lock(path); }

  ColdFile::Counts counts;

 private:
  FileSystem& disk_;
};

class ColdReadTest : public testing::Test {
 protected:
  static StoreOptions options() {
    StoreOptions o = small_options("/store");
    o.mapped_tail_bytes = 16 * 1024;
    o.queue_flush_interval_ms = 3'600'000;
    return o;
  }
  GetResult get(int64_t offset, ReadMode mode) {
    GetResult result;
    f.store->get(f.store->find_queue("T", 0), offset, {}, nullptr, result, mode);
    return result;
  }

  FaultyFileSystem memory{1, 1 << 20};
  ColdDisk disk{memory};
  StoreFixture f{options(), disk};
};

TEST_F(ColdReadTest, what_is_not_in_memory_is_told_and_read_where_waiting_is_allowed) {
  ASSERT_TRUE(f.open().ok());
  for (int i = 0; i < 1000; ++i) f.send("T", 0, std::to_string(i) + std::string(100, 'x'));
  disk.counts.waits = 0;

  EXPECT_EQ(get(0, ReadMode::no_wait).message_count, 32) << "memory has it";
  EXPECT_EQ(disk.counts.waits, 0);
  disk.counts.cold = true;
  const GetResult cold = get(0, ReadMode::no_wait);
  EXPECT_TRUE(cold.cold);
  EXPECT_EQ(cold.message_count, 0);
  EXPECT_EQ(disk.counts.waits, 0);
  const GetResult waited = get(0, ReadMode::may_wait);
  EXPECT_FALSE(waited.cold);
  ASSERT_EQ(waited.message_count, 32);
  EXPECT_EQ(waited.bytes.slices.size(), 1U);
  EXPECT_EQ(disk.counts.waits, 1) << "one read for all of them";
  EXPECT_EQ(disk.counts.forgotten, 1);
  const auto records = records_of(waited.bytes);
  EXPECT_EQ(as_text(records.at(31).body).substr(0, 3), "31x");
  // The tail is never cold.
  EXPECT_EQ(get(999, ReadMode::no_wait).message_count, 1);
  EXPECT_EQ(f.bodies("T", 0).size(), 1000U);
  f.close();
}

TEST_F(ColdReadTest, what_the_page_cache_holds_is_sent_from_the_mapping) {
  ASSERT_TRUE(f.open().ok());
  // Two queues in turns: the records of one do not touch each other.
  for (int i = 0; i < 1000; ++i) f.send("T", i % 2, std::to_string(i / 2) + std::string(100, 'x'));
  disk.counts.tells = true;
  disk.counts.copies = 0;
  const GetResult mapped = get(3, ReadMode::no_wait);
  ASSERT_EQ(mapped.message_count, 32);
  EXPECT_EQ(disk.counts.copies, 0);
  EXPECT_EQ(mapped.bytes.pins.size(), 1U);
  EXPECT_EQ(mapped.bytes.slices.size(), 32U);
  EXPECT_EQ(as_text(records_of(mapped.bytes).at(31).body).substr(0, 3), "34x");
  disk.counts.tells = false;
  const GetResult copied = get(3, ReadMode::no_wait);
  ASSERT_EQ(copied.message_count, 32);
  EXPECT_EQ(disk.counts.copies, 1);
  EXPECT_EQ(as_text(records_of(copied.bytes).at(31).body).substr(0, 3), "34x");
  disk.counts.cold = true;
  EXPECT_TRUE(get(3, ReadMode::no_wait).cold);
  f.close();
}

TEST_F(ColdReadTest, a_flipped_bit_on_the_disk_is_not_served) {
  ASSERT_TRUE(f.open().ok());
  AppendItem third;
  for (int i = 0; i < 1000; ++i) {
    const AppendItem item = f.send("T", 0, std::to_string(i) + std::string(100, 'x'));
    if (i == 3) third = item;
  }
  auto file = memory.open("/store/commitlog/00000000000000000000", OpenMode::read_write);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->pwrite(as_bytes("?"), third.physical_offset + 120).ok());
  disk.counts.cold = true;
  EXPECT_EQ(get(0, ReadMode::may_wait).message_count, 3);
  EXPECT_EQ(get(3, ReadMode::may_wait).status, GetStatus::damaged);
  EXPECT_EQ(get(4, ReadMode::may_wait).status, GetStatus::found);
  f.close();
}

TEST_F(ColdReadTest, many_segments_are_not_all_open_at_once) {
  ASSERT_TRUE(f.open().ok());
  const std::string big(7000, 'x');
  for (int i = 0; i < 1000; ++i) f.send("T", 0, big);
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_LE(disk.counts.open, 8);
  EXPECT_EQ(f.bodies("T", 0).size(), 1000U);
  EXPECT_LE(disk.counts.open, 80);
  EXPECT_LE(disk.counts.mapped, 80);
  f.close();
  EXPECT_EQ(disk.counts.open, 0);
}

}  // namespace
}  // namespace merlin::store
