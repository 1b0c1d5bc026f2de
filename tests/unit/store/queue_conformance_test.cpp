// One suite over all forms of the queue index: the same random operations on stores that differ in nothing but the
// form, and on a model; every answer is compared. MERLIN_SEED repeats a run.
#include <map>
#include <random>

#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

uint64_t run_seed() {
  if (const char* text = std::getenv("MERLIN_SEED")) return std::strtoull(text, nullptr, 10);
  return std::random_device{}();
}

struct ModelQueue {
  std::vector<std::string> bodies;  // by queue offset
  std::vector<int64_t> times;
};

// Two stores and the model, held in step.
class Twins {
 public:
  explicit Twins(const std::string& dir) {
    for (const bool database : {false, true}) {
      StoreOptions o = small_options(dir + (database ? "/database" : "/files"));
      o.queues_in_database = database;
      o.clean_interval_ms = 0;
      o.clean_first_delay_ms = 0;
      o.file_reserved_hours = 1;
      o.delete_when = "";
      std::filesystem::create_directories(o.root_dir);
      stores_.push_back(std::make_unique<StoreFixture>(o));
    }
  }

  void open() {
    for (auto& f : stores_) {
      const Status s = f->open();
      ASSERT_TRUE(s.ok()) << s.error().message;
    }
  }
  void close() {
    for (auto& f : stores_) f->close();
  }
  void swap_forms() {
    for (auto& f : stores_) f->options.queues_in_database = !f->options.queues_in_database;
  }

  // `light`: names of light queues that the message enters, too.
  void send(const std::string& topic, int32_t id, const std::string& body, const std::vector<std::string>& light = {}) {
    std::string names;
    std::vector<ModelQueue*> queues{&model_[{topic, id}]};
    for (const std::string& name : light) {
      names += (names.empty() ? "" : ",") + name;
      queues.push_back(&model_[{name, 0}]);
    }
    for (auto& f : stores_) {
      const AppendItem item = f->send_light(topic, id, body, names, static_cast<int64_t>(body.size()));
      ASSERT_EQ(item.code, AppendCode::ok);
      ASSERT_EQ(item.queue_offset, static_cast<int64_t>(queues[0]->bodies.size()));
      for (size_t i = 0; i < light.size(); ++i) {
        ASSERT_EQ(f->light.offsets[i], static_cast<int64_t>(queues[i + 1]->bodies.size())) << light[i];
      }
    }
    for (ModelQueue* queue : queues) {
      queue->bodies.push_back(body);
      queue->times.push_back(now_ms_);
    }
  }

  void delete_topic(const std::string& topic) {
    for (auto& f : stores_) ASSERT_TRUE(f->store->delete_topic(topic).ok());
    std::erase_if(model_, [&](const auto& entry) { return entry.first.first == topic; });
  }

  void advance(int64_t ms) {
    now_ms_ += ms;
    for (auto& f : stores_) f->clock.advance_ms(ms);
  }

  // Makes all but the newest segment expire, and waits until both have let them go.
  void expire() {
    advance(2 * 3'600'000);
    const auto segments_below = [](const StoreStats& s) { return s.max_physical_offset / (16 * 1024) * (16 * 1024); };
    for (auto& f : stores_) {
      std::atomic<bool> durable{false};  // nothing else may go
      f->store->wait_durable(f->store->stats().max_physical_offset, 60'000, [&](DurableCode) { durable = true; });
      ASSERT_TRUE(eventually([&] { return durable.load(); }));
      f->store->delete_expired_soon();
      ASSERT_TRUE(eventually([&] {
        const StoreStats s = f->store->stats();
        if (s.min_physical_offset >= segments_below(s)) return true;
        f->store->delete_expired_soon();
        return false;
      })) << "retention stands at "
          << f->store->stats().min_physical_offset;
      // The queues hear of it a moment later.
      ASSERT_TRUE(eventually([&] {
        return std::all_of(model_.begin(), model_.end(), [&](const auto& entry) {
          const ConsumeQueue* queue = f->store->find_queue(entry.first.first, entry.first.second);
          const int64_t min = f->store->min_offset(queue);
          return min == f->store->max_offset(queue) || f->store->store_timestamp(queue, min) >= 0;
        });
      }));
    }
  }

  void compare() {
    std::map<std::pair<std::string, int32_t>, int64_t> mins;
    for (auto& f : stores_) {
      // Another thread may have the dispatcher; then it has our records, too, in a moment.
      ASSERT_TRUE(eventually([&] {
        const StoreStats s = f->store->stats();
        return s.dispatched_offset == s.max_physical_offset;
      }));
      for (const auto& [name, queue] : model_) compare_queue(*f, name.first, name.second, queue, mins);
      for (const QueueName& q : f->store->queues()) {
        const auto known = model_.find({q.topic, q.queue_id});
        if (known == model_.end()) {
          EXPECT_EQ(f->store->max_offset(f->store->find_queue(q.topic, q.queue_id)), 0) << q.topic;
        }
      }
    }
  }

  const auto& model() const { return model_; }

 private:
  void compare_queue(StoreFixture& f, const std::string& topic, int32_t id, const ModelQueue& queue,
                     std::map<std::pair<std::string, int32_t>, int64_t>& mins) {
    SCOPED_TRACE(topic + "-" + std::to_string(id) + (f.options.queues_in_database ? " in the database" : " in files"));
    const ConsumeQueue* handle = f.store->find_queue(topic, id);
    const auto max = static_cast<int64_t>(queue.bodies.size());
    ASSERT_EQ(f.store->max_offset(handle), max);
    const int64_t min = f.store->min_offset(handle);
    const auto [known, is_first] = mins.try_emplace({topic, id}, min);
    EXPECT_EQ(min, known->second);
    ASSERT_LE(min, max);
    const auto expected = std::vector<std::string>(queue.bodies.begin() + min, queue.bodies.end());
    ASSERT_EQ(f.bodies(topic, id), expected);
    for (int64_t at = std::max(min, max - 3); at < max; ++at) {
      EXPECT_EQ(f.store->store_timestamp(handle, at), queue.times[static_cast<size_t>(at)]);
    }
    if (min == max) return;
    const int64_t when = queue.times[static_cast<size_t>(min + (max - min) / 2)];
    const auto begin = queue.times.begin() + min;
    EXPECT_EQ(f.store->offset_by_time(handle, when, Boundary::lower),
              std::lower_bound(begin, queue.times.end(), when) - queue.times.begin());
    EXPECT_EQ(f.store->offset_by_time(handle, when, Boundary::upper),
              std::upper_bound(begin, queue.times.end(), when) - queue.times.begin() - 1);
    EXPECT_EQ(f.get(topic, id, max).status, GetStatus::offset_overflow_one);
    EXPECT_EQ(f.get(topic, id, max + 1).status, GetStatus::offset_overflow_badly);
    if (min > 0) {
      EXPECT_EQ(f.get(topic, id, min - 1).status, GetStatus::offset_too_small);
    }
  }

  std::vector<std::unique_ptr<StoreFixture>> stores_;
  std::map<std::pair<std::string, int32_t>, ModelQueue> model_;
  int64_t now_ms_ = 1'700'000'000'000;
};

constexpr const char* topic_names[] = {"A", "B", "Quiet", "%RETRY%g", "%LMQ%a", "%LMQ%b"};

void send_some(Twins& twins, std::mt19937_64& random, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const char* topic = topic_names[random() % 4];
    if (topic[0] == 'Q' && random() % 20 != 0) continue;
    std::vector<std::string> light;
    if (topic[0] != '%' && random() % 3 == 0) light.emplace_back("%LMQ%a");
    if (topic[0] != '%' && random() % 3 == 0) light.emplace_back(random() % 20 == 0 ? "%LMQ%quiet" : "%LMQ%b");
    twins.send(topic, static_cast<int32_t>(random() % 3), std::to_string(random()) + std::string(random() % 300, '.'),
               light);
  }
}

void random_operations(uint64_t seed, int steps) {
  std::mt19937_64 random(seed);
  Twins twins(fresh_dir());
  ASSERT_NO_FATAL_FAILURE(twins.open());
  for (int step = 0; step < steps; ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
    twins.advance(static_cast<int64_t>(random() % 2000));
    switch (random() % 12) {
      case 0:
        twins.close();
        ASSERT_NO_FATAL_FAILURE(twins.open());
        break;
      case 1:  // as a crash
        ASSERT_NO_FATAL_FAILURE(twins.open());
        break;
      case 2:
        ASSERT_NO_FATAL_FAILURE(twins.delete_topic(topic_names[random() % 6]));
        break;
      case 3:
        ASSERT_NO_FATAL_FAILURE(twins.expire());
        break;
      default:
        ASSERT_NO_FATAL_FAILURE(send_some(twins, random, random() % 80));
    }
    ASSERT_NO_FATAL_FAILURE(twins.compare());
    if (testing::Test::HasFailure()) return;
  }
  twins.close();
}

TEST(QueueConformance, AllFormsAnswerTheSame) {
  const uint64_t seed = run_seed();
  for (uint64_t round = 0; round < 2; ++round) {
    random_operations(seed + round, 60);
    if (HasFailure()) return;
  }
}

// So many that a clean stop writes their bounds, and the next start opens none of their files.
TEST(QueueConformance, ManyQueuesOpenByTheirBounds) {
  const std::string dir = fresh_dir();
  StoreFixture f(small_options(dir));
  f.options.queue_flush_interval_ms = 10'000;
  ASSERT_TRUE(f.open().ok());
  constexpr int32_t queues = 1100;
  for (int32_t q = 0; q < queues; ++q) {
    for (int i = 0; i <= q % 3; ++i) f.send("T", q, std::to_string(q) + "-" + std::to_string(i));
  }
  const auto check = [&](int extra) {
    // Another thread may be at the dispatch: append() leaves the rest to it then.
    const auto dispatched = [&] {
      const StoreStats stats = f.store->stats();
      return stats.dispatched_offset >= stats.max_physical_offset;
    };
    for (int i = 0; i < 10'000 && !dispatched(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_TRUE(dispatched());
    for (int32_t q = 0; q < queues; ++q) {
      const auto bodies = f.bodies("T", q);
      ASSERT_EQ(static_cast<int>(bodies.size()), q % 3 + 1 + extra) << q;
      ASSERT_EQ(bodies[0], std::to_string(q) + "-0");
    }
  };
  f.close();
  EXPECT_TRUE(std::filesystem::exists(dir + "/merlin.bounds"));
  ASSERT_TRUE(f.open().ok());
  for (int32_t q = 0; q < queues; ++q) ASSERT_EQ(f.send("T", q, "more").queue_offset, q % 3 + 1);
  ASSERT_NO_FATAL_FAILURE(check(1));
  ASSERT_TRUE(f.open().ok());  // as after a crash
  ASSERT_NO_FATAL_FAILURE(check(1));
  f.close();
  ASSERT_TRUE(f.open().ok());
  f.close();
  // A file that is gone is noticed when its queue is used; the start after that builds it again.
  std::filesystem::remove_all(dir + "/consumequeue/T/7");
  ASSERT_TRUE(f.open().ok());
  EXPECT_EQ(f.get("T", 7, 0).message_count, 0);
  f.close();
  ASSERT_TRUE(f.open().ok());
  ASSERT_NO_FATAL_FAILURE(check(1));
  f.close();
}

// The form may change between two runs, both ways; the index is built from the log, and no queue starts over.
TEST(QueueConformance, TheFormMayChange) {
  const uint64_t seed = run_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Twins twins(fresh_dir());
  ASSERT_NO_FATAL_FAILURE(twins.open());
  ASSERT_NO_FATAL_FAILURE(twins.send("Quiet", 0, "long ago"));
  for (int change = 0; change < 4; ++change) {
    SCOPED_TRACE("change " + std::to_string(change));
    ASSERT_NO_FATAL_FAILURE(send_some(twins, random, 200));
    ASSERT_NO_FATAL_FAILURE(twins.expire());
    ASSERT_NO_FATAL_FAILURE(send_some(twins, random, 40));
    ASSERT_NO_FATAL_FAILURE(twins.compare());
    if (random() % 2 == 0) twins.close();
    twins.swap_forms();
    ASSERT_NO_FATAL_FAILURE(twins.open());
    ASSERT_NO_FATAL_FAILURE(twins.compare());
  }
  twins.close();
}

}  // namespace
}  // namespace merlin::store
