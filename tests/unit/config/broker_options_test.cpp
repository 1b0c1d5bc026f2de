#include "config/broker_options.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "merlin/base/file_system.h"

namespace merlin::config {
namespace {

std::string read(const std::string& path) {
  const Result<std::string> text = posix_file_system().read_file(path);
  EXPECT_TRUE(text.ok()) << path;
  return text.ok() ? *text : std::string();
}

std::map<std::string, std::string> to_map(std::string_view properties) {
  std::map<std::string, std::string> out;
  for (auto& [key, value] : parse_properties(properties)) out[key] = value;
  return out;
}

TEST(BrokerOptions, EveryRowHoldsItsDefaultAndASentence) {
  for (const Option& option : broker_options()) {
    EXPECT_TRUE(check_value(option, option.default_text)) << option.key;
    EXPECT_TRUE(option.sentence.ends_with(".")) << option.key;
    EXPECT_GT(option.sentence.size(), 15U) << option.key;
  }
}

// The file was printed by Apache's broker 5.5.0 with brokerName=broker-a, traceTopicEnable=true and all else at its
// default, on two cores; keys that name the machine are cut out.
TEST(BrokerOptions, SameKeysAndDefaultsAsApache) {
  const std::map<std::string, std::string> apache = to_map(read(MERLIN_TEST_DATA "/apache-5.5.0-broker.properties"));
  ASSERT_GT(apache.size(), 450U);
  Settings settings(broker_options(), broker_unused_keys());
  ASSERT_TRUE(settings.set("brokerName", "broker-a"));
  ASSERT_TRUE(settings.set("traceTopicEnable", "true"));
  for (const auto& [key, value] : apache) {
    // Apache changes this default while it starts.
    if (key == "bitMapLengthConsumeQueueExt") continue;
    // Ours is another on purpose: docs/architecture.md.
    if (key == "enablePropertyFilter") {
      EXPECT_EQ(settings.find(key), "true");
      continue;
    }
    EXPECT_EQ(settings.find(key), value) << key;
  }
  const std::set<std::string> null_or_cut = {"namesrvAddr", "storePathRootDir", "storePathCommitLog", "brokerIP1",
                                             "brokerIP2",
                                             // Of other parts of Apache's broker, which do not print theirs.
                                             "authenticationEnabled", "authorizationEnabled", "tls.server.mode"};
  for (const Option& option : broker_options()) {
    const std::string key(option.key);
    if (key.starts_with("merlin")) continue;
    EXPECT_EQ(apache.contains(key), !null_or_cut.contains(key)) << key;
  }
}

TEST(BrokerOptions, ApachesOwnOutputLoadsWithoutErrors) {
  Settings settings(broker_options(), broker_unused_keys());
  const auto report = settings.load(read(MERLIN_TEST_DATA "/apache-5.5.0-broker.properties"));
  EXPECT_THAT(report.errors, testing::IsEmpty());
  for (const std::string& warning : report.warnings) EXPECT_THAT(warning, testing::HasSubstr("known to RocketMQ"));
}

TEST(BrokerOptions, ComputedDefaults) {
  Settings settings(broker_options(), broker_unused_keys());
  ASSERT_TRUE(settings.set("listenPort", "20911"));
  ASSERT_TRUE(settings.set("storePathRootDir", "/data/store"));
  set_computed_defaults(settings);
  EXPECT_EQ(settings.text("storePathCommitLog"), "/data/store/commitlog");
  EXPECT_EQ(settings.int32("haListenPort"), 20912);
  EXPECT_FALSE(settings.text("brokerName").empty());
  EXPECT_FALSE(settings.is_set("brokerName"));
  EXPECT_FALSE(settings.text("brokerIP1").empty());
}

TEST(BrokerOptions, WhatAFileSaysIsNotComputed) {
  Settings settings(broker_options(), broker_unused_keys());
  ASSERT_TRUE(settings.set("haListenPort", "10912"));
  ASSERT_TRUE(settings.set("listenPort", "20911"));
  ASSERT_TRUE(settings.set("brokerIP1", "10.9.8.7"));
  ASSERT_TRUE(settings.set("namesrvAddr", "ns:9876"));
  set_computed_defaults(settings);
  EXPECT_EQ(settings.int32("haListenPort"), 10912);
  EXPECT_EQ(settings.text("brokerIP1"), "10.9.8.7");
  EXPECT_EQ(settings.text("namesrvAddr"), "ns:9876");
}

// The keys that the broker's sources ask a Settings for.
std::set<std::string> keys_read() {
  static const std::regex call(R"rx((?:\.|->)(?:text|boolean|int32|int64|live_int|on_change)\(\s*"([A-Za-z0-9.]+)")rx");
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(MERLIN_SOURCES)) {
    const std::string path = entry.path().string();
    const bool is_source = path.ends_with(".cpp") || path.ends_with(".h");
    const bool is_broker = path.find("/namesrv/") == std::string::npos && path.find("/meta/") == std::string::npos &&
                           path.find("namesrv_main") == std::string::npos;
    if (!is_source || !is_broker) continue;
    const std::string text = read(path);
    for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it) out.insert((*it)[1]);
  }
  return out;
}

// A key in the table that nobody reads promises what does not happen; one that is read without a row stops the broker.
TEST(BrokerOptions, TheTableHoldsWhatIsRead) {
  const std::set<std::string> read_keys = keys_read();
  std::set<std::string> table;
  for (const Option& option : broker_options()) table.insert(std::string(option.key));
  for (const std::string& key : read_keys) EXPECT_TRUE(table.contains(key)) << key << " is read, but has no row";
  for (const std::string& key : table) {
    if (key == "brokerRole") continue;  // only checked: SLAVE is refused
    EXPECT_TRUE(read_keys.contains(key)) << key << " is in the table, but nobody reads it";
  }
}

// conf/broker.conf comes from the table; MERLIN_UPDATE_CONF=1 writes it anew.
TEST(BrokerOptions, ConfFileIsUpToDate) {
  const Settings settings(broker_options(), broker_unused_keys());
  const std::string expected = settings.to_commented_file("Configuration of merlin-broker.");
  const std::string path = MERLIN_CONF "/broker.conf";
  if (std::getenv("MERLIN_UPDATE_CONF") != nullptr) {
    const Result<std::unique_ptr<File>> file = posix_file_system().open(path, OpenMode::create);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->truncate(0));
    ASSERT_TRUE((*file)->pwrite(as_bytes(expected), 0));
  }
  EXPECT_EQ(read(path), expected) << "run this test with MERLIN_UPDATE_CONF=1";
}

}  // namespace
}  // namespace merlin::config
