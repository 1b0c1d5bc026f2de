#include "service/reply.h"

#include <chrono>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

#include "merlin/message/properties.h"

namespace merlin::service {
namespace {

// A producer that asked: keeps what is pushed to it until the test answers.
class Asker final : public ClientChannel {
 public:
  uint64_t id() const override { return 1; }
  const std::string& remote_text() const override { return remote_; }
  bool is_open() const override { return open; }
  void notify_consumer_ids_changed(const std::string&) override {}
  void move_offsets(const OffsetMove&, const std::string&) override {}
  void ask(ClientQuestion, int64_t, std::function<void(Result<ClientAnswer>)>) override {}
  void push_reply(const ReplyMessage& reply, int64_t timeout_ms, std::function<void(Status)> done) override {
    pushed.push_back(reply);
    if (answers_at_once) return done({});
    timeouts_ms.push_back(timeout_ms);
    waiting.push_back(std::move(done));
  }
  bool open = true;
  bool answers_at_once = false;
  std::vector<ReplyMessage> pushed;
  std::vector<int64_t> timeouts_ms;
  std::vector<std::function<void(Status)>> waiting;

 private:
  const std::string remote_ = "127.0.0.1:1";
};

class ReplyTest : public testing::Test {
 protected:
  static std::string fresh_dir() {
    const std::string dir = testing::TempDir() + "merlin_reply_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(getpid());
    std::filesystem::remove_all(dir);
    return dir;
  }
  static store::StoreOptions options(const std::string& dir) {
    store::StoreOptions o;
    o.root_dir = dir;
    o.segment_size_bytes = 64 * 1024;
    o.consume_queue_file_bytes = 50 * 20;
    o.index_enabled = false;
    return o;
  }
  static ProduceSettings settings() {
    ProduceSettings s;
    s.cluster_name = "C";
    s.region_id = "R";
    s.store_host = *HostPort::from_ip("127.0.0.1", 10911);
    return s;
  }
  void SetUp() override {
    ASSERT_TRUE(store_.open());
    meta::TopicTable::Setup setup;
    setup.cluster_name = "C";
    setup.broker_name = "B";
    ASSERT_TRUE(topics_.open(setup));
  }
  void TearDown() override {
    store_.close();
    std::filesystem::remove_all(dir_);
  }

  ReplyMessage reply(const std::string& to) {
    ReplyMessage m;
    m.topic = "C_REPLY_TOPIC";
    m.properties = "UNIQ_KEY\1u\2CORRELATION_ID\1c7\2";
    if (!to.empty()) message::append_property(m.properties, "REPLY_TO_CLIENT", to);
    m.born_host = *HostPort::from_ip("10.0.0.9", 7);
    m.body = "the answer";
    return m;
  }
  void handle(ReplyMessage message) {
    reply_.handle(std::move(message), [this](ReplyAnswer answer) { answers_.push_back(std::move(answer)); });
  }
  void join(const std::shared_ptr<Asker>& channel) {
    clients_.register_producer("p", {channel, "client-a", "JAVA", 513, clock_.wall_ms()});
  }
  int64_t stored() {
    const store::ConsumeQueue* queue = store_.find_queue("C_REPLY_TOPIC", 0);
    return queue == nullptr ? 0 : store_.max_offset(queue);
  }

  const std::string dir_ = fresh_dir();
  ManualClock clock_{1'700'000'000'000};
  std::atomic<int64_t> permission_ = 6;
  std::atomic<int64_t> store_replies_ = 1;
  store::MessageStore store_{options(dir_), posix_file_system(), clock_, [](const Error&) {}};
  meta::TopicTable topics_{posix_file_system(), clock_, dir_};
  BrokerStats stats_{clock_};
  Produce produce_{settings(), clock_, store_, topics_, permission_, stats_};
  Clients clients_{clock_};
  Reply reply_{clock_, store_, produce_, clients_, store_replies_, 1000};
  std::shared_ptr<Asker> asker_ = std::make_shared<Asker>();
  std::vector<ReplyAnswer> answers_;
};

TEST_F(ReplyTest, GoesToTheProducerThatAskedAndIntoTheStore) {
  join(asker_);
  handle(reply("client-a"));
  ASSERT_EQ(asker_->pushed.size(), 1U);
  EXPECT_TRUE(answers_.empty()) << "the replier waits for the producer's word";
  const ReplyMessage& pushed = asker_->pushed.front();
  EXPECT_EQ(pushed.body, "the answer");
  EXPECT_EQ(pushed.born_host.text(), "10.0.0.9:7");
  EXPECT_EQ(pushed.store_host.text(), "127.0.0.1:10911");
  EXPECT_EQ(message::find_property(pushed.properties, "CORRELATION_ID"), "c7");
  EXPECT_EQ(message::find_property(pushed.properties, "PUSH_REPLY_TIME"), std::to_string(clock_.wall_ms()));
  EXPECT_EQ(asker_->timeouts_ms.front(), Reply::push_timeout_ms);
  EXPECT_EQ(stored(), 0);
  asker_->waiting.front()({});
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_TRUE(answers_[0].refusal.ok()) << answers_[0].refusal.remark;
  EXPECT_EQ(answers_[0].queue_offset, 0);
  EXPECT_EQ(answers_[0].message_id.size(), 32U);
  EXPECT_EQ(stored(), 1);
}

// A producer may have answered before the call that told it is over, on another thread: what is stored then must be
// what came, and stay as it is while it is written.
TEST_F(ReplyTest, IsStoredAsItCameHoweverSoonTheAnswerIs) {
  asker_->answers_at_once = true;
  join(asker_);
  handle(reply("client-a"));
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_TRUE(message::find_property(asker_->pushed.front().properties, "PUSH_REPLY_TIME"));
  const store::ConsumeQueue* queue = store_.find_queue("C_REPLY_TOPIC", 0);
  for (int i = 0; i < 5'000 && store_.max_offset(queue) == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  store::GetResult result;
  store_.get(queue, 0, {}, nullptr, result);
  ASSERT_EQ(result.status, store::GetStatus::found);
  const auto record = message::decode_record(result.bytes.slices.front(), false);
  ASSERT_TRUE(record);
  EXPECT_EQ(message::find_property(record->properties, "CORRELATION_ID"), "c7");
  EXPECT_FALSE(message::find_property(record->properties, "PUSH_REPLY_TIME"));
}

TEST_F(ReplyTest, IsNotStoredWhenSwitchedOff) {
  store_replies_ = 0;
  join(asker_);
  handle(reply("client-a"));
  asker_->waiting.front()({});
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_TRUE(answers_[0].refusal.ok());
  EXPECT_EQ(answers_[0].message_id, "0") << "clients cannot read an answer without one";
  EXPECT_EQ(stored(), 0);
}

TEST_F(ReplyTest, SaysWhyItDidNotArriveAndIsStoredAllTheSame) {
  handle(reply(""));
  handle(reply("client-a"));
  join(asker_);
  handle(reply("client-a"));
  asker_->waiting.front()(Error{Errc::timeout, "no answer"});
  ASSERT_EQ(answers_.size(), 3U);
  EXPECT_EQ(answers_[0].refusal.remark, "reply message properties[REPLY_TO_CLIENT] is null");
  EXPECT_EQ(answers_[1].refusal.remark, "push reply message fail, channel of <client-a> not found.");
  EXPECT_EQ(answers_[2].refusal.remark, "push reply message to client-afail.");
  for (const ReplyAnswer& answer : answers_) EXPECT_EQ(answer.refusal.outcome, Outcome::system_error);
  EXPECT_EQ(stored(), 3);
}

TEST_F(ReplyTest, KeepsTheRulesOfSending) {
  join(asker_);
  ReplyMessage bad = reply("client-a");
  bad.queue_id = 5;
  handle(bad);
  bad = reply("client-a");
  bad.topic = "no such topic!";
  handle(bad);
  bad = reply("client-a");
  bad.topic = "Absent";
  handle(bad);
  ASSERT_EQ(answers_.size(), 3U);
  EXPECT_EQ(answers_[0].refusal.outcome, Outcome::invalid_parameter);
  EXPECT_EQ(answers_[1].refusal.outcome, Outcome::invalid_parameter);
  EXPECT_EQ(answers_[2].refusal.outcome, Outcome::topic_not_exist);
  EXPECT_TRUE(asker_->pushed.empty()) << "nobody is told of a reply that is refused";
}

}  // namespace
}  // namespace merlin::service
