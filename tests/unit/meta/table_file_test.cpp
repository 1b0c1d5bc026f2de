// The JSON of a large table and its journals: power cuts at every call, failing calls, torn tails, foreign hands.
#include "meta/table_file.h"

#include <map>
#include <random>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "meta/consumer_offsets.h"
#include "meta/topic_config.h"
#include "support.h"

namespace merlin::meta {
namespace {

using testing::HasSubstr;

const std::string config_dir = "/store/config";
const std::string offsets_path = config_dir + "/consumerOffset.json";

std::vector<std::string> journals_of(FileSystem& files, std::string_view part = ".journal.") {
  std::vector<std::string> out;
  if (!files.is_dir(config_dir)) return out;
  const std::vector<std::string> names = *files.list(config_dir);
  for (const std::string& name : names) {
    if (name.find(part) != std::string::npos && !name.ends_with(".orphan")) out.push_back(name);
  }
  return out;
}

std::unique_ptr<ConsumerOffsets> opened(FileSystem& files, const Clock& clock) {
  auto offsets = std::make_unique<ConsumerOffsets>(files, clock, "/store");
  offsets->file().set_whole_rows_max(2);
  const Status status = offsets->open();
  EXPECT_TRUE(status) << (status ? "" : status.error().message);
  return offsets;
}

// A table of `rows` rows, its JSON written, no journal.
void fill(FileSystem& files, const Clock& clock, int rows) {
  const auto offsets = opened(files, clock);
  for (int i = 0; i < rows; ++i) ASSERT_TRUE(offsets->commit("g" + std::to_string(i), "T", 0, 100));
  ASSERT_TRUE(offsets->close());
  ASSERT_TRUE(journals_of(files).empty());
}

class TableFileTest : public testing::Test {
 protected:
  FaultyFileSystem files_;
  ManualClock clock_{start_ms};
};

TEST_F(TableFileTest, AChangeCostsALineNotTheFile) {
  fill(files_, clock_, 2000);
  const auto offsets = opened(files_, clock_);
  ASSERT_TRUE(offsets->commit("g7", "T", 0, 101));
  ASSERT_TRUE(offsets->persist_if_dirty());  // the first one folds: nothing is known of earlier ones
  clock_.advance_ms(1);
  const int64_t before = offsets->file().journal_bytes();
  ASSERT_TRUE(offsets->commit("g7", "T", 0, 102));
  ASSERT_TRUE(offsets->commit("g7", "T", 0, 103));
  ASSERT_TRUE(offsets->persist_if_dirty());
  EXPECT_LT(offsets->file().journal_bytes() - before, 200);
  EXPECT_THAT(read_file(files_, config_dir + "/" + journals_of(files_).back()), HasSubstr(R"(offset "T@g7" {0:103})"));
  EXPECT_EQ(opened(files_, clock_)->query("g7", "T", 0), 103);
}

// One row: the JSON is written whole. Many: a line goes into the journal.
TEST_F(TableFileTest, AFullDiskLosesNothingOfOffsetsAndJournals) {
  for (const int rows : {1, 500}) {
    SCOPED_TRACE(rows);
    FaultyFileSystem files;
    fill(files, clock_, rows);
    auto offsets = opened(files, clock_);
    ASSERT_TRUE(offsets->commit("g0", "T", 0, 101));
    ASSERT_TRUE(offsets->persist_if_dirty());
    files.set_quota_bytes(files.used_bytes());
    for (int64_t i = 102; i < 140; ++i) {
      clock_.advance_ms(5'000);
      ASSERT_TRUE(offsets->commit("g0", "T", 0, i));
      // The journal may have room up to the end of its block.
      const Status s = offsets->persist_if_dirty();
      EXPECT_TRUE(s || s.error().code == Errc::no_space) << s.error().message;
      EXPECT_EQ(offsets->query("g0", "T", 0), i) << "reads go on";
    }
    const auto meanwhile = opened(files, clock_)->query("g0", "T", 0);
    EXPECT_GE(meanwhile, 101) << "what was written before stands";
    files.set_quota_bytes(FaultyFileSystem::quota_none);
    ASSERT_TRUE(offsets->persist_if_dirty()) << "the first try after there is space";
    EXPECT_EQ(opened(files, clock_)->query("g0", "T", 0), 139);
    ASSERT_TRUE(offsets->close());
    EXPECT_TRUE(journals_of(files).empty());
    EXPECT_EQ(opened(files, clock_)->query("g0", "T", 0), 139);
  }
}

TEST_F(TableFileTest, ATopicThatFindsNoRoomIsRefusedAndMadeWhenThereIsSome) {
  for (const size_t whole_rows : {size_t{1000}, size_t{5}}) {
    SCOPED_TRACE(whole_rows);
    FaultyFileSystem files;
    TopicTable topics(files, clock_, "/store");
    topics.file().set_whole_rows_max(whole_rows);
    ASSERT_TRUE(topics.open({}));
    TopicConfig config;
    config.name = "Before";
    ASSERT_TRUE(topics.update(config));
    files.set_quota_bytes(files.used_bytes());
    config.name = "During";
    auto refused = topics.update(config);
    for (int i = 0; refused && i < 1000; ++i) {  // the rest of a block
      config.name = "During" + std::to_string(i);
      refused = topics.update(config);
    }
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::no_space);
    EXPECT_TRUE(topics.contains("Before"));
    EXPECT_FALSE(topics.remove("Before")) << "not yet for good";
    files.set_quota_bytes(FaultyFileSystem::quota_none);
    ASSERT_TRUE(topics.persist_if_dirty());
    TopicTable again(files, clock_, "/store");
    again.file().set_whole_rows_max(whole_rows);
    ASSERT_TRUE(again.open({}));
    EXPECT_TRUE(again.contains("During"));
    EXPECT_TRUE(again.contains(config.name));
    EXPECT_FALSE(again.contains("Before"));
  }
}

TEST_F(TableFileTest, TheJsonFollowsAndACleanStopLeavesNoJournal) {
  fill(files_, clock_, 50);
  const auto offsets = opened(files_, clock_);
  ASSERT_TRUE(offsets->commit("g7", "T", 0, 101));
  ASSERT_TRUE(offsets->persist_if_dirty());
  clock_.advance_ms(100'000);
  ASSERT_TRUE(offsets->commit("g8", "T", 0, 102));
  ASSERT_TRUE(offsets->persist_if_dirty());
  EXPECT_THAT(read_file(files_, offsets_path), HasSubstr("102"));
  EXPECT_LE(journals_of(files_).size(), 3U);
  ASSERT_TRUE(offsets->commit("g9", "T", 0, 103));
  offsets->remove_group("g10");
  ASSERT_TRUE(offsets->close());
  EXPECT_TRUE(journals_of(files_).empty());
  EXPECT_THAT(read_file(files_, offsets_path), HasSubstr("103"));
  const auto again = opened(files_, clock_);
  EXPECT_EQ(again->query("g9", "T", 0), 103);
  EXPECT_EQ(again->query("g10", "T", 0), -1);
}

TEST_F(TableFileTest, RemovedReplacedAndAddedRowsComeBackAsTheyWere) {
  fill(files_, clock_, 20);
  const auto offsets = opened(files_, clock_);
  for (int q = 0; q < 4; ++q) ASSERT_TRUE(offsets->commit("a", "T", q, q));
  ASSERT_TRUE(offsets->commit("b", "T", 9, 9));
  ASSERT_TRUE(offsets->commit_pull("b", "T", 1, 77));
  ASSERT_TRUE(offsets->persist_if_dirty());
  offsets->clone("b", "a", "T");  // replaces all four
  offsets->remove_group("g3");
  ASSERT_TRUE(offsets->persist_if_dirty());
  offsets->clear_pull("b", "T");
  ASSERT_TRUE(offsets->commit("g3", "T", 5, 5));
  ASSERT_TRUE(offsets->persist_if_dirty());
  const auto again = opened(files_, clock_);
  EXPECT_EQ(again->query_all("a", "T"), (QueueOffsets{{9, 9}}));
  EXPECT_EQ(again->query_all("g3", "T"), (QueueOffsets{{5, 5}}));
  EXPECT_EQ(again->query_pull("b", "T", 1), -1);
  EXPECT_EQ(again->version(), offsets->version());
}

TEST_F(TableFileTest, AForeignJsonWinsAndTheJournalIsKeptAside) {
  fill(files_, clock_, 20);
  {
    const auto offsets = opened(files_, clock_);
    ASSERT_TRUE(offsets->commit("g7", "T", 0, 500));
    ASSERT_TRUE(offsets->persist_if_dirty());
  }
  // Apache after a kill -9: it knows the JSON, goes on from there and writes it in its own way.
  std::string text = read_file(files_, offsets_path);
  text.replace(text.find("\"T@g7\":{\n\t\t\t0:500"), 17, "\"T@g7\":{\n\t\t\t0:777");
  write_file(files_, offsets_path, text);
  const auto offsets = opened(files_, clock_);
  EXPECT_EQ(offsets->query("g7", "T", 0), 777);
  EXPECT_TRUE(journals_of(files_).empty());
  bool is_kept = false;
  const std::vector<std::string> names = *files_.list(config_dir);
  for (const std::string& name : names) is_kept = is_kept || name.ends_with(".orphan");
  EXPECT_TRUE(is_kept);
  ASSERT_TRUE(offsets->commit("g8", "T", 0, 888));
  ASSERT_TRUE(offsets->persist_if_dirty());
  EXPECT_EQ(opened(files_, clock_)->query("g8", "T", 0), 888);
}

TEST_F(TableFileTest, ABrokenJsonGivesTheNewestStateFromBackupAndJournals) {
  fill(files_, clock_, 20);
  {
    const auto offsets = opened(files_, clock_);
    for (int64_t i = 0; i < 5; ++i) {
      ASSERT_TRUE(offsets->commit("g7", "T", 0, 500 + i));
      ASSERT_TRUE(offsets->persist_if_dirty());
      clock_.advance_ms(100'000);  // each is folded
    }
    ASSERT_TRUE(offsets->commit("g8", "T", 0, 900));
    ASSERT_TRUE(offsets->file().write(UINT64_MAX));
  }
  damage_file(files_, offsets_path, "{\"offsetTable\":{\"T@g\":{0:");
  for (int round = 0; round < 2; ++round) {
    const auto offsets = opened(files_, clock_);
    EXPECT_EQ(offsets->query("g7", "T", 0), 504);
    EXPECT_EQ(offsets->query("g8", "T", 0), 900);
    if (round == 0) continue;
    ASSERT_TRUE(offsets->persist_if_dirty());
    EXPECT_THAT(read_file(files_, offsets_path), HasSubstr("504"));
  }
}

TEST_F(TableFileTest, TornAtEachByteTheJournalGivesAPrefix) {
  fill(files_, clock_, 5);
  {
    const auto offsets = opened(files_, clock_);
    clock_.advance_ms(1);
    for (int64_t i = 1; i <= 8; ++i) {
      ASSERT_TRUE(offsets->commit("g1", "T", 0, 100 + i));
      ASSERT_TRUE(offsets->commit("g2", "T", 0, 200 + i));
      ASSERT_TRUE(offsets->file().write(UINT64_MAX));
    }
  }
  ASSERT_EQ(journals_of(files_).size(), 1U);
  const std::string journal = config_dir + "/" + journals_of(files_)[0];
  const std::string whole = read_file(files_, journal);
  const std::string base_end = "base \"consumerOffset.json\"";
  const size_t first = whole.find('\n', whole.find(base_end)) + 1;
  int64_t last = 0;
  for (size_t size = first; size <= whole.size(); ++size) {
    for (const bool is_flipped : {false, true}) {
      std::string torn = whole.substr(0, size);
      if (is_flipped) torn.back() = static_cast<char>(torn.back() ^ 1);
      damage_file(files_, journal, torn);
      ConsumerOffsets offsets(files_, clock_, "/store");
      ASSERT_TRUE(offsets.open()) << "at byte " << size;
      const int64_t g1 = offsets.query("g1", "T", 0) - 100;
      ASSERT_GE(g1, is_flipped ? 0 : last) << "at byte " << size;
      ASSERT_LE(g1, 8);
      if (!is_flipped) last = g1;
    }
  }
  EXPECT_EQ(last, 8);
}

TEST_F(TableFileTest, AJournalOfANewerProgramIsRefused) {
  fill(files_, clock_, 5);
  std::string line;
  append_journal_line(line, "journal", "consumerOffset.json", R"({"version":2,"generation":1,"after":0})");
  write_file(files_, config_dir + "/merlin.consumerOffset.journal.1", line);
  ConsumerOffsets offsets(files_, clock_, "/store");
  const Status status = offsets.open();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Errc::unsupported);
}

// What was acknowledged, and what was asked for: an answer that did not come may stand for either.
struct Known {
  std::map<std::string, std::set<int64_t>> topics;  // name -> queue numbers it may have; 0: not there
  std::map<std::string, int64_t> offsets;           // group -> what was persisted; it may be more
};

TopicConfig topic_with(const std::string& name, int32_t queues) {
  TopicConfig config;
  config.name = name;
  config.read_queue_nums = config.write_queue_nums = queues;
  return config;
}

// Some changes of both tables; ends when the power goes. `is_over` tells whether it came to its end.
void live(FaultyFileSystem& files, Known& known, unsigned seed, bool stop_cleanly) {
  std::mt19937 random(seed);
  ManualClock clock(start_ms);
  TopicTable topics(files, clock, "/store");
  topics.file().set_whole_rows_max(25);  // it has 15 of the system
  const auto offsets = std::make_unique<ConsumerOffsets>(files, clock, "/store");
  offsets->file().set_whole_rows_max(3);
  const int64_t copied_bytes = seed % 2 == 0 ? 0 : TableFile::copied_bytes_max;
  topics.file().set_copied_bytes_max(copied_bytes);
  offsets->file().set_copied_bytes_max(copied_bytes);
  if (!topics.open({}) || !offsets->open()) {
    EXPECT_TRUE(files.power_is_off());
    return;
  }
  std::map<std::string, int64_t> asked = known.offsets;
  for (int i = 0; i < 40 && !files.power_is_off(); ++i) {
    clock.advance_ms(random() % 4 == 0 ? 60'000 : 10);
    const std::string name = "T" + std::to_string(random() % 16);
    std::set<int64_t>& may_be = known.topics[name];
    if (may_be.empty()) may_be = {0};
    if (random() % 5 == 0) {
      const Status removed = topics.remove(name);
      const bool is_sure = removed.ok() || removed.error().code == Errc::not_found;
      if (is_sure) may_be.clear();
      may_be.insert(0);
    } else {
      const auto queues = static_cast<int32_t>(1 + random() % 100);
      if (topics.update(topic_with(name, queues)).ok()) may_be.clear();
      may_be.insert(queues);
    }
    const std::string group = "g" + std::to_string(random() % 8);
    ASSERT_TRUE(offsets->commit(group, "T", 0, ++asked[group]));
    if (random() % 2 == 0 && offsets->persist_if_dirty()) known.offsets = asked;
    if (random() % 3 == 0) (void)topics.persist_if_dirty();
  }
  if (!stop_cleanly) return;
  (void)topics.close();
  if (offsets->close()) known.offsets = asked;
}

std::string violation(FileSystem& files, Known& known) {
  ManualClock clock(start_ms);
  TopicTable topics(files, clock, "/store");
  if (const Status s = topics.open({}); !s) return "topics do not open: " + s.error().message;
  ConsumerOffsets offsets(files, clock, "/store");
  if (const Status s = offsets.open(); !s) return "offsets do not open: " + s.error().message;
  for (auto& [name, may_be] : known.topics) {
    const TopicPtr topic = topics.find(name);
    const int64_t is = topic == nullptr ? 0 : topic->read_queue_nums;
    if (!may_be.contains(is)) return name + " has " + std::to_string(is) + " queues";
    may_be = {is};  // and stays so
  }
  for (auto& [group, offset] : known.offsets) {
    const int64_t is = std::max<int64_t>(offsets.query(group, "T", 0), 0);
    if (is < offset) return group + " went back from " + std::to_string(offset) + " to " + std::to_string(is);
    offset = is;
  }
  return {};
}

TEST(TableFileCrash, PowerCutsAtEachCallOfTwoLives) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  bool is_over = false;
  for (int64_t cut = 0; !is_over; ++cut) {
    FaultyFileSystem files(random(), int64_t{1} << 20);
    Known known;
    files.cut_power_after(cut);
    live(files, known, seed, true);
    is_over = !files.power_is_off();
    std::unique_ptr<FaultyFileSystem> disk = files.crash(random());
    ASSERT_EQ(violation(*disk, known), "") << "after call " << cut;
    disk->cut_power_after(static_cast<int64_t>(random() % 60));
    live(*disk, known, static_cast<unsigned>(random()), random() % 2 == 0);
    disk = disk->crash(random());
    ASSERT_EQ(violation(*disk, known), "") << "in the second life, after call " << cut;
  }
}

TEST(TableFileCrash, FailingCallsLoseNothing) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (const FileOp op : {FileOp::open, FileOp::write, FileOp::sync, FileOp::truncate, FileOp::rename, FileOp::remove,
                          FileOp::sync_dir}) {
    for (int64_t n = 0; n < 60; ++n) {
      FaultyFileSystem files(random(), int64_t{1} << 20);
      Known known;
      files.add_fault({.op = op,
                       .path_part = "config",
                       .calls_passed = n,
                       .calls_failed = 1 + static_cast<int64_t>(random() % 3),
                       .sys_errno = random() % 2 == 0 ? EIO : ENOSPC,
                       .bytes_before_failure = random() % 100});
      live(files, known, static_cast<unsigned>(random()), random() % 2 == 0);
      if (HasFatalFailure()) return;
      const std::unique_ptr<FaultyFileSystem> disk = files.crash(random());
      ASSERT_EQ(violation(*disk, known), "") << "operation " << static_cast<int>(op) << " call " << n;
    }
  }
}

// The fear: a fold runs while topics are made, and one of them is in neither file.
TEST(TableFileCrash, FoldsBesideWritersLoseNothing) {
  FaultyFileSystem files(1, int64_t{4} << 20);
  const SystemClock clock;
  std::atomic<int> made{0};
  {
    TopicTable topics(files, clock, "/store");
    topics.file().set_whole_rows_max(10);
    ASSERT_TRUE(topics.open({}));
    std::atomic<bool> stop{false};
    std::thread folder([&] {
      while (!stop) ASSERT_TRUE(topics.persist_if_dirty());
    });
    std::vector<std::thread> writers;
    for (int t = 0; t < 3; ++t) {
      writers.emplace_back([&, t] {
        for (int i = 0; i < 150; ++i) {
          ASSERT_TRUE(topics.update(topic_with("T" + std::to_string(t) + "-" + std::to_string(i), 1)).ok());
          ++made;
        }
      });
    }
    for (std::thread& thread : writers) thread.join();
    stop = true;
    folder.join();
  }
  const std::unique_ptr<FaultyFileSystem> disk = files.crash(7);
  TopicTable topics(*disk, clock, "/store");
  ASSERT_TRUE(topics.open({}));
  for (int t = 0; t < 3; ++t) {
    for (int i = 0; i < 150; ++i) EXPECT_TRUE(topics.contains("T" + std::to_string(t) + "-" + std::to_string(i)));
  }
}

}  // namespace
}  // namespace merlin::meta
