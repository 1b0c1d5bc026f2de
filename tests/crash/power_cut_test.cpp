// Power cuts at every changing call, also in the middle of the recovery after another one.
//
// Each run: a store is filled while its disk is told to die after n changing calls. The next boot dies too, during
// recovery or soon after. The third one must open and hold: every message that was acknowledged, in the log's order no
// message without all before it, the queue offsets as they were given, everything that the second boot had shown, and a
// key index that finds them. A disk whose syncs lie must not pass.
//
// To go on with one that failed: MERLIN_SEED, and again and again, since threads decide which call is the n-th.
#include <atomic>
#include <set>

#include "merlin/base/faulty_file_system.h"
#include "merlin/message/properties.h"
#include "model/store_model.h"

namespace merlin::store {
namespace {

constexpr std::string_view topics[] = {"A", "B"};
constexpr int32_t queues_per_topic = 2;

struct Sent {
  std::string topic;
  int32_t queue_id = 0;
  int64_t queue_offset = 0;
  int64_t physical_offset = 0;
  std::string body;
  std::string key;
  std::atomic<bool> acknowledged{false};
};

// What the clients of one life remember. Refused sends may be there or not.
struct Memory {
  std::vector<std::unique_ptr<Sent>> sent;  // in the order of the log
  std::set<std::string> refused;
};

StoreOptions options_for(bool sync_flush) {
  StoreOptions o = small_options("/store");
  o.segment_size_bytes = 8 * 1024;
  o.consume_queue_file_bytes = 20 * 20;
  o.sync_flush = sync_flush;
  o.index_enabled = true;
  o.index_hash_slots = 20;
  o.index_entries_max = 30;
  return o;
}

std::unique_ptr<StoreFixture> fixture(FaultyFileSystem& disk, bool sync_flush) {
  return std::make_unique<StoreFixture>(options_for(sync_flush), disk);
}

// Sends bursts until they are through or the power is off. Returns when every answer is in.
void send_bursts(StoreFixture& f, FaultyFileSystem& disk, Memory& memory, uint64_t seed, int bursts) {
  std::mt19937_64 random(seed);
  std::atomic<int> waiting{0};
  for (int burst = 0; burst < bursts && !disk.power_is_off(); ++burst) {
    f.clock.advance_ms(static_cast<int64_t>(random() % 1500));
    const size_t count = 1 + random() % 4;
    std::vector<std::unique_ptr<Sent>> sent(count);
    std::vector<std::string> properties(count);
    std::vector<AppendItem> items(count);
    for (size_t i = 0; i < count; ++i) {
      sent[i] = std::make_unique<Sent>();
      sent[i]->topic = topics[random() % 2];
      sent[i]->queue_id = static_cast<int32_t>(random() % queues_per_topic);
      sent[i]->key = std::to_string(seed) + "-" + std::to_string(burst) + "-" + std::to_string(i);
      sent[i]->body = sent[i]->key + std::string(random() % 600, '.');
      message::append_property(properties[i], message::property::unique_key, sent[i]->key);
      items[i].spec = spec_of(sent[i]->topic, sent[i]->queue_id, sent[i]->body, properties[i]);
      items[i].queue = f.store->queue(sent[i]->topic, sent[i]->queue_id);
    }
    const int64_t end = f.store->append(items, f.scratch);
    std::vector<Sent*> placed;
    for (size_t i = 0; i < count; ++i) {
      if (items[i].code != AppendCode::ok) {
        memory.refused.insert(sent[i]->body);
        continue;
      }
      sent[i]->queue_offset = items[i].queue_offset;
      sent[i]->physical_offset = items[i].physical_offset;
      placed.push_back(sent[i].get());
      memory.sent.push_back(std::move(sent[i]));
    }
    ++waiting;
    f.store->wait_durable(end, 1'000'000, [&waiting, placed](DurableCode code) {
      for (Sent* one : placed) one->acknowledged = code == DurableCode::durable;
      --waiting;
    });
    if (random() % 3 == 0) eventually([&] { return waiting.load() == 0; });
  }
  // A power cut fails the pending syncs, and that answers all.
  eventually([&] { return waiting.load() == 0; });
}

// Bodies by topic and queue, as consumers see them.
using Shown = std::map<std::pair<std::string, int32_t>, std::vector<std::string>>;

Shown shown_by(StoreFixture& f) {
  Shown shown;
  for (const QueueName& q : f.store->queues()) {
    // A folder without units may or may not be known as a queue.
    if (auto bodies = f.bodies(q.topic, q.queue_id); !bodies.empty()) shown[{q.topic, q.queue_id}] = std::move(bodies);
  }
  return shown;
}

// The first thing that is wrong, or nothing. `earlier`: what a boot before this one had shown.
std::string violation(const Memory& memory, const Shown& shown, const Shown* earlier) {
  std::set<std::string> known = memory.refused;
  const Sent* missing = nullptr;
  for (const auto& one : memory.sent) {
    known.insert(one->body);
    const auto queue = shown.find({one->topic, one->queue_id});
    const bool there = queue != shown.end() && one->queue_offset < static_cast<int64_t>(queue->second.size()) &&
                       queue->second[static_cast<size_t>(one->queue_offset)] == one->body;
    if (!there && one->acknowledged) return "acknowledged and gone: " + one->key;
    if (there && missing != nullptr) return "a hole: " + missing->key + " is gone, " + one->key + " is there";
    if (!there) missing = one.get();
  }
  for (const auto& [name, bodies] : shown) {
    for (const std::string& body : bodies) {
      if (!known.contains(body)) return "never sent: " + body.substr(0, 40);
    }
  }
  if (earlier == nullptr) return {};
  for (const auto& [name, bodies] : *earlier) {
    const auto queue = shown.find(name);
    for (size_t i = 0; i < bodies.size(); ++i) {
      if (queue == shown.end() || i >= queue->second.size() || queue->second[i] != bodies[i]) {
        return "shown before and gone or changed: " + name.first + "-" + std::to_string(name.second) + " offset " +
               std::to_string(i);
      }
    }
  }
  return {};
}

// Each message that is there is found by its key, once.
std::string index_violation(StoreFixture& f, const Memory& memory, const Shown& shown) {
  if (!eventually([&] { return f.store->stats().indexed_offset >= f.store->stats().max_physical_offset; })) {
    return "the key index does not catch up";
  }
  std::set<std::string> there;
  for (const auto& [name, bodies] : shown) there.insert(bodies.begin(), bodies.end());
  for (const auto& one : memory.sent) {
    if (!there.contains(one->body)) continue;
    LogBytes found;
    int64_t last_timestamp = 0;
    int64_t last_offset = 0;
    if (!f.store->query(one->topic, one->key, store::KeyKind::key, 64, 0, INT64_MAX, found, last_timestamp, last_offset)
             .ok())
      return "query failed";
    int hits = 0;
    for (const message::RecordView& record : records_of(found)) hits += as_text(record.body) == one->body ? 1 : 0;
    if (hits != 1) return "the key index finds " + one->key + " " + std::to_string(hits) + " times";
  }
  return {};
}

struct Cuts {
  uint64_t seed = 0;
  bool sync_flush = true;
  bool syncs_lie = false;
  int64_t first = 0;   // changing calls of the first life
  int64_t second = 0;  // of the second
};

std::string three_lives(const Cuts& cuts) {
  std::mt19937_64 random(cuts.seed);
  Memory memory;
  CrashOptions crash;
  crash.page_survival = static_cast<double>(random() % 11) / 10;
  crash.entry_survival = static_cast<double>(random() % 11) / 10;

  auto disk = std::make_unique<FaultyFileSystem>(cuts.seed, 1 << 20);
  disk->set_sync_lies(cuts.syncs_lie);
  disk->cut_power_after(cuts.first);
  auto f = fixture(*disk, cuts.sync_flush);
  if (f->open().ok()) send_bursts(*f, *disk, memory, cuts.seed, 25);
  f->store.reset();

  auto second_disk = disk->crash(random(), crash);
  second_disk->set_sync_lies(cuts.syncs_lie);
  second_disk->cut_power_after(cuts.second);
  const int64_t calls_before = second_disk->changing_calls();
  auto second = fixture(*second_disk, cuts.sync_flush);
  Shown shown;
  bool has_shown = false;
  const bool opened = second->open().ok();
  // Files open when they are read: without power nobody sees anything.
  const int64_t calls_left = cuts.second - (second_disk->changing_calls() - calls_before);
  second_disk->cut_power_after(FaultyFileSystem::forever);
  // Asked after that: a thread of the store may use up the calls at any moment.
  if (opened && !second_disk->power_is_off()) {
    shown = shown_by(*second);
    second_disk->cut_power_after(std::max<int64_t>(calls_left, 0));
    has_shown = true;
    if (const std::string wrong = violation(memory, shown, nullptr); !wrong.empty()) return "second boot: " + wrong;
    // The offsets after a crash go on where the log was cut; what was lost there is forgotten.
    std::erase_if(memory.sent, [&](const auto& one) {
      const auto& bodies = shown[{one->topic, one->queue_id}];
      return one->queue_offset >= static_cast<int64_t>(bodies.size()) ||
             bodies[static_cast<size_t>(one->queue_offset)] != one->body;
    });
    send_bursts(*second, *second_disk, memory, cuts.seed + 1'000'000, 5);
  }
  second->store.reset();

  auto third_disk = second_disk->crash(random(), crash);
  auto third = fixture(*third_disk, cuts.sync_flush);
  if (const Status s = third->open(); !s) return "third boot: " + s.error().message;
  const Shown now = shown_by(*third);
  if (const std::string wrong = violation(memory, now, has_shown ? &shown : nullptr); !wrong.empty())
    return "third boot: " + wrong;
  if (const std::string wrong = index_violation(*third, memory, now); !wrong.empty()) return "third boot: " + wrong;
  third->close();
  if (const Status s = third->open(); !s) return "after a clean stop: " + s.error().message;
  if (shown_by(*third) != now) return "after a clean stop: not the same messages";
  if (const std::string wrong = index_violation(*third, memory, now); !wrong.empty())
    return "after a clean stop: " + wrong;
  return {};
}

// How many changing calls an uncut life takes.
int64_t calls_of_a_life(bool sync_flush) {
  FaultyFileSystem disk(1, 1 << 20);
  auto f = fixture(disk, sync_flush);
  EXPECT_TRUE(f->open().ok());
  Memory memory;
  send_bursts(*f, disk, memory, 1, 25);
  f->store.reset();
  return disk.changing_calls();
}

void sweep(bool sync_flush) {
  const uint64_t seed = run_seed();
  const int64_t calls = calls_of_a_life(sync_flush);
  ASSERT_GT(calls, 40);
  std::mt19937_64 random(seed);
  for (int64_t first = 0; first < calls; ++first) {
    const Cuts cuts{
        .seed = random(), .sync_flush = sync_flush, .first = first, .second = static_cast<int64_t>(random() % 60)};
    ASSERT_EQ(three_lives(cuts), "") << "seed " << seed << ": power off after " << first << " and " << cuts.second
                                     << " changing calls, life seed " << cuts.seed;
  }
}

TEST(PowerCut, SyncFlushAtEveryCall) {
  sweep(true);
}

TEST(PowerCut, AsyncFlushAtEveryCall) {
  sweep(false);
}

// The check itself: with a disk that lies about its syncs, acknowledged messages must be seen to vanish.
TEST(PowerCut, ALyingDiskIsFoundOut) {
  int found = 0;
  for (uint64_t seed = 1; seed <= 30 && found == 0; ++seed) {
    const std::string wrong = three_lives({.seed = seed, .syncs_lie = true, .first = 60, .second = 20});
    if (wrong.find("acknowledged and gone") != std::string::npos || wrong.find("shown before") != std::string::npos)
      ++found;
  }
  EXPECT_GT(found, 0);
}

}  // namespace
}  // namespace merlin::store
