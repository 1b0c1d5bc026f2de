#include "merlin/wire/frame.h"

#include <gtest/gtest.h>

namespace merlin::wire {
namespace {

using State = FrameScan::State;

std::vector<uint8_t> frame_bytes(int32_t length, uint32_t mark, size_t rest) {
  std::vector<uint8_t> bytes(8 + rest, 'x');
  store_be<int32_t>(bytes.data(), length);
  store_be<uint32_t>(bytes.data() + 4, mark);
  return bytes;
}

TEST(Frame, cuts_header_and_body_and_leaves_what_follows) {
  std::vector<uint8_t> bytes = frame_bytes(4 + 2 + 3, 2, 5);
  bytes.insert(bytes.end(), {1, 2, 3});
  const FrameScan scan = scan_frame(bytes, frame_limit_bytes_default);
  ASSERT_EQ(scan.state, State::frame) << scan.why;
  EXPECT_EQ(scan.consumed, 13U);
  EXPECT_EQ(scan.frame.header.data(), bytes.data() + 8);
  EXPECT_EQ(scan.frame.header.size(), 2U);
  EXPECT_EQ(scan.frame.body.size(), 3U);
  EXPECT_EQ(scan.frame.serialization, Serialization::json);
}

TEST(Frame, every_prefix_asks_for_more_and_says_how_much) {
  const std::vector<uint8_t> bytes = frame_bytes(4 + 2 + 3, 0x01000002, 5);
  for (size_t n = 0; n < bytes.size(); ++n) {
    const FrameScan scan = scan_frame(ByteView(bytes).first(n), 64);
    ASSERT_EQ(scan.state, State::need_more) << n;
    EXPECT_EQ(scan.bytes_needed, n < 4 ? frame_prefix_bytes : bytes.size());
  }
  EXPECT_EQ(scan_frame(bytes, 64).frame.serialization, Serialization::rocketmq);
}

TEST(Frame, refuses_a_length_over_the_limit_before_the_bytes_come) {
  const std::vector<uint8_t> at_limit = frame_bytes(64, 0, 60);
  EXPECT_EQ(scan_frame(at_limit, 64).state, State::frame);
  const std::vector<uint8_t> over = frame_bytes(65, 0, 0);
  const FrameScan scan = scan_frame(ByteView(over).first(4), 64);
  EXPECT_EQ(scan.state, State::broken);
  EXPECT_NE(scan.why.find("65"), std::string::npos);
  EXPECT_NE(scan.why.find("64"), std::string::npos);
}

TEST(Frame, refuses_lengths_that_contradict_each_other) {
  EXPECT_EQ(scan_frame(frame_bytes(-1, 0, 0), 64).state, State::broken);
  EXPECT_EQ(scan_frame(frame_bytes(0, 0, 0), 64).state, State::broken);
  EXPECT_EQ(scan_frame(frame_bytes(3, 0, 0), 64).state, State::broken);
  EXPECT_EQ(scan_frame(frame_bytes(10, 7, 0), 64).state, State::broken);
  EXPECT_EQ(scan_frame(frame_bytes(10, 0x02000000, 6), 64).state, State::broken);
  EXPECT_EQ(scan_frame(frame_bytes(4, 0, 0), 64).state, State::frame);
}

}  // namespace
}  // namespace merlin::wire
