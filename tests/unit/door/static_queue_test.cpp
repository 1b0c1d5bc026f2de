// Which requests are translated for static topics, and what is answered when this broker does not lead the queue.
#include "door/remoting/static_queue.h"

#include <gtest/gtest.h>

#include "merlin/base/faulty_file_system.h"
#include "merlin/wire/request_code.h"
#include "rpc/dispatcher.h"
#include "unit/net/raw_client.h"

namespace merlin::door {
namespace {

namespace code = wire::request_code;
using test::command_frame;
using test::RawClient;

constexpr std::string_view mapping_text =
    R"({"bname":"broker-a","epoch":1,"scope":"__global__","topic":"S","totalQueues":4,"hostedQueues":{)"
    R"(1:[{"bname":"broker-a","queueId":0,"logicOffset":0}],)"
    R"(2:[{"bname":"broker-a","queueId":1,"logicOffset":100,"startOffset":10}],)"
    R"(3:[{"bname":"broker-b","queueId":0}],)"
    R"(4:[{"bname":"broker-b","queueId":0,"endOffset":5},{"bname":"broker-a","gen":1,"queueId":2,"logicOffset":50}],)"
    R"(5:[{"bname":"broker-a","queueId":3,"logicOffset":-1}],6:[]}})";

TEST(StaticQueue, AnOrdinaryQueueIsLeftAlone) {
  const StaticQueue none;
  for (const int64_t offset : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{7}, INT64_MAX}) {
    EXPECT_EQ(none.to_physical(offset), offset);
    EXPECT_EQ(none.to_logic(offset), offset);
    EXPECT_EQ(none.to_logic_within(offset), offset);
  }
}

TEST(StaticQueue, OffsetsOfAnItem) {
  StaticQueue item{true, 2, 1, 100, 10, -1};
  EXPECT_EQ(item.delta(), 90);
  EXPECT_EQ(item.to_physical(100), 10);
  EXPECT_EQ(item.to_logic(10), 100);
  EXPECT_EQ(item.to_logic(15), 105);
  EXPECT_EQ(item.to_logic(3), 100) << "before the item's start";
  EXPECT_EQ(item.to_logic_within(1'000), 1'090);
  item.end_offset = 20;
  EXPECT_EQ(item.to_logic_within(1'000), 110);
  EXPECT_EQ(item.to_logic(1'000), 1'090);
  // Whatever a client sends: no overflow that a sanitizer would stop at.
  EXPECT_EQ(item.to_logic(item.to_physical(INT64_MAX)), INT64_MAX);
  (void)item.to_physical(INT64_MIN);
}

// Answers what resolve() made of a request: the queue asked for, and the queue meant.
class Probe {
 public:
  explicit Probe(const meta::QueueMappingTable& mappings) : queues_(mappings) {}
  void handle(rpc::Request& request) {
    int32_t queue_id = std::stoi(std::string(*request.command().find("queueId")));
    StaticQueue mapped;
    if (!queues_.resolve(request, *request.command().find("topic"), queue_id, mapped)) return;
    request.reply(0, std::to_string(mapped.is_mapped ? mapped.global_id : -1) + "->" + std::to_string(queue_id));
  }

  static constexpr rpc::Row<Probe> rows[] = {
      {code::send_message, rpc::Lane::reactor, rpc::Ports::all, &Probe::handle},
      {code::send_message_v2, rpc::Lane::reactor, rpc::Ports::all, &Probe::handle},
      {code::pull_message, rpc::Lane::reactor, rpc::Ports::all, &Probe::handle},
      {code::get_min_offset, rpc::Lane::reactor, rpc::Ports::all, &Probe::handle},
      {code::get_max_offset, rpc::Lane::reactor, rpc::Ports::all, &Probe::handle},
  };

 private:
  const StaticQueues queues_;
};

class StaticQueuesTest : public testing::Test {
 protected:
  StaticQueuesTest() : probe_(mappings_), workers_("test-worker", 1, 8), dispatcher_(workers_), server_(1, {}, clock_) {
    dispatcher_.add(probe_, Probe::rows);
    server_.set_handler(&dispatcher_);
    EXPECT_TRUE(mappings_.open());
    EXPECT_TRUE(server_.listen("127.0.0.1", 0, rpc::Dispatcher::main_port_tag));
    server_.start();
    client_ = std::make_unique<RawClient>(server_.bound_port(rpc::Dispatcher::main_port_tag));
  }
  ~StaticQueuesTest() override {
    server_.stop();
    workers_.stop();
  }
  // "code remark" of the answer.
  std::string ask(int32_t request_code, std::string topic, int32_t queue_id, std::string lo = {}) {
    std::vector<std::pair<std::string, std::string>> ext = {{"topic", topic}, {"queueId", std::to_string(queue_id)}};
    if (!lo.empty()) ext.emplace_back("lo", lo);
    EXPECT_TRUE(client_->send(command_frame(request_code, 1, "", ext)));
    const auto answer = test::parse(client_->read_frame());
    if (!answer) return "no answer";
    return std::to_string(answer->view.code) + " " + std::string(answer->view.remark);
  }
  void make_static() {
    auto mapping = meta::QueueMapping::parse(mapping_text);
    ASSERT_TRUE(mapping.ok());
    ASSERT_TRUE(mappings_.update(std::move(mapping).value(), false));
  }

  SystemClock clock_;
  FaultyFileSystem files_;
  meta::QueueMappingTable mappings_{files_, clock_, "/store"};
  Probe probe_;
  WorkerPool workers_;
  rpc::Dispatcher dispatcher_;
  net::Server server_;
  std::unique_ptr<RawClient> client_;
};

TEST_F(StaticQueuesTest, QueuesOfStaticTopicsOnly) {
  EXPECT_EQ(ask(code::pull_message, "S", 1), "0 -1->1");
  make_static();
  EXPECT_EQ(ask(code::pull_message, "S", 1), "0 1->0");
  EXPECT_EQ(ask(code::pull_message, "S", 2), "0 2->1");
  EXPECT_EQ(ask(code::pull_message, "Other", 1), "0 -1->1");
  ASSERT_TRUE(mappings_.remove("S"));
  EXPECT_EQ(ask(code::pull_message, "S", 1), "0 -1->1");
}

TEST_F(StaticQueuesTest, WhoHasTranslatedAlreadySaysSo) {
  make_static();
  EXPECT_EQ(ask(code::get_max_offset, "S", 2, "false"), "0 -1->2");
  EXPECT_EQ(ask(code::get_max_offset, "S", 2, "true"), "0 2->1");
  EXPECT_EQ(ask(code::send_message, "S", 2, "false"), "0 -1->2");
  EXPECT_EQ(ask(code::send_message_v2, "S", 2, "false"), "0 2->1") << "the short form has no such field";
}

TEST_F(StaticQueuesTest, ASenderMayLeaveTheQueueOpen) {
  make_static();
  EXPECT_EQ(ask(code::send_message_v2, "S", -1), "0 1->0");
  EXPECT_EQ(ask(code::get_max_offset, "S", -1), "501 S--1 does not exit in request process of current broker broker-a");
}

TEST_F(StaticQueuesTest, QueuesLedElsewhereAreRefusedInApachesWords) {
  make_static();
  for (const int32_t queue : {0, 3, 6}) {
    const std::string name = "S-" + std::to_string(queue);
    EXPECT_EQ(ask(code::send_message_v2, "S", queue),
              "501 " + name + " does not exit in request process of current broker broker-a");
    EXPECT_EQ(ask(code::pull_message, "S", queue),
              "501 " + name + " cannot find mapping item in request process of current broker broker-a");
    EXPECT_EQ(ask(code::get_min_offset, "S", queue),
              "501 " + name + " is not leader in broker broker-a, request code 31");
  }
}

TEST_F(StaticQueuesTest, QueuesThatMovedAreRefused) {
  make_static();
  EXPECT_EQ(ask(code::pull_message, "S", 4),
            "501 S-4 has 2 mapping items; queues that moved between brokers are not built");
  EXPECT_EQ(ask(code::send_message_v2, "S", 5),
            "501 S-5 has 1 mapping items; queues that moved between brokers are not built");
}

}  // namespace
}  // namespace merlin::door
