#include "app/program.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <getopt.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/log.h"
#include "merlin/wire/command.h"

#ifndef MERLIN_VERSION
#define MERLIN_VERSION "unknown"
#endif

namespace merlin::app {

namespace {

constexpr size_t config_file_bytes_max = size_t{16} << 20;
constexpr int64_t signal_wait_ms = 500;

enum LongFlag : int { flag_version = 256, flag_check_config, flag_print_config, flag_log_file, flag_log_level };

// The long names are Apache's where it has one.
constexpr option long_flags[] = {
    {"namesrvAddr", required_argument, nullptr, 'n'},
    {"configFile", required_argument, nullptr, 'c'},
    {"printConfigItem", no_argument, nullptr, 'p'},
    {"printImportantConfig", no_argument, nullptr, 'm'},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, flag_version},
    {"check-config", no_argument, nullptr, flag_check_config},
    {"print-config", no_argument, nullptr, flag_print_config},
    {"log-file", required_argument, nullptr, flag_log_file},
    {"log-level", required_argument, nullptr, flag_log_level},
    {nullptr, 0, nullptr, 0},
};

constexpr std::string_view help_text =
    "  -c, --configFile FILE        properties file\n"
    "  -n, --namesrvAddr LIST       name servers, e.g. 192.168.0.1:9876;192.168.0.2:9876\n"
    "  -p, --printConfigItem        print all keys with their values, then exit (also --print-config)\n"
    "  -m, --printImportantConfig   print the important keys, then exit\n"
    "      --check-config           check the file, then exit\n"
    "      --log-file FILE          log there instead of stdout\n"
    "      --log-level LEVEL        debug, info, warn or error\n"
    "      --version                print the version, then exit\n"
    "  -h, --help                   print this, then exit\n"
    "SIGTERM stops, a second one at once; SIGHUP reads the file again and applies the keys that may change while "
    "running.\n";

int64_t now_ms() {
  return SystemClock().monotonic_ns() / 1'000'000;
}

void complain(std::string_view name, std::string_view text) {
  std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(name.size()), name.data(), static_cast<int>(text.size()),
               text.data());
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Only wakes the signal thread, so that it sees its end.
constexpr int signal_wake = SIGUSR2;

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, signal_wake}) sigaddset(&set, signal);
  return set;
}

}  // namespace

int64_t raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return -1;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return static_cast<int64_t>(limit.rlim_cur);
}

Program::Program(const ProgramInfo& info, config::Settings& settings) : info_(info), settings_(settings) {}

Program::~Program() {
  end_signal_thread();
}

std::optional<int> Program::configure(int argc, char* argv[],
                                      const std::function<void(const Flags&)>& computed_defaults) {
  if (auto code = parse_flags(argc, argv)) return code;
  LogLevel level = LogLevel::info;
  if (!log_level_from(flags_.log_level, level)) {
    complain(info_.name, "--log-level " + flags_.log_level + ": expected debug, info, warn or error");
    return exit_usage;
  }
  if (flags_.action == Flags::Action::run) {
    try {
      log_init(flags_.log_file, level);
    } catch (const std::exception& e) {
      complain(info_.name, e.what());
      return exit_start_failed;
    }
  }
  if (auto code = load_file()) return code;
  if (!flags_.namesrv_addr.empty()) {
    // The nameserver takes the flag, as Apache's does, and has no use for it.
    if (const Status s = settings_.set("namesrvAddr", flags_.namesrv_addr); !s && s.error().code != Errc::not_found) {
      complain(info_.name, s.error().message);
      return exit_config;
    }
  }
  computed_defaults(flags_);
  if (auto code = finish_action()) return code;
  return ready_process();
}

std::optional<int> Program::parse_flags(int argc, char* argv[]) {
  optind = 1;
  opterr = 1;
  for (int c = 0; (c = ::getopt_long(argc, argv, "n:c:pmh", long_flags, nullptr)) != -1;) {
    switch (c) {
      case 'n':
        flags_.namesrv_addr = optarg;
        break;
      case 'c':
        flags_.config_file = optarg;
        break;
      case 'p':
      case flag_print_config:
        flags_.action = Flags::Action::print_config;
        break;
      case 'm':
        flags_.action = Flags::Action::print_important;
        break;
      case flag_check_config:
        flags_.action = Flags::Action::check_config;
        break;
      case flag_log_file:
        flags_.log_file = optarg;
        break;
      case flag_log_level:
        flags_.log_level = optarg;
        break;
      case flag_version:
        print(fmt::format("{} {} (compatible with Apache RocketMQ {})\n", info_.name, MERLIN_VERSION,
                          wire::version_text(wire::version_claimed)));
        return 0;
      case 'h':
        print(fmt::format("usage: {} [flags]\n{}\n{}", info_.name, info_.purpose, help_text));
        return 0;
      default:
        return exit_usage;  // getopt has said why
    }
  }
  if (optind < argc) {
    complain(info_.name, std::string("unexpected argument ") + argv[optind]);
    return exit_usage;
  }
  return std::nullopt;
}

std::optional<int> Program::load_file() {
  if (flags_.config_file.empty()) return std::nullopt;
  const auto text = posix_file_system().read_file(flags_.config_file, config_file_bytes_max);
  if (!text) {
    complain(info_.name, text.error().message);
    return exit_config;
  }
  const auto report = settings_.load(*text);
  const bool is_running = flags_.action == Flags::Action::run;
  for (const std::string& warning : report.warnings) {
    if (is_running)
      log_warn("config", "{}", warning);
    else
      complain(info_.name, "warning: " + warning);
  }
  for (const std::string& error : report.errors) complain(info_.name, flags_.config_file + ": " + error);
  if (!report.errors.empty()) return exit_config;
  if (is_running && info_.says_loaded_file) announce("load config properties file OK, " + flags_.config_file);
  return std::nullopt;
}

std::optional<int> Program::finish_action() const {
  switch (flags_.action) {
    case Flags::Action::run:
      return std::nullopt;
    case Flags::Action::check_config:
      print(
          fmt::format("{}: the configuration is good\n", flags_.config_file.empty() ? info_.name : flags_.config_file));
      return 0;
    case Flags::Action::print_config:
      print(settings_.to_properties());
      return 0;
    case Flags::Action::print_important:
      for (const std::string_view key : info_.important_keys) {
        if (const auto value = settings_.find(key)) print(config::properties_line(key, *value));
      }
      return 0;
  }
  return std::nullopt;
}

std::optional<int> Program::ready_process() {
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = handled_signals();
  // Blocked before the first thread begins, so that all inherit it and only the signal thread ever sees one.
  if (const int rc = ::pthread_sigmask(SIG_BLOCK, &set, nullptr); rc != 0) {
    complain(info_.name, std::string("cannot block signals: ") + std::strerror(rc));
    return exit_start_failed;
  }
  const int64_t files = raise_open_files();
  log_info("app", "{} {}, pid {}, open files up to {}", info_.name, MERLIN_VERSION, ::getpid(), files);
  signals_ = std::thread([this] { signal_loop(); });
  return std::nullopt;
}

int Program::run(const std::function<Status()>& start, const std::function<void()>& stop) {
  if (const Status started = start(); !started) {
    // Said once where both go to the same place.
    if (!flags_.log_file.empty()) log_error("app", "cannot start: {}", started.error().message);
    log_flush();
    complain(info_.name, "cannot start: " + started.error().message);
    end_signal_thread();
    return exit_start_failed;
  }
  int exit_code = 0;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return exit_code_.has_value(); });
    exit_code = *exit_code_;
  }
  stop();
  end_signal_thread();
  log_info("app", "stopped, exit code {}", exit_code);
  log_flush();
  return exit_code;
}

void Program::announce(std::string_view line) const {
  print(fmt::format("{}\n", line));
  if (!flags_.log_file.empty()) log_info("app", "{}", line);
}

void Program::request_stop(int exit_code) {
  const std::lock_guard lock(mutex_);
  if (!exit_code_)
    exit_code_ = exit_code;
  else if (exit_code != 0)
    exit_code_ = exit_code;
  if (exit_code != 0 && forced_at_ms_ == 0) forced_at_ms_ = now_ms() + fail_stop_ms_max;
  changed_.notify_all();
}

void Program::fail_stop(const Error& why) {
  log_error("app", "stopping for good: {}", why.message);
  log_flush();
  request_stop(exit_fail_stop);
}

bool Program::stop_requested() const {
  const std::lock_guard lock(mutex_);
  return exit_code_.has_value();
}

void Program::signal_loop() {
  const sigset_t set = handled_signals();
  const timespec wait{0, signal_wait_ms * 1'000'000};
  while (true) {
    const int signal = ::sigtimedwait(&set, nullptr, &wait);
    if (signal == SIGHUP) reload();
    if (signal == SIGTERM || signal == SIGINT) on_stop_signal(signal);
    const std::lock_guard lock(mutex_);
    if (done_) return;
    if (forced_at_ms_ != 0 && now_ms() >= forced_at_ms_) {
      log_error("app", "did not stop within {} ms, ending now", fail_stop_ms_max);
      log_flush();
      std::_Exit(*exit_code_);
    }
  }
}

void Program::on_stop_signal(int signal) {
  if (stop_requested()) {
    log_warn("app", "{} again: ending now", ::strsignal(signal));
    log_flush();
    std::_Exit(exit_forced);
  }
  log_info("app", "{}: stopping; a second signal ends at once", ::strsignal(signal));
  request_stop(0);
}

void Program::reload() {
  if (flags_.config_file.empty()) {
    log_warn("app", "SIGHUP: there is no configuration file to read again");
    return;
  }
  const auto text = posix_file_system().read_file(flags_.config_file, config_file_bytes_max);
  if (!text) {
    log_error("app", "SIGHUP: {}", text.error().message);
    return;
  }
  int changed = 0;
  for (const auto& [key, value] : config::parse_properties(*text)) {
    // Key by key: one that needs a restart must not hold up the others.
    const auto before = settings_.find(key);
    if (const Status s = settings_.update_live({{key, value}}); !s)
      log_warn("app", "SIGHUP: {}", s.error().message);
    else if (settings_.find(key) != before)
      ++changed;
  }
  log_info("app", "SIGHUP: {} read again, {} keys changed", flags_.config_file, changed);
}

void Program::end_signal_thread() {
  if (!signals_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  ::pthread_kill(signals_.native_handle(), signal_wake);
  signals_.join();
}

}  // namespace merlin::app
