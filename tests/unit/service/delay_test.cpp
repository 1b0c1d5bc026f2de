// Delayed messages: when they come, where they go, and what crashes, full disks and other level tables leave of them.
#include "service/delay.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "merlin/message/names.h"
#include "unit/service/life.h"

namespace merlin::service {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t start_ms = 1'700'000'000'000;

struct DelayTest : testing::Test {
  std::unique_ptr<Life> begin(Life::Options options = {}) {
    auto life = std::make_unique<Life>(*disk, clock, options);
    const Status opened = life->open();
    EXPECT_TRUE(opened.ok()) << (opened ? "" : opened.error().message);
    return life;
  }
  std::string positions_file() {
    const auto text = disk->read_file("/store/config/delayOffset.json");
    return text ? *text : "";
  }

  ManualClock clock{start_ms};
  std::unique_ptr<FaultyFileSystem> disk = std::make_unique<FaultyFileSystem>();
};

TEST(DelayLevels, AreReadAsApacheWritesThem) {
  EXPECT_THAT(*parse_delay_levels("1s 5m 2h 1d"), ElementsAre(1'000, 300'000, 7'200'000, 86'400'000));
  EXPECT_EQ(store::default_delay_levels().size(), 18);
  for (const char* bad :
       {"", " ", "1", "s", "1x", "-1s", "1s 2", "1 s", "99999999999999999999s", "9000000000d", "1ss"}) {
    EXPECT_FALSE(parse_delay_levels(bad)) << bad;
  }
  std::string many;
  for (int i = 0; i < 65; ++i) many += "1s ";
  EXPECT_FALSE(parse_delay_levels(many));
}

TEST_F(DelayTest, AMessageComesToItsQueueWhenItsTimeIsOver) {
  const auto life = begin();
  ASSERT_TRUE(life->send_delayed("T", "later", 2, 3).ok());
  EXPECT_EQ(life->answered_queue, 3) << "the producer is told of the queue that it named";
  ASSERT_TRUE(life->send(Life::request("T", "now", "", 3)).ok());
  EXPECT_EQ(life->delay.deliver_due(), start_ms + 5'000);
  clock.advance_ms(4'999);
  life->deliver();
  EXPECT_THAT(life->bodies("T", 3), ElementsAre("now"));
  clock.advance_ms(1);
  life->deliver();
  ASSERT_THAT(life->bodies("T", 3), ElementsAre("now", "later"));
  const Got got = life->read("T", 3)[1];
  EXPECT_EQ(got.property("DELAY"), "2");
  EXPECT_EQ(got.property("REAL_TOPIC"), "T");
  EXPECT_EQ(got.property("REAL_QID"), "3");
  EXPECT_EQ(got.property("TAGS"), "tag");
  EXPECT_EQ(got.property("CLUSTER"), "c");
  EXPECT_EQ(got.born_timestamp_ms, 1'600'000'000'000);
  EXPECT_EQ(got.store_timestamp_ms, start_ms + 5'000);
  const Got waited = life->read("SCHEDULE_TOPIC_XXXX", 1)[0];
  EXPECT_EQ(waited.properties, got.properties);
  StatsTable& table = life->stats.table();
  table.sample(0, 0);
  for (const auto& [name, key] : {std::pair{"QUEUE_PUT_NUMS", "SCHEDULE_TOPIC_XXXX@1"},
                                  {"QUEUE_GET_NUMS", "SCHEDULE_TOPIC_XXXX@1@SCHEDULE_CONSUMER"},
                                  {"GROUP_GET_NUMS", "SCHEDULE_TOPIC_XXXX@SCHEDULE_CONSUMER"}}) {
    const auto found = table.find(name, key);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->minute.sum, 1) << name;
  }
  life->close();
}

TEST_F(DelayTest, ThePulledTagIsTheMessagesOwn) {
  struct OnlyTag final : store::MessageFilter {
    bool matches_tags_code(int64_t code) const override { return code == message::java_hash("tag"); }
  };
  const auto life = begin();
  ASSERT_TRUE(life->send_delayed("T", "later", 1).ok());
  clock.advance_ms(1'000);
  life->deliver();
  store::GetResult result;
  const OnlyTag filter;
  life->store.get(life->store.find_queue("T", 0), 0, {}, &filter, result);
  EXPECT_EQ(result.message_count, 1);
  life->close();
}

TEST_F(DelayTest, EachLevelKeepsItsOrderAndNoneWaitsForAnother) {
  const auto life = begin();
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(life->send_delayed("T", "three " + std::to_string(i), 3, 0).ok());
    if (i % 3 != 0) continue;
    ASSERT_TRUE(life->send_delayed("T", "one " + std::to_string(i / 3), 1, 1).ok());
  }
  clock.advance_ms(1'000);
  life->deliver();
  EXPECT_EQ(life->bodies("T", 0).size(), 0);
  EXPECT_EQ(life->bodies("T", 1).size(), 200);
  clock.advance_ms(9'000);
  life->deliver();
  const auto bodies = life->bodies("T", 0);
  ASSERT_EQ(bodies.size(), 600);
  for (size_t i = 0; i < bodies.size(); ++i) EXPECT_EQ(bodies[i], "three " + std::to_string(i));
  EXPECT_EQ(life->bodies("T", 1).size(), 200);
  life->close();
}

TEST_F(DelayTest, ALevelBeyondTheLastCountsAsTheLast) {
  const auto life = begin({.level_ms = {1'000, 2'000}});
  ASSERT_TRUE(life->send_delayed("T", "far", 99).ok());
  clock.advance_ms(2'000);
  life->deliver();
  ASSERT_THAT(life->bodies("T"), ElementsAre("far"));
  EXPECT_EQ(life->read("T")[0].property("DELAY"), "2");
  ASSERT_TRUE(life->send_delayed("T", "never late", 0).ok());
  ASSERT_TRUE(life->send_delayed("T", "nor this", -1).ok());
  EXPECT_EQ(life->bodies("T").size(), 3);
  const Refusal refusal = life->send(Life::request("T", "x", "DELAY\1soon\2"));
  EXPECT_THAT(refusal.remark, HasSubstr("DELAY"));
  life->close();
}

TEST_F(DelayTest, AThreadDeliversByItself) {
  const auto life = begin({.level_ms = {1'000, 2'000}});
  life->delay.start();
  ASSERT_TRUE(life->send_delayed("T", "one", 1).ok());
  clock.advance_ms(999);
  ASSERT_TRUE(life->send_delayed("T", "two", 1).ok());
  clock.advance_ms(1);
  // The manual clock wakes nobody: the longest sleep does.
  for (int i = 0; i < 5'000 && life->bodies("T").empty(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_THAT(life->bodies("T"), ElementsAre("one"));
  life->close();
}

TEST_F(DelayTest, ARestartGoesOnWhereItWas) {
  auto life = begin();
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(life->send_delayed("T", std::to_string(i), i < 4 ? 1 : 2).ok());
  }
  clock.advance_ms(1'000);
  life->deliver();
  EXPECT_EQ(life->bodies("T").size(), 4);
  life->close();
  EXPECT_THAT(positions_file(), HasSubstr("1:4"));
  life = begin();
  EXPECT_THAT(life->delay.positions_json(), HasSubstr("\"offsetTable\":{1:4"));
  life->deliver();
  EXPECT_EQ(life->bodies("T").size(), 4);
  clock.advance_ms(4'000);
  life->deliver();
  EXPECT_EQ(life->bodies("T").size(), 10);
  life->close();
}

TEST_F(DelayTest, ThePositionOnDiskIsNeverAheadOfWhatWasDelivered) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    disk = std::make_unique<FaultyFileSystem>(seed);
    auto life = begin({.sync_flush = seed % 2 == 0});
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(life->send_delayed("T", std::to_string(i), 1).ok());
    ASSERT_TRUE(life->wait_durable());
    clock.advance_ms(1'000);
    // Nothing reaches the disk from here on but what persist() writes.
    disk->add_fault({.op = FileOp::sync, .path_part = "commitlog", .calls_failed = FaultyFileSystem::forever});
    life->deliver();
    (void)life->positions.persist(life->store.stats().durable_offset);
    auto after = disk->crash(seed);
    life->store.close();
    life.reset();
    disk = std::move(after);
    life = begin({.sync_flush = seed % 2 == 0});
    clock.advance_ms(1'000);
    life->deliver();
    std::set<std::string> there;
    for (std::string& body : life->bodies("T")) there.insert(std::move(body));
    EXPECT_EQ(there.size(), 20) << "delivered twice perhaps, but none is missing";
    life->close();
  }
}

TEST_F(DelayTest, AFullDiskIsWaitedForAtTheSamePlace) {
  const auto life = begin();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(life->send_delayed("T", std::to_string(i), 1).ok());
  ASSERT_TRUE(life->send_delayed("T", "other level", 2).ok());
  clock.advance_ms(1'000);
  life->settle();
  disk->add_fault(
      {.op = FileOp::write, .path_part = "commitlog", .calls_failed = FaultyFileSystem::forever, .sys_errno = ENOSPC});
  const int64_t again = life->delay.deliver_due();
  EXPECT_EQ(again, clock.wall_ms() + Delay::pause_ms_min);
  EXPECT_EQ(life->delay.deliver_due(), again) << "it waits";
  for (int i = 0; i < 20; ++i) {
    clock.advance_ms(Delay::pause_ms_max);
    life->delay.deliver_due();
  }
  EXPECT_EQ(life->delay.deliver_due(), clock.wall_ms() + Delay::pause_ms_max) << "pauses grow to this";
  EXPECT_THAT(life->bodies("T"), IsEmpty());
  disk->clear_faults();
  for (int i = 0; i < 50 && life->bodies("T").size() < 4; ++i) {
    std::string why;
    for (int k = 0; k < 5'000 && !life->store.writable(why); ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    clock.advance_ms(Delay::pause_ms_max);
    life->deliver();
  }
  EXPECT_THAT(life->bodies("T"), testing::UnorderedElementsAre("0", "1", "2", "other level"));
  life->close();
}

// One stands by hand in level 1 for a light queue that does not exist: it was there when its producer sent.
void put_for_light_queue(Life& life, std::string_view topic) {
  Buffer scratch;
  store::AppendItem item;
  item.spec.topic = message::schedule_topic;
  const std::string properties =
      "DELAY\1"
      "1\2REAL_TOPIC\1" +
      std::string(topic) +
      "\2REAL_QID\1"
      "0\2";
  item.spec.properties = properties;
  item.spec.body = as_bytes(std::string_view("by hand"));
  item.spec.born_host = item.spec.store_host = *HostPort::from_ip("127.0.0.1", 1);
  item.queue = life.store.queue(message::schedule_topic, 0);
  life.store.append({&item, 1}, scratch);
  ASSERT_EQ(item.code, store::AppendCode::ok);
}

TEST_F(DelayTest, WhatFindsNoLightQueueWaitsAgainAndHoldsNobody) {
  const auto life = begin({.level_ms = {1'000, 2'000, 60'000, 120'000}});
  life->topics.set_light_queues(true);
  ASSERT_TRUE(life->send_delayed("%LMQ%known", "known", 1).ok());
  put_for_light_queue(*life, "%LMQ%other");
  put_for_light_queue(*life, "%LMQ%never");
  ASSERT_TRUE(life->send_delayed("T", "behind them", 1).ok());
  life->store.set_light_queues_max(1);
  clock.advance_ms(1'000);
  life->deliver();
  EXPECT_THAT(life->bodies("%LMQ%known"), ElementsAre("known"));
  EXPECT_THAT(life->bodies("T"), ElementsAre("behind them"));
  EXPECT_EQ(life->positions.position(1), 4);
  EXPECT_EQ(life->read(message::schedule_topic, 2).size(), 2U) << "the next level of a minute or more";
  clock.advance_ms(60'000);
  life->deliver();
  EXPECT_EQ(life->read(message::schedule_topic, 3).size(), 2U);
  life->store.set_light_queues_max(2);
  clock.advance_ms(120'000);
  life->deliver();
  EXPECT_THAT(life->bodies("%LMQ%other"), ElementsAre("by hand")) << "there was room for one more";
  EXPECT_EQ(life->positions.position(4), 2) << "the other is given up behind the last level";
  clock.advance_ms(240'000);
  life->deliver();
  for (int32_t level = 0; level < 4; ++level) {
    EXPECT_EQ(life->read(message::schedule_topic, level).size(),
              (std::vector<size_t>{4, 0, 2, 2}[static_cast<size_t>(level)]))
        << level;
  }
  life->close();
}

// The disk takes nothing, and the message behind has no place for now: neither passes the other.
TEST_F(DelayTest, WhatTheDiskRefusesIsNotPassedBecauseAnotherWaits) {
  const auto life = begin();
  life->topics.set_light_queues(true);
  ASSERT_TRUE(life->send_delayed("T", "refused", 1).ok());
  ASSERT_TRUE(life->send_delayed("%LMQ%known", "waits", 1).ok());
  Buffer scratch;
  store::AppendItem item;
  item.spec.topic = message::schedule_topic;
  item.spec.properties =
      "DELAY\1"
      "1\2REAL_TOPIC\1%LMQ%other\2REAL_QID\1"
      "0\2";
  item.spec.body = as_bytes(std::string_view("by hand"));
  item.spec.born_host = item.spec.store_host = *HostPort::from_ip("127.0.0.1", 1);
  item.queue = life->store.queue(message::schedule_topic, 0);
  life->store.append({&item, 1}, scratch);
  ASSERT_EQ(item.code, store::AppendCode::ok);
  life->store.set_light_queues_max(1);
  life->settle();
  clock.advance_ms(1'000);
  disk->add_fault(
      {.op = FileOp::write, .path_part = "commitlog", .calls_failed = FaultyFileSystem::forever, .sys_errno = ENOSPC});
  life->delay.deliver_due();
  EXPECT_EQ(life->positions.position(1), 0);
  disk->clear_faults();
  for (int i = 0; i < 50 && life->bodies("T").empty(); ++i) {
    std::string why;
    for (int k = 0; k < 5'000 && !life->store.writable(why); ++k) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    clock.advance_ms(Delay::pause_ms_max);
    life->deliver();
  }
  EXPECT_THAT(life->bodies("T"), ElementsAre("refused"));
  life->close();
}

TEST_F(DelayTest, WhatHasNoPlaceToGoIsPassed) {
  const auto life = begin();
  Buffer scratch;
  for (const char* properties : {"DELAY\1"
                                 "1\2",
                                 "DELAY\1"
                                 "1\2REAL_TOPIC\1../../etc\2REAL_QID\1"
                                 "0\2",
                                 "DELAY\1"
                                 "1\2REAL_TOPIC\1T\2REAL_QID\1-5\2",
                                 "DELAY\1"
                                 "1\2REAL_TOPIC\1T\2REAL_QID\1"
                                 "99999999\2",
                                 "DELAY\1"
                                 "1\2REAL_TOPIC\1RMQ_SYS_TRANS_HALF_TOPIC\2REAL_QID\1"
                                 "0\2",
                                 "DELAY\1"
                                 "1\2REAL_TOPIC\1T\2REAL_QID\1"
                                 "0\2"}) {
    store::AppendItem item;
    item.spec.topic = message::schedule_topic;
    item.spec.properties = properties;
    item.spec.body = as_bytes(std::string_view("by hand"));
    item.spec.born_host = item.spec.store_host = *HostPort::from_ip("127.0.0.1", 1);
    item.queue = life->store.queue(message::schedule_topic, 0);
    life->store.append({&item, 1}, scratch);
    ASSERT_EQ(item.code, store::AppendCode::ok);
  }
  clock.advance_ms(1'000);
  life->deliver();
  EXPECT_THAT(life->bodies("T"), ElementsAre("by hand"));
  life->close();
}

TEST_F(DelayTest, ATopicThatIsGoneGetsItsMessagesAllTheSame) {
  const auto life = begin();
  ASSERT_TRUE(life->send_delayed("T", "for nobody", 1, 2).ok());
  ASSERT_TRUE(life->send_delayed("U", "behind it", 1, 0).ok());
  ASSERT_TRUE(life->topics.remove("T"));
  clock.advance_ms(1'000);
  life->deliver();
  EXPECT_THAT(life->bodies("U"), ElementsAre("behind it"));
  EXPECT_THAT(life->bodies("T", 2), ElementsAre("for nobody"));
  life->close();
}

TEST_F(DelayTest, ShorterLevelsTakeEffectAndDroppedOnesAreEmptied) {
  auto life = begin({.level_ms = {1'000, 100'000, 200'000}});
  ASSERT_TRUE(life->send_delayed("T", "two", 2).ok());
  ASSERT_TRUE(life->send_delayed("T", "three", 3).ok());
  life->settle();
  life->close();
  life = begin({.level_ms = {1'000, 5'000}});
  life->deliver();
  EXPECT_THAT(life->bodies("T"), ElementsAre("two")) << "due later than its level can be, by Apache's rule: at once";
  clock.advance_ms(200'000);
  life->deliver();
  EXPECT_THAT(life->bodies("T"), ElementsAre("two", "three"));
  life->close();
}

TEST_F(DelayTest, PositionsOfAnotherLifeAreBroughtIntoTheQueue) {
  auto life = begin();
  ASSERT_TRUE(life->send_delayed("T", "passed", 1).ok());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(life->send_delayed("T", std::to_string(i), 2).ok());
  life->settle();
  life->close();
  ASSERT_TRUE(disk->make_dirs("/store/config"));
  ASSERT_TRUE(disk->write_file_durably(
      "/store/config/delayOffset.json",
      R"({"dataVersion":{"counter":7,"stateVersion":0,"timestamp":5},"offsetTable":{1:500,2:1,99:3}})"));
  life = begin();
  EXPECT_THAT(life->delay.positions_json(), HasSubstr("99:3"));
  EXPECT_EQ(life->positions.position(1), 1);
  EXPECT_EQ(life->positions.position(2), 1);
  clock.advance_ms(5'000);
  life->deliver();
  EXPECT_THAT(life->bodies("T"), ElementsAre("1", "2"));
  life->close();
}

// The log and the queues were deleted, the folder config was not.
TEST_F(DelayTest, APositionWithoutAQueueIsNoPosition) {
  ASSERT_TRUE(disk->make_dirs("/store/config"));
  ASSERT_TRUE(disk->write_file_durably("/store/config/delayOffset.json", R"({"offsetTable":{1:500}})"));
  const auto life = begin();
  EXPECT_EQ(life->positions.position(1), 0);
  ASSERT_TRUE(life->send_delayed("T", "new", 1).ok());
  clock.advance_ms(1'000);
  life->deliver();
  EXPECT_THAT(life->bodies("T"), ElementsAre("new"));
  life->close();
}

// Apache's rule, a time later than any message of the level can have is none, holds for what is waited for, too.
TEST_F(DelayTest, AClockThatIsSetBackDoesNotStopALevel) {
  const auto life = begin();
  ASSERT_TRUE(life->send_delayed("T", "before", 2).ok());
  life->settle();
  EXPECT_EQ(life->delay.deliver_due(), clock.wall_ms() + 5'000);
  clock.advance_ms(-3'600'000);
  life->deliver();
  EXPECT_THAT(life->bodies("T"), ElementsAre("before"));
  life->close();
}

// A mark takes the place of the one before it when there are too many; what that one waited for still holds.
TEST_F(DelayTest, MarksThatJoinWaitForTheLaterOne) {
  DelayPositions positions(*disk, clock, "/store");
  constexpr auto marks = static_cast<int64_t>(DelayPositions::marks_per_level_max);
  for (int64_t i = 1; i <= marks; ++i) positions.set(1, i, i * 100);
  positions.set(1, marks + 1, 0);  // passed, not delivered
  ASSERT_TRUE(positions.persist((marks - 1) * 100));
  EXPECT_THAT(positions_file(), HasSubstr("1:" + std::to_string(marks - 1)));
  ASSERT_TRUE(positions.persist(marks * 100));
  EXPECT_THAT(positions_file(), HasSubstr("1:" + std::to_string(marks + 1)));
}

TEST_F(DelayTest, ABrokenFileIsReplacedByItsBackupOrBeginsAgain) {
  auto life = begin();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(life->send_delayed("T", std::to_string(i), 1).ok());
    clock.advance_ms(1'000);
    life->deliver();
    ASSERT_TRUE(life->wait_durable());
    ASSERT_TRUE(life->positions.persist(life->store.stats().durable_offset));
  }
  life->close();
  const auto write = [&](const std::string& path, std::string_view text) {
    auto file = disk->open(path, OpenMode::create);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->truncate(0));
    ASSERT_TRUE((*file)->pwrite(as_bytes(text), 0));
    ASSERT_TRUE((*file)->sync_data());
  };
  write("/store/config/delayOffset.json", R"({"offsetTable":{1:)");
  life = begin();
  EXPECT_EQ(life->positions.position(1), 2) << "the backup is one write behind: one is delivered again";
  life->close();
  write("/store/config/delayOffset.json", R"({"offsetTable":{1:)");
  write("/store/config/delayOffset.json.bak", "{");
  life = begin();
  EXPECT_EQ(life->positions.position(1), 0) << "late twice rather than never";
  life->deliver();
  EXPECT_GE(life->bodies("T").size(), 6);
  life->close();
}

}  // namespace
}  // namespace merlin::service
