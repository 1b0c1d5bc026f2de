#include "merlin/wire/header.h"

#include <gtest/gtest.h>

namespace merlin::wire {
namespace {

struct Sample {
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t offset = 0;
  bool flag = false;
  std::optional<std::string_view> text;
  std::optional<int32_t> number;
  std::optional<bool> maybe;
  static constexpr auto fields = std::make_tuple(
      required("topic", &Sample::topic), required("queueId", &Sample::queue_id), required("offset", &Sample::offset),
      required("flag", &Sample::flag), optional("text", &Sample::text), optional("number", &Sample::number),
      optional("maybe", &Sample::maybe));
};

struct Nothing {
  static constexpr auto fields = std::make_tuple();
};

CommandView command(const std::vector<ExtField>& fields) {
  CommandView c;
  c.ext = fields;
  return c;
}

const std::vector<ExtField> all = {{"topic", "T"},   {"queueId", "-3"}, {"offset", "9223372036854775807"},
                                   {"flag", "TRUE"}, {"text", ""},      {"number", "+7"},
                                   {"maybe", "no"}};

TEST(Header, decodes_all_types_in_any_order) {
  std::vector<ExtField> fields = all;
  for (size_t turn = 0; turn < all.size(); ++turn) {
    std::rotate(fields.begin(), fields.begin() + 1, fields.end());
    std::vector<ExtField> with_unknown = fields;
    with_unknown.insert(with_unknown.begin() + static_cast<ptrdiff_t>(turn), ExtField{"bname", "b"});
    const Result<Sample> h = decode_header<Sample>(command(with_unknown));
    ASSERT_TRUE(h.ok()) << h.error().message;
    EXPECT_EQ(h->topic, "T");
    EXPECT_EQ(h->queue_id, -3);
    EXPECT_EQ(h->offset, INT64_MAX);
    EXPECT_TRUE(h->flag);
    EXPECT_EQ(h->text, "");
    EXPECT_EQ(h->number, 7);
    EXPECT_EQ(h->maybe, false);
  }
}

TEST(Header, the_last_of_two_wins_as_in_a_map) {
  std::vector<ExtField> fields = all;
  fields.push_back({"queueId", "9"});
  EXPECT_EQ(decode_header<Sample>(command(fields))->queue_id, 9);
}

TEST(Header, absent_optionals_stay_absent) {
  const std::vector<ExtField> fields(all.begin(), all.begin() + 4);
  const Result<Sample> h = decode_header<Sample>(command(fields));
  ASSERT_TRUE(h.ok());
  EXPECT_FALSE(h->text.has_value());
  EXPECT_FALSE(h->number.has_value());
  EXPECT_FALSE(h->maybe.has_value());
}

TEST(Header, a_missing_required_field_is_named_as_apache_does) {
  for (size_t missing = 0; missing < 4; ++missing) {
    std::vector<ExtField> fields = all;
    fields.erase(fields.begin() + static_cast<ptrdiff_t>(missing));
    const Result<Sample> h = decode_header<Sample>(command(fields));
    ASSERT_FALSE(h.ok());
    EXPECT_EQ(h.error().code, Errc::invalid);
    EXPECT_EQ(h.error().message, "the custom field <" + std::string(all[missing].key) + "> is null");
  }
}

TEST(Header, a_value_that_does_not_parse_is_refused) {
  for (const char* text : {"", "x", "1x", " 1", "1 ", "2147483648", "+", "-", "+-1", "0x1", "1.0"}) {
    std::vector<ExtField> fields = all;
    fields[1].value = text;
    const Result<Sample> h = decode_header<Sample>(command(fields));
    ASSERT_FALSE(h.ok()) << text;
    EXPECT_NE(h.error().message.find("<queueId>"), std::string::npos);
    fields[1].value = "1";
    fields[5].value = text;
    EXPECT_FALSE(decode_header<Sample>(command(fields)).ok()) << text;
  }
}

// Digits are read eight and written two at a time: all lengths, and what is no digit at each place.
TEST(Header, numbers_of_all_lengths) {
  std::vector<int64_t> values = {0, INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN};
  for (int64_t power = 1; power <= INT64_MAX / 10; power *= 10) {
    for (const int64_t value : {power - 1, power, power + 1, power * 9, 1'234'567'890'123'456'789 % power}) {
      values.push_back(value);
      values.push_back(-value);
    }
  }
  for (const int64_t value : values) {
    const std::string text = std::to_string(value);
    int64_t read = -1;
    EXPECT_TRUE(detail::parse_integer(std::string_view(text), read)) << text;
    EXPECT_EQ(read, value);
    for (size_t at = 0; at < text.size(); ++at) {
      for (const char c : {'/', ':', ' ', '?', '\xFF', '\0'}) {
        std::string bad = text;
        bad[at] = c;
        EXPECT_FALSE(detail::parse_integer(std::string_view(bad), read)) << bad;
      }
    }
    Buffer out;
    CommandWriter w(out, Serialization::json, CommandHead{});
    w.field("n", value);
    w.finish(0);
    EXPECT_NE(as_text(out.view()).find("{\"n\":\"" + text + "\"}"), std::string_view::npos) << text;
  }
}

TEST(Header, a_header_without_fields_takes_anything) {
  EXPECT_TRUE(decode_header<Nothing>(command({})).ok());
  EXPECT_TRUE(decode_header<Nothing>(command(all)).ok());
}

TEST(Header, encodes_what_it_decodes) {
  for (const Serialization form : {Serialization::json, Serialization::rocketmq}) {
    Sample sent;
    sent.topic = "T";
    sent.queue_id = 4;
    sent.offset = -1;
    sent.flag = true;
    sent.maybe = true;
    Buffer out;
    CommandWriter w(out, form, CommandHead{});
    encode_header(w, sent);
    w.finish(0);
    HeaderScratch scratch;
    const Result<CommandView> c = decode_command(scan_frame(out.view(), 1 << 20).frame, scratch);
    ASSERT_TRUE(c.ok());
    EXPECT_EQ(c->ext.size(), 5U);
    const Result<Sample> h = decode_header<Sample>(*c);
    ASSERT_TRUE(h.ok()) << h.error().message;
    EXPECT_EQ(h->topic, "T");
    EXPECT_EQ(h->queue_id, 4);
    EXPECT_EQ(h->offset, -1);
    EXPECT_TRUE(h->flag);
    EXPECT_FALSE(h->number.has_value());
    EXPECT_EQ(h->maybe, true);
  }
}

}  // namespace
}  // namespace merlin::wire
