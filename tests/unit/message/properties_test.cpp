#include "merlin/message/properties.h"

#include <gtest/gtest.h>

namespace merlin::message {
namespace {

TEST(Properties, finds_values_and_the_last_of_two) {
  const std::string_view p = "KEYS\1k\2TAGS\1TagA\2KEYS\1k2\2LAST\1open";
  EXPECT_EQ(find_property(p, "TAGS"), "TagA");
  EXPECT_EQ(find_property(p, "KEYS"), "k2");
  EXPECT_EQ(find_property(p, "LAST"), "open");
  EXPECT_EQ(find_property(p, "TAG"), std::nullopt);
  EXPECT_EQ(find_property("", "TAGS"), std::nullopt);
}

TEST(Properties, malformed_entries_are_dropped_as_by_apache) {
  const std::string_view p =
      "\1v\2\2noseparator\2k\1\2a\1b\1c\2ok\1"
      "1";
  std::string seen;
  for_each_property(p, [&](std::string_view name, std::string_view value) {
    seen += std::string(name) + "=" + std::string(value) + ";";
    return true;
  });
  EXPECT_EQ(seen, "a=b\1c;ok=1;");
}

TEST(Properties, append_closes_an_open_entry) {
  std::string p = "A\1b";
  append_property(p, "C", "d");
  EXPECT_EQ(p, "A\1b\2C\1d\2");
  append_property(p, "E", "f");
  EXPECT_EQ(p, "A\1b\2C\1d\2E\1f\2");
  std::string empty;
  append_property(empty, "A", "b");
  EXPECT_EQ(empty, "A\1b\2");
}

TEST(Properties, without_removes_every_entry_of_that_name_only) {
  EXPECT_EQ(without_property("A\1b\2AA\1c\2A\1d\2B\1A\2", "A"), "AA\1c\2B\1A\2");
  EXPECT_EQ(without_property("B\1A\2A\1d", "A"), "B\1A\2");
  EXPECT_EQ(without_property("B\1A", "A"), "B\1A");
  EXPECT_EQ(without_property("", "A"), "");
}

TEST(JavaHash, as_java_computes_it) {
  EXPECT_EQ(java_hash(""), 0);
  EXPECT_EQ(java_hash("a"), 97);
  EXPECT_EQ(java_hash("TagA"), 2598919);
  EXPECT_EQ(java_hash("polygenelubricants"), INT32_MIN);
  EXPECT_EQ(java_hash("\xC3\xA9"), 0xE9);
  EXPECT_EQ(java_hash("\xF0\x9F\x98\x80"), 0xD83D * 31 + 0xDE00);
  EXPECT_EQ(java_hash("\xFF"), 0xFFFD);
  EXPECT_EQ(java_hash("\xF0\x9F\x98"), 0xFFFD);
}

TEST(JavaHash, is_the_same_in_words_as_char_by_char) {
  const std::string text = "0123456789ABCDEFghijklmnopqrstuvwxyz\x7F\x01~ and more";
  for (size_t from = 0; from < text.size(); ++from) {
    uint32_t hash = 0;
    for (size_t size = 0; from + size <= text.size(); ++size) {
      if (size > 0) hash = hash * 31 + static_cast<uint8_t>(text[from + size - 1]);
      EXPECT_EQ(java_hash(std::string_view(text).substr(from, size)), static_cast<int32_t>(hash))
          << from << "+" << size;
      EXPECT_EQ(java_hash(text.substr(from + size / 2, size - size / 2), java_hash(text.substr(from, size / 2))),
                static_cast<int32_t>(hash));
    }
  }
  const std::string wide = "abcdefghi\xC3\xA9jkl";
  const auto first = static_cast<uint32_t>(java_hash("abcdefghi"));
  const uint32_t expected = (((first * 31 + 0xE9) * 31 + 'j') * 31 + 'k') * 31 + 'l';
  EXPECT_EQ(java_hash(wide), static_cast<int32_t>(expected));
}

TEST(TagsCode, hash_of_the_tag_sign_extended) {
  EXPECT_EQ(tags_code("TAGS\1TagA\2"), 2598919);
  EXPECT_EQ(tags_code("TAGS\1polygenelubricants\2"), int64_t{INT32_MIN});
  EXPECT_EQ(tags_code("KEYS\1a\2"), 0);
  EXPECT_EQ(tags_code("TAGS\1\2"), 0);
}

}  // namespace
}  // namespace merlin::message
