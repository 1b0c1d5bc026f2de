// Held pulls with filters: who is woken by what, from where they read on, and that an index over many of them finds the
// same as asking each.

#include <deque>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "merlin/message/properties.h"
#include "service/long_poll.h"
#include "service/sql_programs.h"
#include "service/subscription.h"
#include "unit/service/stored_messages.h"

namespace merlin::service {
namespace {

struct TestWaiter final : Waiter {
  void wake(Wake, int64_t begin) override { (*woken)[id] = begin; }
  int id = 0;
  std::map<int, int64_t>* woken = nullptr;
};

class FilteredWake : public testing::Test {
 protected:
  FilteredWake() { messages.serve(poll); }

  std::shared_ptr<const Filter> sql(const std::string& text) {
    const auto compiled = programs.get(text);
    EXPECT_NE(compiled->filter, nullptr) << compiled->refusal;
    return compiled->filter;
  }
  static std::shared_ptr<const Filter> tags(const std::string& text) {
    return build_subscription("T", text, expression_type_tag).filter;
  }

  void hold(LongPoll& at, int id, int64_t offset, std::shared_ptr<const Filter> filter) {
    TestWaiter& waiter = waiters.emplace_back();
    waiter.id = id;
    waiter.woken = &woken;
    waiter.queue = queue(1);
    waiter.offset = offset;
    waiter.filter = filters.emplace_back(std::move(filter)).get();
    waiter.deadline_ms = clock.wall_ms() + 1000;
    ASSERT_TRUE(at.hold(waiter));
  }

  store::Arrival message(int64_t offset, const std::string& properties) { return messages.put(offset, properties); }
  void arrive(std::vector<store::Arrival> arrivals) { poll.on_arrivals(arrivals); }

  static std::string property(std::string_view name, std::string_view value) {
    std::string out;
    message::append_property(out, name, value);
    return out;
  }

  ManualClock clock{1'000'000};
  SqlPrograms programs;
  std::deque<TestWaiter> waiters;
  std::deque<std::shared_ptr<const Filter>> filters;
  StoredMessages messages;
  LongPoll poll{clock, 10'000};
  std::map<int, int64_t> woken;  // where each was told to begin
};

TEST_F(FilteredWake, WakesWhatMatchesAndTellsWhereToReadOn) {
  hold(poll, 1, 5, sql("a > 3"));
  arrive({message(5, property("a", "1")), message(6, property("a", "2"))});
  arrive({message(7, "")});
  EXPECT_TRUE(woken.empty());
  arrive({message(8, property("a", "4"))});
  EXPECT_EQ(woken, (std::map<int, int64_t>{{1, 8}})) << "what came before was refused already";
}

TEST_F(FilteredWake, DeadlineTellsItToo) {
  hold(poll, 1, 5, sql("a > 3"));
  hold(poll, 2, 5, tags("x"));
  arrive({message(5, property("a", "1")), message(6, property("TAGS", "y"))});
  clock.advance_ms(1000);
  poll.sweep();
  EXPECT_EQ(woken, (std::map<int, int64_t>{{1, 7}, {2, 7}}));
}

TEST_F(FilteredWake, WhatWasNotShownIsNotPassedOver) {
  hold(poll, 1, 5, sql("a > 3"));
  arrive({message(7, property("a", "1"))});  // 5 and 6 were never seen here
  hold(poll, 2, 6, sql("a > 3"));            // and this one came too late for 7
  arrive({message(8, property("a", "4"))});
  EXPECT_EQ(woken, (std::map<int, int64_t>{{1, 5}, {2, 6}}));
}

TEST_F(FilteredWake, PropertiesAreReadOnceAndOnlyWhenNeeded) {
  hold(poll, 1, 0, tags("x"));
  arrive({message(0, property("TAGS", "y"))});
  EXPECT_EQ(messages.reads, 0) << "tags need no properties";
  for (int id = 2; id < 10; ++id) hold(poll, id, 1, sql("a = '" + std::to_string(id) + "'"));
  arrive({message(1, property("a", "x"))});
  EXPECT_EQ(messages.reads, 1);
}

TEST_F(FilteredWake, UnreadableMessageWakesThoseThatNeedIt) {
  hold(poll, 1, 0, sql("a = 'x'"));
  hold(poll, 2, 0, tags("x"));
  store::Arrival arrival = message(0, property("a", "y"));
  messages.records.clear();
  arrive({arrival});
  EXPECT_EQ(woken, (std::map<int, int64_t>{{1, 0}}));
}

TEST_F(FilteredWake, IndexFindsWhatAskingEachFinds) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto any = [&](int n) { return std::to_string(random() % static_cast<uint64_t>(n)); };
  const auto some_filter = [&]() -> std::shared_ptr<const Filter> {
    switch (random() % 8) {
      case 0:
        return nullptr;
      case 1:
        return tags("t" + any(5) + " || t" + any(5));
      case 2:
        return sql("a > " + any(9));
      case 3:
        return sql("b IN ('" + any(9) + "', '" + any(9) + "')");
      case 4:
        return sql("c > 2 AND a = '" + any(9) + "'");
      case 5:
        return sql("a = '" + any(9) + "' OR b = '" + any(9) + "'");
      default:
        return sql("b = '" + any(9) + "'");
    }
  };
  LongPoll each(clock, 10'000, SIZE_MAX);
  LongPoll indexed(clock, 10'000, 4);
  messages.serve(each);
  messages.serve(indexed);
  int64_t offset = 0;
  int id = 0;
  for (int round = 0; round < 300; ++round) {
    const uint64_t more = random() % 60;
    for (uint64_t i = 0; i < more; ++i) {
      const auto filter = some_filter();
      hold(each, id, offset, filter);
      hold(indexed, id + 1'000'000, offset, filter);
      ++id;
    }
    std::vector<store::Arrival> arrivals;
    for (uint64_t i = random() % 4; i > 0; --i, ++offset) {
      std::string properties;
      for (const char* name : {"a", "b", "c"}) {
        if (random() % 2 == 0) message::append_property(properties, name, any(9));
      }
      if (random() % 2 == 0) message::append_property(properties, "TAGS", "t" + any(6));
      arrivals.push_back(message(offset, properties));
    }
    each.on_arrivals(arrivals);
    indexed.on_arrivals(arrivals);
    if (round % 40 == 39) {
      clock.advance_ms(1001);
      each.sweep();
      indexed.sweep();
    }
    ASSERT_EQ(each.held(), indexed.held());
  }
  for (const auto& [who, from] : woken) {
    if (who >= 1'000'000) break;
    ASSERT_TRUE(woken.contains(who + 1'000'000)) << who;
    EXPECT_EQ(woken[who + 1'000'000], from) << who;
  }
}

}  // namespace
}  // namespace merlin::service
