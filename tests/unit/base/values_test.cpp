// Result, HostPort, CRC and clocks.
#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

#include "merlin/base/clock.h"
#include "merlin/base/crc32.h"
#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin {
namespace {

TEST(Result, holds_a_value_or_an_error) {
  Result<std::unique_ptr<int>> value(std::make_unique<int>(5));
  ASSERT_TRUE(value);
  EXPECT_EQ(**value, 5);
  const std::unique_ptr<int> taken = std::move(value).value();
  EXPECT_EQ(*taken, 5);
  const Result<int> failed(Error{Errc::limit, "too many", 3});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Errc::limit);
  const Error outer = failed.error().with("open store");
  EXPECT_EQ(outer.message, "open store: too many");
  EXPECT_EQ(outer.sys_errno, 3);
  EXPECT_TRUE(Status().ok());
  EXPECT_FALSE(Status(outer).ok());
}

TEST(Result, errno_errors_tell_a_full_disk_and_an_absent_file_apart) {
  EXPECT_EQ(errno_error("write f", ENOSPC).code, Errc::no_space);
  EXPECT_EQ(errno_error("write f", EDQUOT).code, Errc::no_space);
  EXPECT_EQ(errno_error("open f", ENOENT).code, Errc::not_found);
  const Error io = errno_error("sync f", EIO);
  EXPECT_EQ(io.code, Errc::io);
  EXPECT_EQ(io.sys_errno, EIO);
  EXPECT_EQ(io.message, "sync f: Input/output error");
}

TEST(HostPort, texts_go_both_ways) {
  const auto v4 = HostPort::parse("127.0.0.1:10911");
  ASSERT_TRUE(v4);
  EXPECT_FALSE(v4->v6);
  EXPECT_EQ(v4->ip[0], 127);
  EXPECT_EQ(v4->port, 10911);
  EXPECT_EQ(v4->wire_size(), 8U);
  EXPECT_EQ(v4->text(), "127.0.0.1:10911");
  const auto v6 = HostPort::parse("[::1]:9876");
  ASSERT_TRUE(v6);
  EXPECT_TRUE(v6->v6);
  EXPECT_EQ(v6->wire_size(), 20U);
  EXPECT_EQ(v6->text(), "[::1]:9876");
  EXPECT_EQ(*HostPort::from_ip("10.0.0.1", 1), *HostPort::parse("10.0.0.1:1"));
}

TEST(HostPort, refuses_what_is_no_numeric_address) {
  for (const char* text : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1",
                           "localhost:80", "1.2.3:80", "[]:1", "[::1:80", "1.2.3.4:80 "}) {
    EXPECT_FALSE(HostPort::parse(text)) << text;
  }
}

TEST(Crc32, fits_the_check_value_and_java) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xCBF43926U);
  EXPECT_EQ(crc32_31(as_bytes("123456789")), 0x4BF43926);
  EXPECT_EQ(crc32_31(ByteView()), 0);
  EXPECT_EQ(crc32(crc32(as_bytes("1234")), as_bytes("56789")), 0xCBF43926U);
}

TEST(Clock, a_manual_clock_moves_only_when_told) {
  ManualClock clock(1'000);
  const int64_t before = clock.monotonic_ns();
  EXPECT_EQ(clock.wall_ms(), 1'000);
  clock.advance_ms(5);
  EXPECT_EQ(clock.wall_ms(), 1'005);
  EXPECT_EQ(clock.monotonic_ns() - before, 5'000'000);
}

TEST(Clock, the_system_clock_moves) {
  const SystemClock clock;
  EXPECT_GT(clock.wall_ms(), int64_t{1'600'000'000'000});
  const int64_t a = clock.monotonic_ns();
  EXPECT_LE(a, clock.monotonic_ns());
}

}  // namespace
}  // namespace merlin
