// Expected outcomes were printed by Apache's AttributeParser and TopicConfigManager, 5.5.0.
#include "meta/attributes.h"

#include <gtest/gtest.h>

namespace merlin::meta {
namespace {

std::string outcome(std::string_view text, bool create) {
  const Result<Attributes> changes = parse_attribute_changes(text);
  if (!changes) return changes.error().message;
  const Attributes current = create ? Attributes() : Attributes{{"message.type", "FIFO"}};
  const Result<Attributes> altered = alter_attributes(topic_attribute_rules(), create, current, *changes);
  if (!altered) return altered.error().message;
  std::string out;
  append_attributes_json(out, *altered);
  return out;
}

TEST(Attributes, SameOutcomesAsApache) {
  struct Case {
    std::string_view text;
    std::string existing;  // what a topic with message.type=FIFO becomes, or the error
    std::string created;
  };
  const Case cases[] = {
      {"", R"({"message.type":"FIFO"})", "{}"},
      {"x", "delete attribute format is wrong: x", "delete attribute format is wrong: x"},
      {"+k", "delete attribute format is wrong: +k", "delete attribute format is wrong: +k"},
      {"k=v", "add/alter attribute format is wrong: k", "add/alter attribute format is wrong: k"},
      {"+message.type=FIFO,+message.type=FIFO", "key duplication: +message.type", "key duplication: +message.type"},
      {"+message.type=BAD",
       "value is not in set: [UNSPECIFIED, MIXED, TRANSACTION, PRIORITY, FIFO, DELAY, LITE, NORMAL]",
       "value is not in set: [UNSPECIFIED, MIXED, TRANSACTION, PRIORITY, FIFO, DELAY, LITE, NORMAL]"},
      {"-message.type", "{}", "only add attribute is supported while creating topic. key: message.type"},
      {"+queue.type=BatchCQ", "attempt to update an unchangeable attribute. key: queue.type",
       R"({"queue.type":"BatchCQ"})"},
      {"+nope=1", "unsupported key: nope", "unsupported key: nope"},
      {"-nope", "attempt to delete a nonexistent key: nope",
       "only add attribute is supported while creating topic. key: nope"},
      {"+reserve.time=5", R"({"message.type":"FIFO","reserve.time":"5"})", R"({"reserve.time":"5"})"},
      {"+reserve.time=x", "For input string: \"x\"", "For input string: \"x\""},
      {"+reserve.time=-5", "value is not in range(-1, 9223372036854775807)",
       "value is not in range(-1, 9223372036854775807)"},
      {"+a+b=1", "kv string format wrong.", "kv string format wrong."},
      {"+=1", "kv string format wrong.", "kv string format wrong."},
      {"+k=", "Index 1 out of bounds for length 1", "Index 1 out of bounds for length 1"},
      {"+k=a=b", "unsupported key: k", "unsupported key: k"},
      {"--message.type", "kv string format wrong.", "kv string format wrong."},
      {"+cleanup.policy=X", "attempt to update an unchangeable attribute. key: cleanup.policy",
       "value is not in set: [DELETE, COMPACTION]"},
      {"a+b=1", "kv string format wrong.", "kv string format wrong."},
      {"+message.type=FIFO,,", R"({"message.type":"FIFO"})", R"({"message.type":"FIFO"})"},
      {",", R"({"message.type":"FIFO"})", "{}"},
      {"-queue.type", "attempt to delete a nonexistent key: queue.type",
       "only add attribute is supported while creating topic. key: queue.type"},
      {"+", "delete attribute format is wrong: +", "delete attribute format is wrong: +"},
      {"+message.type=NORMAL", R"({"message.type":"NORMAL"})", R"({"message.type":"NORMAL"})"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(outcome(c.text, false), c.existing) << c.text;
    EXPECT_EQ(outcome(c.text, true), c.created) << c.text;
  }
}

TEST(Attributes, OneKeyTwice) {
  EXPECT_EQ(outcome("+message.type=NORMAL,-message.type", false), "alter duplication key. key: message.type");
}

TEST(Attributes, GroupValues) {
  const auto check = [](const std::string& key, const std::string& value) {
    const auto altered = alter_attributes(group_attribute_rules(), true, {}, {{"+" + key, value}});
    return altered ? std::string("ok") : altered.error().message;
  };
  EXPECT_EQ(check("priority.factor", "100"), "ok");
  EXPECT_EQ(check("priority.factor", "+5"), "ok");
  EXPECT_EQ(check("priority.factor", "101"), "value is not in range(0, 100)");
  EXPECT_EQ(check("priority.factor", ""), "For input string: \"\"");
  EXPECT_EQ(check("priority.factor", "99999999999999999999"), "For input string: \"99999999999999999999\"");
  EXPECT_EQ(check("lite.bind.topic", ""), "ok");
  EXPECT_EQ(check("lite.sub.reset.offset.exclusive", "TRUE"), "ok");
  EXPECT_EQ(check("lite.sub.reset.offset.exclusive", "1"), "boolean attribute format is wrong.");
  EXPECT_EQ(check("lite.sub.model", "Own"), "value is not in set: [Shared, Exclusive]");
}

}  // namespace
}  // namespace merlin::meta
