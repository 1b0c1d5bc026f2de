#include "namesrv/registration_body.h"

#include <random>

#include <gtest/gtest.h>

#include "golden.h"
#include "merlin/base/crc32.h"
#include "namesrv/json_text.h"

namespace merlin::namesrv::test {
namespace {

constexpr int32_t v5_5_0 = 513;
constexpr int32_t v4_9_8 = 409;

Result<RegistrationBody> parse(const std::string& body, int32_t version = v5_5_0, bool compressed = false) {
  return parse_registration(as_bytes(body), compressed, version);
}

void expect_case(const Result<RegistrationBody>& body, bool with_sys_flag) {
  ASSERT_TRUE(body.ok()) << body.error().message;
  EXPECT_EQ(body->version, (DataVersion{3, 1700000000000, 7}));
  std::map<std::string, QueueData> topics;
  for (const auto& topic : body->topics) topics[topic.name] = topic.queues;
  EXPECT_EQ(topics,
            (std::map<std::string, QueueData>{{"TopicA", {4, 8, 6, 0}}, {"TopicB", {1, 2, 4, with_sys_flag ? 3 : 0}}}));
}

void expect_mapping(const RegistrationBody& body) {
  ASSERT_EQ(body.mappings.count("TopicA"), 1U);
  const TopicMapping& mapping = body.mappings.at("TopicA");
  EXPECT_EQ(mapping.broker_name, "broker-a");
  EXPECT_EQ(mapping.total_queues, 2);
  EXPECT_EQ(mapping.epoch, 5);
  EXPECT_EQ(mapping.current_ids, (std::map<int32_t, int32_t>{{0, 1}, {1, 2}}));
}

TEST(RegistrationBody, json_of_apache) {
  const auto body = parse(golden("register.body"));
  expect_case(body, true);
  expect_mapping(*body);
  EXPECT_EQ(body->filter_servers, std::vector<std::string>{"10.0.0.1:1000"});
  EXPECT_EQ(std::to_string(crc32_31(as_bytes(golden("register.body")))), golden("register.body.crc"));
}

TEST(RegistrationBody, deflated_of_apache_whatever_the_header_says) {
  for (const bool compressed : {false, true}) {
    const auto body = parse(from_hex(golden("register.body.deflated")), v5_5_0, compressed);
    expect_case(body, false);
    expect_mapping(*body);
    EXPECT_EQ(body->filter_servers, std::vector<std::string>{"10.0.0.1:1000"});
  }
  const auto empty = parse(from_hex(golden("register.body.deflated.empty")));
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE(empty->topics.empty());
}

TEST(RegistrationBody, deflated_before_5_has_no_mappings) {
  const auto body = parse(from_hex(golden("register.body.deflated")), v4_9_8);
  ASSERT_TRUE(body.ok());
  EXPECT_TRUE(body->mappings.empty());
}

TEST(RegistrationBody, bare_topic_table_before_3_0_11) {
  const auto body = parse(golden("register.body.wrapper"), version_v3_0_11 - 1);
  expect_case(body, true);
  EXPECT_FALSE(body->filter_servers.has_value());
}

TEST(RegistrationBody, empty_body_is_an_empty_table) {
  const auto body = parse("");
  ASSERT_TRUE(body.ok());
  EXPECT_TRUE(body->topics.empty());
  EXPECT_TRUE(body->filter_servers->empty());
}

TEST(RegistrationBody, fastjson_1_reference_and_missing_fields) {
  const auto body = parse(R"({"topicConfigSerializeWrapper":{"dataVersion":{"counter":2,"timestamp":9},)"
                          R"("mappingDataVersion":{"$ref":"$.topicConfigSerializeWrapper.dataVersion"},)"
                          R"("topicConfigTable":{"T":{"topicName":"T"}}}})");
  ASSERT_TRUE(body.ok()) << body.error().message;
  EXPECT_EQ(body->version, (DataVersion{0, 9, 2}));
  ASSERT_EQ(body->topics.size(), 1U);
  EXPECT_EQ(body->topics[0].queues, (QueueData{16, 16, 6, 0}));
}

TEST(RegistrationBody, broken_bodies_are_refused) {
  EXPECT_FALSE(parse("{").ok());
  EXPECT_FALSE(parse("[]").ok());
  EXPECT_FALSE(parse("x").ok());
  EXPECT_FALSE(parse("{}", v5_5_0, true).ok());
  EXPECT_FALSE(parse(R"({"topicConfigSerializeWrapper":{"topicConfigTable":{"T":3}}})").ok());
  const std::string packed = from_hex(golden("register.body.deflated"));
  for (size_t n = 3; n < packed.size(); n += 7) EXPECT_FALSE(parse(packed.substr(0, n)).ok()) << n;
}

TEST(RegistrationBody, nesting_and_size_have_limits) {
  EXPECT_EQ(parse(std::string(1'000'000, '[')).error().code, Errc::limit);
  std::string wide = "{\"a\":[";
  for (size_t i = 0; i < json_values_max + 10; ++i) wide += "0,";
  EXPECT_EQ(parse(wide + "0]}").error().code, Errc::limit);
}

TEST(RegistrationBody, random_damage_never_crashes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (const std::string& good : {golden("register.body"), from_hex(golden("register.body.deflated"))}) {
    for (int i = 0; i < 3000; ++i) {
      std::string bad = good;
      for (unsigned n = 1 + random() % 4; n > 0; --n) bad[random() % bad.size()] = static_cast<char>(random());
      if (random() % 4 == 0) bad.resize(random() % bad.size());
      (void)parse(bad, random() % 2 == 0 ? v5_5_0 : v4_9_8, random() % 2 == 0).ok();
    }
  }
}

TEST(LenientJson, quotes_bare_keys_only) {
  EXPECT_EQ(*lenient_json(R"({0:"a:{",-1 :{x:[1,{2:3}]},"k":true})"),
            R"({"0":"a:{","-1" :{"x":[1,{"2":3}]},"k":true})");
  EXPECT_EQ(*lenient_json(R"(["\"",null])"), R"(["\"",null])");
  EXPECT_FALSE(lenient_json("{]").ok());
  EXPECT_FALSE(lenient_json("}").ok());
}

TEST(KvFile, round_trip_and_bad) {
  EXPECT_EQ(parse_kv_file(golden("kv.file"))->at("NS").at("l"), "w\"x");
  EXPECT_TRUE(parse_kv_file(golden("kv.file.empty"))->empty());
  EXPECT_FALSE(parse_kv_file("").ok());
}

}  // namespace
}  // namespace merlin::namesrv::test
