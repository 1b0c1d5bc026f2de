// Light queues (LMQ): one record in many queues.
#include "merlin/base/faulty_file_system.h"
#include "merlin/message/properties.h"
#include "store/dispatch/light_places.h"
#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

using Bodies = std::vector<std::string>;

std::string dispatch_to(std::string_view names) {
  std::string properties;
  message::append_property(properties, message::property::inner_multi_dispatch, names);
  return properties;
}

std::string offsets_of(const message::RecordView& record) {
  return std::string(message::find_property(record.properties, "INNER_MULTI_QUEUE_OFFSET").value_or("absent"));
}

class LightQueueTest : public testing::TestWithParam<bool> {
 protected:
  LightQueueTest() { f.options.queues_in_database = GetParam(); }

  AppendItem send(const std::string& names, std::string_view body, std::string_view topic = "T") {
    return f.send_light(topic, 0, body, names);
  }

  Bodies read(std::string_view topic) {
    EXPECT_TRUE(eventually([&] {
      const StoreStats stats = f.store->stats();
      return stats.dispatched_offset >= stats.max_physical_offset;
    }));
    return f.bodies(topic, 0);
  }

  std::string stored_offsets(const AppendItem& item) {
    LogBytes bytes;
    EXPECT_TRUE(f.store->record_at(item.physical_offset, bytes).ok());
    const auto records = records_of(bytes);
    EXPECT_EQ(static_cast<int32_t>(records.at(0).total_size), item.size);
    return offsets_of(records.at(0));
  }

  StoreFixture f{small_options(fresh_dir())};
};

TEST_P(LightQueueTest, ARecordStandsInEachQueueThatItNames) {
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(stored_offsets(send("%LMQ%a", "1")), "0");
  EXPECT_EQ(stored_offsets(send("%LMQ%a,%LMQ%b", "2")), "1,0");
  EXPECT_EQ(stored_offsets(send("x,%LMQ%b,,%LMQ%c", "3")), ",1,,0") << "other names keep an empty place";
  EXPECT_EQ(stored_offsets(send("%LMQ%a,%LMQ%a", "4")), "2,2") << "a name that stands there twice is one queue";
  EXPECT_EQ(stored_offsets(send("%LMQ%a,,", "5")), "3") << "Java's split drops empty ends";
  EXPECT_EQ(stored_offsets(send("only,others", "6")), "absent");
  EXPECT_EQ(stored_offsets(send("%LMQ%a", "7", "%RETRY%g")), "absent") << "messages on their second way stay out";
  const auto check = [&] {
    EXPECT_EQ(read("T"), (Bodies{"1", "2", "3", "4", "5", "6"}));
    EXPECT_EQ(read("%LMQ%a"), (Bodies{"1", "2", "4", "5"}));
    EXPECT_EQ(read("%LMQ%b"), (Bodies{"2", "3"}));
    EXPECT_EQ(read("%LMQ%c"), (Bodies{"3"}));
    EXPECT_EQ(f.store->find_queue("x", 0), nullptr);
  };
  check();
  ASSERT_TRUE(f.open().ok()) << "dropped without close";
  check();
  f.close();
  ASSERT_TRUE(f.open().ok());
  check();
  f.close();
  f.options.queues_in_database = !f.options.queues_in_database;
  ASSERT_TRUE(f.open().ok()) << "the other form is built from the log";
  check();
  EXPECT_EQ(stored_offsets(send("%LMQ%a,%LMQ%b", "7")), "4,2");
  f.close();
}

TEST_P(LightQueueTest, MessagesSentToOneStandBesideThoseThatOnlyEnterIt) {
  ASSERT_TRUE(f.open().ok());
  send("%LMQ%a", "1");
  f.send("%LMQ%a", 0, "2");
  EXPECT_EQ(stored_offsets(send("%LMQ%a,%LMQ%b", "3", "%LMQ%a")), "2,0") << "its own queue is entered once";
  const auto check = [&] {
    EXPECT_EQ(read("%LMQ%a"), (Bodies{"1", "2", "3"}));
    EXPECT_EQ(read("%LMQ%b"), (Bodies{"3"}));
  };
  check();
  f.close();
  std::filesystem::remove_all(f.options.root_dir + "/consumequeue");
  std::filesystem::remove_all(f.options.root_dir + "/merlin.queues");
  ASSERT_TRUE(f.open().ok());
  check();
  f.close();
}

TEST_P(LightQueueTest, ARecordThatItsOffsetsMakeTooLongIsRefusedAloneInItsBurst) {
  f.options.segment_size_bytes = 128 * 1024;
  f.options.message_size_bytes_max = 1024;
  ASSERT_TRUE(f.open().ok());
  send("%LMQ%a", "1");
  const std::string names = "%LMQ%a,%LMQ%b";
  const auto properties_of_length = [&](size_t length) {
    std::string out = dispatch_to(names);
    message::append_property(out, "fill", "");
    out.insert(out.size() - 1, std::string(length - out.size(), 'x'));
    return out;
  };
  constexpr size_t added = sizeof("INNER_MULTI_QUEUE_OFFSET") + 3 + 1;  // "1,0" and both separators
  const std::string fits = properties_of_length(message::properties_length_max - added);
  const std::string over = properties_of_length(message::properties_length_max - added + 1);
  std::array<LightQueues, 2> queues;
  std::array<AppendItem, 4> items;
  for (size_t i = 0; i < items.size(); ++i) {
    const bool plain = i % 2 == 1;
    items[i].spec = spec_of("T", 0, "body " + std::to_string(i), plain ? std::string_view() : i == 0 ? over : fits);
    items[i].queue = f.store->queue("T", 0);
    if (plain) continue;
    ASSERT_TRUE(f.store->light_queues(names, "T", 0, queues[i / 2]).ok());
    items[i].enter(queues[i / 2]);
  }
  std::array<std::string, 4> texts;
  for (size_t i = 0; i < items.size(); ++i) items[i].spec.body = as_bytes(texts[i] = "body " + std::to_string(i));
  f.store->append(items, f.scratch);
  EXPECT_EQ(items[0].code, AppendCode::record_too_large);
  for (const size_t i : {1u, 2u, 3u}) EXPECT_EQ(items[i].code, AppendCode::ok) << i;
  EXPECT_EQ(stored_offsets(items[2]), "1,0");
  EXPECT_EQ(read("T"), (Bodies{"1", "body 1", "body 2", "body 3"}));
  EXPECT_EQ(read("%LMQ%b"), (Bodies{"body 2"}));
  f.close();
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(read("T"), (Bodies{"1", "body 1", "body 2", "body 3"}));
  f.close();
}

// The ring holds fewer places than the records have: they come from the log, each once.
TEST_P(LightQueueTest, RecordsWithMoreQueuesThanTheRingHasRoomFor) {
  f.options.dispatch_ring_items = 8;
  struct Counter final : ArrivalListener {
    std::map<std::string, int> seen;
    void on_arrivals(std::span<const Arrival> arrivals) override {
      for (const Arrival& a : arrivals) ++seen[std::string(queue_topic(a.queue))];
    }
  } counter;
  f.listener = &counter;
  ASSERT_TRUE(f.open().ok());
  std::string names;
  for (int i = 0; i < 20; ++i) names += (i == 0 ? "%LMQ%" : ",%LMQ%") + std::to_string(i);
  Bodies sent;
  for (int i = 0; i < 30; ++i) {
    sent.push_back(std::to_string(i));
    send(i % 3 == 0 ? "%LMQ%0" : names, sent.back());
  }
  EXPECT_EQ(read("T"), sent);
  EXPECT_EQ(read("%LMQ%0"), sent);
  EXPECT_EQ(read("%LMQ%19").size(), 20u);
  EXPECT_EQ(counter.seen["T"], 30);
  EXPECT_EQ(counter.seen["%LMQ%0"], 30);
  EXPECT_EQ(counter.seen["%LMQ%19"], 20);
  f.close();
}

TEST_P(LightQueueTest, TheLimitRefusesBeforeAnythingIsMade) {
  f.options.light_queues_max = 3;
  ASSERT_TRUE(f.open().ok());
  send("%LMQ%a,%LMQ%b", "1");
  const Status refused = f.store->light_queues("%LMQ%c,%LMQ%d", "T", 0, f.light);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::no_space);
  EXPECT_NE(refused.error().message.find("maxLmqConsumeQueueNum=3"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("%LMQ%c"), std::string::npos);
  EXPECT_EQ(f.store->find_queue("%LMQ%c", 0), nullptr);
  EXPECT_TRUE(f.store->light_queue("%LMQ%c").ok());
  EXPECT_FALSE(f.store->light_queue("%LMQ%d").ok());
  EXPECT_TRUE(f.store->light_queue("%LMQ%a").ok()) << "those that are there go on";
  ASSERT_TRUE(f.store->delete_topic("%LMQ%a").ok());
  EXPECT_TRUE(f.store->light_queue("%LMQ%d").ok()) << "a deleted one makes room";
  f.close();
}

TEST_P(LightQueueTest, NamesThatLeadElsewhereAreRefused) {
  ASSERT_TRUE(f.open().ok());
  for (const std::string& name : {std::string("%LMQ%../x"), std::string("%LMQ%a/b"), "%LMQ%" + std::string(251, 'x')}) {
    const Status refused = f.store->light_queues("%LMQ%good," + name, "T", 0, f.light);
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, Errc::invalid);
  }
  EXPECT_EQ(f.store->find_queue("%LMQ%good", 0), nullptr);
  EXPECT_TRUE(f.store->light_queue("%LMQ%" + std::string(250, 'x')).ok());
  f.close();
}

TEST_P(LightQueueTest, ADeletedOneBeginsAgainAndTheRecordsStayInTheOthers) {
  ASSERT_TRUE(f.open().ok());
  for (const char* body : {"1", "2", "3"}) send("%LMQ%a,%LMQ%b", body);
  ASSERT_TRUE(f.store->delete_topic("%LMQ%a").ok());
  EXPECT_EQ(f.store->find_queue("%LMQ%a", 0), nullptr);
  EXPECT_EQ(stored_offsets(send("%LMQ%a,%LMQ%b", "4")), "0,3");
  ASSERT_TRUE(f.store->delete_topic("T").ok());
  const auto check = [&](const char* when) {
    EXPECT_EQ(read("%LMQ%a"), (Bodies{"4"})) << when;
    EXPECT_EQ(read("%LMQ%b"), (Bodies{"1", "2", "3", "4"})) << when << ": the topic is gone, the records are not";
    EXPECT_EQ(f.store->max_offset(f.store->queue("T", 0)), 0) << when;
  };
  check("at once");
  ASSERT_TRUE(f.open().ok());
  check("after a crash");
  f.close();
  f.options.queues_in_database = !f.options.queues_in_database;
  ASSERT_TRUE(f.open().ok());
  check("built again");
  f.close();
}

// Such records stand in the logs of other brokers, which keep what clients say.
TEST_P(LightQueueTest, PlacesThatCannotBeAreLeftOutWhenQueuesAreBuilt) {
  ASSERT_TRUE(f.open().ok());
  send("%LMQ%a", "1");
  const auto forge = [&](const std::string& names, const std::string& offsets) {
    std::string properties = dispatch_to(names);
    message::append_property(properties, "INNER_MULTI_QUEUE_OFFSET", offsets);
    f.send("T", 0, "forged", properties);
  };
  for (int i = 0; i < 20; ++i) f.send("T", 0, std::string(7000, 'x'));
  forge("%LMQ%a", "1099511627776");
  forge("%LMQ%a,%LMQ%b", "1400,1401");
  forge("%LMQ%a", "-1");
  forge("%LMQ%a", "one");
  forge("%LMQ%../../evil", "0");
  forge("%LMQ%a,%LMQ%b", "");
  send("%LMQ%a", "2");
  f.close();
  std::filesystem::remove_all(f.options.root_dir + "/consumequeue");
  std::filesystem::remove_all(f.options.root_dir + "/merlin.queues");
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(read("%LMQ%a"), (Bodies{"1", "2"}));
  EXPECT_EQ(stored_offsets(send("%LMQ%a,%LMQ%b", "3")), "2,0");
  f.close();
}

TEST_P(LightQueueTest, RetentionTakesTheRecordsOutOfAllQueues) {
  f.options.clean_interval_ms = 0;
  f.options.clean_first_delay_ms = 0;
  f.options.file_reserved_hours = 1;
  f.options.delete_when = "";
  ASSERT_TRUE(f.open().ok());
  send("%LMQ%old,%LMQ%a", "first");
  for (int i = 0; i < 10; ++i) send("%LMQ%a", std::string(7000, 'x'));
  f.clock.advance_ms(2 * 3'600'000);
  f.store->delete_expired_soon();
  const ConsumeQueue* old = f.store->find_queue("%LMQ%old", 0);
  ASSERT_TRUE(eventually([&] {
    f.store->delete_expired_soon();
    return f.store->min_offset(old) == 1;
  }));
  EXPECT_GT(f.store->min_offset(f.store->find_queue("%LMQ%a", 0)), 0);
  for (int form = 0; form < 2; ++form) {
    ASSERT_TRUE(f.open().ok());
    EXPECT_EQ(f.store->max_offset(f.store->queue("%LMQ%old", 0)), 1);
    EXPECT_EQ(f.store->max_offset(f.store->queue("%LMQ%a", 0)), 11);
    f.close();
    f.options.queues_in_database = !f.options.queues_in_database;
  }
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(stored_offsets(send("%LMQ%old,%LMQ%a", "again")), "1,11");
  f.close();
}

INSTANTIATE_TEST_SUITE_P(Forms, LightQueueTest, testing::Bool(),
                         [](const auto& form) { return form.param ? "Database" : "Files"; });

TEST(LightPlacesTest, AnAppendThatFailsGivesTheOffsetsBack) {
  FaultyFileSystem disk{1, 1 << 20};
  StoreFixture f(small_options("/store"), disk);
  ASSERT_TRUE(f.open().ok());
  const auto send = [&](std::string_view names) { return f.send_light("T", 0, "body", names).code; };
  ASSERT_EQ(send("%LMQ%a,%LMQ%b"), AppendCode::ok);
  Fault fault;
  fault.op = FileOp::write;
  fault.path_part = "/commitlog/";
  disk.add_fault(fault);
  EXPECT_EQ(send("%LMQ%a,%LMQ%new,%LMQ%b"), AppendCode::io_error);
  disk.clear_faults();
  ASSERT_EQ(send("%LMQ%b,%LMQ%new,%LMQ%a"), AppendCode::ok);
  EXPECT_EQ(f.light.offsets, (std::vector<int64_t>{1, 0, 1}));
  f.close();
}

TEST(LightPlacesTest, TopicsThatStayOut) {
  for (const std::string_view topic : {"%RETRY%g", "rmq_sys_x", "SCHEDULE_TOPIC_XXXX"}) {
    EXPECT_FALSE(may_enter_light_queues(topic)) << topic;
  }
  EXPECT_TRUE(may_enter_light_queues("T"));
  EXPECT_TRUE(may_enter_light_queues("%LMQ%a"));
}

}  // namespace
}  // namespace merlin::store
