// What a broker says before it starts.
#include "app/start_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/broker_options.h"
#include "merlin/base/faulty_file_system.h"

namespace merlin::app {
namespace {

using testing::HasSubstr;

TEST(StartChecks, AWishForProtectionThatIsNotThereIsRefusedByName) {
  for (const auto& [key, value] : {std::pair{"aclEnable", "true"},
                                   {"authenticationEnabled", "TRUE"},
                                   {"authorizationEnabled", "true"},
                                   {"tls.server.mode", "enforcing"},
                                   {"useTLS", "true"}}) {
    config::Settings settings(config::broker_options(), config::broker_unused_keys());
    EXPECT_TRUE(check_security(settings));
    ASSERT_TRUE(settings.set(key, value)) << key;
    const Status refused = check_security(settings);
    ASSERT_FALSE(refused) << key;
    EXPECT_THAT(refused.error().message, HasSubstr(std::string(key) + "="));
    EXPECT_THAT(refused.error().message, HasSubstr("merlinIgnoreSecurityConfig=true"));
    EXPECT_FALSE(settings.update_live({{key, settings.text(key) == "true" ? "false" : "disabled"}}))
        << "a running broker does not change it";
    ASSERT_TRUE(settings.set("merlinIgnoreSecurityConfig", "true"));
    EXPECT_TRUE(check_security(settings)) << key;
  }
}

TEST(StartChecks, DelayedMessagesThatNobodyDeliversAreCounted) {
  FaultyFileSystem disk;
  const SystemClock clock;
  store::StoreOptions options;
  options.root_dir = "/store";
  options.segment_size_bytes = 1 << 20;
  options.consume_queue_file_bytes = 2000;
  options.index_enabled = false;
  store::MessageStore opened(options, disk, clock, [](const Error&) {});
  ASSERT_TRUE(opened.open());
  EXPECT_EQ(delayed_messages(disk, opened, "/store"), 0);
  Buffer scratch;
  for (int i = 0; i < 10; ++i) {
    store::AppendItem item;
    item.spec.topic = "SCHEDULE_TOPIC_XXXX";
    item.spec.queue_id = i % 2;
    item.spec.body = as_bytes(std::string_view("later"));
    item.queue = opened.queue(item.spec.topic, item.spec.queue_id);
    opened.append({&item, 1}, scratch);
    ASSERT_EQ(item.code, store::AppendCode::ok);
  }
  EXPECT_EQ(delayed_messages(disk, opened, "/store"), 10);
  ASSERT_TRUE(disk.make_dirs("/store/config"));
  const std::string path = "/store/config/delayOffset.json";
  ASSERT_TRUE(disk.write_file_durably(path, R"({"dataVersion":{"counter":1},"offsetTable":{1:5,2:2}})"));
  EXPECT_EQ(delayed_messages(disk, opened, "/store"), 3);
  ASSERT_TRUE(disk.write_file_durably(path, R"({"offsetTable":{1:)"));
  EXPECT_EQ(delayed_messages(disk, opened, "/store"), 10) << "a broken file hides nothing";
  opened.close();
}

}  // namespace
}  // namespace merlin::app
