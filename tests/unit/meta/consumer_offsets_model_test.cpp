// Offsets against a model: several threads change them while another one saves, the power goes at any point, and what
// the next start finds was said at some moment that is not in front of the last save that succeeded.
#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <random>
#include <thread>

#include "meta/consumer_offsets.h"
#include "support.h"

namespace merlin::meta {
namespace {

constexpr size_t writers = 3;
constexpr size_t rows = 6;

// One offset and all it ever was. One thread writes it; states are published when the call has returned.
struct Key {
  std::string group;
  std::string topic;
  int32_t queue_id = 0;
  bool shared_row = false;  // other threads have queues in the same row, so that it is not removed

  std::deque<std::optional<int64_t>> states{std::nullopt};  // by its thread only, until all are joined
  std::atomic<size_t> published{0};                         // index of the last state that is in force
  size_t saved = 0;                                         // the state at the begin of the last good save
};

void change(ConsumerOffsets& offsets, Key& key, std::mt19937& random) {
  const std::optional<int64_t> now = key.states.back();
  const auto kind = random() % 20;
  if (kind == 0 && !key.shared_row) {
    key.states.emplace_back(std::nullopt);
    offsets.remove(key.group, key.topic);
  } else if (kind == 1) {
    key.states.emplace_back(static_cast<int64_t>(random() % 50));
    ASSERT_TRUE(offsets.assign_reset(key.group, key.topic, key.queue_id, *key.states.back()));
    (void)offsets.take_reset(key.group, key.topic, key.queue_id);
  } else {
    key.states.emplace_back(now.value_or(0) + 1 + static_cast<int64_t>(random() % 3));
    ASSERT_TRUE(offsets.commit(key.group, key.topic, key.queue_id, *key.states.back()));
  }
  const int64_t seen = offsets.query(key.group, key.topic, key.queue_id);
  ASSERT_EQ(seen, key.states.back().value_or(-1)) << key.topic << "@" << key.group << " queue " << key.queue_id;
  key.published.store(key.states.size() - 1, std::memory_order_release);
}

class OffsetsModel : public testing::TestWithParam<bool> {
 protected:
  OffsetsModel() {
    for (size_t w = 0; w < writers; ++w) {
      for (size_t r = 0; r < rows; ++r) {
        Key& shared = keys_.emplace_back();
        shared.group = "g" + std::to_string(r);
        shared.topic = "T";
        shared.queue_id = static_cast<int32_t>(w);
        shared.shared_row = true;
        Key& own = keys_.emplace_back();
        own.group = "own" + std::to_string(w);
        own.topic = "T" + std::to_string(r);
        owners_.push_back(w);
        owners_.push_back(w);
      }
    }
  }

  // One life of the broker, from its start to the power cut.
  void live(ConsumerOffsets& offsets, FaultyFileSystem& files, unsigned seed) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (size_t w = 0; w < writers; ++w) {
      threads.emplace_back([&, w] {
        std::mt19937 random(seed + static_cast<unsigned>(w));
        std::vector<Key*> mine;
        for (size_t i = 0; i < keys_.size(); ++i) {
          if (owners_[i] == w) mine.push_back(&keys_[i]);
        }
        while (!stop && !testing::Test::HasFatalFailure()) change(offsets, *mine[random() % mine.size()], random);
      });
    }
    for (int saves = 0; saves < 12 && !files.power_is_off(); ++saves) {
      std::vector<size_t> before;
      for (const Key& key : keys_) before.push_back(key.published.load(std::memory_order_acquire));
      if (!offsets.persist_if_dirty()) continue;
      for (size_t i = 0; i < keys_.size(); ++i) keys_[i].saved = before[i];
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }

  void compare(const ConsumerOffsets& after, const std::string& where) {
    for (Key& key : keys_) {
      const int64_t found = after.query(key.group, key.topic, key.queue_id);
      const std::optional<int64_t> state = found == -1 ? std::nullopt : std::optional(found);
      const auto from = key.states.begin() + static_cast<std::ptrdiff_t>(key.saved);
      ASSERT_NE(std::find(from, key.states.end(), state), key.states.end())
          << where << ": " << key.topic << "@" << key.group << " queue " << key.queue_id << " is " << found
          << ", saved was " << key.states[key.saved].value_or(-1) << ", the last " << key.states.back().value_or(-1);
      key.states.assign(1, state);
      key.published = 0;
      key.saved = 0;
    }
  }

  std::deque<Key> keys_;
  std::vector<size_t> owners_;
};

TEST_P(OffsetsModel, WhatAPowerCutLeavesIsNotInFrontOfTheLastSave) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const ManualClock clock(start_ms);
  auto disk = std::make_unique<FaultyFileSystem>(random());
  {
    // A table of more than 1000 rows writes a journal.
    ConsumerOffsets offsets(*disk, clock, "/store");
    ASSERT_TRUE(offsets.open());
    for (int i = 0; GetParam() && i < 1'500; ++i) ASSERT_TRUE(offsets.commit("idle" + std::to_string(i), "T", 0, i));
    ASSERT_TRUE(offsets.persist_if_dirty());
  }
  for (int life = 0; life < 150; ++life) {
    {
      ConsumerOffsets offsets(*disk, clock, "/store");
      const Status opened = offsets.open();
      ASSERT_TRUE(opened) << "life " << life << ": " << opened.error().message;
      ASSERT_NO_FATAL_FAILURE(compare(offsets, "life " + std::to_string(life)));
      disk->cut_power_after(static_cast<int64_t>(random() % 60));
      live(offsets, *disk, static_cast<unsigned>(random()));
      if (testing::Test::HasFatalFailure()) return;
    }
    disk = disk->crash(random());
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, OffsetsModel, testing::Bool(),
                         [](const auto& table) { return table.param ? "Large" : "Small"; });

// A table that makes a row for each first commit and puts it in place of another loses all but one of them.
TEST(OffsetsTogether, FirstCommitsOfOneRowKeepEachOther) {
  const ManualClock clock(start_ms);
  FaultyFileSystem files;
  ConsumerOffsets offsets(files, clock, "/store");
  ASSERT_TRUE(offsets.open());
  constexpr int32_t threads_count = 4;
  constexpr int groups = 500;
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int32_t t = 0; t < threads_count; ++t) {
    threads.emplace_back([&, t] {
      for (int g = 0; g < groups; ++g) {
        ready.fetch_add(1);
        while (ready.load() < (g + 1) * threads_count) std::this_thread::yield();
        ASSERT_TRUE(offsets.commit("g" + std::to_string(g), "T", t, t + 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(offsets.persist_if_dirty());
  ConsumerOffsets again(files, clock, "/store");
  ASSERT_TRUE(again.open());
  for (int g = 0; g < groups; ++g) {
    const QueueOffsets all{{0, 1}, {1, 2}, {2, 3}, {3, 4}};
    ASSERT_EQ(offsets.query_all("g" + std::to_string(g), "T"), all);
    ASSERT_EQ(again.query_all("g" + std::to_string(g), "T"), all);
  }
}

}  // namespace
}  // namespace merlin::meta
