#include "first_send.h"

#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "link.h"
#include "report.h"
#include "send_frame.h"

namespace merlin::bench {

namespace {

constexpr int64_t give_up_ns = int64_t{120} * 1'000'000'000;

void pause_ms(int64_t ms) {
  const timespec pause{0, ms * 1'000'000};
  nanosleep(&pause, nullptr);
}

// A child in a group of its own, so that a wrapper script and what it started end together.
class Child {
 public:
  explicit Child(const std::string& command) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::setpgid(0, 0);
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; null >= 0 && fd < 3; ++fd) ::dup2(null, fd);
    const std::string text = "exec " + command;
    ::execl("/bin/sh", "sh", "-c", text.c_str(), nullptr);
    ::_exit(127);
  }
  ~Child() {
    if (pid_ <= 0 || ended_) return;
    ::kill(-pid_, SIGTERM);
    for (int i = 0; i < 3000; ++i) {
      if (has_ended()) return;
      pause_ms(10);
    }
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int32_t pid() const { return pid_; }
  bool has_ended() {
    if (!ended_) ended_ = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
    return ended_;
  }

 private:
  const pid_t pid_;
  bool ended_ = false;
};

// One send on an idle link; true on SEND_OK.
bool try_send(Link& link, const Options& options) {
  SendFrame(options).append_to(link.out(), 0, static_cast<uint64_t>(now_ns()), 0);
  if (!link.flush().ok()) return false;
  pollfd waiting{link.fd(), POLLIN, 0};
  bool ok = false;
  bool answered = false;
  while (!answered) {
    if (::poll(&waiting, 1, 5000) <= 0) return false;
    const Status read = link.read_frames([&](const wire::Frame& frame) {
      int32_t code = 0;
      int32_t opaque = 0;
      answered = AnswerScan().scan(frame, code, opaque) && opaque == SendFrame::opaque_base;
      ok = answered && code == 0;
    });
    if (!read) return false;
  }
  return ok;
}

}  // namespace

Result<FirstSendReport> first_send(const Options& options) {
  if (Link::open(options.broker, 200).ok())
    return Error{Errc::exists, "something answers on " + options.broker.text() + " already"};
  FirstSendReport report;
  const int64_t start_ns = now_ns();
  Child child(options.command);
  const auto since_start_ms = [&] { return static_cast<double>(now_ns() - start_ns) / 1e6; };
  while (now_ns() - start_ns < give_up_ns) {
    if (child.has_ended()) return Error{Errc::closed, "the broker ended by itself"};
    auto link = Link::open(options.broker, 200);
    if (!link) {
      pause_ms(1);
      continue;
    }
    if (report.port_ms == 0) report.port_ms = since_start_ms();
    if (!options.keep_topic && !create_topics(**link, options).ok()) {
      pause_ms(1);
      continue;
    }
    if (!try_send(**link, options)) {
      pause_ms(1);
      continue;
    }
    report.send_ms = since_start_ms();
    report.cpu_s = static_cast<double>(process_cpu_ns(child.pid())) / 1e9;
    report.memory = process_memory(child.pid());
    return report;
  }
  return Error{Errc::timeout, "no SEND_OK within 120 s"};
}

Status print(const Options& options, const FirstSendReport& report) {
  Report out(options);
  out.number("exec_to_port_ms", report.port_ms, 1);
  out.number("exec_to_first_send_ms", report.send_ms, 1);
  out.number("broker_cpu_s", report.cpu_s, 3);
  out.number("broker_rss_mib", static_cast<double>(report.memory.rss_kib) / 1024, 1);
  out.number("broker_anonymous_mib", static_cast<double>(report.memory.anonymous_kib) / 1024, 1);
  out.text("verdict", "good");
  return out.print();
}

}  // namespace merlin::bench
