#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "index_fixture.h"

namespace merlin::store {
namespace {

class KeyIndexTest : public testing::Test {
 protected:
  std::unique_ptr<KeyIndex> open(FileSystem& files, bool clean = true, int64_t log_end = INT64_MAX,
                                 int64_t synced_ms = INT64_MAX) {
    auto index = std::make_unique<KeyIndex>(index_dir, files, clock_, options_);
    const Status s = index->open(synced_ms, clean, log_end);
    EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().message);
    return index;
  }

  FaultyFileSystem files_;
  ManualClock clock_{1'700'000'000'000};
  KeyIndexOptions options_{.hash_slots = 50, .entries_max = 200, .batch_entries_max = 40, .sync_interval_ms = 0};
};

TEST_F(KeyIndexTest, finds_keys_newest_first) {
  auto index = open(files_);
  ASSERT_TRUE(put(*index, {.offset = 0, .keys = "a b"}).ok());
  ASSERT_TRUE(put(*index, {.offset = 100, .unique_key = "u1", .keys = "b"}).ok());
  ASSERT_TRUE(put(*index, {.topic = "Other", .offset = 200, .keys = "b"}).ok());
  EXPECT_EQ(offsets(*index, "T", "a"), (std::vector<int64_t>{0}));
  EXPECT_EQ(offsets(*index, "T", "b"), (std::vector<int64_t>{100, 0}));
  EXPECT_EQ(offsets(*index, "T", "u1"), (std::vector<int64_t>{100}));
  EXPECT_EQ(offsets(*index, "T", "b", 1), (std::vector<int64_t>{100}));
  EXPECT_EQ(offsets(*index, "T", "b", -1), (std::vector<int64_t>{}));
  EXPECT_EQ(offsets(*index, "Other", "b"), (std::vector<int64_t>{200}));
  EXPECT_EQ(offsets(*index, "T", "absent"), (std::vector<int64_t>{}));
  EXPECT_EQ(index->indexed_offset(), 300);
}

TEST_F(KeyIndexTest, tags_are_found_apart_from_keys) {
  auto index = open(files_);
  ASSERT_TRUE(put(*index, {.offset = 0, .keys = "a", .tag = "b"}).ok());
  ASSERT_TRUE(put(*index, {.offset = 100, .tag = "a"}).ok());
  ASSERT_TRUE(put(*index, {.offset = 200, .tag = ""}).ok());
  EXPECT_EQ(offsets(*index, "T", "a"), (std::vector<int64_t>{0}));
  EXPECT_EQ(offsets(*index, "T", "b"), (std::vector<int64_t>{}));
  EXPECT_EQ(offsets(*index, "T", indexed_tag("a")), (std::vector<int64_t>{100}));
  EXPECT_EQ(offsets(*index, "T", indexed_tag("b")), (std::vector<int64_t>{0}));
  EXPECT_EQ(offsets(*index, "T", indexed_tag("")), (std::vector<int64_t>{}));
}

TEST_F(KeyIndexTest, an_empty_index_answers_and_a_record_at_offset_0_is_taken) {
  auto index = open(files_);
  EXPECT_EQ(index->indexed_offset(), 0);
  EXPECT_EQ(offsets(*index, "T", "a"), (std::vector<int64_t>{}));
  EXPECT_TRUE(index->flush().ok());
  EXPECT_TRUE(files_.list(index_dir)->empty());  // no file before the first key
  ASSERT_TRUE(put(*index, {.offset = 0, .keys = "a"}).ok());
  ASSERT_TRUE(put(*index, {.offset = 0, .keys = "a"}).ok());
  EXPECT_EQ(offsets(*index, "T", "a"), (std::vector<int64_t>{0}));
}

TEST_F(KeyIndexTest, skips_what_it_has_rollbacks_and_records_without_keys) {
  auto index = open(files_);
  ASSERT_TRUE(put(*index, {.offset = 500, .keys = "a"}).ok());
  ASSERT_TRUE(put(*index, {.offset = 400, .keys = "a"}).ok());
  ASSERT_TRUE(put(*index, {.offset = 600, .sys_flag = message::sys_flag::transaction_rollback, .keys = "a"}).ok());
  ASSERT_TRUE(put(*index, {.offset = 700}).ok());
  ASSERT_TRUE(put(*index, {.offset = 800, .sys_flag = message::sys_flag::transaction_prepared, .keys = "a"}).ok());
  EXPECT_EQ(offsets(*index, "T", "a"), (std::vector<int64_t>{800, 500}));
  ASSERT_TRUE(index->close().ok());
  index = open(files_);
  EXPECT_EQ(index->indexed_offset(), 800);
  ASSERT_TRUE(put(*index, {.offset = 800, .keys = "a"}).ok());
  EXPECT_EQ(offsets(*index, "T", "a"), (std::vector<int64_t>{800, 500}));
}

TEST_F(KeyIndexTest, keeps_its_place_when_the_wall_clock_stands_still) {
  options_.entries_max = 5;
  auto index = open(files_);
  for (int64_t i = 0; i < 40; ++i)
    ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "k" + std::to_string(i % 3)}).ok());
  clock_.advance_ms(-3'600'000);
  for (int64_t i = 40; i < 80; ++i)
    ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "k" + std::to_string(i % 3)}).ok());
  EXPECT_EQ(files_.list(index_dir)->size(), 20U);
  const auto found = offsets(*index, "T", "k1");
  ASSERT_EQ(found.size(), 27U);
  EXPECT_TRUE(std::is_sorted(found.rbegin(), found.rend()));
  ASSERT_TRUE(index->close().ok());
  EXPECT_EQ(offsets(*open(files_), "T", "k1"), found);
}

TEST_F(KeyIndexTest, retention_takes_old_files_but_never_the_newest) {
  options_.entries_max = 11;
  auto index = open(files_);
  for (int64_t i = 0; i < 95; ++i) ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "k"}).ok());
  ASSERT_EQ(files_.list(index_dir)->size(), 10U);
  index->drop_below(900);  // the first ends at 900
  EXPECT_EQ(files_.list(index_dir)->size(), 10U);
  index->drop_below(901);
  EXPECT_EQ(files_.list(index_dir)->size(), 9U);
  index->drop_below(1'000'000);
  EXPECT_EQ(files_.list(index_dir)->size(), 1U);
  EXPECT_EQ(offsets(*index, "T", "k").size(), 5U);
  ASSERT_TRUE(put(*index, {.offset = 9'500, .keys = "k"}).ok());
  EXPECT_EQ(offsets(*index, "T", "k").size(), 6U);
}

TEST_F(KeyIndexTest, files_that_do_not_fit_are_built_again_and_strange_ones_left_alone) {
  options_.entries_max = 11;
  auto index = open(files_);
  for (int64_t i = 0; i < 45; ++i) ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "k"}).ok());
  ASSERT_TRUE(index->close().ok());
  const auto names = *files_.list(index_dir);
  auto damaged = files_.open(std::string(index_dir) + "/" + names[2], OpenMode::read_write);
  ASSERT_TRUE((*damaged)->truncate(100).ok());
  ASSERT_TRUE(files_.open(std::string(index_dir) + "/notes.txt", OpenMode::create).ok());
  index = open(files_);
  EXPECT_EQ(*files_.list(index_dir), (std::vector<std::string>{names[0], names[1], "notes.txt"}));
  EXPECT_EQ(index->indexed_offset(), 1'800);  // the last one may have had keys in the next file
  for (int64_t i = 18; i < 45; ++i) ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "k"}).ok());
  EXPECT_EQ(offsets(*index, "T", "k").size(), 45U);
}

TEST_F(KeyIndexTest, refuses_a_count_beyond_the_file_instead_of_reading_there) {
  auto index = open(files_);
  ASSERT_TRUE(put(*index, {.offset = 100, .keys = "k"}).ok());
  ASSERT_TRUE(index->close().ok());
  auto file = files_.open(std::string(index_dir) + "/" + files_.list(index_dir)->front(), OpenMode::read_write);
  const uint8_t huge[] = {0x7F, 0xFF, 0xFF, 0xFF};
  ASSERT_TRUE((*file)->pwrite(huge, 36).ok());
  EXPECT_EQ(open(files_)->indexed_offset(), 0);
}

TEST_F(KeyIndexTest, random_bytes_in_slots_and_entries_end_every_query) {
  std::mt19937_64 random(11);
  auto index = open(files_);
  for (int64_t i = 0; i < 150; ++i)
    ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "k" + std::to_string(i % 7)}).ok());
  ASSERT_TRUE(index->close().ok());
  auto file = files_.open(std::string(index_dir) + "/" + files_.list(index_dir)->front(), OpenMode::read_write);
  for (int round = 0; round < 300; ++round) {
    const uint8_t garbage[4] = {static_cast<uint8_t>(random() % 2), 0, static_cast<uint8_t>(random() % 2),
                                static_cast<uint8_t>(random())};
    ASSERT_TRUE((*file)->pwrite(garbage, 40 + static_cast<int64_t>(random() % 1'050) * 4).ok());
    const auto damaged = open(files_);
    for (int k = 0; k < 7; ++k) {
      const auto found = damaged->query("T", "k" + std::to_string(k), 64, 0, INT64_MAX);
      ASSERT_TRUE(found.ok());
      ASSERT_LE(found->physical_offsets.size(), 64U);
    }
  }
}

TEST_F(KeyIndexTest, the_log_was_cut_so_later_entries_go) {
  auto index = open(files_);
  for (int64_t i = 0; i < 100; ++i)
    ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "k" + std::to_string(i % 10)}).ok());
  ASSERT_TRUE(index->close().ok());
  index = open(files_, false, 5'000);
  EXPECT_LE(index->indexed_offset(), 4'900);
  EXPECT_GE(index->indexed_offset(), 4'700);
  for (int64_t i = index->indexed_offset() / 100; i < 60; ++i) {
    ASSERT_TRUE(put(*index, {.offset = i * 100, .keys = "new" + std::to_string(i % 10)}).ok());
  }
  for (int k = 0; k < 10; ++k) {
    for (const int64_t offset : offsets(*index, "T", "k" + std::to_string(k))) EXPECT_LT(offset, 5'000);
  }
  EXPECT_EQ(offsets(*index, "T", "new5").front(), 5'500);
}

// A disk that fails now and then must change nothing but the time it takes.
TEST_F(KeyIndexTest, failing_writes_lose_nothing_and_write_nothing_twice) {
  options_.entries_max = 60;
  std::vector<TestRecord> records;
  for (int64_t i = 0; i < 300; ++i) {
    records.push_back({.offset = i * 100,
                       .timestamp_ms = 1'700'000'000'000 + i * 700,
                       .unique_key = "u" + std::to_string(i),
                       .keys = "a" + std::to_string(i % 5) + " b" + std::to_string(i % 17)});
  }
  FaultyFileSystem sound;
  auto expected = open(sound);
  for (const TestRecord& r : records) ASSERT_TRUE(put(*expected, r).ok());
  ASSERT_TRUE(expected->close().ok());
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    FaultyFileSystem files;
    auto index = open(files);
    size_t failed = 0;
    const auto retried = [&](const auto& call) {
      while (!call().ok()) {
        ++failed;
        files.clear_faults();
      }
    };
    for (const TestRecord& r : records) {
      if (random() % 4 == 0) {
        files.add_fault({.op = random() % 3 == 0   ? FileOp::sync
                               : random() % 3 == 0 ? FileOp::read
                                                   : FileOp::write,
                         .calls_passed = static_cast<int64_t>(random() % 6),
                         .sys_errno = ENOSPC,
                         .bytes_before_failure = random() % 300});
      }
      retried([&] { return put(*index, r); });
      if (random() % 20 == 0) retried([&] { return index->flush(); });
      if (random() % 10 == 0) {
        files.clear_faults();
        const size_t at = random() % records.size();
        const auto found = offsets(*index, "T", "u" + std::to_string(at));
        EXPECT_EQ(found.size(), records[at].offset <= r.offset ? 1U : 0U);
      }
    }
    // A sync that failed cannot be made good, and close() says so: the next start looks at the files again.
    files.clear_faults();
    (void)index->close().ok();
    EXPECT_GT(failed, 5U);
    EXPECT_EQ(contents(files), contents(sound));
  }
}

// Power cuts at random moments: what the index still holds is right, and feeding the log again makes it whole.
TEST_F(KeyIndexTest, power_cuts_leave_nothing_wrong_and_nothing_missing) {
  options_.hash_slots = 3'000;
  options_.entries_max = 4'000;
  options_.batch_entries_max = 300;
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    std::vector<TestRecord> log;
    auto files = std::make_unique<FaultyFileSystem>(seed);
    ASSERT_TRUE(files->make_dirs(index_dir).ok());
    ASSERT_TRUE(files->sync_dir(index_dir).ok());
    auto index = open(*files);
    for (int life = 0; life < 4; ++life) {
      const size_t records = 200 + random() % 3'000;
      files->cut_power_after(random() % 4 == 0 ? static_cast<int64_t>(random() % 40) : FaultyFileSystem::forever);
      for (size_t i = 0; i < records; ++i) {
        const auto n = static_cast<int64_t>(log.size());
        log.push_back({.offset = n * 100,
                       .timestamp_ms = 1'700'000'000'000 + n * 10,
                       .unique_key = "u" + std::to_string(n),
                       .keys = "k" + std::to_string(n % 200)});
        if (!put(*index, log.back()).ok()) break;
        if (random() % 500 == 0 && !index->flush().ok()) break;
      }
      // The log itself may lose records that were not synced.
      if (random() % 2 == 0) log.resize(log.size() - std::min<size_t>(random() % 100, log.size() - 1));
      auto disk = files->crash(random());
      const int64_t synced_ms = index->last_flushed_timestamp_ms();
      index.reset();
      files = std::move(disk);
      index = open(*files, false, static_cast<int64_t>(log.size()) * 100, synced_ms);
      ASSERT_LE(index->indexed_offset(), static_cast<int64_t>(log.size()) * 100);
      const auto resumed = static_cast<size_t>(index->indexed_offset() / 100);
      for (const TestRecord& r : log) {
        if (r.offset >= index->indexed_offset()) {
          ASSERT_TRUE(put(*index, r).ok());
        }
      }
      for (int probe = 0; probe < 400; ++probe) {
        // Most of the danger is just before the place where the index was cut.
        const size_t at =
            probe < 60 ? (resumed + log.size() - static_cast<size_t>(probe)) % log.size() : random() % log.size();
        auto found = offsets(*index, "T", *log[at].unique_key);
        std::erase_if(found, [&](int64_t offset) {
          return log[static_cast<size_t>(offset / 100)].unique_key != log[at].unique_key;
        });
        ASSERT_EQ(found, (std::vector<int64_t>{log[at].offset})) << "life " << life;
      }
      const auto newest = offsets(*index, "T", "k7");
      ASSERT_TRUE(std::is_sorted(newest.rbegin(), newest.rend()));
      for (const int64_t offset : newest) ASSERT_LT(offset, static_cast<int64_t>(log.size()) * 100);
    }
  }
}

TEST_F(KeyIndexTest, syncs_no_more_often_than_asked_but_always_at_the_end) {
  options_.sync_interval_ms = 10'000;
  auto index = open(files_);
  ASSERT_TRUE(put(*index, {.offset = 0, .timestamp_ms = 1'000, .keys = "a"}).ok());
  ASSERT_TRUE(index->flush().ok());
  EXPECT_EQ(files_.calls(FileOp::sync), 0);
  EXPECT_EQ(index->last_flushed_timestamp_ms(), 0);
  clock_.advance_ms(10'000);
  ASSERT_TRUE(index->flush().ok());
  EXPECT_EQ(files_.calls(FileOp::sync), 1);
  EXPECT_EQ(index->last_flushed_timestamp_ms(), 1'000);
  const int64_t writes = files_.calls(FileOp::write);
  ASSERT_TRUE(index->flush().ok());
  EXPECT_EQ(files_.calls(FileOp::write), writes);
  EXPECT_EQ(files_.calls(FileOp::sync), 1);
  ASSERT_TRUE(put(*index, {.offset = 100, .timestamp_ms = 2'000, .keys = "a"}).ok());
  ASSERT_TRUE(index->close().ok());
  EXPECT_EQ(files_.calls(FileOp::sync), 2);
  EXPECT_EQ(index->last_flushed_timestamp_ms(), 2'000);
}

TEST_F(KeyIndexTest, queries_run_beside_puts_and_retention) {
  options_.entries_max = 500;
  auto index = open(files_);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      while (!stop) {
        const auto found = offsets(*index, "T", "k");
        EXPECT_TRUE(std::is_sorted(found.rbegin(), found.rend()));
      }
    });
  }
  for (int64_t i = 0; i < 6'000; ++i) {
    EXPECT_TRUE(put(*index, {.offset = i * 100, .timestamp_ms = 1'700'000'000'000 + i, .keys = "k"}).ok());
    if (i % 1'000 == 999) index->drop_below(i * 50);
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(offsets(*index, "T", "k").size(), 64U);
}

}  // namespace
}  // namespace merlin::store
