#include "rpc/dispatcher.h"

#include <future>
#include <latch>
#include <set>
#include <stdexcept>

#include <gtest/gtest.h>

#include "merlin/wire/request_code.h"
#include "unit/net/log_file.h"
#include "unit/net/raw_client.h"

namespace merlin::rpc {
namespace {

using test::command_frame;
using test::eventually;
using test::parse;
using test::RawClient;

constexpr int32_t echo_code = 9001;  // looked up in the map
constexpr int32_t low_code = 11;     // looked up in the array
constexpr int32_t worker_code = 9002;
constexpr int32_t throwing_code = 9003;
constexpr int32_t deferring_code = 9004;
constexpr int32_t main_only_code = 9005;
constexpr int32_t collecting_code = 9006;
constexpr int32_t throwing_late_code = 9007;

// A door as the real ones: a class with a table of rows.
class Door {
 public:
  void echo(Request& request) {
    request.reply_with(0, request.command().remark, request.body(), [&](wire::CommandWriter& writer) {
      for (const wire::ExtField& field : request.command().ext) writer.field(field.key, field.value);
    });
  }
  void work(Request& request) {
    EXPECT_FALSE(request.connection().reactor().on_this_thread());
    ++working;
    if (gate) gate->wait();
    echo(request);
  }
  void fail(Request&) { throw std::runtime_error("the disk caught fire"); }
  void fail_late(Request& request) {
    request.reply(0);
    throw std::runtime_error("too late");
  }
  void defer(Request& request) {
    std::lock_guard lock(mutex);
    responders.push_back(request.defer());
  }

  std::shared_ptr<std::latch> gate;
  std::atomic<int> working{0};
  std::mutex mutex;
  std::vector<Responder> responders;

  static constexpr Row<Door> rows[] = {
      {echo_code, Lane::reactor, Ports::all, &Door::echo},
      {low_code, Lane::reactor, Ports::all, &Door::echo},
      {wire::request_code::send_message_v2, Lane::reactor, Ports::all, &Door::echo},
      {main_only_code, Lane::reactor, Ports::main_only, &Door::echo},
      {worker_code, Lane::worker, Ports::all, &Door::work},
      {throwing_code, Lane::reactor, Ports::all, &Door::fail},
      {throwing_late_code, Lane::reactor, Ports::all, &Door::fail_late},
      {deferring_code, Lane::reactor, Ports::all, &Door::defer},
  };
};

class DispatcherTest : public testing::Test {
 protected:
  DispatcherTest() : workers("test-worker", 2, 8), dispatcher(workers), server(2, {}, clock) {
    dispatcher.add(door, Door::rows);
    dispatcher.add_close_listener([this](net::Connection&) { ++closes; });
    server.set_handler(&dispatcher);
    EXPECT_TRUE(server.listen("127.0.0.1", 0, Dispatcher::main_port_tag));
    EXPECT_TRUE(server.listen("127.0.0.1", 0, Dispatcher::fast_port_tag));
  }
  void SetUp() override { server.start(); }
  void TearDown() override {
    server.stop();
    workers.stop();
  }
  RawClient connect() { return RawClient(server.bound_port(Dispatcher::main_port_tag)); }
  // The server's side of a new client's connection.
  std::shared_ptr<net::Connection> connection_of(RawClient& client) {
    EXPECT_TRUE(client.send(command_frame(deferring_code, 1)));
    EXPECT_TRUE(eventually([&] {
      std::lock_guard lock(door.mutex);
      return !door.responders.empty();
    }));
    std::lock_guard lock(door.mutex);
    auto connection = door.responders.back().connection()->shared_from_this();
    door.responders.clear();
    return connection;
  }

  SystemClock clock;
  WorkerPool workers;
  Door door;
  std::atomic<int> closes{0};
  Dispatcher dispatcher;
  net::Server server;
};

TEST_F(DispatcherTest, answers_in_the_encoding_of_the_request) {
  RawClient client = connect();
  for (const wire::Serialization form : {wire::Serialization::json, wire::Serialization::rocketmq}) {
    ASSERT_TRUE(client.send(command_frame(low_code, 77, "body", {{"k", "v \"quoted\""}}, 0, form)));
    const auto answer = parse(client.read_frame());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->view.code, 0);
    EXPECT_EQ(answer->view.opaque, 77);
    EXPECT_TRUE(answer->view.is_response());
    EXPECT_EQ(answer->view.serialization, form);
    EXPECT_EQ(as_text(answer->view.body), "body");
    ASSERT_NE(answer->view.find("k"), nullptr);
    EXPECT_EQ(*answer->view.find("k"), "v \"quoted\"");
  }
}

TEST_F(DispatcherTest, unknown_code_is_answered_3_with_the_code) {
  RawClient client = connect();
  for (const int32_t code : {1, 1999, 200'050, -5}) {
    ASSERT_TRUE(client.send(command_frame(code, 5)));
    const auto answer = parse(client.read_frame());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->view.code, wire::response_code::request_code_not_supported);
    EXPECT_EQ(answer->view.remark, " request type " + std::to_string(code) + " not supported");
    EXPECT_EQ(answer->view.opaque, 5);
  }
}

TEST_F(DispatcherTest, fast_port_knows_no_main_only_code) {
  RawClient fast(server.bound_port(Dispatcher::fast_port_tag));
  ASSERT_TRUE(fast.send(command_frame(main_only_code, 1) + command_frame(echo_code, 2)));
  EXPECT_EQ(parse(fast.read_frame())->view.code, wire::response_code::request_code_not_supported);
  EXPECT_EQ(parse(fast.read_frame())->view.code, 0);
  RawClient main = connect();
  ASSERT_TRUE(main.send(command_frame(main_only_code, 1)));
  EXPECT_EQ(parse(main.read_frame())->view.code, 0);
}

TEST_F(DispatcherTest, one_way_requests_get_no_answer_of_any_kind) {
  RawClient client = connect();
  std::string all;
  for (const int32_t code : {echo_code, 1999, throwing_code, deferring_code, worker_code}) {
    all += command_frame(code, 1, {}, {}, wire::flag_oneway);
  }
  ASSERT_TRUE(client.send(all + command_frame(echo_code, 2)));
  EXPECT_EQ(parse(client.read_frame())->view.opaque, 2);
  {
    std::lock_guard lock(door.mutex);
    for (Responder& responder : door.responders) responder.reply(0);
  }
  ASSERT_TRUE(client.send(command_frame(worker_code, 3)));
  EXPECT_EQ(parse(client.read_frame())->view.opaque, 3);
}

TEST_F(DispatcherTest, draining_answers_14_to_sends_only) {
  RawClient client = connect();
  dispatcher.set_draining(true);
  ASSERT_TRUE(client.send(command_frame(wire::request_code::send_message_v2, 1) + command_frame(echo_code, 2)));
  EXPECT_EQ(parse(client.read_frame())->view.code, wire::response_code::service_not_available);
  EXPECT_EQ(parse(client.read_frame())->view.code, 0);
  dispatcher.set_draining(false);
  ASSERT_TRUE(client.send(command_frame(wire::request_code::send_message_v2, 3)));
  EXPECT_EQ(parse(client.read_frame())->view.code, 0);
}

TEST_F(DispatcherTest, exception_of_a_handler_becomes_answer_1_with_its_text) {
  RawClient client = connect();
  ASSERT_TRUE(client.send(command_frame(throwing_code, 1) + command_frame(echo_code, 2)));
  const auto answer = parse(client.read_frame());
  EXPECT_EQ(answer->view.code, wire::response_code::system_error);
  EXPECT_EQ(answer->view.remark, "the disk caught fire");
  EXPECT_EQ(parse(client.read_frame())->view.opaque, 2);
}

TEST_F(DispatcherTest, exception_after_an_answer_was_begun_closes_the_connection) {
  test::LogFile log;
  RawClient client = connect();
  ASSERT_TRUE(client.send(command_frame(throwing_late_code, 1)));
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_EQ(log.count({"too late"}), 1U);
}

TEST_F(DispatcherTest, header_that_does_not_decode_closes_with_one_line) {
  test::LogFile log;
  RawClient client = connect();
  std::string frame = command_frame(echo_code, 1);
  const size_t header_size = frame.size() - 8;
  frame.replace(8, header_size, std::string(header_size, '{'));
  ASSERT_TRUE(client.send(command_frame(echo_code, 7) + frame + command_frame(echo_code, 8)));
  EXPECT_EQ(parse(client.read_frame())->view.opaque, 7);  // what came before is answered
  EXPECT_TRUE(client.closed_by_peer());
  EXPECT_TRUE(eventually([&] { return closes == 1; }));
  EXPECT_EQ(log.count({"127.0.0.1:"}), 1U);
  EXPECT_EQ(log.count({"header does not decode"}), 1U);
}

TEST_F(DispatcherTest, worker_lane_runs_elsewhere_with_its_own_copy) {
  RawClient client = connect();
  std::string all;
  for (int i = 0; i < 6; ++i) {
    const auto form = i % 2 == 0 ? wire::Serialization::json : wire::Serialization::rocketmq;
    all += command_frame(worker_code, i, "body " + std::to_string(i), {{"n", "\"" + std::to_string(i)}}, 0, form);
  }
  ASSERT_TRUE(client.send(all));
  std::set<int32_t> opaques;
  for (int i = 0; i < 6; ++i) {
    const auto answer = parse(client.read_frame());
    ASSERT_TRUE(answer);
    const std::string n = std::to_string(answer->view.opaque);
    EXPECT_EQ(as_text(answer->view.body), "body " + n);
    EXPECT_EQ(*answer->view.find("n"), "\"" + n);
    opaques.insert(answer->view.opaque);
  }
  EXPECT_EQ(opaques.size(), 6U);
}

TEST_F(DispatcherTest, full_worker_queue_is_answered_2_with_its_numbers) {
  door.gate = std::make_shared<std::latch>(1);
  RawClient client = connect();
  // Two run and hold the gate, eight wait, which is the limit.
  std::string all;
  for (int i = 0; i < 2; ++i) all += command_frame(worker_code, i);
  ASSERT_TRUE(client.send(all));
  ASSERT_TRUE(eventually([&] { return door.working == 2; }));
  all.clear();
  for (int i = 2; i < 13; ++i) all += command_frame(worker_code, i);
  ASSERT_TRUE(client.send(all));
  // Eleven more: eight wait, three are refused at once.
  for (int i = 0; i < 3; ++i) {
    const auto answer = parse(client.read_frame());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->view.code, wire::response_code::system_busy);
    EXPECT_EQ(answer->view.opaque, 10 + i);
    const std::string_view remark = "[OVERLOAD]worker queue is full: 8 requests wait, the limit is 8";
    EXPECT_EQ(answer->view.remark.substr(0, remark.size()), remark);
  }
  door.gate->count_down();
  for (int i = 0; i < 10; ++i) {
    const auto answer = parse(client.read_frame());
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->view.code, 0);
  }
}

TEST_F(DispatcherTest, deferred_answers_from_another_thread_and_from_the_reactor) {
  RawClient client = connect();
  ASSERT_TRUE(client.send(command_frame(deferring_code, 1) + command_frame(deferring_code, 2)));
  ASSERT_TRUE(eventually([&] {
    std::lock_guard lock(door.mutex);
    return door.responders.size() == 2;
  }));
  Responder second = std::move(door.responders[1]);
  second.reply_with(0, "from afar", as_bytes("b"), [](wire::CommandWriter& writer) { writer.field("k", 1); });
  EXPECT_FALSE(second);
  second.reply(0, "twice");  // does nothing
  auto answer = parse(client.read_frame());
  EXPECT_EQ(answer->view.opaque, 2);
  EXPECT_EQ(answer->view.remark, "from afar");
  net::Reactor& reactor = door.responders[0].connection()->reactor();
  EXPECT_TRUE(reactor.post([&] { door.responders[0].reply(0, "at home"); }));
  answer = parse(client.read_frame());
  EXPECT_EQ(answer->view.opaque, 1);
  EXPECT_EQ(answer->view.remark, "at home");
}

// Collects the views of a burst and answers at its end.
class Collector final : public BurstParticipant {
 public:
  void collect(Request& request) {
    commands.push_back(&request.command());
    responders.push_back(request.defer());
  }
  size_t collected(const net::Reactor&) const override { return commands.size(); }
  void on_bursts_end(net::Reactor&) override {
    ++ends;
    count_max = std::max(count_max.load(), commands.size());
    for (size_t i = 0; i < commands.size(); ++i) {
      const std::string_view* n = commands[i]->find("n");
      responders[i].reply(0, n != nullptr ? *n : "missing", commands[i]->body);
    }
    commands.clear();
    responders.clear();
  }
  std::vector<const wire::CommandView*> commands;
  std::vector<Responder> responders;
  std::atomic<int> ends{0};
  std::atomic<size_t> count_max{0};
};

TEST(dispatcher, views_of_a_burst_live_until_its_end) {
  SystemClock clock;
  WorkerPool workers("test-worker", 1, 8);
  Dispatcher dispatcher(workers);
  Collector collector;
  dispatcher.add_row(collecting_code, Lane::reactor, Ports::all, [&](Request& request) { collector.collect(request); });
  dispatcher.add_burst_participant(&collector);
  net::Server server(1, {}, clock);
  server.set_handler(&dispatcher);
  ASSERT_TRUE(server.listen("127.0.0.1", 0, 0));
  server.start();
  RawClient client(server.bound_port(0));
  for (int round = 0; round < 3; ++round) {
    std::string all;
    // Escapes make the decoder unescape into its scratch: each frame needs its own.
    for (int i = 0; i < 40; ++i) {
      all += command_frame(collecting_code, i, "body " + std::to_string(i), {{"n", "\"\n" + std::to_string(i)}});
    }
    const int ends = collector.ends;
    ASSERT_TRUE(client.send(all));
    for (int i = 0; i < 40; ++i) {
      const auto answer = parse(client.read_frame());
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->view.opaque, i);
      EXPECT_EQ(answer->view.remark, "\"\n" + std::to_string(i));
      EXPECT_EQ(as_text(answer->view.body), "body " + std::to_string(i));
    }
    EXPECT_EQ(collector.ends, ends + 1);
  }
  EXPECT_EQ(collector.count_max, 40U);
  server.stop();
}

// Two connections are readable when the reactor looks: what they brought is worked on at once, and each gets its own.
TEST(dispatcher, bursts_of_several_connections_share_one_end) {
  SystemClock clock;
  WorkerPool workers("test-worker", 1, 8);
  Dispatcher dispatcher(workers);
  Collector collector;
  std::atomic<net::Reactor*> reactor{nullptr};
  dispatcher.add_row(collecting_code, Lane::reactor, Ports::all, [&](Request& request) { collector.collect(request); });
  dispatcher.add_row(echo_code, Lane::reactor, Ports::all, [&](Request& request) {
    reactor = &request.connection().reactor();
    request.reply(0);
  });
  dispatcher.add_burst_participant(&collector);
  net::Server server(1, {}, clock);
  server.set_handler(&dispatcher);
  ASSERT_TRUE(server.listen("127.0.0.1", 0, 0));
  server.start();
  RawClient first(server.bound_port(0));
  RawClient second(server.bound_port(0));
  // Both are accepted and watched.
  for (RawClient* client : {&first, &second}) {
    ASSERT_TRUE(client->send(command_frame(echo_code, 1, "", {})));
    ASSERT_TRUE(parse(client->read_frame()));
  }
  // Bytes that are sent on the loopback lie in the socket of the other side when send() returns.
  std::latch sent(1);
  ASSERT_TRUE(reactor.load()->post([&] { sent.wait(); }));
  for (RawClient* client : {&first, &second}) {
    const std::string name = client == &first ? "first" : "second";
    std::string all;
    for (int i = 0; i < 20; ++i)
      all += command_frame(collecting_code, i, name, {{"n", "\"" + name + std::to_string(i)}});
    ASSERT_TRUE(client->send(all));
  }
  sent.count_down();
  for (RawClient* client : {&first, &second}) {
    const std::string name = client == &first ? "first" : "second";
    for (int i = 0; i < 20; ++i) {
      const auto answer = parse(client->read_frame());
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->view.opaque, i);
      EXPECT_EQ(answer->view.remark, "\"" + name + std::to_string(i));
      EXPECT_EQ(as_text(answer->view.body), name);
    }
  }
  EXPECT_EQ(collector.ends, 1);
  EXPECT_EQ(collector.count_max, 40U);
  server.stop();
}

// ---- calls ----

TEST_F(DispatcherTest, call_to_a_client_and_its_answer) {
  RawClient client = connect();
  const auto connection = connection_of(client);
  std::promise<Result<OwnedCommand>> promise;
  dispatcher.call(*connection, Call{39, {{"k", "v"}}, "ask"}, 5000, [&](Result<OwnedCommand> answer) {
    EXPECT_TRUE(connection->reactor().on_this_thread());
    promise.set_value(std::move(answer));
  });
  const auto request = parse(client.read_frame());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->view.code, 39);
  EXPECT_FALSE(request->view.is_response());
  EXPECT_EQ(*request->view.find("k"), "v");
  EXPECT_EQ(as_text(request->view.body), "ask");
  // An answer to something never asked is dropped.
  ASSERT_TRUE(client.send(command_frame(0, 123'456, "?", {}, wire::flag_response) +
                          command_frame(0, request->view.opaque, "told", {{"a", "b"}}, wire::flag_response)));
  const Result<OwnedCommand> answer = promise.get_future().get();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->body, "told");
  ASSERT_NE(answer->find("a"), nullptr);
  EXPECT_EQ(*answer->find("a"), "b");
  EXPECT_EQ(answer->find("c"), nullptr);
}

TEST_F(DispatcherTest, one_way_call_to_a_client) {
  RawClient client = connect();
  const auto connection = connection_of(client);
  dispatcher.call_oneway(*connection, Call{40, {{"consumerGroup", "g"}}, {}});
  const auto request = parse(client.read_frame());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->view.code, 40);
  EXPECT_TRUE(request->view.is_oneway());
}

TEST_F(DispatcherTest, call_without_answer_times_out_once_and_the_late_answer_is_dropped) {
  RawClient client = connect();
  const auto connection = connection_of(client);
  std::atomic<int> done{0};
  std::promise<Result<OwnedCommand>> promise;
  dispatcher.call(*connection, Call{39, {}, {}}, 20, [&](Result<OwnedCommand> answer) {
    ++done;
    promise.set_value(std::move(answer));
  });
  const auto request = parse(client.read_frame());
  ASSERT_TRUE(request);
  const Result<OwnedCommand> answer = promise.get_future().get();
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Errc::timeout);
  EXPECT_NE(answer.error().message.find("call 39 to 127.0.0.1:"), std::string::npos);
  ASSERT_TRUE(client.send(command_frame(0, request->view.opaque, {}, {}, wire::flag_response)));
  ASSERT_TRUE(client.send(command_frame(echo_code, 9)));
  EXPECT_EQ(parse(client.read_frame())->view.opaque, 9);
  EXPECT_EQ(done, 1);
}

TEST_F(DispatcherTest, deadlines_are_kept_in_any_order) {
  RawClient client = connect();
  const auto connection = connection_of(client);
  std::mutex mutex;
  std::vector<int> order;
  for (const int timeout_ms : {120, 20, 70}) {
    dispatcher.call(*connection, Call{39, {}, {}}, timeout_ms, [&, timeout_ms](Result<OwnedCommand> answer) {
      EXPECT_EQ(answer.error().code, Errc::timeout);
      std::lock_guard lock(mutex);
      order.push_back(timeout_ms);
    });
  }
  EXPECT_TRUE(eventually([&] {
    std::lock_guard lock(mutex);
    return order.size() == 3;
  }));
  EXPECT_EQ(order, (std::vector<int>{20, 70, 120}));
}

TEST_F(DispatcherTest, calls_on_a_connection_that_closes_fail_with_closed) {
  RawClient client = connect();
  const auto connection = connection_of(client);
  std::atomic<int> failed{0};
  const auto done = [&](Result<OwnedCommand> answer) {
    EXPECT_EQ(answer.error().code, Errc::closed);
    ++failed;
  };
  for (int i = 0; i < 3; ++i) dispatcher.call(*connection, Call{39, {}, {}}, 60'000, done);
  client.close();
  EXPECT_TRUE(eventually([&] { return failed == 3; }));
  dispatcher.call(*connection, Call{39, {}, {}}, 60'000, done);
  EXPECT_TRUE(eventually([&] { return failed == 4; }));
  server.stop();
  dispatcher.call(*connection, Call{39, {}, {}}, 60'000, done);
  EXPECT_EQ(failed, 5);
}

TEST_F(DispatcherTest, stop_ends_waiting_calls) {
  RawClient client = connect();
  const auto connection = connection_of(client);
  std::atomic<int> failed{0};
  dispatcher.call(*connection, Call{39, {}, {}}, 60'000, [&](Result<OwnedCommand> answer) {
    EXPECT_EQ(answer.error().code, Errc::closed);
    ++failed;
  });
  server.stop();
  EXPECT_EQ(failed, 1);
}

TEST_F(DispatcherTest, both_sides_call_each_other_on_one_connection) {
  std::promise<std::shared_ptr<net::Connection>> opened;
  server.connect("127.0.0.1", server.bound_port(0), 5000,
                 [&](Result<std::shared_ptr<net::Connection>> result) { opened.set_value(std::move(*result)); });
  const auto connection = opened.get_future().get();
  std::atomic<int> answered{0};
  for (int i = 0; i < 500; ++i) {
    dispatcher.call(*connection, Call{i % 2 == 0 ? echo_code : low_code, {{"i", std::to_string(i)}}, "b"}, 10'000,
                    [&, i](Result<OwnedCommand> answer) {
                      ASSERT_TRUE(answer.ok()) << answer.error().message;
                      EXPECT_EQ(*answer->find("i"), std::to_string(i));
                      ++answered;
                    });
  }
  EXPECT_TRUE(eventually([&] { return answered == 500; }));
}

#ifndef NDEBUG
TEST(dispatcher_death, second_row_for_a_code_is_a_bug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  WorkerPool workers("test-worker", 1, 8);
  Dispatcher dispatcher(workers);
  dispatcher.add_row(1, Lane::reactor, Ports::all, [](Request&) {});
  EXPECT_TRUE(dispatcher.has_row(1));
  EXPECT_FALSE(dispatcher.has_row(2));
  EXPECT_DEATH(dispatcher.add_row(1, Lane::reactor, Ports::all, [](Request&) {}), "has_row");
}

void serve_without_answering() {
  SystemClock clock;
  WorkerPool workers("test-worker", 1, 8);
  Dispatcher dispatcher(workers);
  dispatcher.add_row(1, Lane::reactor, Ports::all, [](Request&) {});
  net::Server server(1, {}, clock);
  server.set_handler(&dispatcher);
  if (!server.listen("127.0.0.1", 0, 0)) return;
  server.start();
  RawClient client(server.bound_port(0));
  client.send(command_frame(1, 1));
  client.read_frame();
}

TEST(dispatcher_death, handler_without_answer_is_a_bug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(serve_without_answering(), "returned without an answer");
}
#endif

}  // namespace
}  // namespace merlin::rpc
