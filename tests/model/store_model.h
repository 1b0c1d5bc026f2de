// What a store should hold, kept in plain vectors, and random work for it.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "unit/store/store_fixture.h"

namespace merlin::store {

struct ModelMessage {
  std::string body;
  int64_t physical_offset = 0;
  int64_t end_offset = 0;
};

// Queue -> messages by queue offset.
using ModelQueues = std::map<std::pair<std::string, int32_t>, std::vector<ModelMessage>>;

class StoreModel {
 public:
  StoreModel(StoreFixture& fixture, uint64_t seed) : f_(fixture), prefix_(std::to_string(seed) + "."), random_(seed) {}

  ModelQueues& queues() { return queues_; }
  std::set<std::string>& refused() { return refused_; }
  int64_t number(int64_t from, int64_t to) { return std::uniform_int_distribution<int64_t>(from, to)(random_); }
  bool chance(int percent) { return number(1, 100) <= percent; }

  // One burst of random messages, some joined. What was placed enters the model. Returns the end to wait for.
  int64_t burst() {
    const auto count = static_cast<size_t>(number(1, 12));
    std::vector<std::string> bodies(count);
    std::vector<AppendItem> items(count);
    std::vector<LightQueues> light(count);
    std::vector<std::string> properties(count, "TAGS\x01x\x02");
    std::vector<std::pair<std::string, int32_t>> names(count);
    for (size_t i = 0; i < count; ++i) {
      bodies[i] = prefix_ + std::to_string(next_++) +
                  std::string(static_cast<size_t>(chance(5) ? number(0, 4000) : number(0, 200)), 'b');
      names[i] = {"Topic" + std::to_string(number(0, 3)), static_cast<int32_t>(number(0, 2))};
    }
    for (size_t i = 0; i < count; ++i) {
      const bool half = chance(5);
      const bool is_light = !half && chance(20);
      const std::string light_names = chance(50) ? "%LMQ%a" : "%LMQ%b,x,%LMQ%a,%LMQ%b";
      if (is_light) message::append_property(properties[i], message::property::inner_multi_dispatch, light_names);
      items[i].spec = spec_of(names[i].first, names[i].second, bodies[i], properties[i]);
      if (half) items[i].spec.sys_flag = message::sys_flag::transaction_prepared;
      items[i].queue = half ? nullptr : f_.store->queue(names[i].first, names[i].second);
      items[i].joined_to_previous = i > 0 && !is_light && items[i - 1].light == nullptr && chance(20);
      if (!is_light) continue;
      EXPECT_TRUE(f_.store->light_queues(light_names, names[i].first, names[i].second, light[i]).ok());
      items[i].enter(light[i]);
    }
    const int64_t end = f_.store->append(items, f_.scratch);
    for (size_t i = 0; i < count; ++i) {
      if (items[i].queue == nullptr) continue;
      if (items[i].code != AppendCode::ok) {
        refused_.insert(bodies[i]);
        continue;
      }
      auto& queue = queues_[names[i]];
      EXPECT_EQ(items[i].queue_offset, static_cast<int64_t>(queue.size())) << names[i].first << "-" << names[i].second;
      queue.push_back({bodies[i], items[i].physical_offset, items[i].physical_offset + items[i].size});
      for (size_t q = 0; items[i].light != nullptr && q < light[i].queues.size(); ++q) {
        auto& other = queues_[{std::string(queue_topic(light[i].queues[q])), light_queue_id}];
        EXPECT_EQ(light[i].offsets[q], static_cast<int64_t>(other.size())) << queue_topic(light[i].queues[q]);
        other.push_back(queue.back());
      }
    }
    return end;
  }

  // Every queue holds exactly the model's messages.
  void check_all() {
    // The keeper or the flusher may be at the dispatch just now; then append() leaves it to them.
    const auto dispatched = [this] {
      const StoreStats stats = f_.store->stats();
      return stats.dispatched_offset >= stats.max_physical_offset;
    };
    for (int i = 0; i < 10'000 && !dispatched(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_TRUE(dispatched());
    for (const auto& [name, messages] : queues_) {
      const ConsumeQueue* queue = f_.store->find_queue(name.first, name.second);
      ASSERT_EQ(f_.store->max_offset(queue), static_cast<int64_t>(messages.size())) << name.first << "-" << name.second;
      const auto bodies = f_.bodies(name.first, name.second);
      ASSERT_EQ(bodies.size(), messages.size());
      for (size_t i = 0; i < bodies.size(); ++i) ASSERT_EQ(bodies[i], messages[i].body) << name.first << " " << i;
    }
  }

  // After a power cut: every queue holds a prefix of the model's, with all messages that end at or below `kept`; the
  // model follows.
  void check_prefixes(int64_t kept) {
    for (const QueueName& name : f_.store->queues()) queues_[{name.topic, name.queue_id}];
    for (auto& [name, messages] : queues_) {
      const auto bodies = f_.bodies(name.first, name.second);
      // A send that failed while the power went may have reached the disk: its outcome is open, its bytes are not.
      for (size_t i = messages.size(); i < bodies.size(); ++i) {
        ASSERT_TRUE(refused_.contains(bodies[i]))
            << name.first << "-" << name.second << " offset " << i << " " << bodies[i];
        messages.push_back({bodies[i], 0, INT64_MAX});
      }
      for (size_t i = 0; i < bodies.size(); ++i) {
        ASSERT_EQ(bodies[i], messages[i].body) << name.first << "-" << name.second << " offset " << i;
      }
      for (size_t i = bodies.size(); i < messages.size(); ++i) {
        ASSERT_GT(messages[i].end_offset, kept)
            << name.first << "-" << name.second << " offset " << i << " was durable";
      }
      messages.resize(bodies.size());
    }
  }

 private:
  StoreFixture& f_;
  const std::string prefix_;  // makes bodies of different models different
  std::mt19937_64 random_;
  ModelQueues queues_;
  std::set<std::string> refused_;  // bodies of messages that were not placed
  int64_t next_ = 0;
};

// The seed of this run: MERLIN_SEED, or a new one; always printed.
inline uint64_t run_seed() {
  const char* text = std::getenv("MERLIN_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device{}();
  std::printf("MERLIN_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace merlin::store
