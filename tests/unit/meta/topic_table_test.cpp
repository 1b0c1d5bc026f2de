#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "meta/topic_config.h"
#include "support.h"

namespace merlin::meta {
namespace {

using testing::HasSubstr;

class TopicTableTest : public testing::Test {
 protected:
  FaultyFileSystem files_;
  ManualClock clock_{start_ms};
  TopicTable table_{files_, clock_, "/store"};
  const std::string path_ = "/store/config/topics.json";

  static TopicTable::Setup setup() {
    TopicTable::Setup out;
    out.broker_name = "broker-a";
    out.trace_topic_enable = true;
    return out;
  }
  void open() { ASSERT_TRUE(table_.open(setup())); }
  static TopicConfig topic(std::string name, Attributes changes = {}) {
    TopicConfig out;
    out.name = std::move(name);
    out.attributes = std::move(changes);
    return out;
  }
};

TEST_F(TopicTableTest, SystemTopicsAsApache) {
  open();
  // The golden file holds Apache's system topics and a few that were made on top of them.
  const nlohmann::json apache = json_of(golden("topics.json"))["topicConfigTable"];
  const nlohmann::json ours = json_of(table_.json())["topicConfigTable"];
  for (const auto& [name, config] : ours.items()) EXPECT_EQ(config, apache.value(name, nlohmann::json())) << name;
  EXPECT_EQ(ours.size() + 5, apache.size());
}

TEST_F(TopicTableTest, SwitchesOfSystemTopics) {
  TopicTable::Setup off = setup();
  off.auto_create_topic_enable = off.trace_topic_enable = off.timer_wheel_enable = false;
  off.cluster_topic_enable = off.broker_topic_enable = false;
  ASSERT_TRUE(table_.open(off));
  EXPECT_FALSE(table_.contains("TBW102"));
  EXPECT_FALSE(table_.contains("RMQ_SYS_TRACE_TOPIC"));
  EXPECT_FALSE(table_.contains("rmq_sys_wheel_timer"));
  EXPECT_EQ(table_.find("DefaultCluster")->perm, perm_inherit);
  EXPECT_EQ(table_.find("broker-a")->perm, perm_inherit);
  EXPECT_TRUE(table_.is_system_topic("broker-a"));
  EXPECT_TRUE(table_.is_system_topic("DefaultCluster_REPLY_TOPIC"));
  EXPECT_FALSE(table_.is_system_topic("Orders"));
}

TEST_F(TopicTableTest, ReadsApachesFileAndWritesTheSameBack) {
  write_file(files_, path_, golden("topics.json"));
  open();
  const nlohmann::json apache = json_of(golden("topics.json"));
  EXPECT_EQ(json_of(table_.json()), apache);
  EXPECT_EQ(table_.version().counter, 20);
  const TopicPtr orders = table_.find("Orders");
  EXPECT_EQ(orders->text(),
            "TopicConfig [topicName=Orders, readQueueNums=8, writeQueueNums=4, perm=RW-, topicFilterType=SINGLE_TAG, "
            "topicSysFlag=0, order=true, attributes={message.type=FIFO}]");
  EXPECT_EQ(orders->line(), R"(Orders 8 4 6 SINGLE_TAG {"message.type":"FIFO"})");
  EXPECT_EQ(
      orders->json(),
      R"({"attributes":{"message.type":"FIFO"},"order":true,"perm":6,"readQueueNums":8,"topicFilterType":"SINGLE_TAG",)"
      R"("topicName":"Orders","topicSysFlag":0,"writeQueueNums":4})");
  EXPECT_EQ(orders->message_type(), "FIFO");
  EXPECT_FALSE(orders->is_batch_queue());
  ASSERT_TRUE(table_.persist_if_dirty());
  EXPECT_EQ(json_of(read_file(files_, path_)), apache);
}

TEST_F(TopicTableTest, CreateForSendFollowsTheDefaultTopic) {
  open();
  const uint64_t generation = table_.generation();
  const auto made = table_.create_for_send("Auto", "TBW102", 4, 0);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->read_queue_nums, 4);
  EXPECT_EQ((*made)->write_queue_nums, 4);
  EXPECT_EQ((*made)->perm, perm_read | perm_write);
  EXPECT_GT(table_.generation(), generation);
  EXPECT_EQ(table_.version().counter, 1);
  EXPECT_EQ((*table_.create_for_send("Auto", "TBW102", 16, 0))->read_queue_nums, 4);  // exists
  EXPECT_EQ((*table_.create_for_send("Many", "DefaultCluster", 99, 1))->write_queue_nums, 16);
  EXPECT_EQ(table_.find("Many")->topic_sys_flag, 1);
  EXPECT_EQ((*table_.create_for_send("Less", "TBW102", -3, 0))->write_queue_nums, 0);
  EXPECT_EQ(table_.create_for_send("No", "Auto", 4, 0).error().code, Errc::not_found);  // not to be inherited from
  EXPECT_EQ(table_.create_for_send("No", "Absent", 4, 0).error().code, Errc::not_found);
  EXPECT_FALSE(table_.contains("No"));
  EXPECT_TRUE(json_of(read_file(files_, path_))["topicConfigTable"].contains("Many"));
}

TEST_F(TopicTableTest, AutoCreateSwitchedAtRunTime) {
  open();
  table_.set_auto_create(false, 8);
  EXPECT_FALSE(table_.create_for_send("A", "TBW102", 4, 0).ok());
  table_.set_auto_create(true, 12);
  const auto made = table_.create_for_send("A", "TBW102", 99, 0);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ((*made)->write_queue_nums, 12);
}

TEST_F(TopicTableTest, AnOldFileDoesNotAllowWhatSettingsForbid) {
  write_file(files_, path_, golden("topics.json"));  // holds TBW102 with permission 7
  TopicTable::Setup off = setup();
  off.auto_create_topic_enable = false;
  ASSERT_TRUE(table_.open(off));
  EXPECT_FALSE(table_.create_for_send("A", "TBW102", 4, 0).ok());
}

TEST_F(TopicTableTest, LightQueuesAreTopicsThatStandNowhere) {
  table_.set_light_queues(true);
  open();
  const size_t size = table_.size();
  const TopicPtr light = table_.find("%LMQ%a");
  ASSERT_NE(light, nullptr);
  EXPECT_EQ(light->read_queue_nums, 1);
  EXPECT_EQ(light->write_queue_nums, 1);
  EXPECT_EQ(light->perm, perm_read | perm_write);
  EXPECT_EQ(table_.find("%LMQ%../a"), nullptr);
  TopicConfig wanted = *light;
  wanted.read_queue_nums = wanted.write_queue_nums = 8;
  EXPECT_TRUE(table_.update(wanted).ok());
  EXPECT_TRUE(table_.update_list({wanted}).ok());
  EXPECT_EQ(table_.find("%LMQ%a")->write_queue_nums, 1) << "nothing changes one, as in Apache";
  EXPECT_EQ(table_.size(), size);
  EXPECT_EQ(table_.json().find("LMQ"), std::string::npos);
}

TEST_F(TopicTableTest, CreateIfAbsentForRetryTopics) {
  open();
  const TopicPtr made = table_.create_if_absent("%RETRY%g", 1, perm_read | perm_write, false, 2);
  EXPECT_EQ(made->read_queue_nums, 1);
  EXPECT_EQ(made->topic_sys_flag, 2);
  const uint64_t generation = table_.generation();
  EXPECT_EQ(table_.create_if_absent("%RETRY%g", 5, 4, false, 0), made);
  EXPECT_EQ(table_.generation(), generation);
  EXPECT_TRUE(table_.create_if_absent("%RETRY%g", 5, 4, true, 0)->order);
  EXPECT_EQ(table_.find("%RETRY%g")->read_queue_nums, 1);
}

TEST_F(TopicTableTest, UpdateAltersAttributes) {
  open();
  ASSERT_TRUE(table_.update(topic("T", {{"+message.type", "FIFO"}})).ok());
  EXPECT_EQ(table_.find("T")->attributes, (Attributes{{"message.type", "FIFO"}}));
  ASSERT_TRUE(table_.update(topic("T")).ok());  // nothing said about attributes: they stay
  EXPECT_EQ(table_.find("T")->message_type(), "FIFO");
  const auto bad = table_.update(topic("T", {{"+queue.type", "BatchCQ"}}));
  EXPECT_EQ(bad.error().message, "attempt to update an unchangeable attribute. key: queue.type");
  ASSERT_TRUE(table_.update(topic("T", {{"-message.type", ""}})).ok());
  EXPECT_TRUE(table_.find("T")->attributes.empty());
  TopicConfig huge = topic("Huge");
  huge.write_queue_nums = TopicTable::queue_nums_max + 1;
  EXPECT_EQ(table_.update(huge).error().code, Errc::invalid);
}

TEST_F(TopicTableTest, ListStopsAtTheFirstBadOne) {
  open();
  const Status status = table_.update_list({topic("A"), topic("B", {{"+x", "1"}}), topic("C")});
  EXPECT_EQ(status.error().message, "unsupported key: x");
  EXPECT_TRUE(table_.contains("A"));
  EXPECT_FALSE(table_.contains("C"));
  EXPECT_TRUE(json_of(read_file(files_, path_))["topicConfigTable"].contains("A"));
  EXPECT_TRUE(table_.update_list({}));
}

TEST_F(TopicTableTest, RemoveOrderAndUnitFlags) {
  open();
  ASSERT_TRUE(table_.update(topic("T")).ok());
  table_.mark_ordered({"T", "Absent"});
  EXPECT_TRUE(table_.is_order("T"));
  table_.set_unit_flags("T", true, true);
  EXPECT_EQ(table_.find("T")->topic_sys_flag, 3);
  table_.set_unit_flags("T", false, std::nullopt);
  EXPECT_EQ(table_.find("T")->topic_sys_flag, 2);
  ASSERT_TRUE(table_.remove("T"));
  EXPECT_FALSE(table_.contains("T"));
  EXPECT_EQ(table_.remove("T").error().code, Errc::not_found);
  EXPECT_FALSE(json_of(read_file(files_, path_))["topicConfigTable"].contains("T"));
}

TEST_F(TopicTableTest, BrokenFileFallsBackToTheBackup) {
  open();
  ASSERT_TRUE(table_.update(topic("First")).ok());
  ASSERT_TRUE(table_.update(topic("Second")).ok());
  damage_file(files_, path_, "{\"dataVersion\":");
  TopicTable again(files_, clock_, "/store");
  ASSERT_TRUE(again.open(setup()));
  EXPECT_TRUE(again.contains("First"));
  EXPECT_FALSE(again.contains("Second"));
  // The repaired state reaches the file with the housekeeper's next look.
  ASSERT_TRUE(again.persist_if_dirty());
  EXPECT_TRUE(json_of(read_file(files_, path_))["topicConfigTable"].contains("First"));
}

TEST_F(TopicTableTest, WrongShapesAreErrorsNotCrashes) {
  for (const std::string_view text : {"[]", "{\"topicConfigTable\":[]}", "{\"topicConfigTable\":{\"T\":1}}",
                                      "{\"topicConfigTable\":{\"T\":{\"perm\":\"x\"}}}", "{\"dataVersion\":3}",
                                      "{\"topicConfigTable\":{\"T\":{\"attributes\":{\"a\":1}}}}",
                                      "{\"topicConfigTable\":{\"T\":{\"readQueueNums\":99999999999}}}"}) {
    FaultyFileSystem files;
    write_file(files, path_, text);
    TopicTable table(files, clock_, "/store");
    const Status opened = table.open(setup());
    ASSERT_FALSE(opened) << text;
    EXPECT_EQ(opened.error().code, Errc::corrupt) << text;
    EXPECT_THAT(opened.error().message, HasSubstr("topics.json"));
  }
}

TEST_F(TopicTableTest, FullDiskKeepsTheTopicAndTriesAgain) {
  open();
  files_.set_quota_bytes(files_.used_bytes());
  const auto made = table_.create_for_send("Auto", "TBW102", 4, 0);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(table_.update(topic("T")).error().code, Errc::no_space);
  EXPECT_EQ(table_.persist_if_dirty().error().code, Errc::no_space);
  files_.set_quota_bytes(FaultyFileSystem::quota_none);
  ASSERT_TRUE(table_.persist_if_dirty());
  const nlohmann::json written = json_of(read_file(files_, path_))["topicConfigTable"];
  EXPECT_TRUE(written.contains("Auto"));
  EXPECT_TRUE(written.contains("T"));
}

TEST_F(TopicTableTest, WrapperForRegistration) {
  write_file(files_, path_, golden("topics.json"));
  open();
  const std::vector<TopicPtr> one = {table_.find("Orders")};
  const nlohmann::json wrapper = json_of(topic_wrapper_json(one, table_.version()));
  EXPECT_EQ(wrapper["topicConfigTable"]["Orders"], json_of(one[0]->json()));
  EXPECT_EQ(wrapper["dataVersion"], json_of(table_.version().json()));
  EXPECT_TRUE(wrapper["topicQueueMappingDetailMap"].is_object());
  EXPECT_TRUE(wrapper["topicQueueMappingInfoMap"].is_object());
  EXPECT_EQ(wrapper["mappingDataVersion"]["counter"], 0);
  const nlohmann::json masked =
      json_of(topic_wrapper_json(one, table_.version(), perm_read))["topicConfigTable"]["Orders"];
  EXPECT_EQ(masked["perm"], perm_read);
  EXPECT_EQ(masked["order"], false);
  EXPECT_EQ(masked["readQueueNums"], 8);
}

TEST_F(TopicTableTest, Pages) {
  open();
  const std::string version = table_.version().json();
  const size_t all = table_.size();
  EXPECT_EQ(topic_page(table_, version, 0, 5).size(), 5U);
  EXPECT_EQ(topic_page(table_, version, 5, 5)[0]->name, table_.all()[5]->name);
  EXPECT_EQ(topic_page(table_, version, 5, 10'000).size(), all - 5);
  EXPECT_EQ(topic_page(table_, "", 5, 2)[0]->name, table_.all()[0]->name);
  EXPECT_EQ(topic_page(table_, R"({"counter":99})", 5, 2)[0]->name, table_.all()[0]->name);
  EXPECT_TRUE(topic_page(table_, version, static_cast<int64_t>(all), 5).empty());
  EXPECT_TRUE(topic_page(table_, version, INT64_MAX, INT64_MAX).empty());
  EXPECT_TRUE(topic_page(table_, version, 0, -1).empty());
}

TEST_F(TopicTableTest, ParseOneAndList) {
  const auto one =
      TopicConfig::parse(R"({"topicName":"T","readQueueNums":"3","topicFilterType":"MULTI_TAG","other":{}})");
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->name, "T");
  EXPECT_EQ(one->read_queue_nums, 3);
  EXPECT_EQ(one->write_queue_nums, 16);
  EXPECT_TRUE(one->multi_tag);
  EXPECT_EQ(TopicConfig::parse_list(R"({"topicConfigList":[{"topicName":"A"},{"topicName":"B"}]})")->size(), 2U);
  EXPECT_TRUE(TopicConfig::parse_list("{}")->empty());
  EXPECT_FALSE(TopicConfig::parse_list(R"({"topicConfigList":[1]})").ok());
  EXPECT_FALSE(TopicConfig::parse_list(R"({"topicConfigList":7})").ok());
}

TEST_F(TopicTableTest, CreationsAndReadsSideBySide) {
  open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 50; ++i) {
        // Two threads want each topic.
        const std::string name = "T" + std::to_string((t % 2) * 50 + i);
        ASSERT_TRUE(table_.create_for_send(name, "TBW102", 4, 0).ok());
        ASSERT_TRUE(json_of(read_file(files_, path_))["topicConfigTable"].contains(name));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(table_.version().counter, 100);
}

// The fear: power goes while topics are made, and a topic that was acknowledged is gone, or the broker cannot start.
TEST(TopicTableLimits, QueueNumbersOfRetryTopicsAreKeptInRange) {
  const ManualClock clock(start_ms);
  FaultyFileSystem files(1);
  TopicTable table(files, clock, "/store");
  TopicTable::Setup setup;
  setup.broker_name = "b";
  ASSERT_TRUE(table.open(setup));
  EXPECT_EQ(table.create_if_absent("%RETRY%a", INT32_MAX, 6, false, 0)->write_queue_nums, TopicTable::queue_nums_max);
  EXPECT_EQ(table.create_if_absent("%RETRY%b", -7, 6, false, 0)->read_queue_nums, 0);
}

TEST(TopicTableLimits, ATopicWrittenLaterIsThereAtOnceAndOnDiskAfterwards) {
  const ManualClock clock(start_ms);
  FaultyFileSystem files(1);
  TopicTable::Setup setup;
  setup.broker_name = "b";
  TopicTable table(files, clock, "/store");
  ASSERT_TRUE(table.open(setup));
  ASSERT_NE(table.create_if_absent("%RETRY%a", 1, 6, false, 0, WriteFile::later), nullptr);
  EXPECT_TRUE(table.contains("%RETRY%a"));
  EXPECT_FALSE(files.exists("/store/config/topics.json"));
  ASSERT_TRUE(table.persist_if_dirty());
  TopicTable again(files, clock, "/store");
  ASSERT_TRUE(again.open(setup));
  EXPECT_TRUE(again.contains("%RETRY%a"));
}

TEST(TopicTableCrash, AcknowledgedTopicsSurvivePowerCuts) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const ManualClock clock(start_ms);
  TopicTable::Setup setup;
  setup.broker_name = "b";
  for (int round = 0; round < 150; ++round) {
    FaultyFileSystem files(random());
    std::set<std::string> acknowledged;
    {
      TopicTable table(files, clock, "/store");
      ASSERT_TRUE(table.open(setup));
      files.cut_power_after(static_cast<int64_t>(random() % 60));
      for (int i = 0; i < 20 && !files.power_is_off(); ++i) {
        TopicConfig config;
        config.name = "T" + std::to_string(i);
        if (table.update(config).ok()) acknowledged.insert(config.name);
      }
    }
    const std::unique_ptr<FaultyFileSystem> disk = files.crash(random());
    TopicTable after(*disk, clock, "/store");
    const Status opened = after.open(setup);
    ASSERT_TRUE(opened) << "round " << round << ": " << opened.error().message;
    for (const std::string& name : acknowledged) ASSERT_TRUE(after.contains(name)) << "round " << round << " " << name;
  }
}

}  // namespace
}  // namespace merlin::meta
