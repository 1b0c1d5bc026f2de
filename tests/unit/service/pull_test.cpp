// What a pull's checks remember between pulls, and that no change goes unseen for it.
#include "service/pull.h"

#include <gtest/gtest.h>

#include "unit/service/life.h"

namespace merlin::service {
namespace {

struct PullTest : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(life.open());
    ASSERT_TRUE(offsets.open());
    life.groups.set_auto_create(true, true);
    ASSERT_TRUE(life.send(Life::request("T", "m", {}, 2)).ok());
    life.settle();
  }
  void TearDown() override { life.close(); }

  PullRequest request(std::string_view topic, std::string_view group, int32_t queue_id) const {
    PullRequest r;
    r.topic = topic;
    r.group = group;
    r.queue_id = queue_id;
    r.messages_max = 32;
    r.sys_flag = pull_flag::subscription;
    r.subscription = "*";
    r.expression_type = "TAG";
    return r;
  }
  Outcome plan(std::string_view topic, std::string_view group, int32_t queue_id) {
    last = {};
    return pull.plan(request(topic, group, queue_id), cache, last).outcome;
  }
  void change_topic(auto change) {
    meta::TopicConfig config = *life.topics.find("T");
    change(config);
    ASSERT_TRUE(life.topics.update(std::move(config)).ok());
  }

  FaultyFileSystem disk;
  ManualClock clock{1'700'000'000'000};
  Life life{disk, clock, {}};
  std::atomic<int64_t> many{1 << 20};
  std::atomic<int64_t> on{1};
  std::atomic<int64_t> permission{6};
  meta::ConsumerOffsets offsets{disk, clock, "/store"};
  Clients clients{clock};
  Filtering filtering{disk, clock, "/store", {}};
  Pull pull{"127.0.0.1", PullLimits{many, many, many, many, permission, on, on, on, many},
            life.store,  life.topics,
            life.groups, offsets,
            clients,     filtering,
            life.stats};
  PullCache cache;
  PullPlan last;
};

TEST_F(PullTest, EachQueueOfSeveralTopicsIsItsOwn) {
  life.topics.create_if_absent("U", 2, 6, false, 0);
  for (int round = 0; round < 2; ++round) {
    for (const std::string_view topic : {"T", "U"}) {
      for (int32_t id = 0; id < life.topics.find(topic)->read_queue_nums; ++id) {
        ASSERT_EQ(plan(topic, "G", id), Outcome::ok);
        EXPECT_EQ(last.queue, life.store.queue(topic, id, false)) << topic << id;
      }
    }
  }
  store::GetResult result;
  ASSERT_EQ(plan("T", "G", 2), Outcome::ok);
  pull.read(request("T", "G", 2), last, 0, result, store::ReadMode::no_wait);
  EXPECT_EQ(result.message_count, 1);
}

TEST_F(PullTest, ChangesOfATopicAreSeen) {
  ASSERT_EQ(plan("T", "G", 3), Outcome::ok);
  change_topic([](meta::TopicConfig& config) { config.read_queue_nums = 2; });
  EXPECT_EQ(plan("T", "G", 3), Outcome::invalid_parameter);
  change_topic([](meta::TopicConfig& config) { config.read_queue_nums = 8; });
  EXPECT_EQ(plan("T", "G", 7), Outcome::ok);
  change_topic([](meta::TopicConfig& config) { config.perm = meta::perm_write; });
  EXPECT_EQ(plan("T", "G", 3), Outcome::no_permission);
  ASSERT_TRUE(life.topics.remove("T").ok());
  EXPECT_EQ(plan("T", "G", 3), Outcome::topic_not_exist);
  life.topics.create_if_absent("T", 4, 6, false, 0);
  EXPECT_EQ(plan("T", "G", 3), Outcome::ok);
}

TEST_F(PullTest, ChangesOfAGroupAreSeen) {
  ASSERT_EQ(plan("T", "G", 0), Outcome::ok);
  meta::SubscriptionGroup group;
  group.name = "G";
  group.consume_enable = false;
  ASSERT_TRUE(life.groups.update(group).ok());
  EXPECT_EQ(plan("T", "G", 0), Outcome::no_permission);
  EXPECT_EQ(plan("T", "H", 0), Outcome::ok) << "another group";
  life.groups.set_auto_create(false, false);
  ASSERT_TRUE(life.groups.remove("G").ok());
  EXPECT_EQ(plan("T", "G", 0), Outcome::group_not_exist);
  EXPECT_EQ(plan("T", "H", 0), Outcome::ok);
}

TEST_F(PullTest, WhatIsRememberedHasALimit) {
  const std::vector<std::string> wide = {"wide0", "wide1", "wide2"};
  for (const std::string& name : wide) {
    life.topics.create_if_absent(name, meta::TopicTable::queue_nums_max, 6, false, 0);
  }
  size_t most = 0;
  // A new group makes all be forgotten: only the second round remembers more than one.
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < PullCache::names_max + 10; ++i) {
      ASSERT_EQ(plan("T", "group" + std::to_string(i), 0), Outcome::ok);
      most = std::max(most, cache.groups.size());
    }
  }
  EXPECT_EQ(most, PullCache::names_max + 1);
  for (int round = 0; round < 2; ++round) {
    for (const std::string& name : wide) {
      ASSERT_EQ(plan(name, "group1", 0), Outcome::ok);
      EXPECT_LE(cache.queue_count, PullCache::queues_max + meta::TopicTable::queue_nums_max);
    }
  }
}

}  // namespace
}  // namespace merlin::service
