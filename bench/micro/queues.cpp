// The way of a record after the log: its unit in a consume queue, its entries in the key index, and the read of a pull.
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <limits>
#include <string>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>

#include "merlin/message/properties.h"
#include "service/long_poll.h"
#include "service/subscription.h"
#include "store/index/key_index.h"
#include "store/queue/file_index.h"

namespace {

using namespace merlin;

const SystemClock the_clock;

// In memory: the disk is measured elsewhere.
class Folder {
 public:
  Folder()
      : path_(std::string(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp") + "/micro_bench." +
              std::to_string(::getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

std::string properties_of(int64_t number) {
  char key[33];
  std::snprintf(key, sizeof key, "7F00000100010000%016llX", static_cast<unsigned long long>(number));
  return "UNIQ_KEY\x01" + std::string(key) + "\x02WAIT\x01true\x02TAGS\x01Tag" +
         std::string(1, static_cast<char>('A' + number % 10));
}

void must(bool good) {
  if (!good) std::abort();
}

// One unit after the other into eight queues, as the dispatcher does; the log is durable, so that units leave memory.
void put_unit(benchmark::State& state) {
  const Folder folder;
  store::FileIndex::Options options;
  options.root_dir = folder.path();
  options.file_bytes = 6'000'000;
  store::FileIndex index(options, posix_file_system());
  const std::atomic<int64_t> durable{std::numeric_limits<int64_t>::max()};
  must(index.load().ok() && index.start_from({.fits = nullptr}).ok() && index.opened(0, durable).ok());
  std::vector<store::ConsumeQueue*> queues;
  queues.reserve(8);
  for (int id = 0; id < 8; ++id) queues.push_back(index.get("T", id));
  int64_t number = 0;
  for (auto _ : state) {
    const store::QueueUnit unit{number * 300, 300, 65};
    must(queues[static_cast<size_t>(number % 8)]->put(number / 8, unit, number).ok());
    if (++number % 32 == 0) index.commit(-1);
  }
  state.SetItemsProcessed(state.iterations());
  index.stop();
}
BENCHMARK(put_unit);

// The unique key and the tag of a record.
void put_keys(benchmark::State& state) {
  const Folder folder;
  store::KeyIndex index(folder.path() + "/index", posix_file_system(), the_clock, {});
  must(index.open(0, true).ok());
  std::vector<std::vector<uint8_t>> records;
  records.reserve(4096);
  for (int64_t i = 0; i < 4096; ++i) {
    const std::string properties = properties_of(i);
    message::RecordSpec spec;
    spec.topic = "TopicTest";
    spec.properties = properties;
    records.emplace_back(message::record_size(spec));
    message::encode_record(spec, records.back().data());
  }
  int64_t number = 0;
  for (auto _ : state) {
    std::vector<uint8_t>& bytes = records[static_cast<size_t>(number % 4096)];
    ++number;
    message::stamp_record(bytes.data(), number, number * 300, 1'700'000'000'000 + number / 100);
    const auto record = message::decode_record(bytes, false);
    must(index.put(*record).ok());
  }
  state.SetItemsProcessed(state.iterations());
  must(index.close().ok());
}
BENCHMARK(put_keys);

// A store with a backlog in one queue, tags A to J in turns.
class Backlog {
 public:
  static constexpr int64_t messages = 40'000;

  Backlog() : store_(options(), posix_file_system(), the_clock, [](const Error&) { std::abort(); }) {
    must(store_.open().ok());
    const std::string body(128, 'b');
    std::vector<std::string> properties;
    std::vector<store::AppendItem> items(100);
    Buffer scratch;
    for (int64_t sent = 0; sent < messages; sent += 100) {
      properties.clear();
      for (int64_t i = 0; i < 100; ++i) properties.push_back(properties_of(sent + i));
      for (size_t i = 0; i < items.size(); ++i) {
        items[i] = {};
        items[i].spec.topic = "T";
        items[i].spec.body = as_bytes(body);
        items[i].spec.properties = properties[i];
        items[i].tags_code = message::tags_code(properties[i]);
        items[i].queue = store_.queue("T", 0);
      }
      store_.append(items, scratch);
    }
    must(store_.max_offset(queue()) == messages);
  }
  ~Backlog() { store_.close(); }
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;

  const store::MessageStore& store() const { return store_; }
  const store::ConsumeQueue* queue() const { return store_.find_queue("T", 0); }

 private:
  store::StoreOptions options() const {
    store::StoreOptions o;
    o.root_dir = folder_.path();
    o.index_enabled = false;
    return o;
  }
  const Folder folder_;
  store::MessageStore store_;
};

// What a pull of 32 reads from the hot end of a queue; with a subscription that one of ten messages fits.
void read_for_pull(benchmark::State& state, std::string_view expression) {
  const Backlog backlog;
  const auto filter = service::make_filter(service::build_subscription("T", expression, service::expression_type_tag));
  store::GetResult result;
  int64_t offset = 0;
  int64_t found = 0;
  for (auto _ : state) {
    if (offset + 400 > Backlog::messages) offset = 0;
    backlog.store().get(backlog.queue(), offset, {}, filter.get(), result, store::ReadMode::no_wait);
    must(result.status == store::GetStatus::found);
    found += result.message_count;
    offset = result.next_begin_offset;
  }
  state.SetItemsProcessed(found);
}
BENCHMARK_CAPTURE(read_for_pull, all, "*");
BENCHMARK_CAPTURE(read_for_pull, one_tag_of_ten, "TagA");

void match_tags(benchmark::State& state) {
  std::string expression = "Tag0";
  for (int64_t i = 1; i < state.range(0); ++i) expression += " || Tag" + std::to_string(i);
  const auto filter = service::make_filter(service::build_subscription("T", expression, service::expression_type_tag));
  int64_t code = 0;
  for (auto _ : state) benchmark::DoNotOptimize(filter->matches_tags_code(++code));
}
BENCHMARK(match_tags)->Arg(1)->Arg(10)->Arg(1000);

struct CountingWaiter final : service::Waiter {
  void wake(service::Wake, int64_t) override { ++woken; }
  int64_t woken = 0;
};

// One pull is held and woken by an arrival, while others wait at other queues.
void wake_a_held_pull(benchmark::State& state) {
  const Backlog backlog;
  service::LongPoll long_poll(the_clock, 200'000);
  store::MessageStore& store = const_cast<store::MessageStore&>(backlog.store());
  std::deque<CountingWaiter> others;
  for (int id = 1; id <= state.range(0); ++id) {
    CountingWaiter& other = others.emplace_back();
    other.queue = store.queue("others", id);
    other.deadline_ms = std::numeric_limits<int64_t>::max();
    must(long_poll.hold(other));
  }
  store::ConsumeQueue* queue = store.queue("T", 0);
  CountingWaiter waiter;
  waiter.queue = queue;
  waiter.deadline_ms = std::numeric_limits<int64_t>::max();
  int64_t offset = 0;
  for (auto _ : state) {
    waiter.offset = offset;
    must(long_poll.hold(waiter));
    const store::Arrival arrival{queue, offset++, 0, 300};
    long_poll.on_arrivals({&arrival, 1});
  }
  must(waiter.woken == state.iterations());
}
BENCHMARK(wake_a_held_pull)->Arg(0)->Arg(10'000);

// Arrivals at a queue that nobody waits for: what long polling costs each message otherwise.
void arrival_without_waiters(benchmark::State& state) {
  const Backlog backlog;
  service::LongPoll long_poll(the_clock, 1000);
  store::ConsumeQueue* queue = const_cast<store::ConsumeQueue*>(backlog.queue());
  const std::vector<store::Arrival> arrivals(32, store::Arrival{queue, 0, 0, 300});
  for (auto _ : state) long_poll.on_arrivals(arrivals);
  state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(arrival_without_waiters);

}  // namespace
