// Messages that consumers give back, and those that clients send to retry topics.
#include "service/retry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "merlin/message/ids.h"
#include "unit/service/life.h"

namespace merlin::service {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view retry_topic = "%RETRY%G";
constexpr std::string_view dead_letters = "%DLQ%G";

struct RetryTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(life.open());
    ASSERT_TRUE(life.send(Life::request("T", "bad", "TAGS\1t\2WAIT\1true\2UNIQ_KEY\1u\2", 2)).ok());
    origin = life.last_physical;
  }
  void TearDown() override { life.close(); }

  Refusal back(int64_t physical_offset, int32_t level = 0, std::optional<int32_t> times_max = {}) {
    life.settle();
    SendBack b;
    b.group = "G";
    b.physical_offset = physical_offset;
    b.delay_level = level;
    b.max_reconsume_times = times_max;
    b.origin_topic = "T";
    return life.retry.give_back(b, end_offset);
  }
  void set_group(auto change) {
    meta::SubscriptionGroup group;
    group.name = "G";
    change(group);
    ASSERT_TRUE(life.groups.update(group).ok());
  }

  FaultyFileSystem disk;
  ManualClock clock{1'700'000'000'000};
  Life life{disk, clock, {}};
  int64_t origin = 0;
  int64_t end_offset = -1;
};

// A group that asks for more retry queues than its topic has: in the others nobody would look.
TEST_F(RetryTest, GoesToQueuesThatTheRetryTopicHas) {
  set_group([](meta::SubscriptionGroup& group) { group.retry_queue_nums = 2; });
  ASSERT_TRUE(back(origin).ok());
  ASSERT_EQ(life.topics.find(retry_topic)->read_queue_nums, 2);
  set_group([](meta::SubscriptionGroup& group) { group.retry_queue_nums = 16; });
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(back(origin).ok());
  clock.advance_ms(10'000);
  life.deliver();
  EXPECT_EQ(life.bodies(retry_topic, 0).size() + life.bodies(retry_topic, 1).size(), 41);
}

TEST_F(RetryTest, ComesBackAtGrowingLevelsAndIsDeadAtLast) {
  const std::string id = message::offset_msg_id(*HostPort::from_ip("127.0.0.1", 10911), origin);
  int64_t at = origin;
  for (int i = 0; i < 3; ++i) {
    SCOPED_TRACE(i);
    ASSERT_TRUE(back(at, 0, 3).ok());
    EXPECT_GT(end_offset, 0);
    const int64_t wait_ms = store::default_delay_levels()[static_cast<size_t>(3 + i - 1)];
    clock.advance_ms(wait_ms - 1);
    life.deliver();
    EXPECT_EQ(life.bodies(retry_topic).size(), static_cast<size_t>(i));
    clock.advance_ms(1);
    life.deliver();
    ASSERT_EQ(life.bodies(retry_topic).size(), static_cast<size_t>(i + 1));
    const Got got = life.read(retry_topic).back();
    EXPECT_EQ(got.body, "bad");
    EXPECT_EQ(got.reconsume_times, i + 1);
    EXPECT_EQ(got.property("ORIGIN_MESSAGE_ID"), id);
    EXPECT_EQ(got.property("RETRY_TOPIC"), "T");
    EXPECT_EQ(got.property("REAL_TOPIC"), retry_topic);
    EXPECT_EQ(got.property("DELAY"), std::to_string(3 + i));
    EXPECT_EQ(got.property("WAIT"), "false");
    EXPECT_EQ(got.property("UNIQ_KEY"), "u");
    EXPECT_EQ(got.born_timestamp_ms, 1'600'000'000'000);
    at = got.physical_offset;
  }
  ASSERT_TRUE(back(at, 0, 3).ok());
  ASSERT_THAT(life.bodies(dead_letters), ElementsAre("bad"));
  const Got dead = life.read(dead_letters)[0];
  EXPECT_EQ(dead.reconsume_times, 4);
  EXPECT_EQ(dead.property("DELAY"), "0");
  EXPECT_EQ(dead.property("ORIGIN_MESSAGE_ID"), id);
  EXPECT_EQ(dead.property("RETRY_TOPIC"), "T");
  EXPECT_EQ(life.topics.find(dead_letters)->perm, 6);
  clock.advance_ms(7'200'000);
  life.deliver();
  EXPECT_EQ(life.bodies(retry_topic).size(), 3);
}

TEST_F(RetryTest, ANegativeLevelIsDeathAndAPositiveOneItself) {
  ASSERT_TRUE(back(origin, 1).ok());
  clock.advance_ms(1'000);
  life.deliver();
  EXPECT_EQ(life.bodies(retry_topic).size(), 1);
  ASSERT_TRUE(back(origin, -1).ok());
  EXPECT_EQ(life.bodies(dead_letters).size(), 1);
}

TEST_F(RetryTest, TheGroupSaysHowOftenAndInHowManyQueues) {
  set_group([](auto& g) {
    g.retry_max_times = 0;
    g.retry_queue_nums = 3;
  });
  ASSERT_TRUE(back(origin).ok());
  EXPECT_EQ(life.bodies(dead_letters).size(), 1);
  EXPECT_EQ(life.topics.find(retry_topic)->write_queue_nums, 3);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(back(origin, 1, 5).ok());
  clock.advance_ms(1'000);
  life.deliver();
  for (int queue = 0; queue < 3; ++queue) EXPECT_GT(life.bodies(retry_topic, queue).size(), 5) << queue;
}

TEST_F(RetryTest, RefusalsAreInApachesWords) {
  EXPECT_EQ(back(origin + 1).remark, "look message by offset failed, " + std::to_string(origin + 1));
  EXPECT_EQ(back(-1).outcome, Outcome::system_error);
  EXPECT_EQ(back(int64_t{1} << 60).outcome, Outcome::system_error);
  life.permission = 4;
  EXPECT_EQ(back(origin).outcome, Outcome::no_permission);
  EXPECT_EQ(back(origin).remark, "the broker[127.0.0.1] sending message is forbidden");
  life.permission = 6;
  life.groups.set_auto_create(false, false);
  SendBack b;
  b.group = "unknown";
  const Refusal unknown = life.retry.give_back(b, end_offset);
  EXPECT_EQ(unknown.outcome, Outcome::group_not_exist);
  EXPECT_THAT(unknown.remark, HasSubstr("subscription group not exist, unknown \nSee https://"));
  meta::TopicConfig read_only;
  read_only.name = retry_topic;
  read_only.perm = 4;
  ASSERT_TRUE(life.topics.update(read_only).ok());
  EXPECT_EQ(back(origin).remark, "the topic[%RETRY%G] sending message is forbidden");
  set_group([](auto& g) { g.retry_queue_nums = 0; });
  EXPECT_TRUE(back(origin).ok()) << "a group without retry queues drops what it gives back";
  EXPECT_EQ(end_offset, 0);
  EXPECT_THAT(life.bodies("SCHEDULE_TOPIC_XXXX", 2), IsEmpty());
}

TEST_F(RetryTest, AFullDiskLeavesTheMessageToTheConsumer) {
  ASSERT_TRUE(back(origin, 1).ok());
  life.settle();
  disk.add_fault(
      {.op = FileOp::write, .path_part = "commitlog", .calls_failed = FaultyFileSystem::forever, .sys_errno = ENOSPC});
  const Refusal refusal = back(origin, 1);
  EXPECT_EQ(refusal.outcome, Outcome::system_error);
  EXPECT_THAT(refusal.remark, HasSubstr("SERVICE_NOT_AVAILABLE"));
  disk.clear_faults();
}

TEST_F(RetryTest, AClientThatResendsTooOftenFillsTheDeadLetters) {
  SendRequest r = Life::request(retry_topic, "again",
                                "DELAY\1"
                                "3\2RETRY_TOPIC\1T\2",
                                0);
  r.reconsume_times = 16;
  ASSERT_TRUE(life.send(r).ok());
  EXPECT_EQ(life.bodies("SCHEDULE_TOPIC_XXXX", 2).size(), 1) << "16 is the group's maximum, not more";
  r.reconsume_times = 17;
  ASSERT_TRUE(life.send(r).ok());
  ASSERT_THAT(life.bodies(dead_letters), ElementsAre("again"));
  EXPECT_EQ(life.read(dead_letters)[0].property("DELAY"), "-1");
  EXPECT_EQ(life.read(dead_letters)[0].reconsume_times, 17);
  r.max_reconsume_times = 20;
  ASSERT_TRUE(life.send(r).ok());
  EXPECT_EQ(life.bodies("SCHEDULE_TOPIC_XXXX", 2).size(), 2) << "the request's maximum is stronger";
  r.max_reconsume_times = 1;
  r.queue_id = -1;
  ASSERT_TRUE(life.send(r).ok());
  EXPECT_EQ(life.bodies(dead_letters).size(), 2);
}

TEST_F(RetryTest, AGroupWithLockedQueuesHasTriedEnough) {
  life.locks.lock("G", "client", {{"T", "b", 0}});
  SendRequest r = Life::request(retry_topic, "ordered",
                                "DELAY\1"
                                "3\2RETRY_TOPIC\1T\2");
  r.reconsume_times = 1;
  ASSERT_TRUE(life.send(r).ok());
  EXPECT_THAT(life.bodies(dead_letters), ElementsAre("ordered"));
  clock.advance_ms(QueueLocks::lock_lifetime_ms + 1);
  ASSERT_TRUE(life.send(r).ok());
  EXPECT_EQ(life.bodies(dead_letters).size(), 1);
}

TEST(ResendRules, TheGroupStandsInTheNameOfTheTopic) {
  EXPECT_EQ(group_of_retry_topic("%RETRY%G"), "G");
  EXPECT_EQ(group_of_retry_topic("%RETRY%G+topic"), "G");
  EXPECT_EQ(group_of_retry_topic("%RETRY%G+a+b"), "G+a+b");
  EXPECT_EQ(group_of_retry_topic("%RETRY%"), "");
}

}  // namespace
}  // namespace merlin::service
