#include "service/offset_admin.h"

#include "client.h"
#include "life.h"

namespace merlin::service {
namespace {

class OffsetAdminTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(life_.open());
    ASSERT_TRUE(mappings_.open());
    ASSERT_TRUE(offsets_.open());
    ASSERT_TRUE(life_.groups.find_or_create("g"));
    ASSERT_TRUE(life_.groups.find_or_create("h"));
    admin_.set_queue_moved([this](const store::ConsumeQueue*) { ++moved_calls_; });
  }
  // Ten messages a second apart, into a queue of T.
  void fill(int32_t queue_id) {
    for (int i = 0; i < 10; ++i) {
      store::AppendItem item;
      item.spec.topic = "T";
      item.spec.queue_id = queue_id;
      item.spec.body = as_bytes("body");
      item.spec.born_host = item.spec.store_host = *HostPort::from_ip("127.0.0.1", 1);
      item.queue = life_.store.queue("T", queue_id);
      Buffer scratch;
      const int64_t end = life_.store.append({&item, 1}, scratch);
      while (life_.store.stats().dispatched_offset < end) std::this_thread::yield();
      clock_.advance_ms(1'000);
    }
  }
  ResetAsk ask(int32_t queue_id, std::optional<int64_t> offset, int64_t timestamp_ms = 0) {
    return {"g", "T", queue_id, offset, timestamp_ms, false};
  }
  int64_t query(int32_t queue_id) { return offsets_.query("g", "T", queue_id); }

  FaultyFileSystem disk_;
  ManualClock clock_{1'700'000'000'000};
  Life life_{disk_, clock_, {}};
  meta::QueueMappingTable mappings_{disk_, clock_, "/store"};
  meta::ConsumerOffsets offsets_{disk_, clock_, "/store"};
  Clients clients_{clock_};
  Relay relay_{clients_, [](int version) { return std::to_string(version); }};
  OffsetAdmin admin_{"b",          clock_,   life_.store, life_.topics, mappings_,
                     life_.groups, offsets_, clients_,    relay_,       life_.stats};
  int moved_calls_ = 0;
};

TEST_F(OffsetAdminTest, AResetMovesAllQueuesToATime) {
  fill(0);
  fill(1);
  const int64_t begin_ms = clock_.wall_ms() - 20'000;
  meta::QueueOffsets moved;
  ASSERT_TRUE(admin_.reset_on_server(ask(-1, std::nullopt, begin_ms + 3'000), moved).ok());
  EXPECT_EQ(moved, (meta::QueueOffsets{{0, 3}, {1, 0}, {2, 0}, {3, 0}}));
  EXPECT_EQ(query(0), 3);
  EXPECT_TRUE(offsets_.has_reset("g", "T", 3));
  EXPECT_EQ(moved_calls_, 2) << "queues that nobody has sent to have no pulls to wake";
  moved.clear();
  ASSERT_TRUE(admin_.reset_on_server(ask(-1, std::nullopt, -1), moved).ok());
  EXPECT_EQ(moved, (meta::QueueOffsets{{0, 10}, {1, 10}, {2, 0}, {3, 0}}));
}

TEST_F(OffsetAdminTest, AResetOfOneQueueStaysWithinIt) {
  fill(0);
  for (const auto& [offset, good] :
       {std::pair<int64_t, bool>{4, true}, {0, true}, {11, true}, {12, false}, {-2, false}}) {
    meta::QueueOffsets moved;
    const Refusal refusal = admin_.reset_on_server(ask(0, offset), moved);
    EXPECT_EQ(refusal.ok(), good) << offset;
    if (!good) {
      EXPECT_EQ(refusal.remark, "Target offset " + std::to_string(offset) + " not in consume queue range [0-10]");
    } else {
      EXPECT_EQ(query(0), offset);
    }
  }
  meta::QueueOffsets moved;
  ASSERT_TRUE(admin_.reset_on_server(ask(0, -1, -1), moved).ok());
  EXPECT_EQ(moved, (meta::QueueOffsets{{0, 10}})) << "-1 says: by time";
  ResetAsk other = ask(0, 1);
  other.topic = "none";
  EXPECT_EQ(admin_.reset_on_server(other, moved).outcome, Outcome::topic_not_exist);
  other = ask(0, 1);
  other.group = "none";
  EXPECT_EQ(admin_.reset_on_server(other, moved).outcome, Outcome::group_not_exist);
}

TEST_F(OffsetAdminTest, ClientsAreAskedOnlyForGroupsThatCommitted) {
  fill(0);
  meta::QueueOffsets moved;
  Refusal refusal = admin_.reset_by_clients(ask(-1, std::nullopt), moved);
  EXPECT_EQ(refusal.remark, "THe consumer group <g> not exist");
  for (int32_t q = 0; q < 4; ++q) ASSERT_TRUE(offsets_.commit("g", "T", q, 5));
  refusal = admin_.reset_by_clients(ask(-1, std::nullopt), moved);
  EXPECT_EQ(refusal.outcome, Outcome::consumer_not_online);
  EXPECT_TRUE(moved.empty());
  EXPECT_EQ(query(0), 5) << "nothing moves here";
}

TEST_F(OffsetAdminTest, CloneAndCorrection) {
  fill(0);
  ASSERT_TRUE(offsets_.commit("g", "T", 0, 5));
  ASSERT_TRUE(offsets_.commit("g", "gone", 0, 5));
  ASSERT_TRUE(admin_.clone("g", "h", {}, true).ok());
  EXPECT_EQ(offsets_.query("h", "T", 0), 5);
  EXPECT_EQ(offsets_.query("h", "gone", 0), -1) << "no such topic";
  ASSERT_TRUE(offsets_.commit("h", "T", 0, 8));
  EXPECT_EQ(admin_.correction("T", "", "none"), (meta::QueueOffsets{{0, 5}}));
  EXPECT_EQ(admin_.correction("T", "", "h"), (meta::QueueOffsets{{0, 5}}));
  EXPECT_EQ(admin_.correction("T", "x,g,,y", "h"), (meta::QueueOffsets{{0, 8}}));
  EXPECT_EQ(admin_.correction("T", "g", "g"), (meta::QueueOffsets{{0, INT64_MAX}})) << "the group is behind the others";
  EXPECT_EQ(offsets_.query("g", "T", 0), 5) << "who is left out keeps its offsets";
}

TEST_F(OffsetAdminTest, ACloneOfSubscribedTopicsOnly) {
  ConsumerHeartbeat heartbeat;
  heartbeat.group = "g";
  heartbeat.subscriptions = {build_subscription("%RETRY%g", "*", "TAG")};
  clients_.register_consumer(heartbeat, {std::make_shared<Client>(1), "c", "JAVA", 400, 0}, false, false);
  ASSERT_TRUE(offsets_.commit("g", "T", 0, 5));
  ASSERT_TRUE(admin_.clone("g", "h", "T", false).ok());
  EXPECT_EQ(offsets_.query("h", "T", 0), -1);
  EXPECT_TRUE(admin_.progress("g", "T", {}).empty());
  EXPECT_EQ(admin_.progress("g", {}, {"T", "T"}).size(), 1U) << "a list is not compared with the subscriptions";
  ASSERT_TRUE(admin_.clone("g", "h", "T", true).ok());
  EXPECT_EQ(offsets_.query("h", "T", 0), 5);
}

TEST_F(OffsetAdminTest, ProgressAndTimes) {
  fill(0);
  const int64_t begin_ms = clock_.wall_ms() - 10'000;
  ASSERT_TRUE(offsets_.commit("g", "T", 0, 4));
  ASSERT_TRUE(offsets_.commit_pull("g", "T", 0, 6));
  const auto progress = admin_.progress("g", "T", {});
  ASSERT_EQ(progress.size(), 1U);
  ASSERT_EQ(progress[0].queues.size(), 4U);
  const QueueProgress& first = progress[0].queues[0];
  EXPECT_EQ(first.broker_offset, 10);
  EXPECT_EQ(first.consumer_offset, 4);
  EXPECT_EQ(first.pull_offset, 6);
  EXPECT_EQ(first.last_timestamp_ms, begin_ms + 3'000);
  EXPECT_EQ(progress[0].queues[3].consumer_offset, 0);
  std::vector<QueueTimeSpan> spans;
  ASSERT_TRUE(admin_.time_spans("g", "T", spans).ok());
  EXPECT_EQ(spans[0].min_timestamp_ms, begin_ms);
  EXPECT_EQ(spans[0].max_timestamp_ms, begin_ms + 9'000);
  EXPECT_EQ(spans[0].consume_timestamp_ms, begin_ms + 3'000);
  EXPECT_EQ(spans[0].delay_ms, 6'000) << "since the fifth message was stored";
  EXPECT_EQ(spans[1].delay_ms, 0);
  spans.clear();
  ASSERT_TRUE(admin_.time_spans("h", "T", spans).ok());
  EXPECT_EQ(spans[0].delay_ms, 10'000) << "a group that never committed waits for the first one";
  EXPECT_EQ(admin_.time_spans("g", "none", spans).outcome, Outcome::topic_not_exist);
  int visits = 0;
  admin_.each_progress(false, [&](const std::string& group, std::vector<TopicProgress> topics) {
    visits += group == "g" && topics.size() == 1 ? 1 : 0;
    visits += group == "h" && topics.empty() ? 10 : 0;
    return true;
  });
  EXPECT_EQ(visits, 11);
}

}  // namespace
}  // namespace merlin::service
