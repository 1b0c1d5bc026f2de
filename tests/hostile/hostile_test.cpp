// A hostile, broken or slow connection harms only itself: each test lets one loose and asks, on another connection of
// the same reactor, whether the server still answers.

#include <atomic>
#include <fstream>
#include <random>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "net/server.h"
#include "rpc/dispatcher.h"
#include "unit/net/log_file.h"
#include "unit/net/raw_client.h"

namespace merlin {
namespace {

using test::command_frame;
using test::eventually;
using test::parse;
using test::RawClient;

constexpr int32_t echo_code = 34;
constexpr int32_t large_code = 11;
constexpr int32_t worker_code = 17;

class HostileTest : public testing::Test {
 protected:
  HostileTest() : workers("hostile-worker", 1, 100), dispatcher(workers) {}
  void start(net::ConnectionLimits limits = {}) {
    const auto echo = [this](rpc::Request& request) {
      if (request.connection().unsent_bytes() > unsent_max) unsent_max = request.connection().unsent_bytes();
      request.reply(0, {}, request.body());
    };
    dispatcher.add_row(echo_code, rpc::Lane::reactor, rpc::Ports::all, echo);
    dispatcher.add_row(worker_code, rpc::Lane::worker, rpc::Ports::all, echo);
    dispatcher.add_row(large_code, rpc::Lane::reactor, rpc::Ports::all, [this](rpc::Request& request) {
      net::Connection& connection = request.connection();
      if (connection.unsent_bytes() > unsent_max) unsent_max = connection.unsent_bytes();
      request.begin_body(0, {}, large->size(), [](wire::CommandWriter&) {});
      connection.write_pinned(as_bytes(*large), large);
    });
    server = std::make_unique<net::Server>(1, limits, clock);
    server->set_handler(&dispatcher);
    ASSERT_TRUE(server->listen("127.0.0.1", 0, 0));
    server->start();
    witness = std::make_unique<RawClient>(server->bound_port(0));
    ASSERT_TRUE(others_are_served());
  }
  void TearDown() override {
    if (server) server->stop();
    workers.stop();
  }
  RawClient connect(int receive_buffer_bytes = 0) { return RawClient(server->bound_port(0), receive_buffer_bytes); }
  bool others_are_served() {
    const std::string frame = command_frame(echo_code, ++opaque, "still there?");
    if (!witness->send(frame)) return false;
    const auto answer = parse(witness->read_frame());
    return answer && answer->view.opaque == opaque && as_text(answer->view.body) == "still there?";
  }
  // Sends the bytes on a new connection: it must be closed, with one line that holds all the texts and the peer.
  void expect_closed(const std::string& bytes, std::initializer_list<std::string_view> texts) {
    test::LogFile log;
    RawClient client = connect();
    sockaddr_in self{};
    socklen_t size = sizeof self;
    getsockname(client.fd(), reinterpret_cast<sockaddr*>(&self), &size);
    const std::string peer = "127.0.0.1:" + std::to_string(ntohs(self.sin_port)) + " ";
    client.send(bytes);
    EXPECT_TRUE(client.closed_by_peer());
    EXPECT_TRUE(eventually([&] { return server->connection_count() == 1; }));
    EXPECT_EQ(log.count({peer}), 1U) << "one line names the peer";
    EXPECT_EQ(log.count(texts), 1U);
    EXPECT_TRUE(others_are_served());
  }

  void expect_closed_beside_others(const std::string& bytes, std::initializer_list<std::string_view> texts) {
    test::LogFile log;
    RawClient client = connect();
    client.send(bytes);
    EXPECT_TRUE(client.closed_by_peer());
    EXPECT_TRUE(eventually([&] { return log.count(texts) == 1; }));
    EXPECT_TRUE(others_are_served());
  }

  SystemClock clock;
  WorkerPool workers;
  rpc::Dispatcher dispatcher;
  std::unique_ptr<net::Server> server;
  std::unique_ptr<RawClient> witness;
  int32_t opaque = 0;
  std::atomic<size_t> unsent_max{0};
  const std::shared_ptr<const std::string> large = std::make_shared<const std::string>(256 << 10, 'x');
};

std::string prefix(int32_t length, uint32_t mark) {
  std::string out(8, '\0');
  store_be(reinterpret_cast<uint8_t*>(out.data()), length);
  store_be(reinterpret_cast<uint8_t*>(out.data()) + 4, mark);
  return out;
}

size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  in >> total >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

TEST_F(HostileTest, broken_frames_close_only_their_connection) {
  start();
  expect_closed(prefix(0, 0), {"frame length 0"});
  expect_closed(prefix(3, 0), {"frame length 3"});
  expect_closed(prefix(-1, 0), {"frame length -1"});
  expect_closed(prefix(INT32_MIN, 0), {"frame length -2147483648"});
  expect_closed(prefix(16'777'217, 0), {"16777217", "the limit of 16777216"});
  expect_closed(prefix(INT32_MAX, 0), {"2147483647", "the limit of 16777216"});
  expect_closed(prefix(100, 97), {"header length 97", "100"});
  expect_closed(prefix(100, 0xFFFFFF), {"header length 16777215"});
  expect_closed(prefix(100, 2U << 24 | 96), {"serialisation 2"});
  expect_closed(prefix(100, 0xFFU << 24 | 96), {"serialisation 255"});
  expect_closed("GET / HTTP/1.1\r\nHost: x\r\n\r\n", {"frame length 1195725856"});
  expect_closed(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), {"over the limit of 16777216"});
}

TEST_F(HostileTest, headers_that_do_not_decode_close_only_their_connection) {
  start();
  const auto json = [](std::string_view header) {
    return prefix(static_cast<int32_t>(4 + header.size()), static_cast<uint32_t>(header.size())) + std::string(header);
  };
  expect_closed(json("{\"code\":"), {"does not decode"});
  expect_closed(json("not json at all"), {"does not decode"});
  expect_closed(json(std::string(100'000, '[')), {"does not decode"});
  expect_closed(json(std::string(2'000'000, ' ')), {"does not decode"});
  expect_closed(json(""), {"does not decode"});
  std::string binary = command_frame(1, 1, {}, {{"k", "v"}}, 0, wire::Serialization::rocketmq);
  binary[8 + 13] = 0x7F;  // the length of the remark
  expect_closed(binary, {"does not decode"});
}

TEST_F(HostileTest, unfinished_frames_share_a_limit) {
  net::ConnectionLimits limits;
  limits.partial_bytes_max = 7 << 20;
  start(limits);
  const std::string part = prefix(16'000'000, 100) + std::string(3 << 20, 'x');
  RawClient first = connect();
  ASSERT_TRUE(first.send(part));
  EXPECT_TRUE(others_are_served());
  // A buffer may hold up to twice what came: 3 MiB alone are surely under the limit, 3 and 5 MiB surely over it.
  const std::string larger_part = prefix(16'000'000, 100) + std::string(5 << 20, 'x');
  expect_closed_beside_others(larger_part, {"unfinished frames of all connections", "the limit is 7340032"});
  first.send(std::string(8 << 20, 'x'));
  EXPECT_TRUE(first.closed_by_peer()) << "alone it is over the limit, too";
  EXPECT_TRUE(eventually([&] { return server->connection_count() == 1; }));
  RawClient again = connect();
  ASSERT_TRUE(again.send(part));
  EXPECT_TRUE(others_are_served());
  EXPECT_EQ(server->connection_count(), 2U) << "what was closed gave its bytes back";
}

TEST_F(HostileTest, good_frames_before_a_broken_one_are_answered) {
  start();
  RawClient client = connect();
  ASSERT_TRUE(client.send(command_frame(echo_code, 1) + command_frame(echo_code, 2) + prefix(-1, 0)));
  EXPECT_EQ(parse(client.read_frame())->view.opaque, 1);
  EXPECT_EQ(parse(client.read_frame())->view.opaque, 2);
  EXPECT_TRUE(client.closed_by_peer());
}

TEST_F(HostileTest, frames_cut_off_anywhere_leave_nothing_behind) {
  start();
  const std::string frame = command_frame(echo_code, 1, std::string(100, 'b'), {{"k", "v"}});
  for (size_t cut = 1; cut < frame.size(); ++cut) {
    RawClient client = connect();
    ASSERT_TRUE(client.send(frame.substr(0, cut)));
  }
  EXPECT_TRUE(eventually([&] { return server->connection_count() == 1; }));
  EXPECT_TRUE(others_are_served());
}

// The length promises 16 MiB each; the server must pay for the bytes that came only.
TEST_F(HostileTest, promised_frames_cost_no_memory) {
  start();
  const size_t before = resident_bytes();
  std::vector<RawClient> clients;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().send(prefix(16'000'000, 100) + std::string(1000, '{')));
  }
  ASSERT_TRUE(others_are_served());
  EXPECT_LT(resident_bytes(), before + (size_t{100} << 20)) << "200 promises of 16 MiB";
}

TEST_F(HostileTest, noise_never_crashes_it) {
  start();
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good = command_frame(echo_code, 1, "body", {{"topic", "T"}, {"queueId", "3"}}) +
                           command_frame(worker_code, 2, "x", {{"k", "v"}}, 0, wire::Serialization::rocketmq);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = good;
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    RawClient client = connect();
    client.send(bytes);
  }
  EXPECT_TRUE(others_are_served());
  EXPECT_TRUE(eventually([&] { return server->connection_count() == 1; }));
}

// Asks for 2 GB of answers and reads none of them.
TEST_F(HostileTest, reader_that_never_reads_is_held_at_the_pause_limit) {
  start();
  RawClient client = connect(4096);
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += command_frame(large_code, i);
  size_t sent = 0;
  // Until the server has stopped reading and the kernel's buffers are full.
  const size_t requests_bytes_max = 64 << 20;
  size_t stuck = 0;
  for (size_t at = 0; stuck < 50 && sent < requests_bytes_max;) {
    const size_t n = client.send_some(std::string_view(requests).substr(at));
    sent += n;
    at = (at + n) % requests.size();
    stuck = n == 0 ? stuck + 1 : 0;
    ASSERT_TRUE(others_are_served());
  }
  EXPECT_EQ(stuck, 50U) << "the server should have stopped reading";
  EXPECT_GT(unsent_max, 0U);
  // One answer may pass the limit.
  EXPECT_LE(unsent_max, net::ConnectionLimits{}.unsent_bytes_pause + large->size() + 1000);
}

// The same with answers that come from a worker: they are posted, not written by the reactor.
TEST_F(HostileTest, reader_that_never_reads_worker_answers_is_closed_at_the_limit) {
  net::ConnectionLimits limits;
  limits.unsent_bytes_pause = 100'000;
  limits.unsent_bytes_max = 1'000'000;
  test::LogFile log;
  start(limits);
  RawClient client = connect(4096);
  const std::string request = command_frame(worker_code, 1, std::string(50'000, 'w'));
  bool gone = false;
  for (int i = 0; i < 20'000 && !gone; ++i) {
    gone = client.send_some(request) == 0 && server->connection_count() == 1;
    ASSERT_TRUE(i % 100 != 0 || others_are_served());
    if (unsent_max > limits.unsent_bytes_pause) break;
  }
  EXPECT_LE(unsent_max, limits.unsent_bytes_max + 60'000);
  EXPECT_TRUE(others_are_served());
}

// Raises the limit of descriptors as far as it may; each connection takes two, one at each end.
size_t connections_possible(size_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const size_t spare = 100;
  return std::min(wanted, (limit.rlim_cur - spare) / 2);
}

TEST_F(HostileTest, ten_thousand_idle_connections) {
  const size_t count = connections_possible(10'000);
  if (count < 10'000) std::printf("only %zu connections: the limit of descriptors allows no more\n", count);
  start();
  std::vector<RawClient> clients;
  clients.reserve(count);
  const size_t before = resident_bytes();
  for (size_t i = 0; i < count; ++i) {
    clients.push_back(connect());
    ASSERT_TRUE(clients.back().connected()) << i;
  }
  ASSERT_TRUE(eventually([&] { return server->connection_count() == count + 1; }));
  const size_t each = (resident_bytes() - before) / count;
  std::printf("%zu idle connections, %zu resident bytes each (both ends' objects, without the kernel's)\n", count,
              each);
  RecordProperty("bytes_per_connection", static_cast<int>(each));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LT(each, 4096U);
#endif
  EXPECT_TRUE(others_are_served());
  // Each speaks once, and is answered.
  for (size_t i = 0; i < count; ++i) ASSERT_TRUE(clients[i].send(command_frame(echo_code, static_cast<int32_t>(i))));
  for (size_t i = 0; i < count; ++i) {
    const auto answer = parse(clients[i].read_frame());
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->view.opaque, static_cast<int32_t>(i));
  }
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server->connection_count() == 1; }));
  EXPECT_TRUE(others_are_served());
}

// With no descriptors left accept() fails; the server must neither spin nor forget the connections that wait.
TEST_F(HostileTest, without_descriptors_it_waits_and_then_goes_on) {
  test::LogFile log;
  start();
  rlimit saved{};
  getrlimit(RLIMIT_NOFILE, &saved);
  RawClient client = connect();  // takes its descriptor before there are none
  ASSERT_TRUE(eventually([&] { return server->connection_count() == 2; }));
  const int probe = dup(0);
  close(probe);
  // The next free descriptor is `probe`: one more for the client's own end, none for the server's.
  rlimit tight = saved;
  tight.rlim_cur = static_cast<rlim_t>(probe) + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  RawClient waiting = connect();
  EXPECT_TRUE(others_are_served());
  timespec cpu_before{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  timespec cpu_after{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
  setrlimit(RLIMIT_NOFILE, &saved);
  const double cpu_ms = static_cast<double>(cpu_after.tv_sec - cpu_before.tv_sec) * 1e3 +
                        static_cast<double>(cpu_after.tv_nsec - cpu_before.tv_nsec) / 1e6;
  EXPECT_TRUE(waiting.connected());
  EXPECT_LT(cpu_ms, 200) << "it spun";
  ASSERT_TRUE(waiting.send(command_frame(echo_code, 5)));
  const auto answer = parse(waiting.read_frame());
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->view.opaque, 5);
  EXPECT_EQ(log.count({"accept:", "Too many open files"}), 1U);
}

}  // namespace
}  // namespace merlin
