#include "crash/rig/judge.h"

#include <chrono>
#include <thread>

namespace merlin::rig {

using store::AppendCode;
using store::AppendItem;
using store::MessageStore;

namespace {

const ManualClock later(start_ms + 24 * 3'600'000);

struct Opened {
  std::unique_ptr<MessageStore> store;
  std::string wrong;
};

Opened open_store(FaultyFileSystem& disk, const Config& config) {
  Opened out;
  out.store = std::make_unique<MessageStore>(options_of(config, false), disk, later, [](const Error&) {});
  if (Status s = out.store->open(); !s) out.wrong = "does not open: " + s.error().message;
  return out;
}

std::string wait_for_keys(const MessageStore& store) {
  for (int i = 0; i < 100'000; ++i) {
    const auto stats = store.stats();
    if (stats.indexed_offset >= stats.max_physical_offset) return {};
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return "the key index does not catch up";
}

// One message to each queue that is there, and to a new one.
std::string append_to_all(MessageStore& store, const Oracle& oracle, Shown& shown) {
  Buffer scratch;
  std::vector<QueueKey> queues = {{"A", 0}, {"new", 0}};
  for (const auto& [queue, all] : shown) queues.push_back(queue);
  int64_t number = 0;
  for (const QueueKey& key : queues) {
    const std::string body = "after " + std::to_string(number++);
    AppendItem item;
    item.spec.topic = key.first;
    item.spec.queue_id = key.second;
    item.spec.body = as_bytes(body);
    item.spec.born_host = *HostPort::from_ip("127.0.0.1", 1);
    item.spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
    item.queue = store.queue(key.first, key.second, is_batch_topic(key.first));
    const int64_t expected = store.max_offset(item.queue);
    store.append({&item, 1}, scratch);
    if (item.code != AppendCode::ok) return "does not take a message for " + key.first;
    if (item.queue_offset != expected) {
      return "gives offset " + std::to_string(item.queue_offset) + " in " + key.first + "-" +
             std::to_string(key.second) + " behind " + std::to_string(expected);
    }
    if (item.queue_offset < oracle.offset_floor(key)) {
      return "gives offset " + std::to_string(item.queue_offset) + " of " + key.first + "-" +
             std::to_string(key.second) + " again: a durable message had it";
    }
    shown[key].push_back({item.queue_offset, item.physical_offset, body, 1});
    // Sync mode shows it when it is durable, and the next offset is asked from what is shown.
    for (int i = 0; i < 100'000 && store.max_offset(item.queue) == expected; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }
  return {};
}

// A message of the very size of the first lost one takes its place; then the process dies. What had stood behind the
// lost one must not come back behind its successor.
std::string replace_lost(FaultyFileSystem& disk, const Config& config, const Oracle::Lost& lost, Opened& opened,
                         Shown& shown) {
  Buffer scratch;
  const std::string body(lost.body_bytes, 'x');
  AppendItem item;
  item.spec.topic = lost.topic;
  item.spec.queue_id = lost.queue_id;
  item.spec.body = as_bytes(body);
  item.spec.properties = lost.properties;
  item.spec.born_host = *HostPort::from_ip("127.0.0.1", 1);
  item.spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
  item.queue = opened.store->queue(lost.topic, lost.queue_id, is_batch_topic(lost.topic));
  opened.store->append({&item, 1}, scratch);
  if (item.code != AppendCode::ok) return "does not take a message for " + lost.topic;
  shown[{lost.topic, lost.queue_id}].push_back({item.queue_offset, item.physical_offset, body, 1});
  opened.store.reset();
  opened = open_store(disk, config);
  if (!opened.wrong.empty()) return "after kill -9: " + opened.wrong;
  Shown again;
  if (std::string wrong = show_all(*opened.store, again); !wrong.empty()) return "after kill -9: " + wrong;
  std::erase_if(shown, [](const auto& queue) { return queue.second.empty(); });
  std::erase_if(again, [](const auto& queue) { return queue.second.empty(); });
  return again == shown ? ""
                        : "after another message in the place of the lost one and kill -9 other messages are shown";
}

}  // namespace

std::string judge(FaultyFileSystem& disk, const Config& config, const Oracle& oracle) {
  Shown shown;
  {
    Opened first = open_store(disk, config);
    if (!first.wrong.empty()) return first.wrong;
    if (std::string wrong = show_all(*first.store, shown); !wrong.empty()) return wrong;
    if (std::string wrong = oracle.check(shown); !wrong.empty()) return wrong;
    if (const auto lost = oracle.first_lost(shown)) {
      if (std::string wrong = replace_lost(disk, config, *lost, first, shown); !wrong.empty()) return wrong;
    }
    if (config.key_index) {
      if (std::string wrong = wait_for_keys(*first.store); !wrong.empty()) return wrong;
      if (std::string wrong = oracle.check_keys(*first.store, shown); !wrong.empty()) return wrong;
    }
    if (std::string wrong = append_to_all(*first.store, oracle, shown); !wrong.empty()) return wrong;
    first.store->close();
  }
  if (disk.exists(store_root + "/abort")) return "a clean stop left its mark of an unclean one";
  Opened second = open_store(disk, config);
  if (!second.wrong.empty()) return "after a clean stop: " + second.wrong;
  Shown again;
  if (std::string wrong = show_all(*second.store, again); !wrong.empty()) return "after a clean stop: " + wrong;
  // Queues that were asked for and hold nothing do not survive a stop; nobody misses them.
  std::erase_if(shown, [](const auto& queue) { return queue.second.empty(); });
  std::erase_if(again, [](const auto& queue) { return queue.second.empty(); });
  if (again != shown) return "after a clean stop other messages are shown";
  second.store->close();
  return oracle.has_meta() ? oracle.check_meta(disk, store_root) : std::string();
}

}  // namespace merlin::rig
