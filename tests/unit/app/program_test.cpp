// The frame around both programs, seen from outside: flags, boot lines, signals, exit codes.
#include "app/program.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <regex>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace merlin::app {
namespace {

constexpr int patience_ms = 10'000;

// The nameserver as a child process; what it prints is collected.
class Child {
 public:
  explicit Child(const std::vector<std::string>& args) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(ends[1], STDERR_FILENO);
      std::vector<char*> argv = {const_cast<char*>(MERLIN_NAMESRV)};
      for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
      argv.push_back(nullptr);
      ::execv(MERLIN_NAMESRV, argv.data());
      std::_Exit(127);
    }
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void signal(int number) const { ::kill(pid_, number); }
  // Reads until the output holds `text`; false at the end of output or of patience.
  bool says(const std::string& text) {
    while (output.find(text) == std::string::npos) {
      if (!read_some()) return false;
    }
    return true;
  }
  // Exit code; 128 + n when signal n ended it.
  int wait() {
    while (read_some()) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string output;

 private:
  bool read_some() {
    pollfd poll_out{out_, POLLIN, 0};
    if (::poll(&poll_out, 1, patience_ms) <= 0) return false;
    char buffer[4096];
    const ssize_t n = ::read(out_, buffer, sizeof buffer);
    if (n <= 0) return false;
    output.append(buffer, static_cast<size_t>(n));
    return true;
  }

  pid_t pid_ = -1;
  int out_ = -1;
};

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "merlin-program-XXXXXX").string();
    folder = mkdtemp(pattern.data());
    file = folder + "/namesrv.conf";
    write("");
  }
  ~ProgramTest() override { std::filesystem::remove_all(folder); }
  void write(const std::string& more) const {
    std::ofstream(file) << "listenPort=0\nbindAddress=127.0.0.1\nkvConfigPath=" << folder << "/kv.json\n" << more;
  }

  std::string folder;
  std::string file;
};

TEST_F(ProgramTest, says_apaches_boot_line_and_stops_in_good_order) {
  Child child({"-c", file});
  ASSERT_TRUE(child.says("The Name Server boot success.")) << child.output;
  EXPECT_NE(child.output.find("load config properties file OK, " + file + "\n"), std::string::npos) << child.output;
  EXPECT_TRUE(
      std::regex_search(child.output, std::regex("(^|\n)The Name Server boot success\\. serializeType=JSON, address "
                                                 "127\\.0\\.0\\.1:[1-9][0-9]*\n")))
      << child.output;
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.output;
}

TEST_F(ProgramTest, taken_port_and_broken_kv_file_end_with_a_reason) {
  Child first({"-c", file});
  ASSERT_TRUE(first.says("boot success"));
  std::smatch match;
  ASSERT_TRUE(std::regex_search(first.output, match, std::regex("127\\.0\\.0\\.1:([0-9]+)")));
  write("listenPort=" + match[1].str() + "\n");
  Child second({"-c", file});
  EXPECT_EQ(second.wait(), exit_start_failed);
  EXPECT_NE(second.output.find(match[1].str() + ": Address already in use"), std::string::npos) << second.output;
  write("");
  std::ofstream(folder + "/kv.json") << "{";
  Child third({"-c", file});
  EXPECT_EQ(third.wait(), exit_start_failed);
  EXPECT_NE(third.output.find(folder + "/kv.json"), std::string::npos) << third.output;
}

TEST_F(ProgramTest, hangup_reads_live_keys_again) {
  Child child({"-c", file});
  ASSERT_TRUE(child.says("boot success"));
  write("orderMessageEnable=true\ndefaultThreadPoolNums=3\n");
  child.signal(SIGHUP);
  ASSERT_TRUE(child.says("1 keys changed")) << child.output;
  EXPECT_NE(child.output.find("defaultThreadPoolNums"), std::string::npos)
      << "what needs a restart is named: " << child.output;
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(ProgramTest, flags) {
  struct Case {
    std::vector<std::string> args;
    int exit_code;
    std::string says;
  };
  write("scanNotActiveBrokerInterval=77\n");
  const std::string bad = folder + "/bad.conf";
  std::ofstream(bad) << "listenPort=many\n";
  const Case cases[] = {
      {{"--version"}, 0, "compatible with Apache RocketMQ V5_"},
      {{"-h"}, 0, "--configFile"},
      {{"-c", file, "-p"}, 0, "scanNotActiveBrokerInterval=77\n"},
      {{"--configFile", file, "--print-config"}, 0, "scanNotActiveBrokerInterval=77\n"},
      {{"-c", file, "-m"}, 0, "listenPort=0\n"},
      {{"-n", "127.0.0.1:1", "-c", file, "--check-config"}, 0, "the configuration is good"},
      {{"-c", bad, "--check-config"}, exit_config, "listenPort=many"},
      {{"-c", bad}, exit_config, "listenPort=many"},
      {{"-c", folder + "/absent.conf"}, exit_config, "absent.conf"},
      {{"--no-such-flag"}, exit_usage, "no-such-flag"},
      {{"stray"}, exit_usage, "stray"},
      {{"--log-level", "loud"}, exit_usage, "loud"},
  };
  for (const Case& c : cases) {
    Child child(c.args);
    EXPECT_EQ(child.wait(), c.exit_code) << c.args[0] << ": " << child.output;
    EXPECT_NE(child.output.find(c.says), std::string::npos) << c.args[0] << ": " << child.output;
  }
}

TEST_F(ProgramTest, log_goes_to_a_file_when_told_to) {
  const std::string log = folder + "/merlin.log";
  Child child({"-c", file, "--log-file", log});
  ASSERT_TRUE(child.says("boot success"));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(child.output.find("[app]"), std::string::npos) << child.output;
  std::ifstream in(log);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(content.find("boot success"), std::string::npos) << content;
  EXPECT_NE(content.find("stopped, exit code 0"), std::string::npos) << content;
}

// Runs in a child of a death test: signals are blocked for the whole process afterwards.
[[noreturn]] void run_program(const std::function<void(Program&)>& act, const std::function<void()>& stop) {
  config::Settings settings({}, {});
  Program program({.name = "test", .purpose = "A test."}, settings);
  char name[] = "test";
  char* argv[] = {name, nullptr};
  if (const auto code = program.configure(1, argv, [](const Flags&) {})) std::_Exit(*code);
  std::_Exit(program.run(
      [&]() -> Status {
        act(program);
        return {};
      },
      stop));
}

TEST(ProgramDeathTest, failed_storage_has_its_own_exit_code) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_program([](Program& program) { program.fail_stop({Errc::io, "fdatasync: I/O error"}); }, [] {}),
              ::testing::ExitedWithCode(exit_fail_stop), "");
}

TEST(ProgramDeathTest, second_signal_ends_a_stop_that_hangs) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_program([](Program&) { ::kill(::getpid(), SIGTERM); },
                          [] {
                            ::kill(::getpid(), SIGTERM);
                            while (true) ::pause();
                          }),
              ::testing::ExitedWithCode(exit_forced), "");
}

TEST(ProgramTestFiles, open_files_are_raised_to_the_hard_limit) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(raise_open_files(), static_cast<int64_t>(limit.rlim_max));
}

}  // namespace
}  // namespace merlin::app
