#include "rpc/client.h"

#include <atomic>

#include <gtest/gtest.h>

#include "unit/net/log_file.h"
#include "unit/net/raw_client.h"

namespace merlin::rpc {
namespace {

using test::eventually;

constexpr int32_t echo_code = 105;
constexpr int32_t silent_code = 106;

// One process in the role of the nameserver.
struct Peer {
  explicit Peer(int32_t port = 0) : workers("peer-worker", 1, 8), dispatcher(workers), server(1, {}, clock) {
    dispatcher.add_row(echo_code, Lane::reactor, Ports::all, [this](Request& request) {
      ++requests;
      request.reply(0, {}, request.body());
    });
    dispatcher.add_row(silent_code, Lane::reactor, Ports::all, [this](Request& request) {
      ++requests;
      kept.push_back(request.defer());
    });
    server.set_handler(&dispatcher);
    EXPECT_TRUE(server.listen("127.0.0.1", port, 0));
    server.start();
  }
  ~Peer() { server.stop(); }
  int32_t port() { return server.bound_port(0); }
  std::string address() { return "127.0.0.1:" + std::to_string(port()); }

  SystemClock clock;
  WorkerPool workers;
  Dispatcher dispatcher;
  std::atomic<int> requests{0};
  std::vector<Responder> kept;
  net::Server server;
};

class ClientTest : public testing::Test {
 protected:
  ClientTest() : workers("test-worker", 1, 8), dispatcher(workers), server(2, {}, clock), client(server, dispatcher) {
    server.set_handler(&dispatcher);
    server.start();
  }
  ~ClientTest() override { server.stop(); }

  SystemClock clock;
  WorkerPool workers;
  Dispatcher dispatcher;
  net::Server server;
  Client client;
};

TEST_F(ClientTest, opens_one_connection_for_many_calls) {
  Peer peer;
  std::atomic<int> answered{0};
  for (int i = 0; i < 100; ++i) {
    client.call(peer.address(), Call{echo_code, {}, std::to_string(i)}, 5000, [&, i](Result<OwnedCommand> answer) {
      ASSERT_TRUE(answer.ok()) << answer.error().message;
      EXPECT_EQ(answer->body, std::to_string(i));
      ++answered;
    });
  }
  EXPECT_TRUE(eventually([&] { return answered == 100; }));
  const Result<OwnedCommand> answer = client.call_blocking(peer.address(), Call{echo_code, {}, "wait"}, 5000);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->body, "wait");
  EXPECT_EQ(peer.server.connection_count(), 1U);
}

TEST_F(ClientTest, names_are_resolved) {
  Peer peer;
  const Result<OwnedCommand> answer =
      client.call_blocking("localhost:" + std::to_string(peer.port()), Call{echo_code, {}, "x"}, 5000);
  EXPECT_TRUE(answer.ok()) << answer.error().message;
}

TEST_F(ClientTest, one_way_call_arrives) {
  Peer peer;
  client.call_oneway(peer.address(), Call{silent_code, {}, {}});
  EXPECT_TRUE(eventually([&] { return peer.requests == 1; }));
}

TEST_F(ClientTest, reconnects_after_the_peer_came_back) {
  auto peer = std::make_unique<Peer>();
  const std::string address = peer->address();
  const int32_t port = peer->port();
  ASSERT_TRUE(client.call_blocking(address, Call{echo_code, {}, "1"}, 5000).ok());
  peer.reset();
  ASSERT_TRUE(eventually([&] { return server.connection_count() == 0; }));
  const Result<OwnedCommand> lost = client.call_blocking(address, Call{echo_code, {}, "2"}, 5000);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Errc::closed);
  EXPECT_NE(lost.error().message.find(address), std::string::npos);
  peer = std::make_unique<Peer>(port);
  EXPECT_TRUE(client.call_blocking(address, Call{echo_code, {}, "3"}, 5000).ok());
}

TEST_F(ClientTest, call_under_way_fails_when_the_connection_is_lost) {
  auto peer = std::make_unique<Peer>();
  std::atomic<int> failed{0};
  client.call(peer->address(), Call{silent_code, {}, {}}, 60'000, [&](Result<OwnedCommand> answer) {
    EXPECT_EQ(answer.error().code, Errc::closed);
    ++failed;
  });
  ASSERT_TRUE(eventually([&] { return peer->requests == 1; }));
  peer.reset();
  EXPECT_TRUE(eventually([&] { return failed == 1; }));
}

TEST_F(ClientTest, silence_is_a_timeout) {
  Peer peer;
  const Result<OwnedCommand> answer = client.call_blocking(peer.address(), Call{silent_code, {}, {}}, 30);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Errc::timeout);
}

TEST_F(ClientTest, address_that_is_none_is_told) {
  for (const std::string address : {"nowhere", "host:", "host:99999", ":1"}) {
    const Result<OwnedCommand> answer = client.call_blocking(address, Call{echo_code, {}, {}}, 5000);
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code, Errc::invalid) << address;
  }
}

TEST_F(ClientTest, close_ends_the_connection_and_a_later_call_opens_another) {
  Peer peer;
  ASSERT_TRUE(client.call_blocking(peer.address(), Call{echo_code, {}, {}}, 5000).ok());
  client.close(peer.address());
  EXPECT_TRUE(eventually([&] { return peer.server.connection_count() == 0; }));
  EXPECT_TRUE(client.call_blocking(peer.address(), Call{echo_code, {}, {}}, 5000).ok());
}

// Nobody accepts there, so that calls wait for a connection.
TEST_F(ClientTest, calls_that_wait_for_a_connection_have_a_limit_and_a_deadline) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof to;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&to), size), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&to), &size), 0);
  const int32_t port = ntohs(to.sin_port);
  std::vector<int> fillers;
  for (int i = 0; i < 8; ++i) {  // the queue of a listener with backlog 0 holds a connection or two; fill it
    fillers.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    (void)connect(fillers.back(), reinterpret_cast<sockaddr*>(&to), size);
  }

  std::atomic<int> limit{0};
  std::atomic<int> timeout{0};
  for (int i = 0; i < 1100; ++i) {
    client.call("127.0.0.1:" + std::to_string(port), Call{echo_code, {}, {}}, 50, [&](Result<OwnedCommand> answer) {
      ASSERT_FALSE(answer.ok());
      if (answer.error().code == Errc::limit) ++limit;
      if (answer.error().code == Errc::timeout) ++timeout;
    });
  }
  EXPECT_TRUE(eventually([&] { return limit + timeout == 1100; }));
  EXPECT_GE(timeout, 1024);
  for (const int fd : fillers) close(fd);
  close(listener);
}

TEST(client, destroying_it_ends_waiting_calls) {
  SystemClock clock;
  WorkerPool workers("test-worker", 1, 8);
  Dispatcher dispatcher(workers);
  net::Server server(1, {}, clock);
  server.set_handler(&dispatcher);
  int failed = 0;
  {
    Client client(server, dispatcher);  // the server does not run yet: nothing can be answered
    client.call("127.0.0.1:1", Call{echo_code, {}, {}}, 60'000, [&](Result<OwnedCommand> answer) {
      EXPECT_EQ(answer.error().code, Errc::closed);
      ++failed;
    });
    client.call_oneway("127.0.0.1:1", Call{echo_code, {}, {}});
  }
  EXPECT_EQ(failed, 1);
  server.stop();
  EXPECT_EQ(failed, 1);
}

}  // namespace
}  // namespace merlin::rpc
