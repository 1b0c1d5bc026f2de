// Both header forms there and back, and what only the binary one has.

#include "merlin/wire/command.h"

#include <random>

#include <gtest/gtest.h>

namespace merlin::wire {
namespace {

struct Decoded {
  std::vector<uint8_t> bytes;
  HeaderScratch scratch;
  Result<CommandView> view = Error{};
};

void decode(const Buffer& out, size_t at, Decoded& d) {
  d.bytes.assign(out.data() + at, out.data() + out.size());
  const FrameScan scan = scan_frame(d.bytes, frame_limit_bytes_default);
  ASSERT_EQ(scan.state, FrameScan::State::frame) << scan.why;
  EXPECT_EQ(scan.consumed, d.bytes.size());
  d.view = decode_command(scan.frame, d.scratch);
}

TEST(CommandWriter, writes_what_java_writes_but_for_the_order) {
  Buffer out;
  CommandHead head;
  head.code = 17;
  head.opaque = 5;
  head.flag = flag_response;
  head.remark = "no \"such\" topic\n";
  CommandWriter w(out, Serialization::json, head);
  w.field("queueId", 3);
  w.field("ok", true);
  w.field("text", "x");
  EXPECT_EQ(w.finish(0), 0U);
  EXPECT_EQ(as_text(out.view()).substr(8),
            R"({"code":17,"extFields":{"queueId":"3","ok":"true","text":"x"},"flag":1,"language":"JAVA","opaque":5,)"
            R"("remark":"no \"such\" topic\n","serializeTypeCurrentRPC":"JSON","version":513})");
}

TEST(CommandWriter, no_fields_no_ext_fields) {
  Buffer out;
  CommandWriter w(out, Serialization::json, CommandHead{});
  w.finish(0);
  EXPECT_EQ(as_text(out.view()).substr(8),
            R"({"code":0,"flag":0,"language":"JAVA","opaque":0,"serializeTypeCurrentRPC":"JSON","version":513})");
}

TEST(CommandWriter, appends_behind_what_stands_there_and_counts_the_body) {
  for (const Serialization form : {Serialization::json, Serialization::rocketmq}) {
    Buffer out;
    out.append(std::string_view("before"));
    CommandHead head;
    head.code = 11;
    head.language = Language::cpp;
    head.version = 401;
    head.opaque = INT32_MIN;
    head.flag = flag_oneway;
    head.remark = "r\xC3\xA9";
    CommandWriter w(out, form, head);
    w.field("big", INT64_MIN);
    w.field("e", "");
    w.field("p", std::string_view("a\x01"
                                  "b\x02",
                                  4));
    EXPECT_EQ(w.finish(3), 6U);
    out.append(std::string_view("xyz"));
    Decoded d;
    decode(out, 6, d);
    ASSERT_TRUE(d.view.ok());
    const CommandView& c = *d.view;
    EXPECT_EQ(c.serialization, form);
    EXPECT_EQ(c.code, 11);
    EXPECT_EQ(c.language, Language::cpp);
    EXPECT_EQ(c.version, 401);
    EXPECT_EQ(c.opaque, INT32_MIN);
    EXPECT_EQ(c.flag, flag_oneway);
    EXPECT_EQ(c.remark, "r\xC3\xA9");
    EXPECT_EQ(as_text(c.body), "xyz");
    EXPECT_EQ(*c.find("big"), "-9223372036854775808");
    EXPECT_EQ(*c.find("p"), std::string_view("a\x01"
                                             "b\x02",
                                             4));
    // Java reads an empty text of the binary form as null.
    EXPECT_EQ(c.find("e") != nullptr, form == Serialization::json);
  }
}

TEST(CommandWriter, random_fields_come_back) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto text = [&random](size_t size_max) {
    // Valid UTF-8 of all lengths, with plenty of what must be escaped.
    const char* const parts[] = {"a",
                                 "\"",
                                 "\\",
                                 "\x01",
                                 "\n",
                                 "/",
                                 "\xC3\xA9",
                                 "\xE4\xB8\xAD",
                                 "\xF0\x9F\x98\x80",
                                 "plain text of some length"};
    std::string s;
    for (size_t n = random() % size_max + 1; n > 0; --n) s += parts[random() % std::size(parts)];
    return s;
  };
  for (int round = 0; round < 300; ++round) {
    for (const Serialization form : {Serialization::json, Serialization::rocketmq}) {
      std::vector<std::pair<std::string, std::string>> fields;
      for (size_t n = random() % 20; n > 0; --n) fields.emplace_back(text(5), text(40));
      const std::string remark = text(20);
      Buffer out;
      CommandHead head;
      head.remark = remark;
      CommandWriter w(out, form, head);
      for (const auto& [key, value] : fields) w.field(key, value);
      w.finish(0);
      Decoded d;
      decode(out, 0, d);
      ASSERT_TRUE(d.view.ok()) << d.view.error().message;
      EXPECT_EQ(d.view->remark, remark);
      ASSERT_EQ(d.view->ext.size(), fields.size());
      for (size_t i = 0; i < fields.size(); ++i) {
        EXPECT_EQ(d.view->ext[i].key, fields[i].first);
        EXPECT_EQ(d.view->ext[i].value, fields[i].second);
      }
    }
  }
}

TEST(CommandWriter, malformed_utf8_is_replaced_in_json) {
  Buffer out;
  append_json_string(out, "a\xFF|\xC3|\xE4\xB8|\xED\xA0\x80|\xC0\x80|\xC3\xA9");
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(as_text(out.view()), "\"a" + bad + "|" + bad + "|" + bad + "|" + bad + "|" + bad + bad + "|\xC3\xA9\"");
}

std::vector<uint8_t> binary_header(int16_t code, int8_t language, int32_t flag) {
  Buffer b;
  b.append_be<int16_t>(code);
  b.push(static_cast<uint8_t>(language));
  b.append_be<int16_t>(401);
  b.append_be<int32_t>(1);
  b.append_be<int32_t>(flag);
  b.append_be<int32_t>(0);
  b.append_be<int32_t>(0);
  return {b.data(), b.data() + b.size()};
}

Result<CommandView> decode_binary(const std::vector<uint8_t>& header, HeaderScratch& scratch) {
  Frame frame;
  frame.serialization = Serialization::rocketmq;
  frame.header = header;
  return decode_command(frame, scratch);
}

TEST(BinaryHeader, request_codes_cut_to_16_bits_are_restored) {
  HeaderScratch scratch;
  const auto code = [&](int16_t sent, int32_t flag) {
    return decode_binary(binary_header(sent, 0, flag), scratch)->code;
  };
  EXPECT_EQ(code(3442, 0), 200050);
  EXPECT_EQ(code(3471, 0), 200079);
  EXPECT_EQ(code(3543, 0), 200151);
  EXPECT_EQ(code(3543, flag_oneway), 200151);
  EXPECT_EQ(code(3441, 0), 3441);
  EXPECT_EQ(code(3472, 0), 3472);
  EXPECT_EQ(code(3442, flag_response), 3442);
  EXPECT_EQ(code(310, 0), 310);
}

TEST(BinaryHeader, unknown_languages_are_other) {
  HeaderScratch scratch;
  EXPECT_EQ(decode_binary(binary_header(1, 13, 0), scratch)->language, Language::node_js);
  EXPECT_EQ(decode_binary(binary_header(1, 14, 0), scratch)->language, Language::other);
  EXPECT_EQ(decode_binary(binary_header(1, -1, 0), scratch)->language, Language::other);
}

TEST(BinaryHeader, hostile_lengths_are_refused) {
  HeaderScratch scratch;
  const std::vector<uint8_t> good = binary_header(1, 0, 0);
  for (size_t n = 0; n < good.size(); ++n) {
    EXPECT_FALSE(decode_binary({good.begin(), good.begin() + static_cast<ptrdiff_t>(n)}, scratch).ok()) << n;
  }
  for (const size_t length_at : {size_t{13}, size_t{17}}) {
    for (const int32_t length : {-1, 1, INT32_MAX, INT32_MIN}) {
      std::vector<uint8_t> bad = good;
      store_be<int32_t>(bad.data() + length_at, length);
      EXPECT_FALSE(decode_binary(bad, scratch).ok()) << length_at << " " << length;
    }
  }
  std::vector<uint8_t> many = good;
  for (size_t i = 0; i <= ext_fields_limit; ++i) many.insert(many.end(), {0, 1, 'k', 0, 0, 0, 1, 'v'});
  store_be<int32_t>(many.data() + 17, static_cast<int32_t>(many.size() - good.size()));
  EXPECT_FALSE(decode_binary(many, scratch).ok());
}

}  // namespace
}  // namespace merlin::wire
