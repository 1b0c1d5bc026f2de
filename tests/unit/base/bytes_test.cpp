#include "merlin/base/bytes.h"

#include <gtest/gtest.h>

namespace merlin {
namespace {

TEST(Bytes, integers_are_big_endian) {
  uint8_t raw[8];
  store_be<int32_t>(raw, -626843481);
  EXPECT_EQ(raw[0], 0xDA);
  EXPECT_EQ(raw[3], 0xA7);
  EXPECT_EQ(load_be<int32_t>(raw), -626843481);
  store_be<int64_t>(raw, 0x0102030405060708);
  for (uint8_t i = 0; i < 8; ++i) EXPECT_EQ(raw[i], i + 1);
  store_be<int16_t>(raw, -2);
  EXPECT_EQ(load_be<uint16_t>(raw), 0xFFFE);
  EXPECT_EQ(load_be<int8_t>(raw), -1);
}

TEST(Buffer, grows_and_keeps_its_content) {
  Buffer buffer;
  for (int i = 0; i < 10'000; ++i) buffer.append_be<int32_t>(i);
  ASSERT_EQ(buffer.size(), 40'000U);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(load_be<int32_t>(buffer.data() + i * 4), i);
}

TEST(Buffer, keeps_capacity_over_clear_and_gives_it_back_on_release) {
  Buffer buffer;
  buffer.append(std::string(5'000, 'x'));
  const size_t capacity = buffer.capacity();
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.capacity(), capacity);
  buffer.release();
  EXPECT_EQ(buffer.capacity(), 0U);
  buffer.push(7);
  EXPECT_EQ(buffer.view()[0], 7);
}

TEST(Buffer, drops_from_both_ends) {
  Buffer buffer;
  buffer.append("abcdef");
  buffer.drop_front(2);
  EXPECT_EQ(as_text(buffer.view()), "cdef");
  buffer.truncate(3);
  EXPECT_EQ(as_text(buffer.view()), "cde");
  buffer.append(ByteView());
  EXPECT_EQ(buffer.size(), 3U);
  uint8_t* room = buffer.prepare(2);
  room[0] = 'x';
  buffer.commit(1);
  EXPECT_EQ(as_text(buffer.view()), "cdex");
}

}  // namespace
}  // namespace merlin
