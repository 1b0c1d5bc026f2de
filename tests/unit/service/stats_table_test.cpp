#include "service/stats_table.h"

#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace merlin::service {
namespace {

constexpr int64_t start_ms = 1'700'000'000'000;

class StatsTableTest : public testing::Test {
 protected:
  const void* identity_of(std::string_view name) {
    const std::lock_guard lock(mutex_);
    return &*names_.emplace(name).first;
  }
  void put(std::string_view topic, int64_t messages, int64_t bytes, int64_t requests) {
    table_.topic_put(identity_of(topic), topic, messages, bytes, requests);
  }
  void get(std::string_view group, std::string_view topic, int32_t queue_id, int64_t messages, int64_t bytes,
           int64_t latency_ms) {
    const void* identity = identity_of(std::string(topic) + " " + std::to_string(queue_id));
    table_.group_get(identity, group, topic, queue_id, messages, bytes, latency_ms);
  }
  void sample_after(int64_t ms) {
    clock_.advance_ms(ms);
    table_.sample(0, 0);
  }
  ManualClock clock_{start_ms};
  StatsTable table_{clock_};
  std::mutex mutex_;
  std::set<std::string, std::less<>> names_;
};

TEST_F(StatsTableTest, AMinuteHasSixStepsOfTenSeconds) {
  put("T", 30, 3'000, 10);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "T")->minute.sum, 0);  // nothing sampled yet
  table_.sample(0, 0);
  auto found = table_.find("TOPIC_PUT_NUMS", "T");
  EXPECT_EQ(found->minute.sum, 30);
  EXPECT_DOUBLE_EQ(found->minute.tps, 3.0);  // the window begins ten seconds before the first sample
  EXPECT_DOUBLE_EQ(found->minute.average, 3.0);
  EXPECT_EQ(found->hour.sum, 30);
  EXPECT_EQ(found->day.sum, 30);
  EXPECT_EQ(table_.find("TOPIC_PUT_SIZE", "T")->minute.sum, 3'000);
  for (int i = 0; i < 5; ++i) sample_after(10'000);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "T")->minute.sum, 30);
  EXPECT_DOUBLE_EQ(table_.topic_put_tps("T"), 0.5);
  sample_after(10'000);
  found = table_.find("TOPIC_PUT_NUMS", "T");
  EXPECT_EQ(found->minute.sum, 0);  // a minute ago
  EXPECT_EQ(found->hour.sum, 30);
}

TEST_F(StatsTableTest, HourAndDayHaveTheirOwnSteps) {
  put("T", 1, 1, 1);
  table_.sample(0, 0);
  put("T", 10, 10, 1);
  for (int i = 0; i < 6 * 59; ++i) sample_after(10'000);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "T")->hour.sum, 11);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "T")->day.sum, 1);
  for (int i = 0; i < 6 * 2; ++i) sample_after(10'000);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "T")->hour.sum, 10);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "T")->day.sum, 11);
}

TEST_F(StatsTableTest, NamesAndKeysAreApaches) {
  table_.set_cluster_name("C");
  get("g", "T", 3, 32, 4'096, 2);
  get("g", "T", 3, 32, 4'096, 4);
  table_.sent_back("g", "T");
  table_.given_up("g", "T");
  table_.queue_put("SCHEDULE_TOPIC_XXXX", 2, 3, 900);
  put("RMQ_SYS_TRACE_TOPIC", 5, 5, 1);
  put("T", 7, 7, 1);
  table_.sample(12, 64);
  EXPECT_EQ(table_.find("GROUP_GET_NUMS", "T@g")->minute.sum, 64);
  EXPECT_EQ(table_.find("GROUP_GET_SIZE", "T@g")->minute.sum, 8'192);
  EXPECT_EQ(table_.find("SNDBCK_PUT_NUMS", "T@g")->minute.sum, 1);
  EXPECT_EQ(table_.find("SNDBCK2DLQ_TIMES", "null@T@g@SEND_BACK_TO_DLQ")->minute.sum, 1);
  EXPECT_EQ(table_.find("QUEUE_PUT_NUMS", "SCHEDULE_TOPIC_XXXX@2")->minute.sum, 3);
  EXPECT_EQ(table_.find("QUEUE_PUT_SIZE", "SCHEDULE_TOPIC_XXXX@2")->minute.sum, 900);
  EXPECT_DOUBLE_EQ(table_.find("QUEUE_PUT_SIZE", "SCHEDULE_TOPIC_XXXX@2")->minute.average, 300.0);
  EXPECT_EQ(table_.find("GROUP_GET_LATENCY", "3@T@g")->minute.sum, 6);
  EXPECT_DOUBLE_EQ(table_.find("GROUP_GET_LATENCY", "3@T@g")->minute.average, 3.0);
  EXPECT_EQ(table_.find("QUEUE_GET_NUMS", "T@3@g")->minute.sum, 64);
  EXPECT_EQ(table_.find("BROKER_PUT_NUMS", "C")->minute.sum, 12);
  EXPECT_EQ(table_.find("BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC", "C")->minute.sum, 7);
  EXPECT_EQ(table_.find("BROKER_GET_NUMS", "C")->minute.sum, 64);
  EXPECT_DOUBLE_EQ(table_.group_get_tps("g", "T"), 6.4);
  for (const auto& [name, key] : {std::pair{"BROKER_PUT_NUMS", "other"},
                                  {"SNDBCK_PUT_NUMS", "T@h"},
                                  {"GROUP_GET_NUMS", "T"},
                                  {"NO_SUCH_NAME", "T"},
                                  {"QUEUE_GET_NUMS", "T@3"}}) {
    EXPECT_FALSE(table_.find(name, key)) << name << " " << key;
  }
  get("h", "T", 0, 1, 1, 0);
  EXPECT_FALSE(table_.find("SNDBCK_PUT_NUMS", "T@h")) << "the group got messages, and gave none back";
}

TEST_F(StatsTableTest, WhatIsDeletedOrIdleGoes) {
  put("T", 1, 1, 1);
  put("TT", 1, 1, 1);
  get("g", "T", 0, 1, 1, 0);
  get("gg", "TT", 0, 1, 1, 0);
  table_.given_up("gg", "T");
  table_.given_up("gg", "TT");
  table_.queue_put("T", 0, 1, 1);
  table_.queue_put("TT", 0, 1, 1);
  table_.sample(0, 0);
  table_.topic_deleted("T");
  EXPECT_FALSE(table_.find("TOPIC_PUT_NUMS", "T"));
  EXPECT_FALSE(table_.find("GROUP_GET_NUMS", "T@g"));
  EXPECT_TRUE(table_.find("TOPIC_PUT_NUMS", "TT"));
  EXPECT_FALSE(table_.find("QUEUE_PUT_NUMS", "T@0"));
  EXPECT_TRUE(table_.find("QUEUE_PUT_NUMS", "TT@0"));
  EXPECT_FALSE(table_.find("SNDBCK2DLQ_TIMES", "null@T@gg@SEND_BACK_TO_DLQ"));
  EXPECT_TRUE(table_.find("SNDBCK2DLQ_TIMES", "null@TT@gg@SEND_BACK_TO_DLQ"));
  table_.group_deleted("0");
  EXPECT_TRUE(table_.find("QUEUE_PUT_NUMS", "TT@0")) << "a queue is no group";
  table_.group_deleted("gg");
  EXPECT_FALSE(table_.find("SNDBCK2DLQ_TIMES", "null@TT@gg@SEND_BACK_TO_DLQ"));
  EXPECT_FALSE(table_.find("GROUP_GET_NUMS", "TT@gg"));
  EXPECT_FALSE(table_.find("GROUP_GET_LATENCY", "0@TT@gg"));
  put("T", 2, 2, 1);  // a new life, also for the thread that knew the old row
  table_.sample(0, 0);
  sample_after(10'000);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "T")->minute.sum, 2);
  sample_after(StatsTable::idle_ms_max + 60'000);
  EXPECT_FALSE(table_.find("TOPIC_PUT_NUMS", "T"));
  EXPECT_EQ(table_.size(), 2U) << "those of the broker stay";
}

TEST_F(StatsTableTest, TheTableHasALimit) {
  for (size_t i = 0; i < StatsTable::rows_max + 10; ++i) put("T" + std::to_string(i), 1, 1, 1);
  EXPECT_EQ(table_.size(), StatsTable::rows_max);
  EXPECT_FALSE(table_.find("TOPIC_PUT_NUMS", "T" + std::to_string(StatsTable::rows_max + 5)));
  table_.sample(0, 0);
  sample_after(StatsTable::idle_when_full_ms + 10'000);
  put("new", 1, 1, 1);
  EXPECT_TRUE(table_.find("TOPIC_PUT_NUMS", "new"));
}

TEST_F(StatsTableTest, ThreadsLoseNothing) {
  constexpr int64_t rounds = 20'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int64_t i = 0; i < rounds; ++i) {
        put("T" + std::to_string(i % 300), 1, 10, 1);
        get("g", "T", static_cast<int32_t>(i % 8), 2, 20, 0);
      }
    });
  }
  for (int i = 0; i < 50; ++i) sample_after(10'000);  // beside the threads
  for (std::thread& thread : threads) thread.join();
  sample_after(StatsTable::day_step_ms);
  EXPECT_EQ(table_.find("GROUP_GET_NUMS", "T@g")->day.sum, 4 * 2 * rounds);
  int64_t queues = 0;
  for (int q = 0; q < 8; ++q) queues += table_.find("QUEUE_GET_NUMS", "T@" + std::to_string(q) + "@g")->day.sum;
  EXPECT_EQ(queues, 4 * 2 * rounds);
  int64_t put = 0;
  for (int i = 0; i < 300; ++i) put += table_.find("TOPIC_PUT_NUMS", "T" + std::to_string(i))->day.sum;
  EXPECT_EQ(put, 4 * rounds);
  EXPECT_EQ(table_.user_put_messages(), 4 * rounds);
}

TEST_F(StatsTableTest, ARunCountsTopicByTopic) {
  {
    PutRun run(table_);
    for (const std::string_view topic : {"A", "A", "B", "A"}) run.add(identity_of(topic), topic, 2, 100, topic != "B");
  }
  table_.sample(0, 0);
  EXPECT_EQ(table_.find("TOPIC_PUT_NUMS", "A")->minute.sum, 6);
  EXPECT_EQ(table_.find("TOPIC_PUT_SIZE", "A")->minute.sum, 300);
  EXPECT_DOUBLE_EQ(table_.find("TOPIC_PUT_NUMS", "A")->minute.average, 2.0);
}

}  // namespace
}  // namespace merlin::service
