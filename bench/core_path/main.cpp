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
#define RUNNING_ON_VALGRIND 0
#endif

namespace merlin::bench {
namespace {

struct Case {
  std::string_view name;
  bool pull;
  wire::Serialization form;
  int32_t burst;  // frames at once
  int32_t batch;  // messages in a frame
};

constexpr Case cases[] = {
    {"send-json", false, wire::Serialization::json, 32, 1},
    {"send-binary", false, wire::Serialization::rocketmq, 32, 1},
    {"send-json-1", false, wire::Serialization::json, 1, 1},
    {"batch-32", false, wire::Serialization::json, 4, 32},
    {"pull-json", true, wire::Serialization::json, 1, 32},
    {"pull-binary", true, wire::Serialization::rocketmq, 1, 32},
};

constexpr int64_t warm_up_bursts = 300;

int64_t thread_cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "core_path: %s\n", why.c_str());
  std::exit(1);
}

struct Cost {
  int64_t messages = 0;
  int64_t allocations = 0;
  int64_t other_allocations = 0;  // of all other threads meanwhile
  int64_t cpu_ns = 0;
};

class Run {
 public:
  Run(const Case& c, CoreBroker& broker) : case_(c), broker_(broker), send_(c.form, c.pull ? 32 : c.batch) {}

  Cost measure(int64_t count) {
    const int64_t per_burst = int64_t{case_.burst} * case_.batch;
    const int64_t bursts = (count + per_burst - 1) / per_burst;
    if (case_.pull) fill((warm_up_bursts + bursts) * per_burst);
    for (int64_t i = 0; i < warm_up_bursts; ++i) burst(nullptr);
    broker_.wait_until_indexed();
    Cost cost;
    const int64_t all_before = heap::all();
    const int64_t own_before = heap::own();
    CALLGRIND_START_INSTRUMENTATION;
    for (int64_t i = 0; i < bursts; ++i) burst(&cost);
    broker_.wait_until_indexed();
    CALLGRIND_STOP_INSTRUMENTATION;
    cost.other_allocations = heap::all() - all_before - (heap::own() - own_before);
    cost.messages = bursts * per_burst;
    return cost;
  }

  int64_t sent() const { return sent_; }

 private:
  void make_requests() {
    in_.clear();
    for (int32_t i = 0; i < case_.burst; ++i) {
      const int64_t number = number_++;
      if (case_.pull) {
        append_pull(in_, case_.form, static_cast<int32_t>(number % CoreBroker::queues),
                    number / CoreBroker::queues * case_.batch, case_.batch);
      } else {
        send_.append_to(in_, number, CoreBroker::queues);
      }
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
  }

  void burst(Cost* cost) {
    make_requests();
    const int64_t heap_before = heap::own();
    const int64_t cpu_before = cost != nullptr ? thread_cpu_ns() : 0;
    if (cost != nullptr) CALLGRIND_TOGGLE_COLLECT;
    core();
    if (cost != nullptr) CALLGRIND_TOGGLE_COLLECT;
    if (cost != nullptr) cost->cpu_ns += thread_cpu_ns() - cpu_before;
    if (cost != nullptr) cost->allocations += heap::own() - heap_before;
    check_answers();
    broker_.connection().clear();
  }

  void check_answers() {
    if (taken_ != frames_.size()) die("the dispatcher took too few frames");
    const std::string text = broker_.connection().text();
    const ByteView bytes = as_bytes(text);
    size_t answers = 0;
    for (size_t at = 0; at < bytes.size(); ++answers) {
      const wire::FrameScan scan = wire::scan_frame(bytes.subspan(at), wire::frame_limit_bytes_default);
      if (scan.state != wire::FrameScan::State::frame) die("the answer is no frame");
      const auto answer = wire::decode_command(scan.frame, scratch_);
      if (!answer) die("an answer does not decode");
      if (answer->code != 0) die("answer " + std::to_string(answer->code) + " " + std::string(answer->remark));
      if (case_.pull) check_records(answer->body);
      at += scan.consumed;
    }
    if (answers != frames_.size()) die("too few answers");
    if (!case_.pull) sent_ += int64_t{case_.burst} * case_.batch;
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
  Buffer in_;
  std::vector<wire::Frame> frames_;
  wire::HeaderScratch scratch_;
};

int run_case(const Case& c, int64_t count, const std::string& dir) {
  Cost cost;
  {
    CoreBroker broker(dir);
    Run run(c, broker);
    broker.run([&] { cost = run.measure(count); });
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
    const int64_t count = std::atoll(argv[2]);
    const std::string dir =
        (argc == 4 ? std::string(argv[3]) : "/dev/shm/core_path") + "." + std::to_string(::getpid());
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
