#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "merlin/wire/command.h"

namespace merlin::wire {
namespace {

class JsonHeader : public ::testing::Test {
 protected:
  Result<CommandView> decode(std::string_view json) {
    text_ = std::string(json);
    // A heap copy of exactly this size lets the address sanitizer see a read behind the end.
    bytes_.assign(text_.begin(), text_.end());
    Frame frame;
    frame.header = bytes_;
    return decode_command(frame, scratch_);
  }
  CommandView good(std::string_view json) {
    Result<CommandView> r = decode(json);
    EXPECT_TRUE(r.ok()) << json << ": " << (r.ok() ? "" : r.error().message);
    return r.ok() ? *r : CommandView{};
  }
  std::string why(std::string_view json) {
    const Result<CommandView> r = decode(json);
    return r.ok() ? "decoded" : r.error().message;
  }
  std::string ext(const CommandView& c, std::string_view key) {
    const std::string_view* value = c.find(key);
    return value == nullptr ? "<absent>" : std::string(*value);
  }

  std::string text_;
  std::vector<uint8_t> bytes_;
  HeaderScratch scratch_;
};

TEST_F(JsonHeader, what_a_java_client_sends) {
  const CommandView c = good(
      R"({"code":105,"extFields":{"topic":"T","acceptStandardJsonOnly":"true"},"flag":2,"language":"GO","opaque":-7,)"
      R"("remark":"hm","serializeTypeCurrentRPC":"JSON","version":493})");
  EXPECT_EQ(c.code, 105);
  EXPECT_EQ(c.flag, 2);
  EXPECT_TRUE(c.is_oneway());
  EXPECT_FALSE(c.is_response());
  EXPECT_EQ(c.language, Language::go);
  EXPECT_EQ(c.opaque, -7);
  EXPECT_EQ(c.remark, "hm");
  EXPECT_EQ(c.version, 493);
  ASSERT_EQ(c.ext.size(), 2U);
  EXPECT_EQ(ext(c, "topic"), "T");
  EXPECT_EQ(ext(c, "acceptStandardJsonOnly"), "true");
  EXPECT_EQ(ext(c, "other"), "<absent>");
}

TEST_F(JsonHeader, texts_without_escapes_point_into_the_frame) {
  const CommandView c = good(R"({"extFields":{"a":"plain","b":"a\nb"}})");
  const auto* begin = reinterpret_cast<const char*>(bytes_.data());
  EXPECT_GE(c.find("a")->data(), begin);
  EXPECT_LT(c.find("a")->data(), begin + bytes_.size());
  EXPECT_EQ(*c.find("b"), "a\nb");
}

TEST_F(JsonHeader, any_order_blanks_unknown_keys_and_kinds_of_value) {
  const CommandView c = good(
      " {\n\t\"future\" : {\"x\":[1,{\"y\":\"}]\\\"\"}]} , \"version\":\"401\", \"language\":\"other\", "
      "\"extFields\" : { \"n\" : -12.5e3 , \"t\":true,\"f\" :false, \"null\":null, \"deep\":[1,[2]], \"e\":\"\"} ,"
      "\"opaque\":5.0,\"code\":1e1,\"flag\":null,\"remark\":null}\r\n");
  EXPECT_EQ(c.code, 10);
  EXPECT_EQ(c.version, 401);
  EXPECT_EQ(c.opaque, 5);
  EXPECT_EQ(c.flag, 0);
  EXPECT_EQ(c.language, Language::other);
  EXPECT_EQ(c.remark, "");
  EXPECT_EQ(ext(c, "n"), "-12.5e3");
  EXPECT_EQ(ext(c, "t"), "true");
  EXPECT_EQ(ext(c, "f"), "false");
  EXPECT_EQ(ext(c, "null"), "<absent>");
  EXPECT_EQ(ext(c, "deep"), "[1,[2]]");
  EXPECT_EQ(ext(c, "e"), "");
}

TEST_F(JsonHeader, languages_of_all_spellings) {
  EXPECT_EQ(good(R"({"language":"JAVA"})").language, Language::java);
  EXPECT_EQ(good(R"({"language":"Cpp"})").language, Language::cpp);
  EXPECT_EQ(good(R"({"language":9})").language, Language::go);
  EXPECT_EQ(good(R"({"language":"KLINGON"})").language, Language::other);
  EXPECT_EQ(good(R"({"language":null})").language, Language::other);
  EXPECT_EQ(good("{}").language, Language::java);
}

TEST_F(JsonHeader, ext_fields_null_missing_empty_or_twice) {
  EXPECT_TRUE(good(R"({"extFields":null})").ext.empty());
  EXPECT_TRUE(good(R"({"extFields":{}})").ext.empty());
  EXPECT_TRUE(good("{}").ext.empty());
  EXPECT_EQ(ext(good(R"({"extFields":{"a":"1","a":"2"}})"), "a"), "2");
  EXPECT_THAT(why(R"({"extFields":"x"})"), ::testing::HasSubstr("extFields"));
}

TEST_F(JsonHeader, escapes) {
  EXPECT_EQ(good(R"({"remark":"\"\\\/\b\f\n\r\t"})").remark, "\"\\/\b\f\n\r\t");
  EXPECT_EQ(good(R"({"remark":"a\u0001b\u00e9\u4E2d\ud83d\uDE00z"})").remark,
            "a\x01"
            "b\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80z");
  EXPECT_EQ(good("{\"remark\":\"raw \x01\x02 \xE4\xB8\xAD\"}").remark, "raw \x01\x02 \xE4\xB8\xAD");
  EXPECT_EQ(good(R"({"remark":"\ud83d|\ude00|\ud83dA"})").remark, "?|?|?A");
  EXPECT_EQ(good(R"({"remark":"\ud83d\u0041"})").remark, "?A");
  EXPECT_EQ(ext(good(R"({"extFields":{"\u0061":"x"}})"), "a"), "x");
  EXPECT_THAT(why(R"({"remark":"\x"})"), ::testing::HasSubstr("unknown escape"));
  EXPECT_THAT(why(R"({"remark":"\u00g0"})"), ::testing::HasSubstr("hex"));
}

TEST_F(JsonHeader, many_escaped_texts_stay_valid_side_by_side) {
  std::string json = R"({"extFields":{)";
  for (int i = 0; i < 100; ++i) {
    json += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":\"v\\u0001" + std::string(static_cast<size_t>(i), 'x') +
            "\\n\"";
  }
  json += "}}";
  for (int round = 0; round < 2; ++round) {
    const CommandView c = good(json);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(ext(c, "k" + std::to_string(i)), "v\x01" + std::string(static_cast<size_t>(i), 'x') + "\n");
    }
  }
}

// The fast loop reads "k":"v", and gives back to the general one what is not followed by a comma; a text unescaped on
// the way must not take its room in the arena twice.
TEST_F(JsonHeader, escaped_texts_with_blanks_behind_them_fit_the_arena) {
  const std::string value = "\\n" + std::string(2000, 'x');
  const std::string expected = "\n" + std::string(2000, 'x');
  const CommandView one = good("{\"extFields\":{\"a\":\"" + value + "\" }}");
  EXPECT_EQ(ext(one, "a"), expected);
  const CommandView two =
      good("{\"extFields\":{\"a\":\"" + value + "\" ,\"b\":\"" + value + "\" }, \"remark\":\"\\t\"}");
  EXPECT_EQ(ext(two, "a"), expected);
  EXPECT_EQ(ext(two, "b"), expected);
  EXPECT_EQ(two.remark, "\t");
}

TEST_F(JsonHeader, broken_headers_are_refused_with_the_place) {
  for (const char* json : {"",
                           " ",
                           "null",
                           "[]",
                           "{",
                           "{\"",
                           "{\"a",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{\"a\":}",
                           "{\"a\":tru}",
                           "{\"a\":1 2}",
                           "{\"a\":\"x}",
                           "{\"a\":\"\\",
                           "{\"a\":\"\\u12",
                           "{} x",
                           "{}{}",
                           "{\"code\":\"x\"}",
                           "{\"code\":2147483648}",
                           "{\"code\":1.5}",
                           "{\"code\":true}",
                           "{\"code\":\"\"}",
                           "{\"code\":[1]}",
                           "{\"a\":[}",
                           "{\"a\":[1,{]}}",
                           "{\"a\":[\"",
                           "{\"extFields\":{\"a\":\"b\"}",
                           "{\"extFields\":{\"a\"}}",
                           "{\"a\":-}x",
                           "{\"a\":0x1}"}) {
    EXPECT_THAT(why(json), ::testing::AllOf(::testing::HasSubstr("JSON header: "), ::testing::HasSubstr(" at byte ")))
        << json;
  }
}

TEST_F(JsonHeader, every_prefix_of_a_good_header_is_refused) {
  const std::string json =
      R"({"code":310,"extFields":{"a":"g","i":"K\u00014\ud83d\ude00","x":[1,{"y":null}]},"flag":0,"opaque":1})";
  ASSERT_TRUE(decode(json).ok());
  for (size_t n = 0; n < json.size(); ++n) EXPECT_FALSE(decode(json.substr(0, n)).ok()) << n;
}

TEST_F(JsonHeader, limits) {
  std::string many = R"({"extFields":{"k":"v")";
  for (size_t i = 1; i < ext_fields_limit; ++i) many += ",\"k\":\"v\"";
  EXPECT_EQ(good(many + "}}").ext.size(), ext_fields_limit);
  EXPECT_THAT(why(many + ",\"k\":\"v\"}}"), ::testing::HasSubstr("too many"));

  const auto deep = [](size_t n) { return "{\"a\":" + std::string(n, '[') + std::string(n, ']') + "}"; };
  EXPECT_TRUE(decode(deep(32)).ok());
  EXPECT_THAT(why(deep(33)), ::testing::HasSubstr("too deep"));
  EXPECT_THAT(why("{\"a\":" + std::string(500'000, '[')), ::testing::HasSubstr("too deep"));

  const std::string large = "{\"a\":\"" + std::string(header_limit_bytes - 8, 'x') + "\"}";
  EXPECT_EQ(large.size(), header_limit_bytes);
  EXPECT_TRUE(decode(large).ok());
  EXPECT_THAT(why(large + " "), ::testing::HasSubstr("over the limit"));
}

TEST_F(JsonHeader, a_steady_workload_does_not_grow_the_scratch) {
  const std::string json = R"({"code":310,"extFields":{"a":"g","b":"t","i":"K\u0001V\u0002"}})";
  good(json);
  const size_t fields = scratch_.fields.capacity();
  const size_t arena = scratch_.unescaped.capacity();
  for (int i = 0; i < 1000; ++i) good(json);
  EXPECT_EQ(scratch_.fields.capacity(), fields);
  EXPECT_EQ(scratch_.unescaped.capacity(), arena);
}

}  // namespace
}  // namespace merlin::wire
