#include "net/connection.h"

#include <atomic>
#include <random>

#include <gtest/gtest.h>

#include "merlin/base/file_system.h"
#include "net/server.h"
#include "unit/net/log_file.h"
#include "unit/net/raw_client.h"

namespace merlin::net {
namespace {

using test::command_frame;
using test::eventually;
using test::RawClient;

// Echoes each frame, unless a test gives it something else to do.
class Handler final : public FrameHandler {
 public:
  size_t on_burst(Connection& connection, std::span<const wire::Frame> frames) override {
    ++bursts;
    burst_max = std::max(burst_max.load(), frames.size());
    size_t taken = 0;
    for (const wire::Frame& frame : frames) {
      if (taken > 0 && connection.write_is_full()) break;
      ++taken;
      if (on_frame) {
        on_frame(connection, frame);
      } else {
        echo(connection, frame);
      }
    }
    frames_seen += taken;
    return taken;
  }
  void on_close(Connection& connection) override {
    EXPECT_TRUE(connection.reactor().on_this_thread());
    EXPECT_FALSE(connection.is_open());
    ++closes;
  }
  static void echo(Connection& connection, const wire::Frame& frame) {
    Buffer& out = connection.out();
    out.append_be<int32_t>(static_cast<int32_t>(4 + frame.header.size() + frame.body.size()));
    out.append_be<uint32_t>(static_cast<uint32_t>(frame.serialization) << 24 |
                            static_cast<uint32_t>(frame.header.size()));
    out.append(frame.header);
    out.append(frame.body);
  }

  std::function<void(Connection&, const wire::Frame&)> on_frame;
  std::atomic<int> bursts{0};
  std::atomic<size_t> burst_max{0};
  std::atomic<size_t> frames_seen{0};
  std::atomic<int> closes{0};
};

class ConnectionTest : public testing::Test {
 protected:
  void start(ConnectionLimits limits = {}, size_t reactors = 1) {
    server = std::make_unique<Server>(reactors, limits, clock);
    server->set_handler(&handler);
    ASSERT_TRUE(server->listen("127.0.0.1", 0, 7));
    server->start();
    port = server->bound_port(7);
  }
  void TearDown() override {
    if (server) server->stop();
  }
  // What the handler keeps of the connection that a frame came on.
  void keep_connection() {
    handler.on_frame = [this](Connection& connection, const wire::Frame& frame) {
      std::lock_guard lock(mutex);
      kept = connection.shared_from_this();
      Handler::echo(connection, frame);
    };
  }
  std::shared_ptr<Connection> kept_connection() {
    std::lock_guard lock(mutex);
    return kept;
  }

  ManualClock clock{1'700'000'000'000};
  Handler handler;
  std::unique_ptr<Server> server;
  int32_t port = -1;
  std::mutex mutex;
  std::shared_ptr<Connection> kept;
};

std::string pattern(size_t size) {
  std::string out(size, '\0');
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 31 + (i >> 8));
  return out;
}

TEST_F(ConnectionTest, both_header_kinds_on_one_connection) {
  start();
  RawClient client(port);
  const std::string json = command_frame(10, 1, "body", {{"k", "v"}});
  const std::string binary = command_frame(11, 2, "other", {{"k", "v"}}, 0, wire::Serialization::rocketmq);
  ASSERT_TRUE(client.send(json + binary + json));
  EXPECT_EQ(client.read_frame(), json);
  EXPECT_EQ(client.read_frame(), binary);
  EXPECT_EQ(client.read_frame(), json);
}

TEST_F(ConnectionTest, frame_split_at_every_byte) {
  start();
  RawClient client(port);
  RawClient other(port);
  const std::string frame = command_frame(10, 1, "the body", {{"topic", "T"}});
  for (size_t cut = 1; cut < frame.size(); ++cut) {
    ASSERT_TRUE(client.send(frame.substr(0, cut)));
    // Both connections have the same reactor: when the other one is answered, the first part has been read.
    ASSERT_TRUE(other.send(frame));
    ASSERT_EQ(other.read_frame(), frame);
    ASSERT_TRUE(client.send(frame.substr(cut)));
    EXPECT_EQ(client.read_frame(), frame) << "cut at " << cut;
  }
  EXPECT_EQ(handler.frames_seen, 2 * (frame.size() - 1));
}

TEST_F(ConnectionTest, frame_that_comes_byte_by_byte) {
  start();
  RawClient client(port);
  const std::string frame = command_frame(10, 1, "b", {{"topic", "T"}}, 0, wire::Serialization::rocketmq);
  for (int i = 0; i < 3; ++i) {
    for (char byte : frame) ASSERT_TRUE(client.send(std::string_view(&byte, 1)));
    EXPECT_EQ(client.read_frame(), frame);
  }
}

TEST_F(ConnectionTest, many_frames_in_one_segment_are_one_burst_and_one_write) {
  start();
  RawClient client(port);
  std::string all;
  for (int i = 0; i < 50; ++i) all += command_frame(10, i, "x");
  ASSERT_TRUE(client.send(all));
  EXPECT_EQ(client.read_exactly(all.size()), all);
  EXPECT_EQ(handler.burst_max, 50U);
}

TEST_F(ConnectionTest, random_cuts_of_frames_of_all_sizes) {
  start();
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::string all;
  for (int i = 0; i < 60; ++i) {
    const size_t sizes[] = {0, 1, 100, 4000, 16'000, 17'000, 70'000, 300'000, 700'000};
    all += command_frame(10, i, pattern(sizes[random() % std::size(sizes)] + random() % 50));
  }
  RawClient client(port);
  std::thread sender([&] {
    for (size_t at = 0; at < all.size();) {
      const size_t n = std::min<size_t>(1 + random() % (random() % 2 == 0 ? 300 : 200'000), all.size() - at);
      ASSERT_TRUE(client.send(std::string_view(all).substr(at, n)));
      at += n;
    }
  });
  RawClient* reader = &client;
  const std::optional<std::string> echoed = reader->read_exactly(all.size());
  sender.join();
  ASSERT_TRUE(echoed.has_value());
  EXPECT_TRUE(*echoed == all);
  EXPECT_EQ(handler.frames_seen, 60U);
}

TEST_F(ConnectionTest, pinned_slices_keep_their_place_and_are_let_go) {
  start();
  const auto log = std::make_shared<std::string>(pattern(300'000));
  std::weak_ptr<std::string> weak = log;
  handler.on_frame = [log](Connection& connection, const wire::Frame&) {
    connection.out().append(std::string_view("head"));
    connection.write_pinned(as_bytes(std::string_view(*log).substr(0, 100)), log);
    connection.write_pinned(as_bytes(std::string_view(*log).substr(100)), log);
    connection.write_pinned({}, log);
    connection.out().append(std::string_view("tail"));
  };
  RawClient client(port);
  ASSERT_TRUE(client.send(command_frame(1, 1) + command_frame(1, 2) + command_frame(1, 3)));
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.read_exactly(8 + log->size());
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(*answer == "head" + *log + "tail");
  }
  // One reference here, one in on_frame: the connection holds none any more.
  EXPECT_TRUE(eventually([&] { return log.use_count() == 2; }));
}

// A file of `size` bytes, mapped; and its path.
std::pair<std::string, std::shared_ptr<Mapping>> mapped_file(const std::string& content) {
  std::string path = testing::TempDir() + "merlin_net_" + std::to_string(getpid()) + "_log";
  auto file = posix_file_system().open(path, OpenMode::create);
  EXPECT_TRUE(file.ok() && (*file)->pwrite(as_bytes(content), 0).ok());
  auto mapping = (*file)->map_read(content.size());
  EXPECT_TRUE(mapping.ok());
  return {path, *mapping};
}

// What retention does to a segment while a slow reader is being sent its bytes.
TEST_F(ConnectionTest, pinned_slices_outlive_the_file_they_come_from) {
  start();
  const std::string content = pattern(6'000'000);
  auto [path, mapping] = mapped_file(content);
  std::weak_ptr<Mapping> weak = mapping;
  std::atomic<bool> queued{false};
  handler.on_frame = [&, map = mapping](Connection& connection, const wire::Frame&) mutable {
    for (size_t at = 0; at < map->size(); at += 60'000) {
      connection.write_pinned({map->data() + at, std::min<size_t>(60'000, map->size() - at)}, map);
    }
    map.reset();
    queued = true;
  };
  mapping.reset();
  RawClient client(port, 4096);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  ASSERT_TRUE(eventually([&] { return queued.load(); }));
  ASSERT_TRUE(posix_file_system().remove(path).ok());
  EXPECT_FALSE(weak.expired());
  const auto all = client.read_exactly(content.size());
  ASSERT_TRUE(all.has_value());
  EXPECT_TRUE(*all == content);
  handler.on_frame = nullptr;
  EXPECT_TRUE(eventually([&] { return weak.expired(); }));
}

// Bytes that cannot be had any more (a bad sector looks the same) end the connection, not the process.
TEST_F(ConnectionTest, pinned_bytes_that_are_gone_close_the_connection) {
  start();
  auto [path, mapping] = mapped_file(pattern(1'000'000));
  auto file = posix_file_system().open(path, OpenMode::read_write);
  ASSERT_TRUE(file.ok() && (*file)->truncate(8192).ok());
  handler.on_frame = [map = mapping](Connection& connection, const wire::Frame&) {
    connection.write_pinned({map->data(), map->size()}, map);
  };
  RawClient client(port);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_TRUE(eventually([&] { return handler.closes == 1; }));
  ASSERT_TRUE(posix_file_system().remove(path).ok());
}

// More pieces than one turn writes, though the socket would take them all: nothing but the turn brings the rest.
TEST_F(ConnectionTest, thousands_of_small_slices_all_leave) {
  start();
  const auto log = std::make_shared<std::string>(pattern(4'000));
  handler.on_frame = [log](Connection& connection, const wire::Frame&) {
    for (size_t i = 0; i < log->size(); i += 2) {
      connection.out().append(std::string_view(*log).substr(i, 1));
      connection.write_pinned(as_bytes(std::string_view(*log).substr(i + 1, 1)), log);
    }
  };
  RawClient client(port);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(command_frame(1, 1)));
    const auto answer = client.read_exactly(log->size());
    ASSERT_TRUE(answer.has_value());
    EXPECT_TRUE(*answer == *log);
  }
}

TEST_F(ConnectionTest, peer_that_ends_its_side_behind_a_request_is_answered_and_closed) {
  start();
  for (const size_t size : {size_t{10}, size_t{200'000}, size_t{3'000'000}}) {
    const int closes = handler.closes;
    RawClient client(port);
    const std::string frame = command_frame(1, 1, pattern(size));
    std::thread sender([&] {
      EXPECT_TRUE(client.send(frame));
      EXPECT_EQ(shutdown(client.fd(), SHUT_WR), 0);
    });
    const auto answer = client.read_frame();
    sender.join();
    // A long answer may be cut off where the peer did not read fast enough: it has said that it leaves.
    if (size < 100'000) {
      ASSERT_TRUE(answer.has_value());
      EXPECT_TRUE(*answer == frame);
    }
    EXPECT_TRUE(client.closed_by_peer());
    EXPECT_TRUE(eventually([&] { return handler.closes == closes + 1; }));
  }
}

TEST_F(ConnectionTest, many_short_connections_leave_nothing_behind) {
  start({}, 2);
  for (int round = 0; round < 20; ++round) {
    std::vector<RawClient> clients;
    for (int i = 0; i < 50; ++i) clients.emplace_back(port);
    for (RawClient& client : clients) ASSERT_TRUE(client.send(command_frame(1, 1) + command_frame(1, 2)));
    for (size_t i = 0; i < clients.size(); i += 2) ASSERT_TRUE(clients[i].read_frame());
  }
  EXPECT_TRUE(eventually([&] { return server->connection_count() == 0 && handler.closes == 1000; }));
}

TEST_F(ConnectionTest, slow_reader_gets_everything_in_order) {
  start();
  const auto log = std::make_shared<std::string>(pattern(3'000'000));
  handler.on_frame = [&](Connection& connection, const wire::Frame&) {
    for (size_t i = 0; i < 200; ++i) {
      connection.out().append(std::string_view(*log).substr(i * 7000, 5000));
      connection.write_pinned(as_bytes(std::string_view(*log).substr(i * 7000 + 5000, 2000)), log);
    }
    Buffer posted;
    posted.append(std::string_view("the end"));
    connection.post_bytes(std::move(posted));
  };
  RawClient client(port, 4096);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  std::string all;
  while (all.size() < 1'400'007) {
    const auto some = client.read_exactly(std::min<size_t>(50'000, 1'400'007 - all.size()));
    ASSERT_TRUE(some.has_value());
    all += *some;
  }
  EXPECT_TRUE(all.substr(0, 1'400'000) == log->substr(0, 1'400'000));
  EXPECT_EQ(all.substr(1'400'000), "the end");
}

TEST_F(ConnectionTest, reader_that_stops_reading_is_not_read_and_loses_nothing) {
  ConnectionLimits limits;
  limits.unsent_bytes_pause = 100'000;
  start(limits);
  const std::string body = pattern(10'000);
  std::atomic<size_t> unsent_max{0};
  handler.on_frame = [&](Connection& connection, const wire::Frame& frame) {
    unsent_max = std::max(unsent_max.load(), connection.unsent_bytes());
    Handler::echo(connection, frame);
    connection.out().append(body);
    std::lock_guard lock(mutex);
    kept = connection.shared_from_this();
  };
  RawClient client(port, 4096);
  std::string requests;
  for (int i = 0; i < 5000; ++i) requests += command_frame(1, i);
  std::thread sender([&] { EXPECT_TRUE(client.send(requests)); });
  ASSERT_TRUE(eventually([&] { return kept_connection() && kept_connection()->unsent_bytes() > 100'000; }));
  for (int i = 0; i < 5000; ++i) {
    const auto frame = client.read_frame();
    ASSERT_TRUE(frame.has_value()) << i;
    ASSERT_EQ(*frame, command_frame(1, i));
    const auto rest = client.read_exactly(body.size());
    ASSERT_TRUE(rest.has_value());
    ASSERT_TRUE(*rest == body);
  }
  sender.join();
  EXPECT_EQ(handler.frames_seen, 5000U);
  // The limit may be passed by the one answer that reaches it.
  EXPECT_LE(unsent_max, 100'000 + 11'000U);
}

TEST_F(ConnectionTest, posted_bytes_over_the_limit_close_the_connection) {
  test::LogFile log;
  ConnectionLimits limits;
  limits.unsent_bytes_max = 1'000'000;
  start(limits);
  keep_connection();
  RawClient client(port, 4096);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  ASSERT_TRUE(client.read_frame());
  const std::shared_ptr<Connection> connection = kept_connection();
  const std::string chunk = pattern(100'000);
  size_t unsent_max = 0;
  for (int i = 0; i < 1000 && connection->is_open(); ++i) {
    Buffer bytes;
    bytes.append(chunk);
    connection->post_bytes(std::move(bytes));
    unsent_max = std::max(unsent_max, connection->unsent_bytes());
  }
  EXPECT_FALSE(connection->is_open());
  EXPECT_TRUE(eventually([&] { return handler.closes == 1; }));
  EXPECT_LE(unsent_max, 1'100'000U);
  EXPECT_EQ(connection->unsent_bytes(), 0U);
  EXPECT_EQ(log.count({connection->remote_text(), "the limit is 1000000"}), 1U);
}

TEST_F(ConnectionTest, bytes_posted_by_many_threads_arrive_as_whole_frames) {
  start({}, 2);
  keep_connection();
  RawClient client(port);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  ASSERT_TRUE(client.read_frame());
  const std::shared_ptr<Connection> connection = kept_connection();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 250; ++i) {
        Buffer bytes;
        bytes.append(command_frame(t, i, pattern(static_cast<size_t>(i))));
        connection->post_bytes(std::move(bytes));
      }
    });
  }
  std::vector<int> next(4, 0);
  for (int i = 0; i < 1000; ++i) {
    const auto command = test::parse(client.read_frame());
    ASSERT_TRUE(command);
    EXPECT_EQ(command->view.opaque, next[static_cast<size_t>(command->view.code)]++);
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ConnectionTest, close_from_another_thread_sends_what_was_posted_before) {
  start();
  keep_connection();
  RawClient client(port);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  ASSERT_TRUE(client.read_frame());
  Buffer bytes;
  bytes.append(command_frame(1, 2));
  kept_connection()->post_bytes(std::move(bytes));
  kept_connection()->close("the test says so");
  kept_connection()->close("twice");
  EXPECT_EQ(client.read_frame(), command_frame(1, 2));
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_TRUE(eventually([&] { return handler.closes == 1 && server->connection_count() == 0; }));
}

TEST_F(ConnectionTest, handler_may_close_in_the_middle_of_a_burst) {
  start();
  handler.on_frame = [](Connection& connection, const wire::Frame& frame) {
    Handler::echo(connection, frame);
    connection.close("seen enough");
  };
  RawClient client(port);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  EXPECT_EQ(client.read_frame(), command_frame(1, 1));
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_TRUE(eventually([&] { return handler.closes == 1; }));
}

TEST_F(ConnectionTest, peer_that_leaves_is_noticed_once) {
  start();
  {
    RawClient client(port);
    ASSERT_TRUE(client.send(command_frame(1, 1)));
    ASSERT_TRUE(client.read_frame());
    EXPECT_EQ(server->connection_count(), 1U);
  }
  EXPECT_TRUE(eventually([&] { return handler.closes == 1 && server->connection_count() == 0; }));
}

TEST_F(ConnectionTest, idle_connection_is_closed_and_a_busy_one_is_not) {
  test::LogFile log;
  ConnectionLimits limits;
  limits.idle_ms_max = 100;  // swept every 10 ms of real time, but judged by the clock of the test
  start(limits);
  RawClient idle(port);
  RawClient busy(port);
  ASSERT_TRUE(busy.send(command_frame(1, 1)));
  ASSERT_TRUE(busy.read_frame());
  ASSERT_TRUE(eventually([&] { return server->connection_count() == 2; }));
  clock.advance_ms(99);
  // Two sweeps pass before the busy one speaks again; neither closes anything.
  ASSERT_TRUE(busy.send(command_frame(1, 2)));
  ASSERT_TRUE(busy.read_frame());
  EXPECT_EQ(server->connection_count(), 2U);
  clock.advance_ms(1);
  EXPECT_TRUE(idle.closed_by_peer());
  EXPECT_TRUE(eventually([&] { return log.count({"idle for 100 ms", "the limit is 100 ms"}) == 1; }));
  EXPECT_TRUE(eventually([&] { return server->connection_count() == 1; }));
  ASSERT_TRUE(busy.send(command_frame(1, 3)));
  EXPECT_TRUE(busy.read_frame());
}

TEST_F(ConnectionTest, getters_tell_both_ends_and_the_listener) {
  start();
  keep_connection();
  RawClient client(port);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  ASSERT_TRUE(client.read_frame());
  const std::shared_ptr<Connection> connection = kept_connection();
  EXPECT_EQ(connection->local().text(), "127.0.0.1:" + std::to_string(port));
  EXPECT_EQ(connection->remote().ip_text(), "127.0.0.1");
  EXPECT_EQ(connection->remote_text(), connection->remote().text());
  EXPECT_EQ(connection->listener_tag(), 7);
  EXPECT_GT(connection->id(), 0U);
}

TEST_F(ConnectionTest, connection_may_outlive_the_server) {
  start();
  keep_connection();
  RawClient client(port);
  ASSERT_TRUE(client.send(command_frame(1, 1)));
  ASSERT_TRUE(client.read_frame());
  server->stop();
  server.reset();
  const std::shared_ptr<Connection> connection = kept_connection();
  EXPECT_FALSE(connection->is_open());
  Buffer bytes;
  bytes.append(std::string_view("nobody hears this"));
  connection->post_bytes(std::move(bytes));
  connection->close("again");
  EXPECT_FALSE(connection->reactor().on_this_thread());
  EXPECT_EQ(handler.closes, 1);
}

}  // namespace
}  // namespace merlin::net
