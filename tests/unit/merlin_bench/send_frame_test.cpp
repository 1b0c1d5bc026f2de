#include "send_frame.h"

#include <set>

#include <gtest/gtest.h>

#include "merlin/message/properties.h"
#include "merlin/message/record.h"
#include "merlin/wire/command.h"
#include "merlin/wire/request_code.h"

namespace merlin::bench {
namespace {

struct Sent {
  Buffer bytes;
  wire::HeaderScratch scratch;
  wire::CommandView command;
};

// Appends two frames, so that the second one must start where the first one ends, and decodes the second.
void send_second(const Options& options, int32_t number, uint64_t key, Sent& out, int64_t queue = 3, int64_t lmq = 0) {
  const SendFrame frame(options);
  frame.append_to(out.bytes, 7, 1, 0);
  const size_t first = out.bytes.size();
  frame.append_to(out.bytes, number, key, queue, lmq);
  const wire::FrameScan scan = wire::scan_frame(out.bytes.view().subspan(first), wire::frame_limit_bytes_default);
  ASSERT_EQ(scan.state, wire::FrameScan::State::frame);
  ASSERT_EQ(scan.consumed, out.bytes.size() - first);
  auto command = wire::decode_command(scan.frame, out.scratch);
  ASSERT_TRUE(command.ok()) << command.error().message;
  out.command = *command;
}

class SendFrameTest : public testing::TestWithParam<bool> {
 protected:
  SendFrameTest() {
    options_.binary = GetParam();
    options_.size_bytes = 100;
    options_.topic = "T";
  }
  Options options_;
};

TEST_P(SendFrameTest, OneMessage) {
  Sent sent;
  ASSERT_NO_FATAL_FAILURE(send_second(options_, 999'999'999, 0xABC, sent));
  EXPECT_EQ(sent.command.code, wire::request_code::send_message_v2);
  EXPECT_EQ(SendFrame::number_of(sent.command.opaque), 999'999'999);
  EXPECT_EQ(sent.command.body.size(), 100U);
  ASSERT_NE(sent.command.find("e"), nullptr);
  EXPECT_EQ(*sent.command.find("e"), "3");
  EXPECT_EQ(*sent.command.find("b"), "T");
  EXPECT_EQ(message::find_property(*sent.command.find("i"), "UNIQ_KEY"), "7F000001000100000000000000000ABC");
}

TEST_P(SendFrameTest, ManyTopicsAndLightQueues) {
  options_.topics = 1000;
  options_.queues = 16;
  options_.lmq = 5000;
  options_.lmq_per_message = 3;
  Sent sent;
  ASSERT_NO_FATAL_FAILURE(send_second(options_, 5, 0x10, sent, 42 * 16 + 7, 4998));
  EXPECT_EQ(*sent.command.find("b"), "T_042");
  EXPECT_EQ(topic_name(options_, 42), "T_042");
  EXPECT_EQ(*sent.command.find("e"), "07");
  EXPECT_EQ(message::find_property(*sent.command.find("i"), "INNER_MULTI_DISPATCH"),
            "%LMQ%bench4998,%LMQ%bench4999,%LMQ%bench0000");
}

TEST_P(SendFrameTest, BatchEntriesHaveKeysOfTheirOwn) {
  options_.batch = 5;
  Sent sent;
  ASSERT_NO_FATAL_FAILURE(send_second(options_, 0, 0x10, sent));
  EXPECT_EQ(sent.command.code, wire::request_code::send_batch_message);
  std::set<std::string> keys;
  ByteView rest = sent.command.body;
  while (!rest.empty()) {
    const auto entry = message::take_batch_entry(rest);
    ASSERT_TRUE(entry.ok()) << entry.error().message;
    EXPECT_EQ(entry->body.size(), 100U);
    const auto key = message::find_property(entry->properties, "UNIQ_KEY");
    ASSERT_TRUE(key.has_value());
    keys.insert(std::string(*key));
  }
  EXPECT_EQ(keys.size(), 5U);
}

// Lengths in a binary header are bytes, and some of them are the characters that mark digits: each size must still give
// a frame whose every patched place is right.
TEST_P(SendFrameTest, EverySizeIsPatchedInTheRightPlaces) {
  options_.topics = 1000;
  options_.queues = 16;
  options_.lmq = 500;
  options_.tags = 20;
  options_.keys = true;
  for (int32_t size = 1; size < 300; ++size) {
    options_.size_bytes = size;
    options_.group = std::string(static_cast<size_t>(size), 'g');
    options_.batch = size % 3 + 1;
    Sent sent;
    ASSERT_NO_FATAL_FAILURE(send_second(options_, size, 0x123, sent, 321 * 16 + 11, 77));
    ASSERT_EQ(*sent.command.find("b"), "T_321") << size;
    ASSERT_EQ(*sent.command.find("e"), "11") << size;
    ASSERT_EQ(*sent.command.find("a"), options_.group);
    std::string_view properties = *sent.command.find("i");
    if (options_.batch > 1) {
      ByteView rest = sent.command.body;
      const auto entry = message::take_batch_entry(rest);
      ASSERT_TRUE(entry.ok());
      properties = entry->properties;
    }
    ASSERT_EQ(message::find_property(properties, "INNER_MULTI_DISPATCH"), "%LMQ%bench077") << size;
    ASSERT_EQ(message::find_property(properties, "TAGS"), "tag11") << size;  // 0x123 % 20
    ASSERT_EQ(message::find_property(properties, "KEYS"), "k0000000000000123") << size;
    ASSERT_EQ(message::find_property(properties, "UNIQ_KEY"), "7F000001000100000000000000000123") << size;
  }
}

TEST_P(SendFrameTest, BatchEntriesHaveTagsInTurnsAndKeysOfTheirOwn) {
  options_.batch = 4;
  options_.tags = 3;
  options_.keys = true;
  Sent sent;
  ASSERT_NO_FATAL_FAILURE(send_second(options_, 0, 6, sent));
  ByteView rest = sent.command.body;
  for (const int number : {6, 7, 8, 9}) {
    const auto entry = message::take_batch_entry(rest);
    ASSERT_TRUE(entry.ok());
    EXPECT_EQ(message::find_property(entry->properties, "TAGS"), "tag" + std::to_string(number % 3));
    EXPECT_EQ(message::find_property(entry->properties, "KEYS"), "k000000000000000" + std::to_string(number));
    EXPECT_EQ(message::find_property(entry->properties, "UNIQ_KEY"),
              "7F00000100010000000000000000000" + std::to_string(number));
  }
}

TEST_P(SendFrameTest, BornWhenTheClockSays) {
  SendFrame frame(options_);
  frame.set_born_ms(1'700'000'000'123);
  Buffer bytes;
  frame.append_to(bytes, 0, 0, 0);
  wire::HeaderScratch scratch;
  const wire::FrameScan scan = wire::scan_frame(bytes.view(), wire::frame_limit_bytes_default);
  const auto command = wire::decode_command(scan.frame, scratch);
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(*command->find("g"), "1700000000123");
}

TEST_P(SendFrameTest, HalfMessagesAndOneway) {
  options_.half = true;
  options_.oneway = true;
  Sent sent;
  ASSERT_NO_FATAL_FAILURE(send_second(options_, 0, 6, sent));
  EXPECT_TRUE(sent.command.is_oneway());
  EXPECT_EQ(*sent.command.find("f"), "4");
  EXPECT_EQ(message::find_property(*sent.command.find("i"), "TRAN_MSG"), "true");
  EXPECT_EQ(message::find_property(*sent.command.find("i"), "PGROUP"), options_.group);
}

TEST_P(SendFrameTest, AnswersAreScannedAsTheDecoderReadsThem) {
  const auto serialization = GetParam() ? wire::Serialization::rocketmq : wire::Serialization::json;
  Buffer bytes;
  wire::CommandHead head;
  head.code = 14;
  head.opaque = SendFrame::opaque_base + 42;
  head.flag = wire::flag_response;
  head.remark = "service \"not\" available";
  wire::CommandWriter writer(bytes, serialization, head);
  writer.field("msgId", "00");
  writer.finish(0);
  const wire::FrameScan scan = wire::scan_frame(bytes.view(), wire::frame_limit_bytes_default);
  AnswerScan answers;
  // The first scan searches, the second one looks where the first one found it.
  for (int i = 0; i < 2; ++i) {
    int32_t code = 0;
    int32_t opaque = 0;
    ASSERT_TRUE(answers.scan(scan.frame, code, opaque));
    EXPECT_EQ(code, 14);
    EXPECT_EQ(SendFrame::number_of(opaque), 42);
  }
}

TEST(ScanAnswerTest, AnswersOfChangingShape) {
  AnswerScan answers;
  for (const std::string_view tail : {"}", ",\"remark\":null}", "}", ",\"serializeTypeCurrentRPC\":\"JSON\"}", "}"}) {
    const std::string header = "{\"code\":1,\"opaque\":1000000007" + std::string(tail);
    wire::Frame frame;
    frame.header = as_bytes(header);
    int32_t code = 0;
    int32_t opaque = 0;
    ASSERT_TRUE(answers.scan(frame, code, opaque)) << header;
    EXPECT_EQ(code, 1);
    EXPECT_EQ(opaque, 1'000'000'007);
  }
}

TEST(ScanAnswerTest, OpaquesOfOthersAreNoNumbers) {
  EXPECT_EQ(SendFrame::number_of(INT32_MIN), -1);
  EXPECT_EQ(SendFrame::number_of(0), -1);
  EXPECT_EQ(SendFrame::number_of(SendFrame::opaque_base - 1), -1);
  EXPECT_EQ(SendFrame::number_of(SendFrame::opaque_base), 0);
}

TEST(ScanAnswerTest, OtherShapesAreLeftToTheDecoder) {
  int32_t code = 0;
  int32_t opaque = 0;
  for (const std::string_view header :
       {"{\"opaque\":1,\"code\":0}", "{\"code\":0}", "{\"code\":\"0\",\"opaque\":1}", ""}) {
    wire::Frame frame;
    frame.header = as_bytes(header);
    EXPECT_FALSE(AnswerScan().scan(frame, code, opaque)) << header;
  }
  wire::Frame frame;
  frame.serialization = wire::Serialization::rocketmq;
  frame.header = as_bytes("short");
  EXPECT_FALSE(AnswerScan().scan(frame, code, opaque));
}

INSTANTIATE_TEST_SUITE_P(Headers, SendFrameTest, testing::Bool(),
                         [](const auto& test) { return test.param ? "binary" : "json"; });

}  // namespace
}  // namespace merlin::bench
