// Expected values were printed by java.util.Properties (JDK 17), except that text is UTF-8 here.
#include "config/properties.h"

#include <random>

#include <gtest/gtest.h>

#include "config/options.h"

namespace merlin::config {
namespace {

struct Case {
  std::string text;
  KeyValues expected;
};

TEST(Properties, ReadsWhatJavaReads) {
  const std::vector<Case> cases = {
      {"a=1", {{"a", "1"}}},
      {"a:1", {{"a", "1"}}},
      {"a 1", {{"a", "1"}}},
      {"  a = 1  ", {{"a", "1  "}}},
      {"# c\n! d\na=1", {{"a", "1"}}},
      {"a=1\na=2", {{"a", "2"}}},
      {"a=b\\\n   c\\\n d\nx=y", {{"a", "bcd"}, {"x", "y"}}},
      {"a=1\r\nb=2\rc=3", {{"a", "1"}, {"b", "2"}, {"c", "3"}}},
      {"a\\=b=c\\:d", {{"a=b", "c:d"}}},
      {"a\\ b=c", {{"a b", "c"}}},
      {"=v", {{"", "v"}}},
      {"a", {{"a", ""}}},
      {"a=", {{"a", ""}}},
      {"a==b", {{"a", "=b"}}},
      {"a:=b", {{"a", "=b"}}},
      {"k = \\tx\\n\\u0041", {{"k", "\tx\nA"}}},
      {"a=x\\\\", {{"a", "x\\"}}},
      {"a=x\\\\\\\nb=2", {{"a", "x\\b=2"}}},
      {"a=\\", {{"a", ""}}},
      {"\\\nb=1", {{"b", "1"}}},
      {"a=1\\\n\nb=2", {{"a", "1"}, {"b", "2"}}},
      {"a=1\\\n# no\nb=2", {{"a", "1# no"}, {"b", "2"}}},
      {"\ta\f=\f1", {{"a", "1"}}},
      {"a=\\q", {{"a", "q"}}},
      {"a\\\nb=c", {{"ab", "c"}}},
      {"\n\n  \nz=9", {{"z", "9"}}},
      {"a=\\uD83D\\uDE00", {{"a", "\xF0\x9F\x98\x80"}}},
      {"a= \\ b", {{"a", " b"}}},
      {"k\tv w", {{"k", "v w"}}},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_properties(c.text), c.expected) << c.text;
}

TEST(Properties, BrokenEscapesAreText) {
  EXPECT_EQ(parse_properties("a=\\u12"), (KeyValues{{"a", "u12"}}));
  EXPECT_EQ(parse_properties("a=\\uD83D!"), (KeyValues{{"a", "\xEF\xBF\xBD!"}}));
}

TEST(Properties, RandomPairsComeBack) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string alphabet = "ab =:#!\\\n\r\t\f\xC3\xA4u0";
  const auto text = [&](size_t min) {
    std::string out;
    for (size_t n = min + random() % 6; n > 0; --n) out.push_back(alphabet[random() % alphabet.size()]);
    return out;
  };
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = text(1);
    const std::string value = text(0);
    const std::string line = properties_line(key, value);
    ASSERT_EQ(parse_properties(line), (KeyValues{{key, value}})) << line;
  }
}

TEST(Properties, RandomBytesDoNotHang) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string alphabet = "a=: #\\\n\ru";
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text.push_back(alphabet[random() % alphabet.size()]);
    // The raw lines together are the text: a rewrite loses nothing.
    PropertyReader reader(text);
    PropertyLine line;
    std::string joined;
    while (reader.next(line)) joined += line.raw;
    ASSERT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace merlin::config
