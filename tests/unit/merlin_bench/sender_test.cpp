// The sender against a broker that only answers, and that is stopped for a while: an open loop must show what users
// would have waited, a closed one only shows a gap.
#include "sender.h"

#include <csignal>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include "drive.h"
#include "null_broker.h"

namespace merlin::bench {
namespace {

constexpr int64_t ms = 1'000'000;

class SenderTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = NullBroker::start();
    ASSERT_TRUE(started.ok()) << started.error().message;
    broker = std::move(*started);
    options.verb = "produce";
    options.broker = broker->address();
    options.connections = 2;
    options.in_flight = 16;
    options.queues = 3;
    options.quiet = true;
  }
  // 1600 ms of load, of which the broker sleeps `stall_ms` at least from 200 ms on; all of it is measured. The stall is
  // counted from when the broker stands still and all that it had answered is read: this process may be late itself.
  void run(int64_t stall_ms) {
    Poller poller;
    Ledger ledger(options.queue_count(), 5);
    Sender sender(options, poller, ledger);
    ASSERT_TRUE(sender.connect().ok());
    const int64_t start = now_ns();
    const int64_t end = start + 1600 * ms;
    Progress progress(options, Progress::Lines::sending, start, end - start);
    const auto drive_to = [&](int64_t at, const std::function<bool()>& done) {
      const Status s = drive(poller, &sender, progress, sender.second(), at, done);
      ASSERT_TRUE(s.ok()) << s.error().message;
    };
    const auto never = [] { return false; };
    ASSERT_TRUE(sender.start(start, start, end).ok());
    drive_to(start + 200 * ms, never);
    if (stall_ms > 0) {
      ::kill(broker->pid(), SIGSTOP);
      ASSERT_EQ(waitpid(broker->pid(), nullptr, WUNTRACED), broker->pid());
      drive_to(now_ns() + 1 * ms, never);
      stalled_at_ns = now_ns() - start;
      drive_to(start + stalled_at_ns + stall_ms * ms, never);
      ::kill(broker->pid(), SIGCONT);
    }
    drive_to(end, never);
    sender.stop(now_ns());
    drive_to(now_ns() + 10'000 * ms, [&] { return sender.is_done(); });
    totals = sender.totals();
    acknowledged = ledger.acknowledged_count();
    if (sender.schedule() != nullptr) held = sender.schedule()->held();
    EXPECT_EQ(sender.in_flight(), 0);
    EXPECT_EQ(sender.never_sent(), 0);
    EXPECT_TRUE(totals.codes.empty());
    int64_t by_queue = 0;
    for (int64_t queue = 0; queue < options.queue_count(); ++queue) by_queue += ledger.queue(queue).acknowledged;
    EXPECT_EQ(by_queue, acknowledged);
  }
  std::unique_ptr<NullBroker> broker;
  Options options;
  Sender::Totals totals;
  int64_t acknowledged = 0;
  int64_t held = 0;
  int64_t stalled_at_ns = 0;
};

TEST_F(SenderTest, AnOpenLoopSendsWhatItShould) {
  options.rate = 2000;
  ASSERT_NO_FATAL_FAILURE(run(0));
  EXPECT_EQ(acknowledged, 3200);
  EXPECT_EQ(totals.messages, 3200);
  EXPECT_EQ(totals.latency.count(), 3200U);
}

TEST_F(SenderTest, AnOpenLoopCountsEveryWaitOfAStall) {
  options.rate = 2000;
  ASSERT_NO_FATAL_FAILURE(run(200));
  // Nothing was left out: 400 messages were meant to leave while the broker slept, and half of them waited for more
  // than 100 ms, though only 32 could be in flight.
  EXPECT_EQ(totals.latency.count(), 3200U);
  EXPECT_GE(totals.latency.max_ns(), 195 * ms);
  EXPECT_GE(totals.latency.quantile_ns(1 - 190.0 / 3200), 95 * ms);
  EXPECT_GE(held, 300);
  EXPECT_LE(totals.max_gap_at_ns, stalled_at_ns);
  EXPECT_GE(totals.max_gap_at_ns + totals.max_gap_ns, stalled_at_ns + 195 * ms);
  EXPECT_GE(totals.max_gap_ns, 195 * ms);
}

TEST_F(SenderTest, AClosedLoopShowsAStallAsAGap) {
  ASSERT_NO_FATAL_FAILURE(run(200));
  EXPECT_GE(totals.max_gap_ns, 195 * ms);
  EXPECT_GE(totals.latency.max_ns(), 195 * ms);
  EXPECT_GT(totals.messages, 32);
  EXPECT_EQ(totals.latency.count(), static_cast<uint64_t>(totals.messages));
}

TEST_F(SenderTest, BatchesAndBinaryHeaders) {
  options.rate = 4000;
  options.batch = 8;
  options.binary = true;
  ASSERT_NO_FATAL_FAILURE(run(0));
  EXPECT_EQ(acknowledged, 6400);
  EXPECT_EQ(totals.latency.count(), 800U);
}

TEST_F(SenderTest, ABrokerThatGoesAwayIsAnError) {
  Poller poller;
  Ledger ledger(options.queue_count(), 5);
  Sender sender(options, poller, ledger);
  ASSERT_TRUE(sender.connect().ok());
  const int64_t start = now_ns();
  Progress progress(options, Progress::Lines::sending, start, 1);
  ASSERT_TRUE(sender.start(start, start, INT64_MAX).ok());
  ::kill(broker->pid(), SIGKILL);
  const Status s = drive(poller, &sender, progress, sender.second(), start + 20'000 * ms, [] { return false; });
  EXPECT_FALSE(s.ok());
}

}  // namespace
}  // namespace merlin::bench
