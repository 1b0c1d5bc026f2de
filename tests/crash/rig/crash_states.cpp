#include "crash/rig/crash_states.h"

#include <cstdio>
#include <filesystem>
#include <functional>
#include <unistd.h>
#include <unordered_set>

#include "crash/rig/judge.h"

namespace merlin::rig {

namespace {

constexpr int64_t failures_printed_max = 20;

// Answers by `decide` and remembers the answers.
class Chooser final : public CrashChooser {
 public:
  // decide(number of the question, possible answers)
  explicit Chooser(std::function<size_t(size_t, size_t)> decide) : decide_(std::move(decide)) {}
  bool survives() override { return ask(2) == 1; }
  size_t kept_of(size_t changes) override { return ask(changes + 1); }
  struct Choice {
    size_t answer;
    size_t answers;
  };
  std::vector<Choice> choices;

 private:
  size_t ask(size_t answers) {
    const size_t answer = std::min(decide_(choices.size(), answers), answers - 1);
    choices.push_back({answer, answers});
    return answer;
  }
  const std::function<size_t(size_t, size_t)> decide_;
};

std::string text_of(const std::vector<Chooser::Choice>& choices) {
  std::string out;
  for (const auto& choice : choices) out += (out.empty() ? "" : ".") + std::to_string(choice.answer);
  return out.empty() ? "-" : out;
}

std::vector<size_t> choices_from(const std::string& text) {
  std::vector<size_t> out;
  if (text == "-") return out;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('.', at), text.size());
    out.push_back(static_cast<size_t>(std::stoul(text.substr(at, end - at))));
    at = end + 1;
  }
  return out;
}

using Disk = std::unique_ptr<FaultyFileSystem>;
// Gets each state and the choices that made it; false ends the search.
using Visit = std::function<bool(Disk, const std::vector<Chooser::Choice>&)>;

// All of them, in the order of an odometer.
void visit_all(const FaultyFileSystem& disk, uint64_t seed, const Visit& visit) {
  std::vector<size_t> path;
  for (;;) {
    Chooser choose([&](size_t question, size_t) { return question < path.size() ? path[question] : 0; });
    if (!visit(disk.crash(choose, true, seed), choose.choices)) return;
    auto choices = std::move(choose.choices);
    while (!choices.empty() && choices.back().answer + 1 == choices.back().answers) choices.pop_back();
    if (choices.empty()) return;
    ++choices.back().answer;
    path.clear();
    for (const auto& choice : choices) path.push_back(choice.answer);
  }
}

void visit_some(const FaultyFileSystem& disk, size_t questions, int64_t count, std::mt19937_64& random, uint64_t seed,
                const Visit& visit) {
  for (int64_t i = 0; i < count; ++i) {
    // A third of the rest: one item alone, a third: all but one, the rest: anything.
    const int64_t kind = i < 2 ? i : 2 + i % 3;
    const size_t one = random() % questions;
    const uint64_t percent = random() % 100;
    Chooser choose([&](size_t question, size_t answers) -> size_t {
      if (kind == 0) return 0;
      if (kind == 1) return answers - 1;
      if (kind == 2) return question == one ? answers - 1 : 0;
      if (kind == 3) return question == one ? 0 : answers - 1;
      return random() % 100 < percent ? answers - 1 : random() % answers;
    });
    if (!visit(disk.crash(choose, true, seed), choose.choices)) return;
  }
}

void visit_states(const FaultyFileSystem& disk, int64_t count, std::mt19937_64& random, uint64_t seed,
                  const Visit& visit) {
  Chooser all([](size_t, size_t answers) { return answers - 1; });
  (void)disk.crash(all, true, seed);
  Chooser none([](size_t, size_t) { return size_t{0}; });
  (void)disk.crash(none, true, seed);
  double possible = 1;
  for (const auto& choice : all.choices) possible *= static_cast<double>(choice.answers);
  const size_t questions = std::max(all.choices.size(), none.choices.size());
  if (possible <= static_cast<double>(count)) return visit_all(disk, seed, visit);
  visit_some(disk, questions, count, random, seed, visit);
}

class Explorer {
 public:
  Explorer(const Workload& workload, const CrashRun& run, CrashCount& count)
      : workload_(workload), run_(run), count_(count), random_(run.seed) {}

  void go() {
    trace_ = record(workload_, run_.seed);
    FaultyFileSystem disk(run_.seed, disk_file_bytes_max);
    Player player(disk);
    Oracle oracle;
    std::unordered_set<uint64_t> judged;
    for (size_t at = 0; at < trace_.size(); ++at) {
      const Entry& entry = trace_[at];
      if (!is_note(entry.kind)) player.play(entry);
      oracle.follow(entry, workload_.config.segment_bytes);
      if (entry.kind == Kind::image) image_ = entry.bytes;
      if (is_note(entry.kind)) judged.clear();
      if (!changes_disk(entry.kind)) continue;
      ++count_.points;
      visit_states(disk, run_.states_per_call, random_, run_.seed, [&](Disk state, const auto& choices) {
        if (!judged.insert(state->digest()).second) {
          ++count_.repeats;
          return true;
        }
        look_at(*state, oracle, at, text_of(choices));
        return count_.failures < failures_printed_max;
      });
    }
  }

 private:
  // A copy to judge; the original may be needed for a cut during its recovery.
  static Disk copy(const FaultyFileSystem& disk) {
    Chooser all([](size_t, size_t answers) { return answers - 1; });
    return disk.crash(all, true, 1);
  }

  void look_at(FaultyFileSystem& state, const Oracle& oracle, size_t at, const std::string& choices) {
    const bool nested = !workload_.config.database && run_.nested_every > 0 &&
                        random_() % static_cast<uint64_t>(run_.nested_every) == 0;
    const Disk before = nested ? copy(state) : nullptr;
    alarm(60);  // a hang ends the process, and that is reported
    ++count_.states;
    if (workload_.config.database) unpack_folder(image_, database_dir());
    if (const std::string wrong = judge(state, workload_.config, oracle); !wrong.empty())
      report(wrong, at, choices, nullptr, 0, {});
    alarm(0);
    if (nested) cut_recovery(*before, oracle, at, choices);
  }

  // The recovery of this state, cut at each of its own calls.
  void cut_recovery(const FaultyFileSystem& before, const Oracle& oracle, size_t at, const std::string& choices) {
    const Disk recovered = copy(before);
    TraceFileSystem files(*recovered);
    {
      Driver driver(files, *recovered, workload_.config, run_.seed);
      driver.open();
    }
    const Trace recovery = files.take();
    const Disk disk = copy(before);
    Player player(*disk);
    for (size_t i = 0; i < recovery.size(); ++i) {
      player.play(recovery[i]);
      if (!changes_disk(recovery[i].kind)) continue;
      visit_some(*disk, 8, 3, random_, run_.seed, [&](Disk state, const auto& again) {
        ++count_.states;
        ++count_.nested;
        alarm(60);
        const std::string wrong = judge(*state, workload_.config, oracle);
        alarm(0);
        if (!wrong.empty()) report(wrong, at, choices, &recovery, i, text_of(again));
        return count_.failures < failures_printed_max;
      });
    }
  }

  void report(const std::string& wrong, size_t at, const std::string& choices, const Trace* recovery,
              size_t recovery_at, const std::string& recovery_choices) {
    const int64_t number = count_.failures.fetch_add(1);
    const std::string base =
        run_.out_dir + "/" + workload_.name + "." + std::to_string(run_.seed) + "." + std::to_string(number);
    (void)posix_file_system().make_dirs(run_.out_dir).ok();
    (void)posix_file_system().write_file_durably(base + ".trace", encode(trace_)).ok();
    std::string command = "crash_rig --repeat " + base + ".trace --workload " + workload_.name + " --seed " +
                          std::to_string(run_.seed) + " --at " + std::to_string(at) + " --choices " + choices;
    if (recovery != nullptr) {
      (void)posix_file_system().write_file_durably(base + ".recovery", encode(*recovery)).ok();
      command += " --recovery " + base + ".recovery --recovery-at " + std::to_string(recovery_at) +
                 " --recovery-choices " + recovery_choices;
    }
    std::printf("FAILED %s, power cut after call %zu (%s)%s: %s\n  %s\n", workload_.name.c_str(), at,
                text(trace_[at]).c_str(), recovery != nullptr ? " and again in the recovery" : "", wrong.c_str(),
                command.c_str());
    std::fflush(stdout);
  }

  const Workload& workload_;
  const CrashRun& run_;
  CrashCount& count_;
  std::mt19937_64 random_;
  Trace trace_;
  std::string image_;
};

Disk crash_by(const FaultyFileSystem& disk, const std::string& choices, uint64_t seed) {
  const std::vector<size_t> answers = choices_from(choices);
  Chooser choose([&](size_t question, size_t) { return question < answers.size() ? answers[question] : 0; });
  return disk.crash(choose, true, seed);
}

}  // namespace

// The database's folder is a real one: no two processes may share it.
static void choose_root(const Workload& workload, uint64_t seed) {
  store_root = workload.config.database ? "/tmp/crash_rig_db/" + workload.name + "." + std::to_string(seed) : "/store";
}

Trace record(const Workload& workload, uint64_t seed) {
  if (workload.config.database) unpack_folder({}, database_dir());
  FaultyFileSystem disk(seed, disk_file_bytes_max);
  TraceFileSystem files(disk);
  Driver driver(files, disk, workload.config, seed);
  workload.run(driver);
  return files.take();
}

void explore(const Workload& workload, const CrashRun& run, CrashCount& count) {
  choose_root(workload, run.seed);
  Explorer(workload, run, count).go();
  if (workload.config.database) {
    std::error_code ec;
    std::filesystem::remove_all(store_root, ec);
  }
}

std::string repeat_state(const Workload& workload, const Trace& trace, size_t at, const std::string& choices,
                         uint64_t seed, const Trace* recovery, size_t recovery_at,
                         const std::string& recovery_choices) {
  choose_root(workload, seed);
  FaultyFileSystem disk(seed, disk_file_bytes_max);
  Player player(disk);
  Oracle oracle;
  for (size_t i = 0; i <= at && i < trace.size(); ++i) {
    if (!is_note(trace[i].kind)) player.play(trace[i]);
    oracle.follow(trace[i], workload.config.segment_bytes);
    if (trace[i].kind == Kind::image) unpack_folder(trace[i].bytes, database_dir());
    std::printf("%zu: %s\n", i, text(trace[i]).c_str());
  }
  Disk state = crash_by(disk, choices, seed);
  if (recovery != nullptr) {
    Player again(*state);
    for (size_t i = 0; i <= recovery_at && i < recovery->size(); ++i) {
      again.play((*recovery)[i]);
      std::printf("recovery %zu: %s\n", i, text((*recovery)[i]).c_str());
    }
    state = crash_by(*state, recovery_choices, seed);
  }
  return judge(*state, workload.config, oracle);
}

}  // namespace merlin::rig
