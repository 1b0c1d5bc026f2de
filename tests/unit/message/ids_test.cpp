#include "merlin/message/ids.h"

#include <ctime>
#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace merlin::message {
namespace {

TEST(OffsetMsgId, hex_of_ip_port_and_offset) {
  EXPECT_EQ(offset_msg_id(*HostPort::parse("127.0.0.1:10911"), 0x123456789A), "7F00000100002A9F000000123456789A");
  EXPECT_EQ(offset_msg_id(*HostPort::parse("[::1]:1"), 0),
            "00000000000000000000000000000001"
            "00000001"
            "0000000000000000");
}

TEST(OffsetMsgId, there_and_back) {
  for (const char* host : {"1.2.3.4:10911", "[fe80::1:2]:65535"}) {
    const HostPort at = *HostPort::parse(host);
    const Result<OffsetMsgId> id = parse_offset_msg_id(offset_msg_id(at, INT64_MAX - 5));
    ASSERT_TRUE(id.ok());
    EXPECT_EQ(id->store_host, at);
    EXPECT_EQ(id->physical_offset, INT64_MAX - 5);
  }
  EXPECT_TRUE(parse_offset_msg_id("7f00000100002a9f000000123456789a").ok());
}

TEST(OffsetMsgId, refuses_what_is_none) {
  EXPECT_FALSE(parse_offset_msg_id("").ok());
  EXPECT_FALSE(parse_offset_msg_id("7F00000100002A9F000000123456789").ok());
  EXPECT_FALSE(parse_offset_msg_id("7F00000100002A9F000000123456789G").ok());
  EXPECT_FALSE(parse_offset_msg_id(std::string(56, '@')).ok());
}

TEST(UniqKey, has_the_shape_of_a_client_id) {
  const ManualClock clock(1'700'000'000'000);
  UniqKeyMaker maker(*HostPort::parse("10.0.0.255:1"), clock);
  const std::string a = maker.next();
  const std::string b = maker.next();
  EXPECT_EQ(a.size(), 32U);
  EXPECT_EQ(a.find_first_not_of("0123456789ABCDEF"), std::string::npos);
  EXPECT_EQ(a.substr(0, 8), "0A0000FF");
  EXPECT_EQ(a.substr(0, 28), b.substr(0, 28));
  EXPECT_EQ(a.substr(28), "0000");
  EXPECT_EQ(b.substr(28), "0001");
  UniqKeyMaker wide(*HostPort::parse("[::1]:1"), clock);
  EXPECT_EQ(wide.next().size(), 56U);
}

TEST(UniqKey, counts_milliseconds_from_the_start_of_the_month) {
  std::tm when{};
  when.tm_year = 126;
  when.tm_mon = 0;
  when.tm_mday = 31;
  when.tm_hour = 23;
  when.tm_min = 59;
  when.tm_sec = 59;
  when.tm_isdst = -1;
  ManualClock clock(static_cast<int64_t>(mktime(&when)) * 1000 + 999);
  UniqKeyMaker maker(*HostPort::parse("10.0.0.1:1"), clock);
  const auto ms = [&] { return std::stoul(maker.next().substr(20, 8), nullptr, 16); };
  EXPECT_EQ(ms(), 31UL * 86'400'000 - 1);
  clock.advance_ms(1);
  EXPECT_EQ(ms(), 0UL);
  clock.advance_ms(-1);
  EXPECT_EQ(ms(), 31UL * 86'400'000 - 1);
}

TEST(UniqKey, no_two_alike_from_many_threads) {
  const ManualClock clock(1'700'000'000'000);
  UniqKeyMaker maker(*HostPort::parse("10.0.0.1:1"), clock);
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&mine, &maker] {
      for (int i = 0; i < 5000; ++i) mine.push_back(maker.next());
    });
  }
  for (std::thread& t : threads) t.join();
  std::set<std::string> all;
  for (const auto& mine : made) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 20'000U);
}

}  // namespace
}  // namespace merlin::message
