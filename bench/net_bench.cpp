// What the network rooms cost by themselves: a dispatcher whose one handler answers 0, driven over loopback by a plain
// epoll loop. States answers a second and the server's CPU per message; the reactor's thread is measured alone, so that
// the load's own cost does not count.
//
//   net_bench [connections] [requests in flight on each] [seconds] [json|binary]

#include <arpa/inet.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <netinet/tcp.h>
#include <new>
#include <string>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/wire/request_code.h"
#include "net/server.h"
#include "rpc/dispatcher.h"

namespace {

std::atomic<int64_t> allocations{0};

}  // namespace

// Counts what the process allocates: the steady path should not.
void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t) noexcept {
  std::free(p);
}

namespace merlin {
namespace {

constexpr size_t body_bytes = 128;
constexpr double warm_up_s = 0.5;

struct Load {
  int fd = -1;
  std::string input;  // the unread part of an answer
};

std::string send_request(wire::Serialization serialization) {
  Buffer out;
  wire::CommandHead head;
  head.code = wire::request_code::send_message_v2;
  head.opaque = 7;
  wire::CommandWriter writer(out, serialization, head);
  writer.field("a", "producer_group");
  writer.field("b", "bench_topic");
  writer.field("c", "TBW102");
  writer.field("d", 8);
  writer.field("e", 3);
  writer.field("f", 0);
  writer.field("g", int64_t{1'700'000'000'000});
  writer.field("h", 0);
  writer.field("i",
               "KEYS\x01k1\x02UNIQ_KEY\x01"
               "7F0000010A1B0000000000000000\x02WAIT\x01true\x02");
  writer.field("j", 0);
  writer.field("k", false);
  writer.field("m", false);
  writer.finish(body_bytes);
  out.append(std::string(body_bytes, 'b'));
  return std::string(as_text(out.view()));
}

int connect_to(int32_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) std::exit(1);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

// Counts the answers in what arrived, and keeps the rest.
size_t answers_in(std::string& input) {
  size_t count = 0;
  size_t at = 0;
  while (input.size() - at >= 4) {
    const size_t total = 4 + load_be<uint32_t>(reinterpret_cast<const uint8_t*>(input.data()) + at);
    if (input.size() - at < total) break;
    at += total;
    ++count;
  }
  input.erase(0, at);
  return count;
}

struct Usage {
  double cpu_s = 0;
  long switches = 0;
};

// Of the calling thread.
Usage thread_usage() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_nvcsw + usage.ru_nivcsw};
}

Usage reactor_usage(net::Reactor& reactor) {
  std::atomic<bool> ready{false};
  Usage usage;
  (void)reactor.post([&] {
    usage = thread_usage();
    ready = true;
    ready.notify_one();
  });
  ready.wait(false);
  return usage;
}

class Bench {
 public:
  Bench(size_t connections, size_t depth, wire::Serialization form) : depth_(depth), request_(send_request(form)) {
    for (size_t i = 0; i < depth; ++i) batch_ += request_;
    dispatcher_.add_row(wire::request_code::send_message_v2, rpc::Lane::reactor, rpc::Ports::all,
                        [this](rpc::Request& request) {
                          ++handled_;
                          request.reply(0);
                        });
    server_.set_handler(&dispatcher_);
    if (!server_.listen("127.0.0.1", 0, 0)) std::exit(1);
    server_.start();
    epoll_ = epoll_create1(0);
    for (size_t i = 0; i < connections; ++i) {
      loads_.push_back({connect_to(server_.bound_port(0)), {}});
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(epoll_, EPOLL_CTL_ADD, loads_.back().fd, &event);
    }
  }
  ~Bench() {
    server_.stop();
    for (const Load& load : loads_) close(load.fd);
    close(epoll_);
  }

  void run(double seconds) {
    for (const Load& load : loads_) send_all(load.fd, batch_);
    pump(warm_up_s);
    net::Reactor& reactor = *server_.reactors()[0];
    const Usage before = reactor_usage(reactor);
    const int64_t allocated_before = allocations;
    const int64_t handled_before = handled_;
    const double took_s = pump(seconds);
    const int64_t handled = handled_ - handled_before;
    const int64_t allocated = allocations - allocated_before;
    const Usage after = reactor_usage(reactor);
    std::printf(
        "%4zu connections x %3zu in flight: %8.0f messages/s, %6.3f us reactor CPU per message, %5.1f %% busy, %.4f "
        "allocations per message\n",
        loads_.size(), depth_, static_cast<double>(handled) / took_s,
        1e6 * (after.cpu_s - before.cpu_s) / static_cast<double>(handled), 100 * (after.cpu_s - before.cpu_s) / took_s,
        static_cast<double>(allocated) / static_cast<double>(handled));
  }

 private:
  // Keeps `depth_` requests under way on each connection: as many answers, as many new requests.
  double pump(double seconds) {
    const SystemClock clock;
    const int64_t start_ns = clock.monotonic_ns();
    const int64_t end_ns = start_ns + static_cast<int64_t>(seconds * 1e9);
    epoll_event events[256];
    static char buffer[256 << 10];
    int64_t now_ns = start_ns;
    while (now_ns < end_ns) {
      const int n = epoll_wait(epoll_, events, 256, 100);
      for (int i = 0; i < n; ++i) {
        Load& load = loads_[events[i].data.u64];
        const ssize_t got = recv(load.fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got <= 0) continue;
        load.input.append(buffer, static_cast<size_t>(got));
        const size_t answers = answers_in(load.input);
        send_all(load.fd, std::string_view(batch_).substr(0, answers * request_.size()));
      }
      now_ns = clock.monotonic_ns();
    }
    return static_cast<double>(now_ns - start_ns) * 1e-9;
  }

  const size_t depth_;
  const std::string request_;
  std::string batch_;
  SystemClock clock_;
  WorkerPool workers_{"bench-worker", 1, 8};
  rpc::Dispatcher dispatcher_{workers_};
  net::Server server_{1, {}, clock_};
  std::vector<Load> loads_;
  int epoll_ = -1;
  std::atomic<int64_t> handled_{0};
};

}  // namespace
}  // namespace merlin

int main(int argc, char** argv) {
  using merlin::wire::Serialization;
  const double seconds = argc > 3 ? std::atof(argv[3]) : 2;
  const auto form = argc > 4 && std::string_view(argv[4]) == "binary" ? Serialization::rocketmq : Serialization::json;
  if (argc > 2) {
    merlin::Bench(std::strtoul(argv[1], nullptr, 10), std::strtoul(argv[2], nullptr, 10), form).run(seconds);
    return 0;
  }
  constexpr size_t shapes[][2] = {{1, 1}, {1, 32}, {16, 1}, {16, 32}, {200, 1}};
  for (const auto& shape : shapes) merlin::Bench(shape[0], shape[1], form).run(seconds);
  return 0;
}
