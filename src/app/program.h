// What both programs share: the command line, the configuration file, the log, signals, and the way from start to exit.
//
//   config::Settings settings(options, unused_keys);
//   app::Program program({...}, settings);
//   if (const auto exit_code = program.configure(argc, argv, computed_defaults)) return *exit_code;
//   Server server(settings, ...);                      // threads may begin from here on: signals are blocked by now
//   return program.run([&] { return server.start(); }, [&] { server.stop(); });
//
// Owns:    a thread that waits for signals, from configure() to the end of run().
// Threads: configure() and run() on the main thread; request_stop() and fail_stop() from anywhere.
// Signals: SIGTERM and SIGINT stop in good order, the second one ends at once; SIGHUP reads the file again and applies
// the
//          keys that are live. SIGPIPE is ignored.
// Fails:   exit codes below; the reason stands on stderr and in the log.
#pragma once

#include <condition_variable>
#include <csignal>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "config/options.h"
#include "merlin/base/result.h"

namespace merlin::app {

inline constexpr int exit_start_failed = 1;
inline constexpr int exit_usage = 64;
inline constexpr int exit_fail_stop = 75;  // storage can no longer be trusted
inline constexpr int exit_config = 78;
inline constexpr int exit_forced = 130;

struct ProgramInfo {
  std::string_view name;                                  // "merlin-namesrv"
  std::string_view purpose;                               // for --help
  std::span<const std::string_view> important_keys = {};  // -m
  // Apache's nameserver says which file it has read, its broker does not.
  bool says_loaded_file = false;
};

struct Flags {
  enum class Action { run, print_config, print_important, check_config };
  Action action = Action::run;
  std::string config_file;   // -c
  std::string namesrv_addr;  // -n
  std::string log_file;      // empty: stdout
  std::string log_level = "info";
};

class Program {
 public:
  // A stop for a reason other than a signal may take so long; then the process ends where it stands.
  static constexpr int64_t fail_stop_ms_max = 10'000;

  Program(const ProgramInfo& info, config::Settings& settings);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Reads flags and file, applies `computed_defaults(flags)`, readies log, limits and signals. An exit code means that
  // the program is done: --help, --version, --print-config, --check-config, or an error.
  std::optional<int> configure(int argc, char* argv[], const std::function<void(const Flags&)>& computed_defaults);

  const Flags& flags() const { return flags_; }

  // Starts, waits for the end, stops; gives the exit code. `stop` is called only after a start that succeeded.
  int run(const std::function<Status()>& start, const std::function<void()>& stop);

  // One line for scripts and people that wait for it, on stdout whatever the log does.
  void announce(std::string_view line) const;

  void request_stop(int exit_code);
  // Ends with exit_fail_stop, in good order if that is still possible.
  void fail_stop(const Error& why);
  // For long starts: the user has given up waiting.
  bool stop_requested() const;

 private:
  std::optional<int> parse_flags(int argc, char* argv[]);
  std::optional<int> load_file();
  std::optional<int> finish_action() const;
  std::optional<int> ready_process();
  void signal_loop();
  void on_stop_signal(int signal);
  void reload();
  void end_signal_thread();

  const ProgramInfo info_;
  config::Settings& settings_;
  Flags flags_;
  std::thread signals_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_.
  std::optional<int> exit_code_;  // set once a stop is asked for
  int64_t forced_at_ms_ = 0;      // monotonic; 0: never
  bool done_ = false;
};

// Raises the limit of open files as far as this user may; gives what it is now.
int64_t raise_open_files();

}  // namespace merlin::app
