#include "merlin/message/record.h"

#include <random>

#include <gtest/gtest.h>

#include "merlin/base/crc32.h"

namespace merlin::message {
namespace {

HostPort v4() {
  return *HostPort::parse("127.0.0.1:10911");
}
HostPort v6() {
  return *HostPort::parse("[::1]:10911");
}

struct Encoded {
  explicit Encoded(const RecordSpec& spec) : bytes(record_size(spec)) { encode_record(spec, bytes.data()); }
  std::vector<uint8_t> bytes;
};

RecordSpec sample() {
  RecordSpec spec;
  spec.topic = "TopicTest";
  spec.queue_id = 3;
  spec.flag = 9;
  spec.sys_flag = sys_flag::compressed;
  spec.born_timestamp_ms = 1'700'000'000'123;
  spec.born_host = v4();
  spec.store_host = v4();
  spec.reconsume_times = 2;
  spec.prepared_transaction_offset = 77;
  spec.body = as_bytes("123456789");
  spec.properties = "KEYS\1k\2";
  return spec;
}

TEST(Record, there_and_back_with_all_host_and_topic_forms) {
  const std::string long_topic(128, 't');
  for (const bool born_v6 : {false, true}) {
    for (const bool store_v6 : {false, true}) {
      for (const bool is_v2 : {false, true}) {
        RecordSpec spec = sample();
        spec.born_host = born_v6 ? v6() : v4();
        spec.store_host = store_v6 ? v6() : v4();
        if (is_v2) spec.topic = long_topic;
        Encoded e(spec);
        stamp_record(e.bytes.data(), 5, 1234, 1'700'000'000'999);
        const Result<RecordView> r = decode_record(e.bytes, true);
        ASSERT_TRUE(r.ok()) << r.error().message;
        EXPECT_EQ(r->total_size, static_cast<int32_t>(e.bytes.size()));
        EXPECT_EQ(r->magic, is_v2 ? magic_v2 : magic_v1);
        EXPECT_EQ(r->body_crc, 0x4BF43926);
        EXPECT_EQ(r->queue_id, 3);
        EXPECT_EQ(r->flag, 9);
        EXPECT_EQ(r->queue_offset, 5);
        EXPECT_EQ(r->physical_offset, 1234);
        EXPECT_EQ(r->sys_flag, sys_flag::compressed | (born_v6 ? sys_flag::born_host_v6 : 0) |
                                   (store_v6 ? sys_flag::store_host_v6 : 0));
        EXPECT_EQ(r->born_timestamp_ms, 1'700'000'000'123);
        EXPECT_EQ(r->born_host, spec.born_host);
        EXPECT_EQ(r->store_timestamp_ms, 1'700'000'000'999);
        EXPECT_EQ(r->store_host, spec.store_host);
        EXPECT_EQ(r->reconsume_times, 2);
        EXPECT_EQ(r->prepared_transaction_offset, 77);
        EXPECT_EQ(as_text(r->body), "123456789");
        EXPECT_EQ(r->topic, spec.topic);
        EXPECT_EQ(r->properties, spec.properties);
      }
    }
  }
}

TEST(Record, the_fixed_part_is_91_bytes) {
  RecordSpec spec;
  EXPECT_EQ(record_size(spec), 91U);
  Encoded e(spec);
  EXPECT_TRUE(decode_record(e.bytes, true).ok());
}

TEST(Record, host_bits_come_from_the_hosts_alone) {
  RecordSpec spec = sample();
  spec.sys_flag = sys_flag::born_host_v6 | sys_flag::store_host_v6;
  Encoded e(spec);
  const Result<RecordView> r = decode_record(e.bytes, true);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->sys_flag, 0);
}

TEST(Record, properties_tail_is_joined_with_a_separator) {
  RecordSpec spec = sample();
  const auto properties = [&](std::string_view head, std::string_view tail) {
    spec.properties = head;
    spec.properties_tail = tail;
    Encoded e(spec);
    return std::string(decode_record(e.bytes, true)->properties);
  };
  EXPECT_EQ(properties("A\1b\2", "C\1d\2"), "A\1b\2C\1d\2");
  EXPECT_EQ(properties("A\1b", "C\1d\2"), "A\1b\2C\1d\2");
  EXPECT_EQ(properties("A\1b", ""), "A\1b");
  EXPECT_EQ(properties("", "C\1d\2"), "C\1d\2");
}

TEST(Record, any_cut_and_any_wrong_length_is_refused) {
  Encoded e(sample());
  for (size_t n = 0; n < e.bytes.size(); ++n) {
    const std::vector<uint8_t> cut(e.bytes.begin(), e.bytes.begin() + static_cast<ptrdiff_t>(n));
    const Result<RecordView> r = decode_record(cut, false);
    ASSERT_FALSE(r.ok()) << n;
    EXPECT_EQ(r.error().code, Errc::corrupt);
  }
  for (const int32_t size :
       {-1, 0, 4, 90, static_cast<int32_t>(e.bytes.size()) - 1, static_cast<int32_t>(e.bytes.size()) + 1}) {
    std::vector<uint8_t> bad = e.bytes;
    bad.resize(bad.size() + 16);
    store_be<int32_t>(bad.data(), size);
    EXPECT_FALSE(decode_record(bad, false).ok()) << size;
  }
}

TEST(Record, names_the_check_that_failed) {
  Encoded e(sample());
  const auto why = [&](size_t at, int32_t value, bool check_crc) {
    std::vector<uint8_t> bad = e.bytes;
    store_be<int32_t>(bad.data() + at, value);
    const Result<RecordView> r = decode_record(bad, check_crc);
    return r.ok() ? std::string("decoded") : r.error().message;
  };
  EXPECT_NE(why(4, magic_blank, false).find("magic"), std::string::npos);
  EXPECT_NE(why(8, 1, true).find("CRC"), std::string::npos);
  EXPECT_EQ(why(8, 1, false), "decoded");
  EXPECT_NE(why(84, -1, false).find("body length"), std::string::npos);
  EXPECT_NE(why(84, INT32_MAX, false).find("body length"), std::string::npos);
  EXPECT_NE(why(84, 8, false).find("length"), std::string::npos);
}

TEST(Record, follows_one_another) {
  Encoded a(sample());
  std::vector<uint8_t> two = a.bytes;
  two.insert(two.end(), a.bytes.begin(), a.bytes.end());
  const Result<RecordView> r = decode_record(two, true);
  ASSERT_TRUE(r.ok());
  EXPECT_TRUE(decode_record(ByteView(two).subspan(static_cast<size_t>(r->total_size)), true).ok());
}

TEST(Record, random_damage_never_reads_outside) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Encoded e(sample());
  for (int i = 0; i < 20'000; ++i) {
    std::vector<uint8_t> bad = e.bytes;
    for (int n = 0; n < 3; ++n) bad[random() % bad.size()] = static_cast<uint8_t>(random());
    const Result<RecordView> r = decode_record(bad, true);
    if (!r.ok()) continue;
    EXPECT_LE(r->properties.data() + r->properties.size(), reinterpret_cast<const char*>(bad.data() + bad.size()));
  }
}

std::vector<uint8_t> batch_entry(int32_t flag, std::string_view body, std::string_view properties) {
  Buffer b;
  b.append_be<int32_t>(static_cast<int32_t>(22 + body.size() + properties.size()));
  b.append_be<int32_t>(0);
  b.append_be<int32_t>(0);
  b.append_be<int32_t>(flag);
  b.append_be<int32_t>(static_cast<int32_t>(body.size()));
  b.append(body);
  b.append_be<int16_t>(static_cast<int16_t>(properties.size()));
  b.append(properties);
  return {b.data(), b.data() + b.size()};
}

TEST(Batch, entries_are_taken_one_by_one) {
  std::vector<uint8_t> bytes = batch_entry(7, "one", "A\1b\2");
  const std::vector<uint8_t> second = batch_entry(0, "", "");
  bytes.insert(bytes.end(), second.begin(), second.end());
  ByteView rest = bytes;
  Result<BatchEntry> e = take_batch_entry(rest);
  ASSERT_TRUE(e.ok());
  EXPECT_EQ(e->flag, 7);
  EXPECT_EQ(as_text(e->body), "one");
  EXPECT_EQ(e->properties, "A\1b\2");
  e = take_batch_entry(rest);
  ASSERT_TRUE(e.ok());
  EXPECT_TRUE(e->body.empty());
  EXPECT_TRUE(rest.empty());
}

TEST(Batch, cuts_and_hostile_lengths_are_refused) {
  const std::vector<uint8_t> good = batch_entry(7, "one", "A\1b\2");
  for (size_t n = 1; n < good.size(); ++n) {
    const std::vector<uint8_t> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(n));
    ByteView rest = cut;
    EXPECT_FALSE(take_batch_entry(rest).ok()) << n;
  }
  for (const int32_t size : {-1, INT32_MAX, INT32_MIN}) {
    std::vector<uint8_t> bad = good;
    store_be<int32_t>(bad.data() + 16, size);
    ByteView rest = bad;
    EXPECT_FALSE(take_batch_entry(rest).ok()) << size;
  }
}

}  // namespace
}  // namespace merlin::message
