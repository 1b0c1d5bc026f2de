#include "report.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "progress.h"

namespace merlin::bench {
namespace {

Options produce_options() {
  Options options;
  options.verb = "produce";
  return options;
}

TEST(ReportTest, JsonHoldsFiguresOptionsAndEnvironment) {
  const Options options = produce_options();
  Report report(options);
  report.number("messages_per_second", 1234.56, 1);
  report.text("verdict", "said \"good\"\n");
  const auto json = nlohmann::json::parse(report.as_json());
  EXPECT_EQ(json["messages_per_second"], 1234.6);
  EXPECT_EQ(json["verdict"], "said \"good\"\n");
  EXPECT_EQ(json["verb"], "produce");
  EXPECT_EQ(json["options"]["connections"], 8);
  EXPECT_EQ(json["options"]["binary"], false);
  EXPECT_EQ(json["options"]["topic"], "merlin_bench");
  EXPECT_FALSE(json["options"].contains("passes")) << "an option of another verb";
  EXPECT_GE(json["environment"]["cores"], 1);
  EXPECT_FALSE(json["environment"]["tool_version"].get<std::string>().empty());
}

TEST(ReportTest, BesideAnEarlierResult) {
  const Options options = produce_options();
  Report base(options);
  base.number("messages_per_second", 1000);
  base.number("p50_us", 40, 1);
  base.text("verdict", "good");
  Report now(options);
  now.number("messages_per_second", 1500);
  now.number("p50_us", 20, 1);
  now.number("new_figure", 3);
  now.text("verdict", "some sends failed");
  const auto lines = now.beside(base.as_json());
  ASSERT_TRUE(lines.ok());
  const auto has = [&](const std::string& name, const std::string& rest) {
    const size_t at = lines->find("  " + name + " ");
    if (at == std::string::npos) return false;
    const std::string line = lines->substr(at, lines->find('\n', at) - at);
    return line.ends_with(rest);
  };
  EXPECT_TRUE(has("messages_per_second", "1500            1000       1.500")) << *lines;
  EXPECT_TRUE(has("p50_us", "20.0            40.0       0.500")) << *lines;
  EXPECT_TRUE(has("new_figure", "3               -")) << *lines;
  EXPECT_TRUE(has("verdict", "some sends failed (base: good)")) << *lines;
  EXPECT_FALSE(now.beside("not json").ok());
  EXPECT_FALSE(now.beside("[1]").ok());
}

TEST(ProgressTest, LinesOfRocketmqsBenchmarkPrograms) {
  Second second;
  second.answered(3, 2'000'000);
  second.answered(3, 4'000'000);
  second.refused = 7;
  // 1 700 000 000 123 ms, in the time zone of the machine.
  const std::string sending = sending_line(second, 0.5, 1'700'000'000'123);
  EXPECT_TRUE(sending.starts_with("Current Time: 2023-11-1"));
  EXPECT_TRUE(sending.ends_with(
      ",123 | Send TPS: 12 | Max RT(ms): 4 | Average RT(ms):   3.000 | Send Failed: 7 | Response Failed: 0"))
      << sending;
  second.took(10, 4);
  second.took(20, 6);
  const std::string receiving = receiving_line(second, 2, 1'700'000'000'123);
  EXPECT_TRUE(
      receiving.ends_with(" | Consume TPS: 1 | AVG(B2C) RT(ms):  15.000 | AVG(S2C) RT(ms):   5.000 | "
                          "MAX(B2C) RT(ms): 20 | MAX(S2C) RT(ms): 6 | Consume Fail: 0"))
      << receiving;
}

TEST(ProgressTest, Bar) {
  EXPECT_EQ(progress_bar(0, 10), "[>         ] 0 %");
  EXPECT_EQ(progress_bar(0.55, 10), "[=====>    ] 55 %");
  EXPECT_EQ(progress_bar(7, 10), "[==========] 100 %");
  EXPECT_EQ(time_left(0.25, 10'000'000'000), ", 30 s left");
  EXPECT_EQ(time_left(1.5, 10'000'000'000), ", 0 s left");
  EXPECT_EQ(time_left(0, 10'000'000'000), "");
}

}  // namespace
}  // namespace merlin::bench
