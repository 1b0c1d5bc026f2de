#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/options.h"

namespace merlin::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr Option table[] = {
    {.key = "name", .type = Type::text, .default_text = "n", .sentence = "A name."},
    {.key = "empty", .type = Type::text, .default_text = "", .sentence = "Nothing."},
    {.key = "flag", .type = Type::boolean, .default_text = "true", .change = Change::live, .sentence = "A flag."},
    {.key = "count",
     .type = Type::int32,
     .default_text = "8",
     .min = 1,
     .max = 100,
     .change = Change::live,
     .sentence = "A count."},
    {.key = "size", .type = Type::int64, .default_text = "5000000000", .min = 0, .sentence = "A size."},
    {.key = "mode", .type = Type::choice, .default_text = "FAST", .choices = "FAST|SAFE", .sentence = "A mode."},
};
constexpr UnusedKey unused[] = {{"oldKey", "7"}, {"nullKey", "", false}};

TEST(Settings, DefaultsAndTypes) {
  const Settings settings(table, unused);
  EXPECT_EQ(settings.text("name"), "n");
  EXPECT_TRUE(settings.boolean("flag"));
  EXPECT_EQ(settings.int32("count"), 8);
  EXPECT_EQ(settings.int64("size"), 5'000'000'000);
  EXPECT_EQ(settings.int64("count"), 8);
  EXPECT_EQ(settings.text("mode"), "FAST");
  EXPECT_FALSE(settings.is_set("count"));
  EXPECT_EQ(settings.find("oldKey"), "7");
  EXPECT_EQ(settings.find("nullKey"), std::nullopt);
  EXPECT_EQ(settings.find("nothing"), std::nullopt);
}

TEST(Settings, BadValuesNameKeyValueAndRange) {
  Settings settings(table, unused);
  const auto message = [&](std::string_view key, std::string_view value) {
    const Status status = settings.set(key, value);
    return status ? std::string("ok") : status.error().message;
  };
  EXPECT_EQ(message("count", "0"), "count=0: expected 1 to 100");
  EXPECT_EQ(message("count", "101"), "count=101: expected 1 to 100");
  EXPECT_EQ(message("count", "99999999999999999999"), "count=99999999999999999999: expected 1 to 100");
  EXPECT_EQ(message("count", "8x"), "count=8x: expected 1 to 100");
  EXPECT_EQ(message("count", ""), "count=: expected 1 to 100");
  EXPECT_EQ(message("count", "+-1"), "count=+-1: expected 1 to 100");
  EXPECT_EQ(message("size", "-1"), "size=-1: expected 0 or more");
  EXPECT_EQ(message("flag", "1"), "flag=1: expected true or false");
  EXPECT_EQ(message("mode", "fast"), "mode=fast: expected FAST or SAFE");
  EXPECT_EQ(settings.int32("count"), 8);
  EXPECT_EQ(message("count", " +42 "), "ok");
  EXPECT_EQ(message("flag", " FALSE"), "ok");
  EXPECT_EQ(settings.int32("count"), 42);
  EXPECT_FALSE(settings.boolean("flag"));
  EXPECT_EQ(settings.text("count"), "42");
}

TEST(Settings, UnknownKeysNameTheNearest) {
  Settings settings(table, unused);
  const auto message = [&](std::string_view key) { return settings.set(key, "1").error().message; };
  EXPECT_EQ(message("cuont"), "unknown key cuont; did you mean count?");
  EXPECT_EQ(message("COUNT"), "unknown key COUNT; did you mean count?");
  EXPECT_EQ(message("oldkye"), "unknown key oldkye; did you mean oldKey?");
  EXPECT_EQ(message("zzzzzzzzzz"), "unknown key zzzzzzzzzz");
  EXPECT_LT(message(std::string(1 << 20, 'x')).size(), 200U);
  EXPECT_EQ(settings.set("cuont", "1").error().code, Errc::not_found);
}

TEST(Settings, LoadReportsAllErrorsAndWarnings) {
  Settings settings(table, unused);
  const auto report = settings.load("count=0\nflag=maybe\nnaem=x\noldKey=9\nname=good\n");
  EXPECT_THAT(report.errors, ElementsAre(HasSubstr("count=0"), HasSubstr("flag=maybe")));
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("did you mean name"), HasSubstr("oldKey is known to RocketMQ")));
  EXPECT_EQ(settings.text("name"), "good");
  EXPECT_EQ(settings.find("oldKey"), "9");
}

TEST(Settings, RunTimeDefaultsAreNotSet) {
  Settings settings(table, unused);
  settings.set_default("name", "host");
  settings.set_default("count", "9");
  EXPECT_EQ(settings.text("name"), "host");
  EXPECT_EQ(settings.live_int("count").load(), 9);
  EXPECT_FALSE(settings.is_set("name"));
  ASSERT_TRUE(settings.set("count", "10"));
  settings.set_default("count", "11");
  EXPECT_EQ(settings.int32("count"), 10);
}

TEST(Settings, LiveUpdateIsAllOrNothing) {
  Settings settings(table, unused);
  const std::atomic<int64_t>& count = settings.live_int("count");
  const std::atomic<int64_t>& flag = settings.live_int("flag");
  EXPECT_EQ(settings.update_live({{"count", "9"}, {"flag", "x"}}).error().code, Errc::invalid);
  EXPECT_EQ(settings.update_live({{"count", "9"}, {"name", "x"}}).error().code, Errc::unsupported);
  EXPECT_EQ(settings.update_live({{"count", "9"}, {"nothing", "x"}}).error().code, Errc::not_found);
  EXPECT_EQ(count.load(), 8);
  EXPECT_EQ(settings.version().counter, 0);
  ASSERT_TRUE(settings.update_live({{"count", "9"}, {"flag", "false"}}));
  EXPECT_EQ(count.load(), 9);
  EXPECT_EQ(flag.load(), 0);
  EXPECT_EQ(settings.version().counter, 1);
  EXPECT_GT(settings.version().timestamp_ms, 0);
}

TEST(Settings, LiveUpdateOfUnusedAndUnchangedKeys) {
  Settings settings(table, unused);
  EXPECT_TRUE(settings.update_live({{"oldKey", "anything"}, {"nullKey", "x"}}));
  EXPECT_EQ(settings.find("oldKey"), "anything");
  // A tool that sends back what it has read must not be refused.
  EXPECT_TRUE(settings.update_live({{"name", "n"}, {"mode", "FAST"}}));
}

TEST(Settings, HoursAreChecked) {
  constexpr Option when[] = {
      {.key = "when", .type = Type::hours, .default_text = "04", .change = Change::live, .sentence = "Hours."}};
  Settings settings(when, {});
  for (const char* good : {"00;23;7", "", " 4;16 "}) EXPECT_TRUE(settings.set("when", good)) << good;
  EXPECT_EQ(settings.text("when"), "4;16");
  for (const char* bad : {"24", "-1", "4;x", "4,5", "4; 5"}) {
    const Status s = settings.update_live({{"when", bad}});
    ASSERT_FALSE(s) << bad;
    EXPECT_EQ(s.error().message, "when=" + std::string(bad) + ": expected hours from 00 to 23, separated by ;");
  }
  EXPECT_EQ(settings.text("when"), "4;16");
}

TEST(Settings, CallbacksRunAfterAChangeOnly) {
  Settings settings(table, unused);
  int calls = 0;
  int64_t seen = 0;
  settings.on_change("count", [&] {
    ++calls;
    seen = settings.int32("count");  // outside the mutex: reading is allowed
  });
  ASSERT_TRUE(settings.update_live({{"count", "8"}}));
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(settings.update_live({{"count", "20"}}));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(seen, 20);
}

TEST(Settings, PropertiesAreSortedAndLeaveNullsOut) {
  Settings settings(table, unused);
  EXPECT_EQ(settings.to_properties(), "count=8\nflag=true\nmode=FAST\nname=n\noldKey=7\nsize=5000000000\n");
  ASSERT_TRUE(settings.set("nullKey", "a\nb"));
  EXPECT_THAT(settings.to_properties(), HasSubstr("nullKey=a\\nb\n"));
}

TEST(Settings, UpdatedFileKeepsCommentsAndOrder) {
  Settings settings(table, unused);
  const std::string old_text = "# my file\nflag = true\n\ncount=3\nunknown=kept\noldKey=\\\n  5\n";
  (void)settings.load(old_text);
  ASSERT_TRUE(settings.set("name", "from the command line"));
  EXPECT_EQ(settings.updated_file(old_text, {"count"}), old_text);
  ASSERT_TRUE(settings.update_live({{"count", "4"}, {"nullKey", "v"}}));
  EXPECT_EQ(settings.updated_file(old_text, {}), old_text);
  const std::string next = settings.updated_file(old_text, {"count", "nullKey"});
  EXPECT_EQ(next, "# my file\nflag = true\n\ncount=4\nunknown=kept\noldKey=\\\n  5\nnullKey=v\n");
  EXPECT_EQ(settings.updated_file(next, {"count", "nullKey"}), next);
}

TEST(Settings, CommentedFileChangesNothing) {
  const Settings settings(table, unused);
  const std::string text = settings.to_commented_file("Title");
  EXPECT_THAT(text, HasSubstr("# A count.\n# (1 to 100; may be changed at run time)\n#count=8\n"));
  EXPECT_TRUE(parse_properties(text).empty());
}

TEST(Settings, ManyReadersWhileUpdating) {
  Settings settings(table, unused);
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      const int32_t count = settings.int32("count");
      ASSERT_TRUE(count == 8 || count == 50 || count == 60);
      ASSERT_FALSE(settings.to_properties().empty());
    }
  });
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(settings.update_live({{"count", i % 2 == 0 ? "50" : "60"}}));
  stop = true;
  reader.join();
  EXPECT_EQ(settings.version().counter, 500);
}

}  // namespace
}  // namespace merlin::config
