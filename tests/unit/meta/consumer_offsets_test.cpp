#include "meta/consumer_offsets.h"

#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "support.h"

namespace merlin::meta {
namespace {

using testing::HasSubstr;

class OffsetsTest : public testing::Test {
 protected:
  FaultyFileSystem files_;
  ManualClock clock_{start_ms};
  ConsumerOffsets offsets_{files_, clock_, "/store"};
  const std::string path_ = "/store/config/consumerOffset.json";
};

TEST_F(OffsetsTest, CommitAndQuery) {
  ASSERT_TRUE(offsets_.open());
  EXPECT_EQ(offsets_.query("g", "T", 0), -1);
  EXPECT_EQ(offsets_.query_all("g", "T"), std::nullopt);
  EXPECT_TRUE(offsets_.commit("g", "T", 0, 5));
  EXPECT_TRUE(offsets_.commit("g", "T", 3, 7));
  EXPECT_TRUE(offsets_.commit("h", "T", 0, 1));
  EXPECT_EQ(offsets_.query("g", "T", 0), 5);
  EXPECT_EQ(offsets_.query("g", "T", 1), -1);
  EXPECT_EQ(offsets_.query_all("g", "T"), (QueueOffsets{{0, 5}, {3, 7}}));
  EXPECT_EQ(offsets_.query_pull("g", "T", 0), 5);
  EXPECT_TRUE(offsets_.commit_pull("g", "T", 0, 9));
  EXPECT_EQ(offsets_.query_pull("g", "T", 0), 9);
  offsets_.clear_pull("g", "T");
  EXPECT_EQ(offsets_.query_pull("g", "T", 0), 5);
  EXPECT_TRUE(offsets_.commit("g", "T", 0, 2));  // by request only
  EXPECT_EQ(offsets_.query("g", "T", 0), 2);
}

TEST_F(OffsetsTest, WritesWhatApacheWrites) {
  write_file(files_, path_, golden("consumerOffset.json"));
  ASSERT_TRUE(offsets_.open());
  EXPECT_EQ(offsets_.query("G2", "%RETRY%G2", 0), INT64_MAX);
  EXPECT_EQ(offsets_.query_pull("G1", "Orders", 0), 9);
  EXPECT_EQ(json_of(offsets_.json()), json_of(golden("consumerOffset.json")));
  // The same bytes, but for the order of the keys: Java's is by hash.
  EXPECT_THAT(offsets_.json(), HasSubstr(R"("Orders@G1":{0:5,12:55})"));
  EXPECT_EQ(offsets_.json().size(), [] {
    std::string compact;
    for (const char c : golden("consumerOffset.json")) {
      if (c != '\n' && c != '\t') compact.push_back(c);
    }
    return compact.size();
  }());
}

// As Apache's LmqConsumerOffsetManager: all offsets in a file of another name, those of light groups as plain numbers.
TEST_F(OffsetsTest, OffsetsOfLightGroupsHaveATableOfTheirOwn) {
  const std::string light_path = "/store/config/lmqConsumerOffset.json";
  ConsumerOffsets light(files_, clock_, "/store", true);
  ASSERT_TRUE(light.open());
  EXPECT_TRUE(light.commit("%LMQ%group", "%LMQ%q", 0, 7));
  EXPECT_TRUE(light.commit("g", "%LMQ%q", 0, 8));
  EXPECT_TRUE(light.commit("%LMQ%group", "T", 0, 1));
  EXPECT_TRUE(light.commit("%LMQ%group", "T", 5, 2));
  EXPECT_THAT(light.json(), HasSubstr(R"("lmqOffsetTable":{"%LMQ%q@%LMQ%group":7})"));
  EXPECT_THAT(light.json(), HasSubstr(R"("%LMQ%q@g":{0:8})"));
  EXPECT_THAT(light.json(), HasSubstr(R"("T@%LMQ%group":{0:1,5:2})")) << "Apache keeps one offset for all its queues";
  ASSERT_TRUE(light.persist_if_dirty());
  EXPECT_FALSE(files_.exists(path_));
  ConsumerOffsets again(files_, clock_, "/store", true);
  ASSERT_TRUE(again.open());
  EXPECT_EQ(again.query("%LMQ%group", "%LMQ%q", 0), 7);
  EXPECT_EQ(again.query("%LMQ%group", "T", 5), 2);
  write_file(files_, light_path, R"({"lmqOffsetTable":{"%LMQ%q@%LMQ%h":12},"offsetTable":{"T@g":{0:3}}})");
  ConsumerOffsets apaches(files_, clock_, "/store", true);
  ASSERT_TRUE(apaches.open());
  EXPECT_EQ(apaches.query("%LMQ%h", "%LMQ%q", 0), 12);
  EXPECT_EQ(apaches.query("g", "T", 0), 3);
}

TEST_F(OffsetsTest, WhenEnableLmqChangesTheOffsetsGoAlong) {
  ASSERT_TRUE(offsets_.open());
  EXPECT_TRUE(offsets_.commit("g", "T", 0, 5));
  ASSERT_TRUE(offsets_.close());
  for (const bool on : {true, false, true, true, false}) {
    SCOPED_TRACE(on ? "on" : "off");
    ConsumerOffsets next(files_, clock_, "/store", on);
    ASSERT_TRUE(next.open());
    const int64_t offset = next.query("g", "T", 0);
    EXPECT_GE(offset, 5);
    EXPECT_EQ(next.query("%LMQ%g", "%LMQ%q", 0), offset == 5 ? -1 : offset);
    EXPECT_TRUE(next.commit("g", "T", 0, offset + 1));
    EXPECT_TRUE(next.commit("%LMQ%g", "%LMQ%q", 0, offset + 1));
    ASSERT_TRUE(next.persist_if_dirty());
  }
  ConsumerOffsets last(files_, clock_, "/store", false);
  ASSERT_TRUE(last.open());
  EXPECT_EQ(last.query("g", "T", 0), 10);
}

TEST_F(OffsetsTest, ComesBackAfterARestart) {
  ASSERT_TRUE(offsets_.open());
  for (int q = 0; q < 5; ++q) ASSERT_TRUE(offsets_.commit("g", "T", q, q * 10));
  ASSERT_TRUE(offsets_.commit_pull("g", "T", 0, 77));
  ASSERT_TRUE(offsets_.persist_if_dirty());
  const int64_t writes = files_.calls(FileOp::write);
  ASSERT_TRUE(offsets_.persist_if_dirty());
  EXPECT_EQ(files_.calls(FileOp::write), writes);  // nothing new, nothing written
  ConsumerOffsets again(files_, clock_, "/store");
  ASSERT_TRUE(again.open());
  EXPECT_EQ(again.query("g", "T", 4), 40);
  EXPECT_EQ(again.query_pull("g", "T", 0), 77);
}

TEST_F(OffsetsTest, VersionGrowsEveryFewHundredCommits) {
  ASSERT_TRUE(offsets_.open());
  for (int i = 0; i < ConsumerOffsets::commits_per_version; ++i) ASSERT_TRUE(offsets_.commit("g", "T", 0, i));
  EXPECT_EQ(offsets_.version().counter, 1);
}

TEST_F(OffsetsTest, RemoveAndClone) {
  ASSERT_TRUE(offsets_.open());
  for (const std::string group : {"g", "gg", "h"}) {
    for (const std::string topic : {"T", "TT", "%RETRY%g"}) ASSERT_TRUE(offsets_.commit(group, topic, 0, 1));
  }
  ASSERT_TRUE(offsets_.commit_pull("g", "T", 0, 1));
  ASSERT_TRUE(offsets_.assign_reset("g", "T", 0, 3));
  EXPECT_EQ(offsets_.groups_of("T"), (std::set<std::string>{"g", "gg", "h"}));
  offsets_.remove_group("g");
  EXPECT_TRUE(offsets_.topics_of("g").empty());
  EXPECT_EQ(offsets_.query_pull("g", "T", 0), -1);
  EXPECT_FALSE(offsets_.has_reset("g", "T", 0));
  EXPECT_EQ(offsets_.topics_of("gg"), (std::set<std::string>{"%RETRY%g", "T", "TT"}));
  offsets_.remove_topic("T");
  EXPECT_EQ(offsets_.topics_of("gg"), (std::set<std::string>{"%RETRY%g", "TT"}));
  offsets_.remove("h", "TT");
  EXPECT_EQ(offsets_.topics_of("h"), (std::set<std::string>{"%RETRY%g"}));
  ASSERT_TRUE(offsets_.commit("gg", "TT", 4, 44));
  EXPECT_TRUE(offsets_.clone("gg", "new", "TT"));
  EXPECT_EQ(offsets_.query_all("new", "TT"), (QueueOffsets{{0, 1}, {4, 44}}));
  EXPECT_TRUE(offsets_.clone("absent", "new", "TT"));
  EXPECT_EQ(offsets_.query("new", "TT", 4), 44);
}

TEST_F(OffsetsTest, ServerSideReset) {
  ASSERT_TRUE(offsets_.open());
  ASSERT_TRUE(offsets_.commit("g", "T", 0, 50));
  EXPECT_FALSE(offsets_.has_reset("g", "T", 0));
  EXPECT_TRUE(offsets_.assign_reset("g", "T", 0, 10));
  EXPECT_TRUE(offsets_.has_reset("g", "T", 0));
  EXPECT_EQ(offsets_.query("g", "T", 0), 10);
  ASSERT_TRUE(offsets_.commit("g", "T", 0, 60));  // a client that does not know yet
  EXPECT_EQ(offsets_.query("g", "T", 0), 10);
  EXPECT_EQ(offsets_.take_reset("g", "T", 0), 10);
  EXPECT_EQ(offsets_.take_reset("g", "T", 0), std::nullopt);
  EXPECT_EQ(offsets_.query("g", "T", 0), 60);
  EXPECT_FALSE(offsets_.assign_reset("g", "T", -1, 10));
  EXPECT_FALSE(offsets_.assign_reset("g", "T", 0, -1));
  EXPECT_FALSE(offsets_.assign_reset("", "T", 0, 1));
}

// A look at the mark and then a commit would let one slip in between, and the reset would be lost with its taker.
TEST_F(OffsetsTest, ACommitBesideAResetDoesNotUndoIt) {
  ASSERT_TRUE(offsets_.open());
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int t = 0; t < 2; ++t) {
    clients.emplace_back([&] {
      while (!stop) EXPECT_NE(offsets_.commit_unless_reset("g", "T", 0, 50), ConsumerOffsets::Commit::refused);
    });
  }
  for (int64_t round = 0; round < 2'000; ++round) {
    ASSERT_TRUE(offsets_.assign_reset("g", "T", 0, round));
    for (int look = 0; look < 3; ++look) ASSERT_EQ(offsets_.query_all("g", "T"), (QueueOffsets{{0, round}}));
    ASSERT_EQ(offsets_.commit_unless_reset("g", "T", 0, 50), ConsumerOffsets::Commit::reset_pending);
    ASSERT_EQ(offsets_.take_reset("g", "T", 0), round);
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(offsets_.commit_unless_reset("g", "T", 0, 7), ConsumerOffsets::Commit::taken);
  EXPECT_EQ(offsets_.query("g", "T", 0), 7);
}

TEST_F(OffsetsTest, MinimumOverGroups) {
  ASSERT_TRUE(offsets_.open());
  ASSERT_TRUE(offsets_.commit("a", "T", 0, 5));
  ASSERT_TRUE(offsets_.commit("b", "T", 0, 9));
  ASSERT_TRUE(offsets_.commit("c", "T", 0, 1));  // below what is stored: does not count
  ASSERT_TRUE(offsets_.commit("b", "T", 1, 8));
  const auto minimum = [](int32_t) { return int64_t{3}; };
  EXPECT_EQ(offsets_.min_offsets("T", {}, minimum), (QueueOffsets{{0, 5}, {1, 8}}));
  EXPECT_EQ(offsets_.min_offsets("T", {"a"}, minimum), (QueueOffsets{{0, 9}, {1, 8}}));
  EXPECT_EQ(offsets_.query("a", "T", 0), 5);
}

TEST_F(OffsetsTest, AClientCannotFillTheMemoryWithQueues) {
  ASSERT_TRUE(offsets_.open());
  int64_t taken = 0;
  for (int32_t q = 0; q < 70'000; ++q) taken += offsets_.commit("g", "T", q, 1) ? 1 : 0;
  EXPECT_EQ(taken, static_cast<int64_t>(ConsumerOffsets::queues_per_group_max));
  EXPECT_TRUE(offsets_.commit("g", "T", 0, 2));  // what is there can still move
}

TEST_F(OffsetsTest, BrokenFileFallsBackToTheBackup) {
  ASSERT_TRUE(offsets_.open());
  ASSERT_TRUE(offsets_.commit("g", "T", 0, 1));
  ASSERT_TRUE(offsets_.persist_if_dirty());
  ASSERT_TRUE(offsets_.commit("g", "T", 0, 2));
  ASSERT_TRUE(offsets_.persist_if_dirty());
  damage_file(files_, path_, "{\"offsetTable\":{\"T@g\":{0:");
  ConsumerOffsets again(files_, clock_, "/store");
  ASSERT_TRUE(again.open());
  EXPECT_EQ(again.query("g", "T", 0), 1);
}

TEST_F(OffsetsTest, WrongShapesAreErrorsNotCrashes) {
  for (const std::string_view text :
       {"[]", "{\"offsetTable\":[]}", "{\"offsetTable\":{\"T@g\":[]}}", "{\"offsetTable\":{\"T@g\":{\"x\":1}}}",
        "{\"offsetTable\":{\"T@g\":{99999999999:1}}}", "{\"offsetTable\":{\"T@g\":{0:1.5}}}",
        "{\"pullOffsetTable\":{\"T@g\":{0:99999999999999999999}}}"}) {
    FaultyFileSystem files;
    write_file(files, path_, text);
    ConsumerOffsets offsets(files, clock_, "/store");
    const Status opened = offsets.open();
    ASSERT_FALSE(opened) << text;
    EXPECT_EQ(opened.error().code, Errc::corrupt) << text;
  }
}

// The fear: two writers race and an older state replaces a newer one on disk.
TEST_F(OffsetsTest, TheFileNeverGoesBack) {
  ASSERT_TRUE(offsets_.open());
  std::atomic<bool> stop{false};
  std::thread committer([&] {
    for (int64_t offset = 0; !stop; ++offset)
      ASSERT_TRUE(offsets_.commit("g", "T", static_cast<int32_t>(offset % 8), offset));
  });
  std::thread other([&] {
    while (!stop) ASSERT_TRUE(offsets_.persist_if_dirty());
  });
  QueueOffsets last;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(offsets_.persist_if_dirty());
    ConsumerOffsets on_disk(files_, clock_, "/store");
    ASSERT_TRUE(on_disk.open());
    const QueueOffsets now = on_disk.query_all("g", "T").value_or(QueueOffsets());
    for (const auto& [queue, offset] : last) ASSERT_GE(now.at(queue), offset);
    last = now;
  }
  stop = true;
  committer.join();
  other.join();
}

TEST(OffsetsCrash, PersistedOffsetsSurvivePowerCuts) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const ManualClock clock(start_ms);
  for (int round = 0; round < 150; ++round) {
    FaultyFileSystem files(random());
    int64_t persisted = -1;
    {
      ConsumerOffsets offsets(files, clock, "/store");
      ASSERT_TRUE(offsets.open());
      files.cut_power_after(static_cast<int64_t>(random() % 40));
      for (int64_t i = 0; i < 12 && !files.power_is_off(); ++i) {
        ASSERT_TRUE(offsets.commit("g", "T", 0, i));
        if (offsets.persist_if_dirty()) persisted = i;
      }
    }
    const std::unique_ptr<FaultyFileSystem> disk = files.crash(random());
    ConsumerOffsets after(*disk, clock, "/store");
    const Status opened = after.open();
    ASSERT_TRUE(opened) << "round " << round << ": " << opened.error().message;
    ASSERT_GE(after.query("g", "T", 0), persisted) << "round " << round;
  }
}

}  // namespace
}  // namespace merlin::meta
