// Held pulls with long filters: a message costs whoever dispatches no more than its budget, nobody is forgotten, and
// those that look for themselves do so no more often than their budget lets them.

#include <deque>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "merlin/message/properties.h"
#include "service/long_poll.h"
#include "unit/service/stored_messages.h"

namespace merlin::service {
namespace {

// Counts how often it is asked; lets one value of the property "a" pass.
class CountingFilter final : public Filter {
 public:
  CountingFilter(size_t steps, std::string wanted, int64_t& asked) : steps_(steps), wanted_(wanted), asked_(asked) {}
  bool matches_tags_code(int64_t) const override { return true; }
  bool needs_record() const override { return true; }
  bool matches_properties(const filter::PropertyList& properties) const override {
    ++asked_;
    for (const auto& [name, value] : properties.entries()) {
      if (name == "a" && value == wanted_) return true;
    }
    return false;
  }
  size_t steps() const override { return steps_; }

 private:
  const size_t steps_;
  const std::string wanted_;
  int64_t& asked_;
};

struct TestWaiter final : Waiter {
  void wake(Wake why, int64_t begin) override {
    (*woken)[id] = begin;
    order->push_back(id);
    *deadlines += why == Wake::deadline ? 1 : 0;
  }
  int id = 0;
  std::map<int, int64_t>* woken = nullptr;
  std::vector<int>* order = nullptr;
  int* deadlines = nullptr;
};

constexpr int64_t steps = 1000;
constexpr int64_t ask_units = steps + 1;  // one property
constexpr int64_t look_units = LongPoll::look_units_min + steps;

class WakeBudget : public testing::Test {
 protected:
  WakeBudget() { messages.serve(poll); }

  Waiter& hold(LongPoll& at, int id, int64_t offset, std::shared_ptr<const Filter> filter,
               std::string_view group = {}) {
    TestWaiter& waiter = waiters.emplace_back();
    waiter.id = id;
    waiter.woken = &woken;
    waiter.order = &order;
    waiter.deadlines = &deadlines;
    waiter.queue = queue(1);
    waiter.offset = offset;
    waiter.filter = kept.emplace_back(std::move(filter)).get();
    waiter.deadline_ms = clock.wall_ms() + 1000;
    waiter.group = group;
    EXPECT_TRUE(at.hold(waiter));
    return waiter;
  }
  std::shared_ptr<const Filter> refusing() { return std::make_shared<CountingFilter>(steps, "none", asked); }

  store::Arrival message(int64_t offset, const std::string& value) {
    std::string properties;
    message::append_property(properties, "a", value);
    return messages.put(offset, properties);
  }
  static void arrive(LongPoll& at, const store::Arrival& arrival) { at.on_arrivals({&arrival, 1}); }

  ManualClock clock{1'000'000};
  int64_t asked = 0;
  StoredMessages messages;
  std::deque<TestWaiter> waiters;
  std::deque<std::shared_ptr<const Filter>> kept;
  std::map<int, int64_t> woken;  // where each was told to begin
  std::vector<int> order;
  int deadlines = 0;
  WakeBudgets budgets{
      .asked_per_call = 10 * ask_units, .asked_per_sweep = 25 * ask_units, .looked_per_sweep = 5 * look_units};
  LongPoll poll{clock, 10'000, LongPoll::indexed_from_default, budgets};
};

TEST_F(WakeBudget, OneMessageCostsNoMoreThanItsBudget) {
  for (int id = 0; id < 100; ++id) hold(poll, id, 0, refusing());
  arrive(poll, message(0, "x"));
  EXPECT_EQ(asked, 10) << "of a hundred";
  EXPECT_EQ(woken.size(), 5U) << "as many as may look at once";
  arrive(poll, message(1, "x"));
  EXPECT_EQ(asked, 20) << "those that were asked before; nobody else is shown anything";
  arrive(poll, message(2, "x"));
  EXPECT_EQ(asked, 25) << "all calls between two sweeps have a budget, too";
  EXPECT_EQ(woken.size(), 5U);
}

TEST_F(WakeBudget, ThoseThatWaitForTheirLookHaveItInTurn) {
  for (int id = 0; id < 100; ++id) hold(poll, id, 0, refusing());
  arrive(poll, message(0, "x"));
  const auto first = woken;
  size_t sweeps = 0;
  while (poll.held() > 10 && sweeps < 100) {
    poll.sweep();
    ++sweeps;
  }
  EXPECT_EQ(sweeps, 85U / 5) << "five with each";
  EXPECT_EQ(woken.size(), 90U);
  EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), order.size()) << "each once";
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << "the oldest first";
  for (const auto& [id, from] : woken) EXPECT_EQ(from, 0) << id;
  EXPECT_EQ(deadlines, 0);
}

TEST_F(WakeBudget, BeginsAtTheFirstMessageItWasNotAskedAbout) {
  for (int id = 0; id < 8; ++id) hold(poll, id, 0, refusing());
  arrive(poll, message(0, "x"));  // 8 of 10 units: all are asked
  EXPECT_EQ(asked, 8);
  for (int id = 8; id < 30; ++id) hold(poll, id, 1, refusing());
  arrive(poll, message(1, "x"));
  arrive(poll, message(2, "x"));
  for (int i = 0; i < 10; ++i) poll.sweep();
  ASSERT_GT(woken.size(), 10U);
  for (const auto& [id, from] : woken) EXPECT_EQ(from, id < 10 ? 2 : 1) << id << ": ten were asked about message 1";
}

TEST_F(WakeBudget, WhoWaitsForItsLookHasItsDeadlineAndCanBeCancelled) {
  std::vector<Waiter*> waiting;
  for (int id = 0; id < 20; ++id) waiting.push_back(&hold(poll, id, 0, refusing()));
  arrive(poll, message(0, "x"));
  EXPECT_TRUE(poll.cancel(*waiting[19]));
  EXPECT_FALSE(poll.cancel(*waiting[19]));
  clock.advance_ms(1000);
  poll.sweep();
  EXPECT_EQ(poll.held(), 0U);
  EXPECT_EQ(woken.size(), 19U);
  EXPECT_FALSE(woken.contains(19));
  EXPECT_GE(deadlines, 5);
  poll.sweep();
  EXPECT_EQ(order.size(), 19U);
}

TEST_F(WakeBudget, LongPropertiesCountMore) {
  for (int id = 0; id < 8; ++id) hold(poll, id, 0, refusing());
  arrive(poll, message(0, std::string(4 * Filter::property_bytes_per_unit, 'x')));
  EXPECT_EQ(asked, 2) << "of the ten that a short message may be shown to";
}

TEST_F(WakeBudget, UnreadableMessagesLetNoMoreLookThanTheBudget) {
  for (int id = 0; id < 100; ++id) hold(poll, id, 0, refusing());
  const store::Arrival arrival = message(0, "x");
  messages.records.clear();
  arrive(poll, arrival);
  EXPECT_EQ(woken.size(), 5U);
  poll.sweep();
  EXPECT_EQ(woken.size(), 10U);
}

TEST_F(WakeBudget, WakesAGroupAndNobodyElse) {
  hold(poll, 1, 0, refusing(), "g");
  hold(poll, 2, 0, nullptr, "h");
  hold(poll, 3, 0, nullptr, "g");
  poll.wake_group(queue(2), "g");
  EXPECT_TRUE(woken.empty());
  poll.wake_group(queue(1), "g");
  EXPECT_EQ(woken, (std::map<int, int64_t>{{1, 0}, {3, 0}}));
  EXPECT_EQ(poll.held(), 1U);
}

TEST_F(WakeBudget, WhoIsToLookSoonDoesItWithinTheBudget) {
  std::vector<Waiter*> waiting;
  for (int id = 0; id < 8; ++id) waiting.push_back(&hold(poll, id, 7, refusing()));
  for (Waiter* each : waiting) poll.look_soon(*each);
  EXPECT_EQ(woken.size(), 5U);
  for (Waiter* each : waiting) poll.look_soon(*each);
  EXPECT_EQ(woken.size(), 5U);
  poll.sweep();
  EXPECT_EQ(woken.size(), 8U);
  for (const auto& [id, from] : woken) EXPECT_EQ(from, 7);
  EXPECT_EQ(poll.held(), 0U);
}

// Pulls as the door holds them: who is woken looks at all messages from where it was told, and holds again behind them
// when none is for it. Whatever the budgets are, each gets the first message that it waits for.
TEST_F(WakeBudget, NobodyMissesItsMessage) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  for (const size_t indexed_from : {size_t{4}, SIZE_MAX}) {
    LongPoll at(clock, 10'000, indexed_from, budgets);
    messages.serve(at);
    std::vector<std::string> values;  // of the messages, by offset
    std::vector<int> served;
    std::vector<int64_t> begins;  // of each pull, where it began
    std::vector<std::string> wanted;
    std::vector<std::shared_ptr<const Filter>> filters;
    const auto look = [&] {
      for (auto again = std::exchange(woken, {}); const auto& [id, from] : again) {
        const auto who = static_cast<size_t>(id);
        ASSERT_GE(from, begins[who]);
        auto first = static_cast<size_t>(from);
        for (size_t i = static_cast<size_t>(begins[who]); i < first; ++i) ASSERT_NE(values[i], wanted[who]);
        while (first < values.size() && values[first] != wanted[who]) ++first;
        if (first < values.size()) {
          served.push_back(id);
        } else {
          hold(at, id, static_cast<int64_t>(values.size()), filters[who]);
        }
      }
    };
    for (int round = 0; round < 400; ++round) {
      for (size_t i = below(3); i > 0; --i) {
        wanted.push_back(std::to_string(below(12)));
        filters.push_back(std::make_shared<CountingFilter>(1 + below(3000), wanted.back(), asked));
        begins.push_back(static_cast<int64_t>(values.size()));
        hold(at, static_cast<int>(wanted.size()) - 1, begins.back(), filters.back());
      }
      if (below(2) == 0) {
        values.push_back(std::to_string(below(12)));
        arrive(at, message(static_cast<int64_t>(values.size()) - 1, values.back()));
      }
      if (below(3) == 0) at.sweep();
      look();
    }
    for (int i = 0; i < 1000; ++i) {
      at.sweep();
      look();
    }
    EXPECT_EQ(std::set<int>(served.begin(), served.end()).size(), served.size());
    EXPECT_EQ(served.size() + at.held(), wanted.size());
    for (size_t who = 0; who < wanted.size(); ++who) {
      const bool has_one = std::find(values.begin() + begins[who], values.end(), wanted[who]) != values.end();
      const bool is_served = std::find(served.begin(), served.end(), static_cast<int>(who)) != served.end();
      ASSERT_EQ(is_served, has_one) << who;
    }
    clock.advance_ms(1000);
    at.sweep();
    woken.clear();
  }
}

}  // namespace
}  // namespace merlin::service
