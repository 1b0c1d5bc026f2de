#include "filter/program.h"

#include <random>

#include <gtest/gtest.h>

namespace merlin::filter {
namespace {

// "name=value name=value" as the properties of a message.
std::string properties(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view entry = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), entry.size() + 1));
    const size_t mid = entry.find('=');
    message::append_property(out, entry.substr(0, mid), entry.substr(mid + 1));
  }
  return out;
}

std::shared_ptr<const Program> compiled(std::string_view text) {
  auto program = Program::compile(text);
  EXPECT_TRUE(program.ok()) << text << ": " << (program.ok() ? "" : program.error().message);
  return program.ok() ? *program : nullptr;
}

Verdict verdict(std::string_view text, std::string_view of) {
  return compiled(text)->run(properties(of));
}

bool refused(std::string_view text) {
  return !Program::compile(text).ok();
}

// The golden pairs are the judge; these say what they mean.
TEST(Program, ThreeValuesAndAnError) {
  EXPECT_EQ(verdict("a = 'x'", "a=x"), Verdict::yes);
  EXPECT_EQ(verdict("a = 'x'", "a=y"), Verdict::no);
  EXPECT_EQ(verdict("a = 'x'", ""), Verdict::unknown);
  EXPECT_EQ(verdict("NOT (a = 'x')", ""), Verdict::unknown);
  EXPECT_EQ(verdict("a = 'x' OR b > 1", "b=2"), Verdict::yes);
  EXPECT_EQ(verdict("a > 1", "a=word"), Verdict::error) << "Java throws, and the message does not match";
  EXPECT_EQ(verdict("b = 'x' OR a > 1", "a=word b=x"), Verdict::yes) << "decided before the error";
  EXPECT_EQ(verdict("a > 1 OR b = 'x'", "a=word b=x"), Verdict::error) << "Java comes across it first";
  EXPECT_EQ(verdict("b = 'y' AND a > 1", "a=word b=x"), Verdict::no);
}

TEST(Program, TextsBecomeNumbersOfTheOtherSide) {
  EXPECT_EQ(verdict("a > 5", "a=5.5"), Verdict::error) << "an Integer on the right reads whole numbers only";
  EXPECT_EQ(verdict("a > 5.0", "a=5.5"), Verdict::yes);
  EXPECT_EQ(verdict("a > 5", "a=2147483648"), Verdict::error);
  EXPECT_EQ(verdict("a > 2147483648", "a=2147483649"), Verdict::yes);
  EXPECT_EQ(verdict("a > b", "a=10 b=9"), Verdict::yes) << "two texts are ordered as numbers";
  EXPECT_EQ(verdict("a = b", "a=1 b=1.0"), Verdict::no) << "and are equal as texts";
  EXPECT_EQ(verdict("a BETWEEN 1 AND 3", "a=3"), Verdict::yes);
  EXPECT_EQ(verdict("a = TRUE", "a=TrUe"), Verdict::yes);
  EXPECT_EQ(verdict("TRUE = a", "a=true"), Verdict::error);
}

TEST(Program, TheTextMayGoOnBehindAWholeExpression) {
  EXPECT_FALSE(refused("a = 'x' b = 'y'"));
  EXPECT_FALSE(refused("a = 'x')"));
  EXPECT_TRUE(refused("a = 'x' ;")) << "but the next word is looked at";
  EXPECT_TRUE(refused("a = 'x' NOT b"));
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("'x'"));
  EXPECT_TRUE(refused("a > 0.0")) << "smaller than the least double";
}

TEST(Program, LastOfTwoPropertiesCounts) {
  EXPECT_EQ(verdict("a = 'x'", "a=y a=x"), Verdict::yes);
}

TEST(Program, SaysWhereAndWhy) {
  const auto program = Program::compile("a = 'x' AND > 5");
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().message, "a value or a name is missing at byte 12, in front of: >");
}

TEST(Program, RequirementIsAPartOfTheOutermostAnd) {
  EXPECT_EQ(compiled("a > 1 AND (b = 'x' AND c > 2)")->requirement()->name, "b");
  EXPECT_EQ(compiled("'x' = b")->requirement()->values, std::vector<std::string>{"x"});
  EXPECT_EQ(compiled("b IN ('x', 'y')")->requirement()->values.size(), 2U);
  for (const char* none : {"a = 'x' OR b = 'y'", "NOT (a = 'x')", "a <> 'x'", "a NOT IN ('x')", "a = 5", "a = b"}) {
    EXPECT_EQ(compiled(none)->requirement(), nullptr) << none;
  }
}

TEST(Program, LimitsHaveNames) {
  const auto why = [](const std::string& text) {
    const auto program = Program::compile(text);
    return program.ok() || program.error().code != Errc::limit ? std::string() : program.error().message;
  };
  std::string deep(100'000, '(');
  EXPECT_NE(why(deep).find("nested deeper than 500"), std::string::npos) << why(deep);
  std::string prefixes = "a = 1";
  for (int i = 0; i < 1000; ++i) prefixes.insert(0, "NOT ");
  EXPECT_NE(why(prefixes).find("nested deeper"), std::string::npos);
  EXPECT_NE(why(std::string(300'000, ' ')).find("300000 bytes, the limit is 262144"), std::string::npos);
  std::string chain = "a";
  for (int i = 0; i < 1000; ++i) chain += " = b";
  EXPECT_NE(why(chain).find("nested deeper"), std::string::npos);
  std::string names = "a0 = 'x'";
  for (int i = 1; i < 300; ++i) names += " OR a" + std::to_string(i) + " = 'x'";
  EXPECT_NE(why(names).find("more than 256 properties"), std::string::npos) << why(names);
  std::string words = "a = 'x'";
  for (int i = 0; i < 20'000; ++i) words += " OR a=1";
  EXPECT_NE(why(words).find("more than 65536 words"), std::string::npos) << why(words);
}

TEST(Program, LongChainsAndLists) {
  std::string chain = "a = '0'";
  for (int i = 1; i < 10'000; ++i) chain += " OR a = '" + std::to_string(i) + "'";
  const auto program = compiled(chain);
  EXPECT_EQ(program->run(properties("a=9999")), Verdict::yes);
  EXPECT_EQ(program->run(properties("a=10000")), Verdict::no);
  std::string list = "a NOT IN ('0'";
  for (int i = 1; i < 10'000; ++i) list += ",'" + std::to_string(i) + "'";
  EXPECT_EQ(verdict(list + ")", "a=9999"), Verdict::no);
  EXPECT_EQ(verdict(list + ")", "a=x"), Verdict::yes);
}

// As deep as the limit allows, in all forms: the stack of values must hold it.
TEST(Program, DeepestTextThatIsTaken) {
  std::string text = "a = 'x'";
  for (int i = 0; i < 120; ++i) text = "b = 'y' OR (c > 1 AND (-" + std::string("1") + " < d OR (" + text + ")))";
  const auto program = Program::compile(text);
  ASSERT_TRUE(program.ok()) << program.error().message;
  EXPECT_EQ((*program)->run(properties("a=x c=2 d=-5")), Verdict::yes);
}

TEST(Program, ManyNamesFindTheirSlots) {
  std::string text = "p0 = '0'";
  std::string values;
  for (int i = 0; i < 200; ++i) {
    if (i > 0) text += " AND p" + std::to_string(i) + " = '" + std::to_string(i) + "'";
    values += (i == 0 ? "p" : " p") + std::to_string(i) + "=" + std::to_string(i);
  }
  EXPECT_EQ(verdict(text, values), Verdict::yes);
  EXPECT_EQ(verdict(text, values + " p7=8"), Verdict::no);
}

}  // namespace
}  // namespace merlin::filter
