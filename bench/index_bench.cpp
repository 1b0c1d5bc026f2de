// What the key index costs each send, and how long its queries take.
//
//   index_bench DIR [MESSAGES]      10 million by default: about 5 GB in DIR, which is made, and emptied at the end
//
// First two stores in turns, one with the index and one without: CPU of the whole process per send. Then the first is
// filled up to MESSAGES, each with a unique id, a key and a tag, and asked for random ones: as it is ("warm"), and with
// all its files dropped from the page cache before every few queries ("cold"; a query then reads the disk).
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "store/message_store.h"

namespace {

using namespace merlin;

constexpr int64_t burst = 64;
constexpr int64_t messages_per_round = 400'000;
constexpr int rounds = 5;
constexpr int warm_queries = 20'000;
constexpr int cold_queries = 1'000;
constexpr int cold_queries_per_drop = 20;
constexpr int tags = 50;
const SystemClock the_clock;
const std::string topic = "bench_topic";

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double us_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "index_bench: %s\n", why.c_str());
  std::exit(1);
}

// As the clients make them: 32 hexadecimal digits of which the last count.
std::string unique_id(int64_t number) {
  char text[33];
  std::snprintf(text, sizeof text, "7F0000010A1E18B4AAC2%012llX", static_cast<unsigned long long>(number));
  return text;
}

std::string key_of(int64_t number) {
  return "order-" + std::to_string(number);
}

struct Bench {
  Bench(const std::string& dir, bool index_enabled) {
    options.root_dir = dir;
    options.index_enabled = index_enabled;
    std::filesystem::create_directories(dir);
    open();
  }
  ~Bench() {
    if (opened) opened->close();
  }

  void open() {
    opened = std::make_unique<store::MessageStore>(options, posix_file_system(), the_clock,
                                                   [](const Error& e) { fail(e.message); });
    if (Status s = opened->open(); !s) fail(s.error().message);
  }

  void send(int64_t count) {
    const std::string body(100, 'b');
    std::vector<store::AppendItem> items(burst);
    std::vector<std::string> properties(burst);
    store::ConsumeQueue* const queue = opened->queue(topic, 0);
    for (const int64_t end = sent + count; sent < end;) {
      for (size_t i = 0; i < burst; ++i, ++sent) {
        properties[i] = "KEYS\x01" + key_of(sent) + "\x02UNIQ_KEY\x01" + unique_id(sent) + "\x02TAGS\x01tag" +
                        std::to_string(sent % tags) + "\x02";
        items[i] = {};
        items[i].spec.topic = topic;
        items[i].spec.body = as_bytes(body);
        items[i].spec.properties = properties[i];
        items[i].spec.born_host = *HostPort::from_ip("127.0.0.1", 1);
        items[i].spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
        items[i].queue = queue;
      }
      opened->append(items, scratch);
      if (items[0].code != store::AppendCode::ok) fail("an append was refused");
    }
    const auto behind = [this] {
      const store::StoreStats s = opened->stats();
      return options.index_enabled && s.indexed_offset < s.max_physical_offset;
    };
    while (behind()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  // Whether the hits for this name have the message; hits of other names with the same hash are no error.
  void find(const std::string& name, store::KeyKind kind, const std::string& wanted) {
    store::LogBytes bytes;
    int64_t timestamp = 0;
    int64_t offset = 0;
    if (Status s = opened->query(topic, name, kind, 32, 0, INT64_MAX, bytes, timestamp, offset); !s)
      fail(s.error().message);
    for (const ByteView slice : bytes.slices) {
      if (as_text(slice).find(wanted) != std::string_view::npos) return;
    }
    fail("no message for " + name);
  }

  void drop_from_page_cache() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(options.root_dir)) {
      if (!entry.is_regular_file()) continue;
      const int fd = ::open(entry.path().c_str(), O_RDONLY);
      if (fd < 0) continue;
      ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      ::close(fd);
    }
  }

  store::StoreOptions options;
  std::unique_ptr<store::MessageStore> opened;
  Buffer scratch;
  int64_t sent = 0;
};

void compare_sends(Bench& with, Bench& without) {
  std::vector<double> differences;
  for (int round = 0; round < rounds; ++round) {
    double us[2] = {};
    for (const bool indexed : {true, false}) {
      const double before = cpu_seconds();
      (indexed ? with : without).send(messages_per_round);
      us[indexed ? 1 : 0] = (cpu_seconds() - before) * 1e6 / static_cast<double>(messages_per_round);
    }
    std::printf("cpu per send, round %d: %.2f us with the index, %.2f us without\n", round + 1, us[1], us[0]);
    std::fflush(stdout);
    differences.push_back(us[1] - us[0]);
  }
  std::sort(differences.begin(), differences.end());
  std::printf("the index costs %.2f us of CPU per send (median; three entries: id, key, tag)\n",
              differences[differences.size() / 2]);
}

void measure(Bench& bench, const char* what, bool cold, const std::function<void(int64_t)>& query) {
  std::mt19937_64 random(7);
  std::vector<double> took;
  const int count = cold ? cold_queries : warm_queries;
  for (int i = 0; i < count; ++i) {
    if (cold && i % cold_queries_per_drop == 0) bench.drop_from_page_cache();
    const auto number = static_cast<int64_t>(random() % static_cast<uint64_t>(bench.sent));
    const auto begin = std::chrono::steady_clock::now();
    query(number);
    took.push_back(us_since(begin));
  }
  std::sort(took.begin(), took.end());
  const auto at = [&](double part) { return took[static_cast<size_t>(part * static_cast<double>(took.size() - 1))]; };
  std::printf("query by %-9s %s: p50 %8.1f us, p99 %8.1f us, max %8.1f us (%d queries)\n", what, cold ? "cold" : "warm",
              at(0.5), at(0.99), took.back(), count);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "index_bench DIR [MESSAGES]\n"), 2;
  const std::string dir = argv[1];
  const int64_t messages = argc > 2 ? std::atoll(argv[2]) : 10'000'000;
  const bool is_new = std::filesystem::create_directories(dir);
  if (!is_new && !std::filesystem::is_empty(dir)) fail(dir + " is not empty");
  {
    Bench with(dir + "/with", true);
    {
      Bench without(dir + "/without", false);
      compare_sends(with, without);
    }
    std::filesystem::remove_all(dir + "/without");
    with.send(std::max<int64_t>(messages - with.sent, 0));
    // Written and synced: what is dirty cannot be dropped from the page cache.
    with.opened->close();
    with.opened.reset();
    with.open();
    for (const bool cold : {false, true}) {
      measure(with, "unique id", cold, [&](int64_t n) { with.find(unique_id(n), store::KeyKind::key, unique_id(n)); });
      measure(with, "key", cold, [&](int64_t n) { with.find(key_of(n), store::KeyKind::key, unique_id(n)); });
      measure(with, "tag", cold, [&](int64_t n) {
        const std::string tag = "tag" + std::to_string(n % tags);
        with.find(tag, store::KeyKind::tag, tag);
      });
    }
  }
  std::filesystem::remove_all(dir);
  return 0;
}
