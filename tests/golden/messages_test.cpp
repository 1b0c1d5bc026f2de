// Records, batches, properties, ids, hashes and names against what Apache 5.5.0 writes and says.

#include <cstring>
#include <map>

#include "golden/golden_file.h"
#include "merlin/base/clock.h"
#include "merlin/message/ids.h"
#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "merlin/message/record.h"

namespace merlin::golden {
namespace {

using namespace merlin::message;
using Pairs = std::map<std::string, std::string>;

Pairs pairs_of(std::string_view properties) {
  Pairs pairs;
  for_each_property(properties, [&pairs](std::string_view name, std::string_view value) {
    pairs[std::string(name)] = std::string(value);
    return true;
  });
  return pairs;
}

// "name=value,name=value" in hex.
Pairs parse_pairs(const std::string& text) {
  Pairs pairs;
  if (text == "-") return pairs;
  for (size_t at = 0; at < text.size();) {
    const size_t mid = text.find('=', at);
    const size_t end = std::min(text.find(',', mid), text.size());
    pairs[from_hex(text.substr(at, mid - at))] = from_hex(text.substr(mid + 1, end - mid - 1));
    at = end + 1;
  }
  return pairs;
}

TEST(GoldenRecords, decode_field_by_field_and_encode_byte_by_byte) {
  OutFile out("records.tsv");
  for (const Row& row : read_rows("records.tsv")) {
    SCOPED_TRACE(row[8] + " " + row[10] + " " + row[14]);
    const std::string bytes = from_hex(row[1]);
    const Result<RecordView> r = decode_record(as_bytes(bytes), true);
    ASSERT_TRUE(r.ok()) << r.error().message;
    EXPECT_EQ(r->total_size, static_cast<int32_t>(bytes.size()));
    EXPECT_EQ(r->queue_id, std::stoi(row[2]));
    EXPECT_EQ(r->flag, std::stoi(row[3]));
    EXPECT_EQ(r->sys_flag, std::stoi(row[4]));
    EXPECT_EQ(r->queue_offset, std::stoll(row[5]));
    EXPECT_EQ(r->physical_offset, std::stoll(row[6]));
    EXPECT_EQ(r->born_timestamp_ms, std::stoll(row[7]));
    EXPECT_EQ(r->born_host, HostPort::parse(row[8]));
    EXPECT_EQ(r->store_timestamp_ms, std::stoll(row[9]));
    EXPECT_EQ(r->store_host, HostPort::parse(row[10]));
    EXPECT_EQ(r->reconsume_times, std::stoi(row[11]));
    EXPECT_EQ(r->prepared_transaction_offset, std::stoll(row[12]));
    EXPECT_EQ(as_text(r->body), from_hex(row[13]));
    EXPECT_EQ(r->topic, row[14]);
    EXPECT_EQ(r->properties, from_hex(row[15]));

    RecordSpec spec;
    spec.topic = r->topic;
    spec.queue_id = r->queue_id;
    spec.flag = r->flag;
    spec.sys_flag = sys_flag::compressed;
    spec.born_timestamp_ms = r->born_timestamp_ms;
    spec.born_host = r->born_host;
    spec.store_host = r->store_host;
    spec.reconsume_times = r->reconsume_times;
    spec.prepared_transaction_offset = r->prepared_transaction_offset;
    spec.body = r->body;
    spec.properties = r->properties;
    ASSERT_EQ(record_size(spec), bytes.size());
    std::string mine(bytes.size(), '\xEE');
    auto* to = reinterpret_cast<uint8_t*>(mine.data());
    encode_record(spec, to);
    stamp_record(to, r->queue_offset, r->physical_offset, r->store_timestamp_ms);
    EXPECT_EQ(to_hex(mine), row[1]);
    out.line(to_hex(mine));
  }
}

// Files of a real store, each with a blank at its end: every record stands where it says, and is what we would have
// written.
TEST(GoldenCommitLog, walk_and_rewrite_a_real_commit_log) {
  const Row row = read_rows("commitlog.tsv").at(0);
  const size_t file_size = std::stoul(row[0]);
  const std::string log = from_hex(row[1]);
  const ByteView bytes = as_bytes(log);
  std::string rewritten(log.size(), '\0');
  size_t records = 0;
  size_t blanks = 0;
  for (size_t at = 0; at < bytes.size();) {
    SCOPED_TRACE(at);
    auto* const to = reinterpret_cast<uint8_t*>(rewritten.data()) + at;
    if (load_be<int32_t>(bytes.data() + at + 4) == magic_blank) {
      const auto left = static_cast<size_t>(load_be<int32_t>(bytes.data() + at));
      EXPECT_EQ((at + left) % file_size, 0U);
      EXPECT_GE(left, blank_bytes);
      std::memcpy(to, bytes.data() + at, blank_bytes);
      at += left;
      ++blanks;
      continue;
    }
    const Result<RecordView> r = decode_record(bytes.subspan(at), true);
    ASSERT_TRUE(r.ok()) << r.error().message;
    EXPECT_EQ(r->physical_offset, static_cast<int64_t>(at));
    EXPECT_EQ(r->magic == magic_v2, r->topic.size() > topic_length_v1_max);
    RecordSpec spec;
    spec.topic = r->topic;
    spec.queue_id = r->queue_id;
    spec.flag = r->flag;
    spec.sys_flag = r->sys_flag;
    spec.born_timestamp_ms = r->born_timestamp_ms;
    spec.born_host = r->born_host;
    spec.store_host = r->store_host;
    spec.reconsume_times = r->reconsume_times;
    spec.prepared_transaction_offset = r->prepared_transaction_offset;
    spec.body = r->body;
    spec.properties = r->properties;
    ASSERT_EQ(record_size(spec), static_cast<size_t>(r->total_size));
    encode_record(spec, to);
    stamp_record(to, r->queue_offset, r->physical_offset, r->store_timestamp_ms);
    at += static_cast<size_t>(r->total_size);
    ++records;
  }
  EXPECT_EQ(records, 12U);
  EXPECT_EQ(blanks, 1U);
  EXPECT_EQ(to_hex(rewritten), row[1]);
}

TEST(GoldenBatches, entries_are_java_s_messages) {
  for (const Row& row : read_rows("batches.tsv")) {
    const std::string bytes = from_hex(row[0]);
    ByteView rest = as_bytes(bytes);
    for (size_t i = 1; i + 2 < row.size(); i += 3) {
      ASSERT_FALSE(rest.empty());
      const Result<BatchEntry> e = take_batch_entry(rest);
      ASSERT_TRUE(e.ok()) << e.error().message;
      EXPECT_EQ(e->flag, std::stoi(row[i]));
      EXPECT_EQ(as_text(e->body), from_hex(row[i + 1]));
      EXPECT_EQ(pairs_of(e->properties), parse_pairs(row[i + 2]));
    }
    EXPECT_TRUE(rest.empty());
  }
}

TEST(GoldenProperties, read_as_java_reads_them) {
  for (const Row& row : read_rows("properties.tsv")) {
    const std::string text = from_hex(row[0]);
    const Pairs expected = parse_pairs(row[1]);
    EXPECT_EQ(pairs_of(text), expected) << row[0];
    for (const auto& [name, value] : expected) EXPECT_EQ(find_property(text, name), value) << row[0];
  }
}

TEST(GoldenIds, offset_ids_are_java_s) {
  OutFile out("ids.tsv");
  for (const Row& row : read_rows("ids.tsv")) {
    if (row[0] == "unique") {
      const ManualClock clock(1'700'000'000'000);
      UniqKeyMaker maker(*HostPort::parse("127.0.0.1:1"), clock);
      const std::string a = maker.next();
      const std::string b = maker.next();
      EXPECT_EQ(row[1], "upper_hex");
      EXPECT_EQ(a.find_first_not_of("0123456789ABCDEF"), std::string::npos);
      EXPECT_EQ(row[2], "same_prefix");
      EXPECT_EQ(a.substr(0, a.size() - 12), b.substr(0, b.size() - 12));
      EXPECT_EQ(row[3], "32_or_56");
      EXPECT_EQ(a.size(), 32U);
      continue;
    }
    const HostPort host = *HostPort::parse(row[1]);
    const int64_t offset = std::stoll(row[2]);
    EXPECT_EQ(offset_msg_id(host, offset), row[3]);
    const Result<OffsetMsgId> id = parse_offset_msg_id(row[3]);
    ASSERT_TRUE(id.ok());
    EXPECT_EQ(id->store_host, host);
    EXPECT_EQ(id->physical_offset, offset);
    out.line("offset\t" + row[1] + "\t" + row[2] + "\t" + offset_msg_id(host, offset));
  }
}

TEST(GoldenHashes, are_java_s_also_for_malformed_utf8) {
  for (const Row& row : read_rows("hashes.tsv")) {
    const std::string text = from_hex(row[0]);
    EXPECT_EQ(java_hash(text), std::stoi(row[1])) << row[0];
    if (!text.empty()) {
      EXPECT_EQ(tags_code("TAGS\1" + text + "\2"), std::stoll(row[1])) << row[0];
    }
  }
}

TEST(GoldenNames, verdicts_are_java_s_word_for_word) {
  for (const Row& row : read_rows("names.tsv")) {
    const std::string name = from_hex(row[1]);
    SCOPED_TRACE(row[0] + " " + name);
    if (row[0] == "topic") {
      EXPECT_EQ(topic_name_error(name).value_or(""), from_hex(row[2]));
    } else if (row[0] == "group") {
      EXPECT_EQ(group_name_error(name).value_or(""), from_hex(row[2]));
    } else if (row[0] == "system_topic") {
      EXPECT_EQ(is_system_topic(name), row[2] == "true");
    } else if (row[0] == "send_forbidden") {
      EXPECT_EQ(is_send_forbidden_topic(name), row[2] == "true");
    } else {
      ASSERT_EQ(row[0], "system_group");
      EXPECT_EQ(is_system_group(name), row[2] == "true");
    }
  }
}

}  // namespace
}  // namespace merlin::golden
