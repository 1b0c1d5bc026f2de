#include "meta/topic_queue_mapping.h"

#include <gmock/gmock.h>

#include "meta/topic_config.h"
#include "support.h"

namespace merlin::meta {
namespace {

using testing::HasSubstr;

// As Apache 5.5.0 writes it: TopicQueueMappingDetail.encode().
constexpr std::string_view detail_text =
    R"({"bname":"broker-a","currIdMap":{},"dirty":false,"epoch":1700000000123,"hostedQueues":{)"
    R"(3:[{"bname":"broker-a","endOffset":-1,"gen":0,"logicOffset":0,"queueId":0,"startOffset":0,"timeOfEnd":-1,)"
    R"("timeOfStart":-1}],)"
    R"(11:[{"bname":"broker-a","endOffset":-1,"gen":0,"logicOffset":0,"queueId":1,"startOffset":0,"timeOfEnd":-1,)"
    R"("timeOfStart":-1}]},"scope":"__global__","topic":"T\"x","totalQueues":12})";

class QueueMappingTableTest : public testing::Test {
 protected:
  FaultyFileSystem files_;
  ManualClock clock_{start_ms};
  QueueMappingTable table_{files_, clock_, "/store"};
  const std::string path_ = "/store/config/topicQueueMapping.json";

  void SetUp() override { ASSERT_TRUE(table_.open()); }

  static MappingItem item(int32_t gen, int32_t queue_id, std::string broker, int64_t logic_offset = 0) {
    MappingItem out;
    out.gen = gen;
    out.queue_id = queue_id;
    out.broker_name = std::move(broker);
    out.logic_offset = logic_offset;
    return out;
  }
  // Queue 0 of topic T lies in this broker's queue 0.
  static QueueMapping mapping(int64_t epoch = 10) {
    QueueMapping out;
    out.topic = "T";
    out.broker_name = "broker-a";
    out.total_queues = 4;
    out.epoch = epoch;
    out.hosted_queues[0] = {item(0, 0, "broker-a")};
    return out;
  }
  std::string refusal(QueueMapping next, bool force = false) {
    const Status checked = table_.check(next, force);
    const Status updated = table_.update(std::move(next), force);
    EXPECT_EQ(checked.ok(), updated.ok());
    if (updated) return "";
    EXPECT_EQ(updated.error().code, Errc::invalid);
    return updated.error().message;
  }
};

TEST_F(QueueMappingTableTest, ReadsAndWritesApachesText) {
  const Result<QueueMapping> read = QueueMapping::parse(detail_text);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->topic, "T\"x");
  EXPECT_EQ(read->hosted_queues.size(), 2U);
  EXPECT_EQ(read->items_of(11)->front().queue_id, 1);
  EXPECT_EQ(read->items_of(4), nullptr);
  EXPECT_EQ(read->json(), detail_text);
  EXPECT_EQ(read->info_json(),
            R"({"bname":"broker-a","currIdMap":{3:0,11:1},"dirty":false,"epoch":1700000000123,"scope":"__global__",)"
            R"("topic":"T\"x","totalQueues":12})");
}

TEST_F(QueueMappingTableTest, RefusesWhatIsNoMapping) {
  for (const char* text :
       {"", "null", "[]", "{\"hostedQueues\":[]}", "{\"hostedQueues\":{\"x\":[]}}", "{\"hostedQueues\":{-1:[]}}",
        "{\"hostedQueues\":{0:5}}", "{\"hostedQueues\":{0:[5]}}", "{\"hostedQueues\":{0:[{\"queueId\":4294967296}]}}",
        "{\"epoch\":[]}", "{\"hostedQueues\":{0:[{\"logicOffset\":9223372036854775807}]}}",
        "{\"hostedQueues\":{0:[{\"startOffset\":-2}]}}"}) {
    const Result<QueueMapping> read = QueueMapping::parse(text);
    EXPECT_FALSE(read.ok()) << text;
  }
}

TEST_F(QueueMappingTableTest, KeepsMappingsOverRestart) {
  EXPECT_FALSE(table_.any());
  EXPECT_EQ(table_.find("T"), nullptr);
  ASSERT_TRUE(table_.persist_if_dirty());
  EXPECT_FALSE(files_.exists(path_)) << "without static topics there is no file";
  ASSERT_EQ(refusal(mapping()), "");
  EXPECT_TRUE(table_.any());
  EXPECT_EQ(table_.version().counter, 1);

  QueueMappingTable again(files_, clock_, "/store");
  ASSERT_TRUE(again.open());
  ASSERT_NE(again.find("T"), nullptr);
  EXPECT_EQ(*again.find("T"), mapping());
  EXPECT_EQ(again.version(), table_.version());
  ASSERT_TRUE(again.remove("T"));
  ASSERT_TRUE(again.remove("T"));
  EXPECT_FALSE(again.any());
  EXPECT_EQ(again.version().counter, 2);
  EXPECT_EQ(json_of(read_file(files_, path_))["topicQueueMappingInfoMap"].size(), 0U);
}

TEST_F(QueueMappingTableTest, ItemsMustMakeSense) {
  const auto with = [](std::vector<MappingItem> items) {
    QueueMapping out = mapping();
    out.hosted_queues[0] = std::move(items);
    return out;
  };
  MappingItem ended = item(0, 0, "broker-b");
  ended.end_offset = 100;
  EXPECT_EQ(refusal(with({item(-1, 0, "broker-a")})), "The field is illegal, should not be negative");
  EXPECT_EQ(refusal(with({item(0, -1, "broker-a")})), "The field is illegal, should not be negative");
  EXPECT_EQ(refusal(with({item(0, 0, "broker-b", -1), item(1, 0, "broker-a", 5)})),
            "The non-latest item has negative logic offset");
  EXPECT_EQ(refusal(with({item(1, 0, "broker-b"), item(1, 0, "broker-a", 5)})),
            "The gen does not increase monotonically");
  EXPECT_EQ(refusal(with({item(0, 0, "broker-b", 5), item(1, 0, "broker-a", 5)})),
            "The base logic offset does not increase monotonically");
  EXPECT_EQ(refusal(with({ended, item(1, 0, "broker-a", 50)})), "The max logic offset does not increase monotonically");
  EXPECT_FALSE(table_.any());
  EXPECT_EQ(refusal(with({ended, item(1, 0, "broker-a", 10'000)})), "");
}

TEST_F(QueueMappingTableTest, AnUpdateMayNotContradictWhatStands) {
  ASSERT_EQ(refusal(mapping(10)), "");
  EXPECT_EQ(refusal(mapping(9)), "Can't accept data with small epoch 9 < 10");
  QueueMapping other = mapping(11);
  other.scope = "s";
  EXPECT_EQ(refusal(other), "Can't accept data with unmatched scope s != __global__");
  other = mapping(10);
  other.hosted_queues.clear();
  EXPECT_EQ(refusal(other), "Cannot accept equal epoch with null data");
  other = mapping(11);
  other.hosted_queues[0].front().queue_id = 7;
  EXPECT_THAT(refusal(other), HasSubstr("may not change"));
  EXPECT_EQ(*table_.find("T"), mapping(10));
}

TEST_F(QueueMappingTableTest, QueuesThatAnUpdateLeavesOutStay) {
  ASSERT_EQ(refusal(mapping(10)), "");
  QueueMapping more = mapping(11);
  more.hosted_queues.clear();
  more.hosted_queues[2] = {item(0, 1, "broker-a")};
  ASSERT_EQ(refusal(more), "");
  EXPECT_EQ(table_.find("T")->hosted_queues.size(), 2U);
  // By force even against the epoch.
  QueueMapping forced = mapping(1);
  forced.hosted_queues[0].front().queue_id = 7;
  ASSERT_EQ(refusal(forced, true), "");
  EXPECT_EQ(table_.find("T")->epoch, 1);
  EXPECT_EQ(table_.find("T")->items_of(0)->front().queue_id, 7);
  EXPECT_EQ(table_.find("T")->hosted_queues.size(), 2U);
}

TEST_F(QueueMappingTableTest, BrokenFileIsNotTaken) {
  ASSERT_EQ(refusal(mapping(10)), "");
  ASSERT_EQ(refusal(mapping(11)), "");
  damage_file(files_, path_, "{\"topicQueueMappingInfoMap\":{\"T\":");
  QueueMappingTable again(files_, clock_, "/store");
  ASSERT_TRUE(again.open());
  ASSERT_NE(again.find("T"), nullptr) << "the backup holds the state before";
  EXPECT_EQ(again.find("T")->epoch, 10);
}

TEST_F(QueueMappingTableTest, TextsForNameserversAndTools) {
  ASSERT_EQ(refusal(mapping()), "");
  TopicConfig config;
  config.name = "T";
  config.read_queue_nums = config.write_queue_nums = 1;
  const nlohmann::json tool = json_of(config.json(table_.find("T")->json()));
  EXPECT_EQ(tool["mappingDetail"], json_of(mapping().json()));
  EXPECT_EQ(tool["topicName"], "T");
  EXPECT_FALSE(json_of(config.json()).contains("mappingDetail"));

  const std::vector<TopicPtr> topics = {std::make_shared<const TopicConfig>(config)};
  const nlohmann::json wrapper = json_of(
      topic_wrapper_json(topics, DataVersion(), 6,
                         {table_.version(), mapping_details_json(table_.all()), mapping_infos_json(table_.all())}));
  EXPECT_EQ(wrapper["mappingDataVersion"]["counter"], 1);
  EXPECT_EQ(wrapper["topicQueueMappingDetailMap"]["T"], json_of(mapping().json()));
  EXPECT_EQ(wrapper["topicQueueMappingInfoMap"]["T"]["currIdMap"]["0"], 0);
}

}  // namespace
}  // namespace merlin::meta
