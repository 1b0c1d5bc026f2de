#include "service/consumer_filters.h"

#include <gtest/gtest.h>

#include "merlin/base/faulty_file_system.h"
#include "merlin/message/properties.h"

namespace merlin::service {
namespace {

class ConsumerFiltersTest : public testing::Test {
 protected:
  static Subscription sql(const std::string& topic, const std::string& text, int64_t version) {
    Subscription s = build_subscription(topic, text, expression_type_sql);
    s.sub_version = version;
    return s;
  }
  void beat(const std::string& group, std::vector<Subscription> subscriptions) {
    filters.heartbeat(group, subscriptions);
  }
  std::string text_of(const std::string& topic, const std::string& group) const {
    const auto found = filters.find(topic, group);
    return found == nullptr ? "none" : found->row.expression + (found->is_dead() ? " (dead)" : "");
  }
  void sweep(const std::string& online = "g") {
    filters.sweep([&](const std::string& group) { return group == online; });
  }

  FaultyFileSystem files;
  ManualClock clock{1'700'000'000'000};
  SqlPrograms programs;
  ConsumerFilters filters{files, clock, programs, "/store", {}};
};

TEST_F(ConsumerFiltersTest, NewerVersionsCountOlderOnesDoNot) {
  beat("g", {sql("T", "a = '1'", 5)});
  EXPECT_EQ(text_of("T", "g"), "a = '1'");
  beat("g", {sql("T", "a = '0'", 4)});
  EXPECT_EQ(text_of("T", "g"), "a = '1'");
  beat("g", {sql("T", "a = '2'", 6)});
  EXPECT_EQ(text_of("T", "g"), "a = '2'");
  EXPECT_EQ(filters.find("T", "g")->row.client_version, 6);
  beat("g", {sql("T", "a = '2'", 7)});
  EXPECT_EQ(filters.find("T", "g")->row.client_version, 7);
  EXPECT_EQ(text_of("T", "other"), "none");
}

TEST_F(ConsumerFiltersTest, WrongTextLeavesNoRow) {
  beat("g", {sql("T", "a = = 1", 5)});
  EXPECT_EQ(text_of("T", "g"), "none");
  beat("g", {sql("T", "a = 1", 6)});
  beat("g", {sql("T", "a = = 1", 7)});
  EXPECT_EQ(text_of("T", "g"), "none") << "an old filter would hide the mistake";
  Subscription other = build_subscription("T", "x", "CLASS");
  other.sub_version = 9;
  beat("g", {other});
  EXPECT_EQ(text_of("T", "g"), "none");
}

TEST_F(ConsumerFiltersTest, RowsDieAndComeBackAndAreForgotten) {
  beat("g", {sql("T", "a = 1", 5), sql("U", "b = 1", 5)});
  beat("g", {sql("T", "a = 1", 5)});
  EXPECT_EQ(text_of("U", "g"), "b = 1 (dead)") << "no longer subscribed";
  sweep("nobody");
  EXPECT_EQ(text_of("T", "g"), "a = 1 (dead)");
  beat("g", {sql("T", "a = 1", 5)});
  EXPECT_EQ(text_of("T", "g"), "a = 1");
  clock.advance_ms(86'399'999);
  sweep();
  EXPECT_EQ(text_of("U", "g"), "b = 1 (dead)");
  clock.advance_ms(1);
  sweep();
  EXPECT_EQ(text_of("U", "g"), "none");
  EXPECT_EQ(text_of("T", "g"), "a = 1");
}

TEST_F(ConsumerFiltersTest, KeptOverARestartAsDead) {
  beat("g", {sql("T", "a = 1", 5)});
  ASSERT_TRUE(filters.persist_if_dirty());
  clock.advance_ms(100'000);
  ConsumerFilters again(files, clock, programs, "/store", {});
  ASSERT_TRUE(again.open());
  const auto row = again.find("T", "g");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->row.expression, "a = 1");
  EXPECT_EQ(row->row.client_version, 5);
  EXPECT_EQ(row->row.dead_ms, clock.wall_ms() - 30'000);
  EXPECT_NE(row->filter, nullptr);
  again.heartbeat("g", std::vector<Subscription>{sql("T", "a = 1", 5)});
  EXPECT_FALSE(again.find("T", "g")->is_dead());
}

TEST_F(ConsumerFiltersTest, RetriedMessagesAreAskedByTheFilterOfTheirTopic) {
  beat("g", {sql("T", "a = 'x'", 5)});
  const RetryFilter filter(filters, "g");
  const auto matches = [&](std::string_view topic, std::string_view a) {
    std::string properties;
    if (!topic.empty()) message::append_property(properties, message::property::retry_topic, topic);
    message::append_property(properties, "a", a);
    message::RecordView record;
    record.properties = properties;
    filter::PropertyList list;
    list.assign(properties);
    EXPECT_EQ(filter.matches_record(record), filter.matches_properties(list));
    return filter.matches_record(record);
  };
  EXPECT_TRUE(matches("T", "x"));
  EXPECT_FALSE(matches("T", "y"));
  EXPECT_TRUE(matches("U", "y")) << "nothing is filtered of that topic";
  EXPECT_TRUE(matches("", "y"));
}

TEST(SqlProgramsTest, TextsAreCompiledOnceAndForgottenWhenUnused) {
  SqlPrograms programs;
  const auto first = programs.get("a = 'x'");
  EXPECT_EQ(programs.get("a = 'x'"), first);
  const auto wrong = programs.get("a = ");
  EXPECT_EQ(wrong->filter, nullptr);
  EXPECT_TRUE(wrong->refusal.starts_with("Invalid MessageSelector. ")) << wrong->refusal;
  std::string big = "a IN ('";
  big += std::string(200'000, 'x') + "', '";
  for (int i = 0; i < 200; ++i) programs.get(big + std::to_string(i) + "')");
  EXPECT_NE(programs.get("a = 'x'"), first);
}

}  // namespace
}  // namespace merlin::service
