// The way of a message through the broker on one thread, without sockets: frames -> dispatcher -> door -> service ->
// store -> answers in a buffer. Under callgrind it tells the instructions of that thread in the measured phase;
// without, the heap allocations and the CPU time.
//
//   core_path CASE COUNT [DIR]      one line of JSON; DIR (default: a folder in memory) is made and removed
//   core_path --list                the cases
//
// Only whole bursts are measured, each with other keys, queues and opaques, after a warm-up; making the requests and
// looking at the answers is not. Other threads work until the key index has everything, uncounted. Every answer must be
// SUCCESS, and what was sent must be readable.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "core_broker.h"
#include "heap.h"
#include "merlin/base/log.h"
#include "merlin/message/record.h"
#include "merlin/wire/command.h"
#include "requests.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_TOGGLE_COLLECT
#endif

namespace merlin::bench {
namespace {

// wake: a pull that waits, then the message it waits for; its answer comes from a job that the reactor runs later.
enum class Kind { send, pull, wake };

struct Case {
  std::string_view name;
  Kind kind;
  wire::Serialization form;
  int32_t burst;  // frames at once
  int32_t batch;  // messages in a frame
};

constexpr Case cases[] = {
    {"send-json", Kind::send, wire::Serialization::json, 32, 1},
    {"send-binary", Kind::send, wire::Serialization::rocketmq, 32, 1},
    {"send-json-1", Kind::send, wire::Serialization::json, 1, 1},
    {"batch-32", Kind::send, wire::Serialization::json, 4, 32},
    {"pull-json", Kind::pull, wire::Serialization::json, 1, 32},
    {"pull-binary", Kind::pull, wire::Serialization::rocketmq, 1, 32},
    {"wake-json", Kind::wake, wire::Serialization::json, 1, 1},
};

constexpr int64_t warm_up_bursts = 300;

int64_t thread_cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "core_path: %s\n", why.c_str());
  std::_Exit(1);
}

struct Cost {
  int64_t messages = 0;
  int64_t allocations = 0;
  int64_t other_allocations = 0;  // of all other threads meanwhile
  int64_t cpu_ns = 0;
};

// Everything but measure() itself runs on the reactor.
class Run {
 public:
  Run(const Case& c, CoreBroker& broker)
      : case_(c), broker_(broker), send_(c.form, c.kind == Kind::pull ? 32 : c.batch) {}

  Cost measure(int64_t count) {
    const int64_t per_burst = int64_t{case_.burst} * case_.batch;
    const int64_t bursts = (count + per_burst - 1) / per_burst;
    if (case_.kind == Kind::pull) broker_.run([&] { fill((warm_up_bursts + bursts) * per_burst); });
    for (int64_t i = 0; i < warm_up_bursts; ++i) burst(nullptr);
    broker_.wait_until_indexed();
    Cost cost;
    broker_.run([&] { cost.other_allocations = heap::own() - heap::all(); });
    CALLGRIND_START_INSTRUMENTATION;
    for (int64_t i = 0; i < bursts; ++i) burst(&cost);
    broker_.wait_until_indexed();
    CALLGRIND_STOP_INSTRUMENTATION;
    broker_.run([&] { cost.other_allocations += heap::all() - heap::own(); });
    cost.messages = bursts * per_burst;
    return cost;
  }

  int64_t sent() const { return sent_; }

 private:
  void make_requests() {
    in_.clear();
    for (int32_t i = 0; i < case_.burst; ++i) {
      const int64_t number = number_++;
      if (case_.kind != Kind::send) {
        append_pull(in_, case_.form, static_cast<int32_t>(number % CoreBroker::queues),
                    number / CoreBroker::queues * case_.batch, case_.batch, case_.kind == Kind::wake);
      }
      if (case_.kind != Kind::pull) send_.append_to(in_, number, CoreBroker::queues);
    }
  }

  // What is measured: the frames of one read of a socket.
  [[gnu::noinline]] void core() {
    frames_.clear();
    const ByteView bytes = in_.view();
    for (size_t at = 0; at < bytes.size();) {
      const wire::FrameScan scan = wire::scan_frame(bytes.subspan(at), wire::frame_limit_bytes_default);
      frames_.push_back(scan.frame);
      at += scan.consumed;
    }
    taken_ = broker_.dispatcher().on_burst(broker_.connection(), frames_);
    if (broker_.connection().take_held_burst()) broker_.dispatcher().end_bursts(broker_.connection().reactor());
  }

  void begin(const Cost* cost) {
    if (cost == nullptr) return;
    heap_before_ = heap::own();
    cpu_before_ = thread_cpu_ns();
    CALLGRIND_TOGGLE_COLLECT;
  }

  void end(Cost* cost) const {
    if (cost == nullptr) return;
    CALLGRIND_TOGGLE_COLLECT;
    cost->cpu_ns += thread_cpu_ns() - cpu_before_;
    cost->allocations += heap::own() - heap_before_;
  }

  void burst(Cost* cost) {
    broker_.run([&] {
      make_requests();
      begin(cost);
      core();
      if (case_.kind != Kind::wake) end(cost);
    });
    broker_.run([&] {
      if (case_.kind == Kind::wake) end(cost);
      check_answers();
      broker_.connection().clear();
    });
  }

  void check_answers() {
    if (taken_ != frames_.size()) die("the dispatcher took too few frames");
    const std::string text = broker_.connection().text();
    const ByteView bytes = as_bytes(text);
    size_t answers = 0;
    int32_t bodies = 0;
    for (size_t at = 0; at < bytes.size(); ++answers) {
      const wire::FrameScan scan = wire::scan_frame(bytes.subspan(at), wire::frame_limit_bytes_default);
      if (scan.state != wire::FrameScan::State::frame) die("the answer is no frame");
      const auto answer = wire::decode_command(scan.frame, scratch_);
      if (!answer) die("an answer does not decode");
      if (answer->code != 0) die("answer " + std::to_string(answer->code) + " " + std::string(answer->remark));
      if (!answer->body.empty()) check_records(answer->body);
      bodies += answer->body.empty() ? 0 : 1;
      at += scan.consumed;
    }
    if (answers != frames_.size()) die("too few answers");
    if (bodies != (case_.kind == Kind::send ? 0 : case_.burst)) die("a pull brought nothing");
    if (case_.kind != Kind::pull) sent_ += int64_t{case_.burst} * case_.batch;
  }

  void check_records(ByteView body) const {
    int32_t records = 0;
    for (; !body.empty(); ++records) {
      const auto record = message::decode_record(body, true);
      if (!record) die("a record does not decode");
      body = body.subspan(static_cast<size_t>(record->total_size));
    }
    if (records != case_.batch) die("a pull brought " + std::to_string(records) + " messages");
  }

  // Enough messages for the pulls, in all queues alike.
  void fill(int64_t messages) {
    const int64_t round = int64_t{CoreBroker::queues} * 32;
    for (int64_t number = 0; number * 32 < (messages + round - 1) / round * round; ++number) {
      in_.clear();
      send_.append_to(in_, number, CoreBroker::queues);
      core();
      sent_ += 32;
      broker_.connection().clear();
    }
  }

  const Case& case_;
  CoreBroker& broker_;
  const SendTemplate send_;
  int64_t number_ = 0;
  int64_t sent_ = 0;
  size_t taken_ = 0;
  int64_t heap_before_ = 0;
  int64_t cpu_before_ = 0;
  Buffer in_;
  std::vector<wire::Frame> frames_;
  wire::HeaderScratch scratch_;
};

std::string memory_dir() {
  return std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : "/tmp";
}

int run_case(const Case& c, int64_t count, const std::string& dir) {
  Cost cost;
  {
    CoreBroker broker(dir);
    Run run(c, broker);
    cost = run.measure(count);
    if (broker.readable() != run.sent()) {
      die("sent " + std::to_string(run.sent()) + ", readable " + std::to_string(broker.readable()));
    }
  }
  const auto per_message = [&](int64_t value) {
    return static_cast<double>(value) / static_cast<double>(cost.messages);
  };
  std::printf(
      "{\"case\":\"%.*s\",\"messages\":%lld,\"allocations\":%lld,\"other_threads_allocations\":%lld,"
      "\"allocations_per_message\":%.4f,\"cpu_ns_per_message\":%.1f}\n",
      static_cast<int>(c.name.size()), c.name.data(), static_cast<long long>(cost.messages),
      static_cast<long long>(cost.allocations), static_cast<long long>(cost.other_allocations),
      per_message(cost.allocations), per_message(cost.cpu_ns));
  return 0;
}

int run_main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--list") {
    for (const Case& c : cases) std::printf("%.*s\n", static_cast<int>(c.name.size()), c.name.data());
    return 0;
  }
  if (argc == 3 || argc == 4) {
    int64_t count = 0;
    const std::string_view number = argv[2];
    std::from_chars(number.data(), number.data() + number.size(), count);
    const std::string dir =
        (argc == 4 ? std::string(argv[3]) : memory_dir() + "/core_path") + "." + std::to_string(::getpid());
    for (const Case& c : cases) {
      if (c.name != argv[1] || count <= 0) continue;
      log_init("/dev/null", LogLevel::error);
      std::filesystem::create_directories(dir);
      const int code = run_case(c, count, dir);
      std::filesystem::remove_all(dir);
      return code;
    }
  }
  std::fprintf(stderr, "core_path CASE COUNT [DIR]; core_path --list tells the cases\n");
  return 2;
}

}  // namespace
}  // namespace merlin::bench

int main(int argc, char** argv) {
  return merlin::bench::run_main(argc, argv);
}
