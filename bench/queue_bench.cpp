// What many queues cost: sends over all of them, then a clean stop and starts, for one form of the queue index.
//
//   queue_bench DIR files|database QUEUES MESSAGES
//
// Prints one line of JSON. DIR is made and left behind.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>

#include "store/message_store.h"

namespace {

using namespace merlin;

constexpr size_t burst = 64;
constexpr int queues_per_topic = 8;
const SystemClock the_clock;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

int64_t rss_bytes() {
  std::ifstream in("/proc/self/statm");
  int64_t pages = 0;
  int64_t resident = 0;
  int64_t shared = 0;
  in >> pages >> resident >> shared;
  return (resident - shared) * sysconf(_SC_PAGESIZE);
}

std::unique_ptr<store::MessageStore> opened(const store::StoreOptions& options, double& seconds) {
  const auto begin = std::chrono::steady_clock::now();
  auto s = std::make_unique<store::MessageStore>(
      options, posix_file_system(), the_clock, [](const Error& e) { std::fprintf(stderr, "%s\n", e.message.c_str()); });
  if (Status status = s->open(); !status) {
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
    std::exit(1);
  }
  seconds = seconds_since(begin);
  return s;
}

void send(store::MessageStore& s, int64_t queues, int64_t messages) {
  const std::string body(128, 'b');
  Buffer scratch;
  std::vector<store::AppendItem> items(burst);
  std::vector<std::string> topics(burst);
  for (int64_t sent = 0; sent < messages; sent += burst) {
    for (size_t i = 0; i < burst; ++i) {
      const int64_t queue = (sent + static_cast<int64_t>(i)) % queues;
      topics[i] = "bench_topic_" + std::to_string(queue / queues_per_topic);
      items[i] = {};
      items[i].spec.topic = topics[i];
      items[i].spec.queue_id = static_cast<int32_t>(queue % queues_per_topic);
      items[i].spec.body = as_bytes(body);
      items[i].spec.born_host = *HostPort::from_ip("127.0.0.1", 1);
      items[i].spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
      items[i].queue = s.queue(topics[i], items[i].spec.queue_id);
    }
    s.append(items, scratch);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "queue_bench DIR files|database QUEUES MESSAGES\n"), 2;
  store::StoreOptions options;
  options.root_dir = argv[1];
  options.queues_in_database = std::string(argv[2]) == "database";
  options.index_enabled = false;
  const int64_t queues = std::atoll(argv[3]);
  const int64_t messages = std::atoll(argv[4]);
  std::filesystem::create_directories(options.root_dir);
  const int64_t rss_before = rss_bytes();
  double open_seconds = 0;
  auto s = opened(options, open_seconds);
  auto begin = std::chrono::steady_clock::now();
  send(*s, queues, messages);
  const double send_seconds = seconds_since(begin);
  const int64_t rss_sent = rss_bytes();
  begin = std::chrono::steady_clock::now();
  s->close();
  s.reset();
  const double close_seconds = seconds_since(begin);
  double clean_seconds = 0;
  s = opened(options, clean_seconds);
  const int64_t rss_clean = rss_bytes();
  send(*s, queues, std::min<int64_t>(messages, 100'000));
  s.reset();  // as a crash
  double crash_seconds = 0;
  s = opened(options, crash_seconds);
  s->close();
  std::printf(
      "{\"form\": \"%s\", \"queues\": %lld, \"messages\": %lld, \"sends_per_s\": %.0f, \"rss_after_sends_mb\": %.1f, "
      "\"close_s\": %.2f, \"start_clean_s\": %.3f, \"rss_idle_mb\": %.1f, \"start_crash_s\": %.3f}\n",
      argv[2], static_cast<long long>(queues), static_cast<long long>(messages),
      static_cast<double>(messages) / send_seconds, static_cast<double>(rss_sent - rss_before) / 1e6, close_seconds,
      clean_seconds, static_cast<double>(rss_clean - rss_before) / 1e6, crash_seconds);
  return 0;
}
