#include "crash/rig/failing_calls.h"

#include <chrono>
#include <cstdio>
#include <thread>
#include <unistd.h>

#include "crash/rig/judge.h"

namespace merlin::rig {

namespace {

constexpr int64_t failures_printed_max = 20;

struct FaultKind {
  std::string name;
  Fault fault;
};

std::vector<FaultKind> kinds() {
  return {
      {"eio-once", {.sys_errno = EIO}},
      {"enospc-once", {.sys_errno = ENOSPC}},
      {"eintr-once", {.sys_errno = EINTR}},
      {"short-write", {.sys_errno = EIO, .bytes_before_failure = 37}},
      {"eio-forever", {.calls_failed = FaultyFileSystem::forever, .sys_errno = EIO}},
      {"enospc-forever", {.calls_failed = FaultyFileSystem::forever, .sys_errno = ENOSPC, .bytes_before_failure = 100}},
  };
}

int64_t all_calls(const FaultyFileSystem& disk) {
  int64_t sum = 0;
  for (int op = 0; op <= static_cast<int>(FileOp::lock); ++op) sum += disk.calls(static_cast<FileOp>(op));
  return sum;
}

Oracle oracle_of(const Trace& trace, const Config& config) {
  Oracle oracle;
  for (const Entry& entry : trace) oracle.follow(entry, config.segment_bytes);
  return oracle;
}

// While the store lives: it shows what it should, soon, and takes messages again.
std::string judge_alive(Driver& driver, TraceFileSystem& files, const Config& config) {
  std::string wrong;
  for (int i = 0; i < 2000; ++i) {
    Shown shown;
    wrong = show_all(*driver.store(), shown);
    // Anew each time: retention may be at work.
    if (wrong.empty()) wrong = oracle_of(files.copy(), config).check(shown);
    if (wrong.empty()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (!wrong.empty()) return "while it ran on: " + wrong;
  // A failed sync of the log may be on its way to the stop that it brings.
  const int64_t placed = files.count(Kind::placed);
  for (int i = 0; i < 400; ++i) {
    driver.send("A", 0, 50);
    driver.wait();
    if (!driver.running() || files.count(Kind::placed) > placed) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return "takes no message although the disk is well again";
}

class Run {
 public:
  Run(const Workload& workload, const CallRun& run, CallCount& count) : workload_(workload), run_(run), count_(count) {}

  // False: the workload has fewer calls.
  bool go(const FaultKind& kind, int64_t call) {
    FaultyFileSystem disk(run_.seed, disk_file_bytes_max);
    TraceFileSystem files(disk);
    Driver driver(files, disk, workload_.config, run_.seed);
    Fault fault = kind.fault;
    fault.calls_passed = call;
    disk.add_fault(fault);
    alarm(60);
    workload_.run(driver);
    const bool hit = all_calls(disk) > call;
    disk.clear_faults();
    disk.set_quota_bytes(FaultyFileSystem::quota_none);
    ++count_.runs;
    count_.fail_stops += driver.fail_stops() > 0 ? 1 : 0;
    std::string wrong;
    if (driver.running()) wrong = judge_alive(driver, files, workload_.config);
    if (wrong.empty() && driver.hangs()) wrong = "an acknowledgement never came";
    if (wrong.empty()) wrong = judge_after(driver, files, disk);
    alarm(0);
    if (!wrong.empty()) report(kind, call, wrong);
    return hit;
  }

 private:
  std::string judge_after(Driver& driver, TraceFileSystem& files, FaultyFileSystem& disk) {
    driver.kill();
    const Oracle oracle = oracle_of(files.copy(), workload_.config);
    const std::pair<const char*, CrashOptions> cuts[] = {
        {"after kill -9: ", {1, 1, true}},
        {"after a power cut that lost all: ", {0, 0, true}},
        {"after a power cut: ", {0.5, 0.5, true}},
    };
    for (const auto& [when, options] : cuts) {
      const auto after = disk.crash(run_.seed, options);
      if (const std::string wrong = judge(*after, workload_.config, oracle); !wrong.empty()) return when + wrong;
    }
    return {};
  }

  void report(const FaultKind& kind, int64_t call, const std::string& wrong) {
    ++count_.failures;
    std::printf(
        "FAILED %s, %s at call %ld: %s\n  crash_rig --mode calls --workload %s --seed %lu --call %ld --fault %s\n",
        workload_.name.c_str(), kind.name.c_str(), call, wrong.c_str(), workload_.name.c_str(), run_.seed, call,
        kind.name.c_str());
    std::fflush(stdout);
  }

  const Workload& workload_;
  const CallRun& run_;
  CallCount& count_;
};

}  // namespace

void fail_calls(const Workload& workload, const CallRun& run, CallCount& count) {
  Run one(workload, run, count);
  for (const FaultKind& kind : kinds()) {
    if (!run.only_fault.empty() && run.only_fault != kind.name) continue;
    if (run.only_call >= 0) {
      one.go(kind, run.only_call);
      continue;
    }
    for (int64_t call = static_cast<int64_t>(run.seed) % run.every; count.failures < failures_printed_max;
         call += run.every) {
      if (!one.go(kind, call)) break;
    }
  }
}

}  // namespace merlin::rig
