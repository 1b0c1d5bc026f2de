// The checker must see every kind of fault, so each is planted here.
#include "ledger.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "check.h"
#include "merlin/message/record.h"
#include "puller.h"

namespace merlin::bench {
namespace {

TEST(NumberSetTest, AgreesWithAStandardSet) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  NumberSet mine;
  NumberSet other;
  std::set<uint64_t> truth;
  std::set<uint64_t> other_truth;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t number = random() % 1500;
    EXPECT_EQ(mine.add(number), truth.insert(number).second);
    const uint64_t another = random() % 900;
    other.add(another);
    other_truth.insert(another);
  }
  EXPECT_EQ(mine.size(), truth.size());
  uint64_t missing = 0;
  for (uint64_t number = 0; number < 1600; ++number) {
    EXPECT_EQ(mine.has(number), truth.contains(number));
    if (truth.contains(number) && !other_truth.contains(number)) ++missing;
  }
  EXPECT_EQ(mine.missing_in(other), missing);
}

class LedgerTest : public testing::Test {
 protected:
  // Ten messages in turns to two queues, all acknowledged.
  LedgerTest() : ledger(2, 0xABCDEF) {
    for (int64_t i = 0; i < 10; ++i) {
      keys.push_back(ledger.sent(i % 2, 1));
      ledger.acknowledged(i % 2, keys.back(), 1);
    }
  }
  void receive(size_t i) { ledger.received(static_cast<int64_t>(i) % 2, keys[i]); }
  Ledger ledger;
  std::vector<uint64_t> keys;
};

TEST_F(LedgerTest, AllGood) {
  for (size_t i = 0; i < 10; ++i) receive(i);
  EXPECT_EQ(ledger.received_count(), 10);
  EXPECT_EQ(ledger.lost(), 0);
  EXPECT_EQ(ledger.duplicates(), 0);
  EXPECT_EQ(ledger.foreign(), 0);
  EXPECT_EQ(ledger.reordered(), 0);
  EXPECT_EQ(ledger.queue(0).missing() + ledger.queue(1).missing(), 0);
  EXPECT_EQ(ledger.queue(0).surplus() + ledger.queue(1).surplus(), 0);
}

TEST_F(LedgerTest, Lost) {
  for (size_t i = 0; i < 10; ++i) {
    if (i != 4) receive(i);
  }
  EXPECT_EQ(ledger.lost(), 1);
  EXPECT_EQ(ledger.queue(0).missing(), 1);
  EXPECT_EQ(ledger.queue(1).missing(), 0);
}

TEST_F(LedgerTest, Duplicate) {
  for (size_t i = 0; i < 10; ++i) receive(i);
  EXPECT_EQ(ledger.received(0, keys[6]), Ledger::Seen::again);
  EXPECT_EQ(ledger.duplicates(), 1);
  EXPECT_EQ(ledger.lost(), 0);
}

TEST_F(LedgerTest, OneInThePlaceOfAnother) {
  for (size_t i = 0; i < 10; ++i) receive(i == 4 ? 2 : i);
  EXPECT_EQ(ledger.lost(), 1);
  EXPECT_EQ(ledger.duplicates(), 1);
}

TEST_F(LedgerTest, Reordered) {
  for (const size_t i : {0, 1, 4, 2, 3, 5, 6, 7, 8, 9}) receive(i);
  EXPECT_EQ(ledger.reordered(), 1);  // 2 behind 4; the other queue's order is its own
  EXPECT_EQ(ledger.lost(), 0);
}

TEST_F(LedgerTest, InTheWrongQueue) {
  for (size_t i = 0; i < 10; ++i) ledger.received(i == 3 ? 0 : static_cast<int64_t>(i) % 2, keys[i]);
  EXPECT_EQ(ledger.lost(), 0) << "the key alone does not tell";
  EXPECT_EQ(ledger.queue(0).surplus(), 1);
  EXPECT_EQ(ledger.queue(1).missing(), 1);
}

TEST_F(LedgerTest, Foreign) {
  EXPECT_EQ(ledger.received(0, 0), Ledger::Seen::foreign);
  EXPECT_EQ(ledger.received(0, keys[9] + 1), Ledger::Seen::foreign) << "never sent";
  const Ledger other(1, 0xABCDEE);
  EXPECT_FALSE(other.number_of(keys[0]).has_value());
  EXPECT_EQ(ledger.foreign(), 2);
  EXPECT_EQ(ledger.received_count(), 0);
}

TEST_F(LedgerTest, UnsureMayComeOrNot) {
  const uint64_t first = ledger.sent(1, 3);
  EXPECT_EQ(ledger.queue(1).unsure, 3);
  EXPECT_EQ(ledger.received(1, first + 2), Ledger::Seen::first);
  for (size_t i = 0; i < 10; ++i) receive(i);
  EXPECT_EQ(ledger.lost(), 0);
  EXPECT_EQ(ledger.queue(1).surplus(), 0);
  // Confirmed as gone, it must not come.
  ledger.withdrawn(1, 3);
  EXPECT_EQ(ledger.queue(1).surplus(), 1);
}

TEST(KeyTest, IsReadFromTheProperties) {
  EXPECT_EQ(key_of("UNIQ_KEY\0017F000001000100000000000000000ABC\002WAIT\001true\002"), 0xABC);
  EXPECT_EQ(key_of("WAIT\001true\002UNIQ_KEY\0017F0000010001000012345678DEADBEEF"), 0x12345678DEADBEEF);
  EXPECT_FALSE(key_of("UNIQ_KEY\0017F00000100010000\002").has_value());
  EXPECT_FALSE(key_of("UNIQ_KEY\0017F00000100010000000000000000XABC\002").has_value());
  EXPECT_FALSE(key_of("").has_value());
}

// Records as a broker would send them.
class RecordsTest : public testing::Test {
 protected:
  void add(int64_t offset, int32_t queue = 3, const std::string& topic = "T") {
    message::RecordSpec spec;
    spec.topic = topic;
    spec.queue_id = queue;
    spec.body = as_bytes("some body");
    spec.born_host = spec.store_host = *HostPort::parse("127.0.0.1:1");
    uint8_t* at = body.prepare(message::record_size(spec));
    message::encode_record(spec, at);
    message::stamp_record(at, offset, 0, 0);
    body.commit(message::record_size(spec));
  }
  // "" when all is well, or what is wrong.
  std::string take(bool gaps_allowed = false) {
    seen.clear();
    Cursor cursor{.number = 0, .topic = "T", .queue = 3, .next = 7, .end = 100};
    const Status s = take_records(cursor, body.view(), gaps_allowed,
                                  [&](const Cursor&, const message::RecordView& r) { seen.push_back(r.queue_offset); });
    next = cursor.next;
    return s.ok() ? "" : s.error().message;
  }
  Buffer body;
  std::vector<int64_t> seen;
  int64_t next = 0;
};

TEST_F(RecordsTest, Dense) {
  for (const int64_t offset : {7, 8, 9}) add(offset);
  EXPECT_EQ(take(), "");
  EXPECT_EQ(seen, (std::vector<int64_t>{7, 8, 9}));
  EXPECT_EQ(next, 10);
}

TEST_F(RecordsTest, AGapIsSeenUnlessTheBrokerFilters) {
  for (const int64_t offset : {7, 9}) add(offset);
  EXPECT_EQ(take(), "T queue 3 offset 8: the broker sent offset 9");
  EXPECT_EQ(take(true), "");
  EXPECT_EQ(next, 10);
}

TEST_F(RecordsTest, ARepetitionIsSeenAlways) {
  for (const int64_t offset : {7, 8, 8}) add(offset);
  EXPECT_EQ(take(), "T queue 3 offset 9: the broker sent offset 8");
  EXPECT_EQ(take(true), "T queue 3 offset 9: the broker sent offset 8");
}

TEST_F(RecordsTest, ADamagedBodyIsSeen) {
  add(7);
  const std::string_view text = as_text(body.view());
  body.data()[text.find("some body")] ^= 1;
  EXPECT_NE(take().find("CRC"), std::string::npos) << take();
}

TEST_F(RecordsTest, OtherQueuesAndTopicsAreSeen) {
  add(7, 4);
  EXPECT_EQ(take(), "T queue 3 offset 7: the record says queue 4");
  body.clear();
  add(7, 3, "U");
  EXPECT_EQ(take(), "T queue 3 offset 7: the record says topic U");
  body.clear();
  EXPECT_EQ(take(), "T queue 3 offset 7: an answer without messages");
}

TEST(CheckReportTest, SaysWhatIsWrong) {
  CheckReport report;
  EXPECT_FALSE(report.good());
  report.offsets_agree = true;
  EXPECT_TRUE(report.good());
  EXPECT_EQ(report.what_is_wrong(), "");
  report.lost = 2;
  EXPECT_FALSE(report.good());
  EXPECT_EQ(report.what_is_wrong(), "2 acknowledged messages are lost");
  report.lost = 0;
  report.misplaced = 1;
  EXPECT_FALSE(report.good());
}

}  // namespace
}  // namespace merlin::bench
