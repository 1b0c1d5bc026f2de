#include "service/relay.h"

#include "client.h"

namespace merlin::service {
namespace {

std::string version_text(int version) {
  return "V" + std::to_string(version);
}

class RelayTest : public testing::Test {
 protected:
  std::shared_ptr<Client> join(const std::string& client_id, int32_t version, const std::string& language = "JAVA") {
    auto channel = std::make_shared<Client>(++last_id_);
    ConsumerHeartbeat h;
    h.group = "g";
    clients_.register_consumer(h, {channel, client_id, language, version, 0}, false, false);
    return channel;
  }
  // What ask() ends with.
  void ask(const std::string& client_id) {
    answered_ = 0;
    relay_.ask("g", client_id, {ClientVerb::running_info, {{"consumerGroup", "g"}}, {}},
               [this](const Refusal& refusal, ClientAnswer answer) {
                 ++answered_;
                 refusal_ = refusal;
                 answer_ = std::move(answer);
               });
  }

  ManualClock clock_{0};
  Clients clients_{clock_};
  Relay relay_{clients_, version_text};
  uint64_t last_id_ = 0;
  int answered_ = 0;
  Refusal refusal_;
  ClientAnswer answer_;
};

TEST_F(RelayTest, TheClientsAnswerIsTheAnswer) {
  const auto other = join("c0", 400);
  const auto client = join("c1", 400);
  ask("c1");
  ASSERT_EQ(client->asked.size(), 1U);
  EXPECT_TRUE(other->asked.empty());
  EXPECT_EQ(client->timeouts_ms.front(), 10'000);
  EXPECT_EQ(answered_, 0);
  client->waiting.front()(ClientAnswer{1, "not today", {{"a", "b"}}, "body"});
  EXPECT_EQ(answered_, 1);
  EXPECT_TRUE(refusal_.ok());
  EXPECT_EQ(answer_.code, 1);
  EXPECT_EQ(answer_.remark, "not today");
  EXPECT_EQ(answer_.body, "body");
}

TEST_F(RelayTest, RefusalsAreApaches) {
  const auto client = join("c1", 400);
  join("old", Relay::ask_version_min - 1);
  ask("nobody");
  EXPECT_EQ(refusal_.outcome, Outcome::system_error);
  EXPECT_EQ(refusal_.remark, "The Consumer <g> <nobody> not online");
  ask("old");
  EXPECT_EQ(refusal_.remark,
            "The Consumer <old> Version <V61> too low to finish, please upgrade it to V3_1_8_SNAPSHOT");
  ask("c1");
  client->waiting.back()(Error{Errc::timeout, "10000 ms are over"});
  EXPECT_EQ(refusal_.outcome, Outcome::consume_timeout);
  EXPECT_EQ(refusal_.remark, "consumer <g> <c1> Timeout: 10000 ms are over");
  ask("c1");
  client->waiting.back()(Error{Errc::closed, "gone"});
  EXPECT_EQ(refusal_.outcome, Outcome::system_error);
  EXPECT_EQ(refusal_.remark, "invoke consumer <g> <c1> Exception: gone");
  EXPECT_EQ(answered_, 1);
}

TEST_F(RelayTest, TheStatusOfAGroupIsKnownWhenTheLastClientHasSpoken) {
  const auto a = join("a", 400);
  const auto b = join("b", 400);
  const auto c = join("c", 400);
  int known = 0;
  Relay::Statuses got;
  const auto done = [&](const Refusal& refusal, Relay::Statuses statuses) {
    ++known;
    EXPECT_TRUE(refusal.ok());
    got = std::move(statuses);
  };
  relay_.consume_status("g", "T", "", done);
  a->waiting.front()(ClientAnswer{0, {}, {}, "where a is"});
  b->waiting.front()(Error{Errc::timeout, "over"});
  EXPECT_EQ(known, 0);
  c->waiting.front()(ClientAnswer{1, "no", {}, {}});
  EXPECT_EQ(known, 1);
  ASSERT_EQ(got.size(), 1U);
  EXPECT_EQ(got.at("a").body, "where a is");
  relay_.consume_status("g", "T", "b", done);
  EXPECT_EQ(a->asked.size(), 1U);
  b->waiting.back()(ClientAnswer{0, {}, {}, "where b is"});
  EXPECT_EQ(known, 2);
  EXPECT_EQ(got.count("b"), 1U);
  relay_.consume_status("g", "T", "nobody", done);
  EXPECT_EQ(known, 3);
  EXPECT_TRUE(got.empty());
  relay_.consume_status("none", "T", "", [&](const Refusal& refusal, const Relay::Statuses&) { refusal_ = refusal; });
  EXPECT_EQ(refusal_.remark, "No Any Consumer online in the consumer group: [none]");
}

TEST_F(RelayTest, TooLargeAStatusIsRefused) {
  const auto a = join("a", 400);
  const auto b = join("b", 400);
  relay_.consume_status("g", "T", "", [&](const Refusal& refusal, const Relay::Statuses&) { refusal_ = refusal; });
  a->waiting.front()(ClientAnswer{0, {}, {}, std::string(Relay::status_bytes_max, 'x')});
  b->waiting.front()(ClientAnswer{0, {}, {}, "y"});
  EXPECT_EQ(refusal_.outcome, Outcome::system_error);
}

TEST_F(RelayTest, NewOffsetsGoToAllOrToNone) {
  OffsetMove move{"broker", "g", "T", 7, {{0, 5}, {1, 6}}};
  EXPECT_EQ(relay_.move_offsets(move).outcome, Outcome::consumer_not_online);
  EXPECT_EQ(relay_.move_offsets(move).remark,
            "Consumer not online, so can not reset offset, Group: g Topic: T Timestamp: 7");
  const auto java = join("a", 400);
  const auto cpp = join("b", 400, "CPP");
  ASSERT_TRUE(relay_.move_offsets(move).ok());
  ASSERT_EQ(java->moves.size(), 1U);
  EXPECT_EQ(java->moves.front().offsets.at(1), 6);
  EXPECT_EQ(cpp->languages.front(), "CPP");
  join("old", Relay::move_version_min - 1);
  EXPECT_EQ(relay_.move_offsets(move).remark, "the client does not support this feature. version=V27");
  EXPECT_EQ(java->moves.size(), 1U);
}

}  // namespace
}  // namespace merlin::service
