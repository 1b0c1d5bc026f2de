// The tables of numbers: request codes, languages, versions.

#include <set>

#include <gtest/gtest.h>

#include "merlin/wire/command.h"
#include "merlin/wire/request_code.h"

namespace merlin::wire {
namespace {

TEST(request_codes, no_duplicates_and_in_order) {
  std::set<std::string_view> names;
  int32_t before = 0;
  for (const RequestCodeRow& row : request_codes) {
    EXPECT_GT(row.code, before) << row.name;
    before = row.code;
    EXPECT_FALSE(row.name.empty());
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(request_codes, each_has_its_name) {
  for (const RequestCodeRow& row : request_codes) EXPECT_EQ(request_code_name(row.code), row.name);
  EXPECT_EQ(request_code_name(request_code::send_message_v2), "SEND_MESSAGE_V2");
  EXPECT_EQ(request_code_name(request_code::pull_message), "PULL_MESSAGE");
  EXPECT_EQ(request_code_name(request_code::get_routeinfo_by_topic), "GET_ROUTEINFO_BY_TOPIC");
  EXPECT_EQ(request_code_name(request_code::batch_ack_message), "BATCH_ACK_MESSAGE");
  EXPECT_EQ(request_code_name(-1), "UNKNOWN");
  EXPECT_EQ(request_code_name(16), "UNKNOWN");
}

TEST(languages, names_there_and_back) {
  for (int i = 0; i <= 13; ++i) {
    const auto language = static_cast<Language>(i);
    EXPECT_EQ(language_from_name(language_name(language)), language);
  }
  EXPECT_EQ(language_name(Language::node_js), "NODE_JS");
  EXPECT_EQ(language_name(static_cast<Language>(99)), "OTHER");
  EXPECT_EQ(language_from_name("node_js"), Language::node_js);
  EXPECT_EQ(language_from_name(""), Language::other);
}

TEST(versions, known_ordinals) {
  EXPECT_EQ(version_text(0), "V3_0_0_SNAPSHOT");
  EXPECT_EQ(version_text(15), "V3_0_0_FINAL");
  EXPECT_EQ(version_text(37), "V3_0_11");
  EXPECT_EQ(version_text(62), "V3_1_8_SNAPSHOT");
  EXPECT_EQ(version_text(121), "V3_4_9");
  EXPECT_EQ(version_text(211), "V3_9_9");
  EXPECT_EQ(version_text(212), "V4_0_0_SNAPSHOT");
  EXPECT_EQ(version_text(version_v4_9_4), "V4_9_4");
  EXPECT_EQ(version_text(411), "V4_9_9");
  EXPECT_EQ(version_text(version_v5_0_0), "V5_0_0");
  EXPECT_EQ(version_text(version_claimed), "V5_5_0");
  EXPECT_EQ(version_text(611), "V5_9_9");
  EXPECT_EQ(version_text(612), "HIGHER_VERSION");
  EXPECT_EQ(version_text(-1), "HIGHER_VERSION");
}

}  // namespace
}  // namespace merlin::wire
