// What a broker says before it starts.
#include "app/start_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/broker_options.h"

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

}  // namespace
}  // namespace merlin::app
