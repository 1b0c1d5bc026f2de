// The fault rig of the store. See docs/store.md, "How it is shown".
//
//   crash_rig [--mode crash] [--states N] [--database 1] [--out DIR]
//   crash_rig --mode calls [--every N] [--call N] [--fault KIND]
//   crash_rig --mode damage [--every N] [--file PATH --byte N] [--strict 1]
//   each: [--passes N] [--seed N] [--jobs N] [--workload NAME]
//   crash_rig --repeat FILE --workload NAME --seed N --at N --choices C
//             [--recovery FILE --recovery-at N --recovery-choices C]
//
// Exit code 0: nothing wrong; 1: violations; 2: wrong use.
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <new>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/rig/crash_states.h"
#include "crash/rig/damage.h"
#include "crash/rig/failing_calls.h"
#include "merlin/base/log.h"

namespace merlin::rig {
namespace {

using Flags = std::map<std::string, std::string>;

std::string flag(const Flags& flags, const std::string& name, const std::string& otherwise) {
  const auto it = flags.find(name);
  return it == flags.end() ? otherwise : it->second;
}

int64_t number(const Flags& flags, const std::string& name, int64_t otherwise) {
  return std::stoll(flag(flags, name, std::to_string(otherwise)));
}

// What the worker processes share.
struct Board {
  CrashCount crash;
  CallCount calls;
  DamageCount damage;
  std::atomic<size_t> next_task{0};
};

struct Task {
  const Workload* workload = nullptr;
  uint64_t seed = 0;
};
using Work = std::function<void(const Task&, Board&)>;

void work_off(const std::vector<Task>& tasks, const Work& work, Board& board) {
  for (;;) {
    const size_t i = board.next_task.fetch_add(1);
    if (i >= tasks.size()) return;
    if (std::getenv("RIG_VERBOSE") != nullptr) {
      std::fprintf(stderr, "%s seed %lu\n", tasks[i].workload->name.c_str(), tasks[i].seed);
    }
    work(tasks[i], board);
  }
}

// Each worker is a process: a crash or a hang of the store ends one of them and is seen here. Returns how many.
int run_workers(const std::vector<Task>& tasks, const Work& work, int64_t jobs, Board& board) {
  std::fflush(stdout);
  for (int64_t i = 0; i < jobs; ++i) {
    if (fork() != 0) continue;
    work_off(tasks, work, board);
    std::fflush(stdout);
    _exit(0);
  }
  int died = 0;
  int status = 0;
  while (wait(&status) > 0) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    ++died;
    std::printf(
        "FAILED: a worker ended with signal %d, exit code %d (14 is a hang); RIG_VERBOSE=1 and --jobs 1 tell where\n",
        WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
  }
  return died;
}

std::vector<Task> tasks_of(const Flags& flags) {
  const auto seed = static_cast<uint64_t>(number(flags, "--seed", 1));
  const std::string only = flag(flags, "--workload", "");
  std::vector<Task> tasks;
  for (int64_t pass = 0; pass < number(flags, "--passes", 1); ++pass) {
    for (const Workload& workload : workloads()) {
      // Those with a database take 80 ms a state: by name, or with --database 1.
      if (only.empty() && workload.config.database != (number(flags, "--database", 0) != 0)) continue;
      if (only.empty() || workload.name == only) tasks.push_back({&workload, seed + static_cast<uint64_t>(pass)});
    }
  }
  return tasks;
}

int print(const Board& board, const std::string& mode, size_t tasks, uint64_t seed, int died, double seconds) {
  if (mode == "crash") {
    const CrashCount& count = board.crash;
    std::printf(
        "crash states: %lu workloads, seed %lu, %ld cuts, %ld different states judged (%ld of them cut again in "
        "the recovery), %ld repeats, %ld violations, %d crashes, %.1f s\n",
        tasks, seed, count.points.load(), count.states.load(), count.nested.load(), count.repeats.load(),
        count.failures.load(), died, seconds);
    return count.failures.load() == 0 && died == 0 ? 0 : 1;
  }
  if (mode == "damage") {
    const DamageCount& count = board.damage;
    std::printf(
        "damage: %lu workloads, seed %lu, %ld flips, %ld truncations: %ld starts refused, %ld answered with an error, "
        "%ld left to the client's CRC, %ld known gaps, %ld violations, %d crashes, %.1f s\n",
        tasks, seed, count.flips.load(), count.truncations.load(), count.refused.load(), count.told.load(),
        count.crc_only.load(), count.known.load(), count.failures.load(), died, seconds);
    return count.failures.load() == 0 && died == 0 ? 0 : 1;
  }
  const CallCount& count = board.calls;
  std::printf(
      "failing calls: %lu workloads, seed %lu, %ld runs, %ld of them stopped for good, %ld violations, %d crashes, "
      "%.1f s\n",
      tasks, seed, count.runs.load(), count.fail_stops.load(), count.failures.load(), died, seconds);
  return count.failures.load() == 0 && died == 0 ? 0 : 1;
}

int run_tasks(const Flags& flags) {
  const std::string mode = flag(flags, "--mode", "crash");
  CrashRun crash;
  crash.states_per_call = number(flags, "--states", crash.states_per_call);
  crash.nested_every = number(flags, "--nested", crash.nested_every);
  crash.out_dir = flag(flags, "--out", "/tmp/crash_rig." + std::to_string(getpid()));
  CallRun calls;
  calls.every = std::max<int64_t>(number(flags, "--every", 1), 1);
  calls.only_call = number(flags, "--call", -1);
  calls.only_fault = flag(flags, "--fault", "");
  DamageRun damage;
  damage.every = calls.every;
  damage.strict = number(flags, "--strict", 0) != 0;
  damage.only_at = number(flags, "--byte", -1);
  damage.only_file = flag(flags, "--file", "");
  const std::map<std::string, Work> modes = {
      {"crash",
       [&](const Task& task, Board& board) {
         CrashRun run = crash;
         run.seed = task.seed;
         explore(*task.workload, run, board.crash);
       }},
      {"calls",
       [&](const Task& task, Board& board) {
         CallRun run = calls;
         run.seed = task.seed;
         fail_calls(*task.workload, run, board.calls);
       }},
      {"damage",
       [&](const Task& task, Board& board) {
         DamageRun run = damage;
         run.seed = task.seed;
         damage_files(*task.workload, run, board.damage);
       }},
  };
  const std::vector<Task> tasks = tasks_of(flags);
  if (tasks.empty() || !modes.contains(mode)) return 2;
  void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  auto* board = new (memory) Board();
  const auto begin = std::chrono::steady_clock::now();
  const int died = run_workers(tasks, modes.at(mode), number(flags, "--jobs", 2), *board);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return print(*board, mode, tasks.size(), tasks.front().seed, died, seconds);
}

Result<Trace> read_trace(const std::string& path) {
  const auto bytes = posix_file_system().read_file(path);
  if (!bytes) return bytes.error();
  return decode_trace(*bytes);
}

int repeat(const Flags& flags) {
  const Workload* workload = find_workload(flag(flags, "--workload", ""));
  const auto trace = read_trace(flag(flags, "--repeat", ""));
  const std::string recovery_path = flag(flags, "--recovery", "");
  const auto recovery = recovery_path.empty() ? Result<Trace>(Trace()) : read_trace(recovery_path);
  if (workload == nullptr || !trace || !recovery) return 2;
  const std::string wrong =
      repeat_state(*workload, *trace, static_cast<size_t>(number(flags, "--at", 0)), flag(flags, "--choices", "-"),
                   static_cast<uint64_t>(number(flags, "--seed", 1)), recovery_path.empty() ? nullptr : &*recovery,
                   static_cast<size_t>(number(flags, "--recovery-at", 0)), flag(flags, "--recovery-choices", "-"));
  std::printf("%s\n", wrong.empty() ? "nothing wrong" : wrong.c_str());
  return wrong.empty() ? 0 : 1;
}

int run(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  if (argc % 2 == 0) {
    std::fputs("crash_rig: each flag has a value\n", stderr);
    return 2;
  }
  log_init(flag(flags, "--log", "/dev/null"), LogLevel::debug);
  return flags.contains("--repeat") ? repeat(flags) : run_tasks(flags);
}

}  // namespace
}  // namespace merlin::rig

int main(int argc, char** argv) {
  return merlin::rig::run(argc, argv);
}
