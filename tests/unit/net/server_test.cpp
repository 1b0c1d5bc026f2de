#include "net/server.h"

#include <future>
#include <set>

#include <gtest/gtest.h>

#include "unit/net/log_file.h"
#include "unit/net/raw_client.h"

namespace merlin::net {
namespace {

using test::command_frame;
using test::eventually;
using test::RawClient;

class Echo final : public FrameHandler {
 public:
  size_t on_burst(Connection& connection, std::span<const wire::Frame> frames) override {
    {
      std::lock_guard lock(mutex);
      reactors.insert(connection.reactor().index());
      tags.insert(connection.listener_tag());
    }
    for (size_t i = 0; i < frames.size(); ++i) connection.out().append(command_frame(0, 0));
    return frames.size();
  }
  void on_close(Connection&) override { ++closes; }

  std::mutex mutex;
  std::set<size_t> reactors;
  std::set<int32_t> tags;
  std::atomic<int> closes{0};
};

using Connected = Result<std::shared_ptr<Connection>>;

Connected connect_and_wait(Server& server, const std::string& host, int32_t port, int64_t timeout_ms = 5000) {
  std::promise<Connected> promise;
  server.connect(host, port, timeout_ms, [&](Connected result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

TEST(server, deals_connections_out_to_all_reactors_and_keeps_tags) {
  SystemClock clock;
  Echo handler;
  Server server(3, {}, clock);
  server.set_handler(&handler);
  ASSERT_TRUE(server.listen("127.0.0.1", 0, 0));
  ASSERT_TRUE(server.listen("0.0.0.0", 0, 1));
  EXPECT_GT(server.bound_port(0), 0);
  EXPECT_NE(server.bound_port(0), server.bound_port(1));
  EXPECT_EQ(server.bound_port(2), -1);
  server.start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 6; ++i) clients.emplace_back(server.bound_port(i % 2));
  for (RawClient& client : clients) {
    ASSERT_TRUE(client.send(command_frame(1, 1)));
    ASSERT_TRUE(client.read_frame());
  }
  EXPECT_EQ(handler.reactors, (std::set<size_t>{0, 1, 2}));
  EXPECT_EQ(handler.tags, (std::set<int32_t>{0, 1}));
  EXPECT_EQ(server.connection_count(), 6U);
  server.stop();
  EXPECT_EQ(handler.closes, 6);
  EXPECT_EQ(server.connection_count(), 0U);
}

TEST(server, port_in_use_is_told_with_port_and_reason) {
  SystemClock clock;
  Server first(1, {}, clock);
  ASSERT_TRUE(first.listen("127.0.0.1", 0, 0));
  Server second(1, {}, clock);
  const Status status = second.listen("127.0.0.1", first.bound_port(0), 0);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("127.0.0.1:" + std::to_string(first.bound_port(0))), std::string::npos);
  EXPECT_NE(status.error().message.find("Address already in use"), std::string::npos);
  EXPECT_EQ(status.error().sys_errno, EADDRINUSE);
}

TEST(server, address_that_is_none_is_refused) {
  SystemClock clock;
  Server server(1, {}, clock);
  EXPECT_EQ(server.listen("not an address", 1, 0).error().code, Errc::invalid);
  EXPECT_EQ(server.listen("127.0.0.1", 65536, 0).error().code, Errc::invalid);
}

TEST(server, connections_over_the_limit_are_closed_with_one_line_a_second) {
  test::LogFile log;
  ManualClock clock(1'000'000);
  Echo handler;
  ConnectionLimits limits;
  limits.connections_max = 2;
  Server server(2, limits, clock);
  server.set_handler(&handler);
  ASSERT_TRUE(server.listen("127.0.0.1", 0, 0));
  server.start();
  RawClient a(server.bound_port(0));
  RawClient b(server.bound_port(0));
  ASSERT_TRUE(eventually([&] { return server.connection_count() == 2; }));
  for (int i = 0; i < 5; ++i) {
    RawClient c(server.bound_port(0));
    EXPECT_TRUE(c.closed_by_peer());
  }
  EXPECT_EQ(log.count({"connection refused", "the limit is 2"}), 1U);
  a.close();
  ASSERT_TRUE(eventually([&] { return server.connection_count() == 1; }));
  RawClient d(server.bound_port(0));
  ASSERT_TRUE(d.send(command_frame(1, 1)));
  EXPECT_TRUE(d.read_frame());
}

TEST(server, stop_accepting_leaves_connections_alone) {
  SystemClock clock;
  Echo handler;
  Server server(2, {}, clock);
  server.set_handler(&handler);
  ASSERT_TRUE(server.listen("127.0.0.1", 0, 0));
  server.start();
  RawClient before(server.bound_port(0));
  ASSERT_TRUE(before.send(command_frame(1, 1)));
  ASSERT_TRUE(before.read_frame());
  server.stop_accepting();
  RawClient after(server.bound_port(0));
  EXPECT_FALSE(after.connected());
  ASSERT_TRUE(before.send(command_frame(1, 1)));
  EXPECT_TRUE(before.read_frame());
  server.stop();
  EXPECT_TRUE(before.closed_by_peer());
}

TEST(server, outbound_connection_carries_frames_and_has_no_tag) {
  SystemClock clock;
  Echo handler;
  Server server(2, {}, clock);
  server.set_handler(&handler);
  ASSERT_TRUE(server.listen("127.0.0.1", 0, 5));
  server.start();
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    const Connected connected = connect_and_wait(server, host, server.bound_port(5));
    ASSERT_TRUE(connected.ok()) << connected.error().message;
    EXPECT_EQ((*connected)->listener_tag(), -1);
    EXPECT_EQ((*connected)->remote().port, server.bound_port(5));
    (*connected)->close("done");
  }
  EXPECT_TRUE(eventually([&] { return server.connection_count() == 0; }));
}

TEST(server, connect_failures_name_the_address) {
  SystemClock clock;
  Echo handler;
  Server server(1, {}, clock);
  server.set_handler(&handler);
  server.start();
  Server other(1, {}, clock);
  ASSERT_TRUE(other.listen("127.0.0.1", 0, 0));
  const int32_t port = other.bound_port(0);
  other.stop();  // nobody listens there any more
  const Connected refused = connect_and_wait(server, "127.0.0.1", port);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::closed);
  EXPECT_NE(refused.error().message.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
  const Connected unknown = connect_and_wait(server, "no-such-host.invalid", 1);
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find("no-such-host.invalid:1"), std::string::npos);
}

// A listener whose queue is full drops what comes: the connect hangs until its deadline.
TEST(server, connect_gives_up_at_its_deadline) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int32_t port = ntohs(address.sin_port);

  SystemClock clock;
  Echo handler;
  Server server(1, {}, clock);
  server.set_handler(&handler);
  server.start();
  std::optional<Error> error;
  for (int i = 0; i < 8 && !error; ++i) {
    Connected result = connect_and_wait(server, "127.0.0.1", port, 100);
    if (!result) error = result.error();
  }
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, Errc::timeout);
  EXPECT_NE(error->message.find("within 100 ms"), std::string::npos);
  close(listener);
}

TEST(server, stop_ends_connects_under_way_and_later_ones_at_once) {
  SystemClock clock;
  Echo handler;
  Server server(1, {}, clock);
  server.set_handler(&handler);
  std::atomic<int> done{0};
  for (int i = 0; i < 10; ++i) {
    server.connect("127.0.0.1", 1, 60'000, [&](Connected result) {
      EXPECT_FALSE(result.ok());
      ++done;
    });
  }
  server.stop();
  EXPECT_EQ(done, 10);
  server.connect("127.0.0.1", 1, 60'000, [&](Connected result) {
    EXPECT_EQ(result.error().code, Errc::closed);
    ++done;
  });
  EXPECT_EQ(done, 11);
}

TEST(server, default_reactor_count_is_within_bounds) {
  EXPECT_GE(default_reactor_count(), 1U);
  EXPECT_LE(default_reactor_count(), 16U);
}

}  // namespace
}  // namespace merlin::net
