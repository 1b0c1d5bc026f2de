#include "service/queue_locks.h"

#include <chrono>
#include <random>

#include <gtest/gtest.h>

namespace merlin::service {
namespace {

const QueueId q0{"T", "b", 0};
const QueueId q1{"T", "b", 1};

TEST(QueueLocks, OneHolderUntilReleaseOrExpiry) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  EXPECT_EQ(locks.lock("g", "c1", {q0, q1}).size(), 2U);
  EXPECT_TRUE(locks.lock("g", "c2", {q0}).empty());
  EXPECT_EQ(locks.lock("other", "c2", {q0}).size(), 1U) << "groups do not share locks";
  locks.unlock("g", "c2", {q0});
  EXPECT_TRUE(locks.lock("g", "c2", {q0}).empty()) << "only the holder may unlock";
  locks.unlock("g", "c1", {q0});
  EXPECT_EQ(locks.lock("g", "c2", {q0, q1}), std::vector<QueueId>{q0});
  clock.advance_ms(QueueLocks::lock_lifetime_ms);
  EXPECT_EQ(locks.lock("g", "c1", {q1}), std::vector<QueueId>{q1}) << "renewed at the last moment";
  EXPECT_FALSE(locks.all_expired("g"));
  clock.advance_ms(QueueLocks::lock_lifetime_ms + 1);
  EXPECT_TRUE(locks.all_expired("g"));
  EXPECT_EQ(locks.lock("g", "c2", {q1}), std::vector<QueueId>{q1});
}

TEST(QueueLocks, LongNamesGetNoLockAndLeaveNothing) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  const std::string long_name(QueueLocks::name_max + 1, 'x');
  EXPECT_TRUE(locks.lock(long_name, "c1", {q0}).empty());
  EXPECT_TRUE(locks.lock("g", long_name, {q0}).empty());
  EXPECT_TRUE(locks.lock("g", "c1", {{long_name, "b", 0}, {"T", long_name, 0}}).empty());
  EXPECT_TRUE(locks.all_expired("g"));
}

TEST(QueueLocks, NumberOfLocksIsLimited) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  std::vector<QueueId> many;
  for (int32_t i = 0; i < 50'000; ++i) many.push_back({"T", "b", i});
  size_t given = 0;
  for (int i = 0; i < 21; ++i) given += locks.lock("g" + std::to_string(i), "c1", many).size();
  EXPECT_EQ(given, QueueLocks::locks_max);
  locks.unlock("g0", "c1", many);
  EXPECT_EQ(locks.lock("other", "c1", many).size(), many.size()) << "what was given back can be given again";
  clock.advance_ms(QueueLocks::lock_lifetime_ms + 1);
  locks.drop_expired();
  EXPECT_EQ(locks.lock("g0", "c2", many).size(), many.size());
}

class FakeChannel final : public ClientChannel {
 public:
  explicit FakeChannel(uint64_t id) : id_(id) {}
  uint64_t id() const override { return id_; }
  const std::string& remote_text() const override { return remote_; }
  bool is_open() const override { return true; }
  void notify_consumer_ids_changed(const std::string&) override { ++told; }
  void push_reply(const ReplyMessage&, int64_t, std::function<void(Status)>) override {}
  void move_offsets(const OffsetMove&, const std::string&) override {}
  void ask(ClientQuestion, int64_t, std::function<void(Result<ClientAnswer>)>) override {}
  std::atomic<int> told{0};

 private:
  uint64_t id_;
  std::string remote_ = "127.0.0.1:1";
};

// The locks of a group's members, as they come and go.
class QueueLocksOfMembers : public testing::Test {
 protected:
  QueueLocksOfMembers() { clients.set_member_listener(&locks); }
  void join(const std::shared_ptr<FakeChannel>& channel, const std::string& client_id) {
    ConsumerHeartbeat h;
    h.group = "g";
    h.message_model = "CLUSTERING";
    clients.register_consumer(h, {channel, client_id, language, version, clock.wall_ms()}, false, true);
  }
  void close(uint64_t channel_id) {
    clients.channel_closed(channel_id, [](const std::string&) { return true; });
  }
  bool can_lock(const std::string& client_id) { return locks.lock("g", client_id, {q0}).size() == 1; }
  // What the broker does all the time.
  void sweep() {
    for (const std::string& group : locks.take_freed()) clients.notify_group(group);
    clients.send_due_notices();
  }

  std::string language = "JAVA";
  int32_t version = 513;
  ManualClock clock{1'000'000};
  Clients clients{clock};
  QueueLocks locks{clock};
  std::shared_ptr<FakeChannel> a = std::make_shared<FakeChannel>(1);
  std::shared_ptr<FakeChannel> b = std::make_shared<FakeChannel>(2);
  std::shared_ptr<FakeChannel> a_again = std::make_shared<FakeChannel>(3);
};

TEST_F(QueueLocksOfMembers, GoodbyeFreesThemAtOnceAndTheRestIsTold) {
  join(a, "A");
  join(b, "B");
  ASSERT_TRUE(can_lock("A"));
  ASSERT_FALSE(can_lock("B"));
  clock.advance_ms(Clients::notify_interval_ms);
  const int told = b->told;
  clients.unregister_consumer("g", 1, true);
  EXPECT_EQ(b->told, told + 1);
  EXPECT_TRUE(can_lock("B"));
}

TEST_F(QueueLocksOfMembers, ADeadClientsLocksGoToAnotherWithinTheGrace) {
  join(a, "A");
  join(b, "B");
  ASSERT_TRUE(can_lock("A"));
  clock.advance_ms(10'000);
  close(1);
  EXPECT_FALSE(can_lock("B")) << "it may come back";
  clock.advance_ms(QueueLocks::grace_ms);
  sweep();
  EXPECT_FALSE(can_lock("B"));
  const int told = b->told;
  clock.advance_ms(1);
  sweep();
  EXPECT_EQ(b->told, told + 1) << "the others are told to try again";
  EXPECT_TRUE(can_lock("B"));
}

TEST_F(QueueLocksOfMembers, AClientThatReconnectsKeepsThem) {
  join(a, "A");
  join(b, "B");
  ASSERT_TRUE(can_lock("A"));
  close(1);
  clock.advance_ms(QueueLocks::grace_ms - 1);
  join(a_again, "A");
  for (int i = 0; i < 40; ++i) {
    clock.advance_ms(1'000);
    sweep();
    ASSERT_FALSE(can_lock("B")) << i << " s after it has come back";
  }
  EXPECT_TRUE(can_lock("A"));
  // And the other way round: the new connection is there before the old one is known to be gone.
  join(a, "A");
  close(3);
  clock.advance_ms(QueueLocks::grace_ms + 1);
  sweep();
  EXPECT_FALSE(can_lock("B"));
}

TEST_F(QueueLocksOfMembers, RenewingALockIsComingBackToo) {
  join(a, "A");
  join(b, "B");
  ASSERT_TRUE(can_lock("A"));
  close(1);
  ASSERT_TRUE(can_lock("A"));
  clock.advance_ms(QueueLocks::grace_ms + 1);
  sweep();
  EXPECT_FALSE(can_lock("B"));
}

TEST_F(QueueLocksOfMembers, AClientThatDoesNotHeartbeatOnReconnectHasAsLongAsItBelievesInItsLock) {
  version = 409;
  join(a, "A");
  join(b, "B");
  ASSERT_TRUE(can_lock("A"));
  clock.advance_ms(10'000);
  close(1);
  clock.advance_ms(QueueLocks::client_belief_ms - 10'000);
  sweep();
  EXPECT_FALSE(can_lock("B"));
  clock.advance_ms(1);
  sweep();
  EXPECT_TRUE(can_lock("B"));
}

TEST_F(QueueLocksOfMembers, AnExpiredMembersLocksGoAtOnceUnlessItStillRenewsThem) {
  join(a, "A");
  ASSERT_TRUE(can_lock("A"));
  clock.advance_ms(50'000);
  join(b, "B");
  ASSERT_EQ(clients.drop_expired(40'000), 1U);
  sweep();
  clock.advance_ms(1);
  EXPECT_TRUE(can_lock("B"));
  clock.advance_ms(50'000);
  join(a, "A");
  ASSERT_TRUE(can_lock("B")) << "renewed";
  ASSERT_EQ(clients.drop_expired(40'000), 1U);
  clock.advance_ms(1'000);
  EXPECT_FALSE(can_lock("A")) << "its heartbeats may be refused while it lives";
}

TEST_F(QueueLocksOfMembers, WhoWasRefusedIsToldWhenALockIsGivenBack) {
  join(a, "A");
  join(b, "B");
  ASSERT_TRUE(can_lock("A"));
  locks.unlock("g", "A", {q0});
  EXPECT_TRUE(locks.take_freed().empty()) << "nobody wanted it";
  ASSERT_TRUE(can_lock("A"));
  ASSERT_FALSE(can_lock("B"));
  clock.advance_ms(Clients::notify_interval_ms);
  const int told = b->told;
  locks.unlock("g", "A", {q0});
  sweep();
  EXPECT_EQ(b->told, told + 1);
  EXPECT_TRUE(can_lock("B"));
  locks.unlock("g", "B", {q0});
  EXPECT_TRUE(locks.take_freed().empty()) << "B has it, and nobody was refused since";
}

TEST_F(QueueLocksOfMembers, TenThousandThatLeaveTogetherAreQuick) {
  constexpr int32_t members = 10'000;
  for (int32_t i = 0; i < members; ++i) {
    const std::string id = "C" + std::to_string(i);
    join(std::make_shared<FakeChannel>(100 + static_cast<uint64_t>(i)), id);
    std::vector<QueueId> queues;
    for (int32_t q = 0; q < 10; ++q) queues.push_back({"T", "b", i * 10 + q});
    ASSERT_EQ(locks.lock("g", id, queues).size(), queues.size());
  }
  join(b, "B");
  for (int32_t i = 0; i < members; ++i) close(100 + static_cast<uint64_t>(i));
  clock.advance_ms(QueueLocks::grace_ms + 1);
  EXPECT_EQ(locks.take_freed(), std::vector<std::string>{"g"});
  std::vector<QueueId> all;
  for (int32_t q = 0; q < members * 6; ++q) all.push_back({"T", "b", q});
  EXPECT_EQ(locks.lock("g", "B", all).size(), all.size());
}

// Random locks, ends, returns and expiries against a table that is simple enough to be right.
TEST_F(QueueLocksOfMembers, AgreesWithASimpleTable) {
  const uint64_t seed = static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  struct Simple {
    std::string client;
    int64_t renewed = 0;
    int64_t expires = -1;
  };
  std::map<int32_t, Simple> table;
  std::map<std::string, uint64_t> connected;
  uint64_t next_channel = 10;
  const auto now = [&] { return clock.wall_ms(); };
  for (int step = 0; step < 20'000; ++step) {
    const std::string id = "C" + std::to_string(random() % 5);
    const auto queue = static_cast<int32_t>(random() % 4);
    Simple& s = table[queue];
    switch (random() % 6) {
      case 0: {
        const bool wanted = s.client == id || now() > s.expires;
        ASSERT_EQ(locks.lock("g", id, {{"T", "b", queue}}).size(), wanted ? 1U : 0U) << step;
        if (wanted) s = {id, now(), now() + QueueLocks::lock_lifetime_ms};
        break;
      }
      case 1:
        locks.unlock("g", id, {{"T", "b", queue}});
        if (s.client == id) s = {};
        break;
      case 2:
        if (!connected.contains(id)) {
          join(std::make_shared<FakeChannel>(next_channel), id);
          connected[id] = next_channel++;
          for (auto& [q, other] : table) {
            if (other.client == id && now() <= other.expires)
              other.expires = other.renewed + QueueLocks::lock_lifetime_ms;
          }
        }
        break;
      case 3:
      case 4:
        if (connected.contains(id)) {
          const bool goodbye = random() % 2 == 0;
          if (goodbye) {
            clients.unregister_consumer("g", connected[id], true);
          } else {
            close(connected[id]);
          }
          connected.erase(id);
          for (auto& [q, other] : table) {
            if (other.client != id || other.expires < now()) continue;
            other.expires = std::min(other.expires, goodbye ? now() - 1 : now() + QueueLocks::grace_ms);
          }
        }
        break;
      default:
        clock.advance_ms(static_cast<int64_t>(random() % 4'000));
        if (random() % 2 == 0) locks.take_freed();
        if (random() % 8 == 0) locks.drop_expired();
    }
  }
}

TEST(QueueLocks, ExpiredOnesAreForgotten) {
  ManualClock clock(1'000'000);
  QueueLocks locks(clock);
  ASSERT_EQ(locks.lock("g", "c1", {q0}).size(), 1U);
  clock.advance_ms(QueueLocks::lock_lifetime_ms + 1);
  locks.drop_expired();
  EXPECT_TRUE(locks.all_expired("g"));
  EXPECT_EQ(locks.lock("g", "c2", {q0}).size(), 1U);
}

}  // namespace
}  // namespace merlin::service
