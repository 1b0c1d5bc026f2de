// One record of the CommitLog, which is also the unit in pull, view and query answers.
//
//   #   size     field                           #   size     field
//   1   4        total size                      10  8|20     born host (ip 4|16, i32 port)
//   2   4        magic (v1, v2)                  11  8        store timestamp ms     *
//   3   4        body CRC, 31 bits               12  8|20     store host
//   4   4        queue id                        13  4        reconsume times
//   5   4        user flag                       14  8        prepared transaction offset
//   6   8        queue offset          *         15  4+n      body
//   7   8        physical offset       *         16  1|2+n    topic (v1 one length byte, v2 two)
//   8   4        sysFlag                         17  2+n      properties
//   9   8        born timestamp ms
//
// Fields marked * are stamped inside the append lane, after the rest was encoded outside of it.
// Source of the format: MessageExtEncoder and CommitLog of Apache RocketMQ.
#pragma once

#include <cstdint>
#include <string_view>

#include "merlin/base/bytes.h"
#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin::message {

inline constexpr int32_t magic_v1 = -626843481;     // 0xDAA320A7
inline constexpr int32_t magic_v2 = -626843477;     // 0xDAA320AB
inline constexpr int32_t magic_blank = -875286124;  // 0xCBD43194: the rest of this file is empty
inline constexpr size_t blank_bytes = 8;  // i32 remaining length, i32 magic_blank; every file keeps room for it

// Offsets of the fields that are stamped late, from the start of the record.
inline constexpr size_t queue_offset_at = 20;
inline constexpr size_t physical_offset_at = 28;
inline constexpr size_t sys_flag_at = 36;
inline constexpr size_t store_timestamp_at(bool born_host_v6) {
  return born_host_v6 ? 68 : 56;
}

inline constexpr size_t topic_length_v1_max = 127;
inline constexpr size_t topic_length_max = 32767;
inline constexpr size_t properties_length_max = 32767;

namespace sys_flag {
inline constexpr int32_t compressed = 1;
inline constexpr int32_t multi_tags = 1 << 1;
inline constexpr int32_t transaction_mask = 3 << 2;
inline constexpr int32_t transaction_none = 0;
inline constexpr int32_t transaction_prepared = 1 << 2;
inline constexpr int32_t transaction_commit = 2 << 2;
inline constexpr int32_t transaction_rollback = 3 << 2;
inline constexpr int32_t born_host_v6 = 1 << 4;
inline constexpr int32_t store_host_v6 = 1 << 5;
inline constexpr int32_t need_unwrap = 1 << 6;
inline constexpr int32_t inner_batch = 1 << 7;
}  // namespace sys_flag

// What an encoder needs. Views; the host bits of sys_flag are set by the encoder from the hosts.
struct RecordSpec {
  std::string_view topic;
  int32_t queue_id = 0;
  int32_t flag = 0;
  int32_t sys_flag = 0;
  int64_t born_timestamp_ms = 0;
  HostPort born_host;
  HostPort store_host;
  int32_t reconsume_times = 0;
  int64_t prepared_transaction_offset = 0;
  ByteView body;
  std::string_view properties;  // encoded form: name 0x01 value 0x02 ...
  std::string_view
      properties_tail;  // more of it, put behind (a missing 0x02 between them is added): what the broker adds
};

size_t record_size(const RecordSpec& spec);
// Writes record_size(spec) bytes to `out`; queue offset, physical offset and store timestamp are left 0.
// REQUIRES: topic and properties within their limits.
void encode_record(const RecordSpec& spec, uint8_t* out);
// Adds to the properties of a record that was encoded from `spec`; `more` is in their encoded form. Returns the
// record's new size, or 0 when the properties would be longer than a record can say: then nothing is changed. REQUIRES:
// room for more.size() + 1 bytes behind the record.
int32_t extend_properties(const RecordSpec& spec, uint8_t* record, std::string_view more);
// Stamps the three late fields.
void stamp_record(uint8_t* record, int64_t queue_offset, int64_t physical_offset, int64_t store_timestamp_ms);

// Views into the record's bytes.
struct RecordView {
  int32_t total_size = 0;
  int32_t magic = 0;
  int32_t body_crc = 0;
  int32_t queue_id = 0;
  int32_t flag = 0;
  int64_t queue_offset = 0;
  int64_t physical_offset = 0;
  int32_t sys_flag = 0;
  int64_t born_timestamp_ms = 0;
  HostPort born_host;
  int64_t store_timestamp_ms = 0;
  HostPort store_host;
  int32_t reconsume_times = 0;
  int64_t prepared_transaction_offset = 0;
  ByteView body;
  std::string_view topic;
  std::string_view properties;
};

// Decodes the record at the start of `bytes` (which may go on behind it). Checks magic, sizes and that all parts add up
// to the total size; the body CRC only when asked. Errc::corrupt says which check failed.
Result<RecordView> decode_record(ByteView bytes, bool check_crc);

// One entry of a batch body: i32 total size, i32 magic (0), i32 crc (0), i32 flag, i32 n + body, i16 n + properties.
struct BatchEntry {
  int32_t flag = 0;
  ByteView body;
  std::string_view properties;
};
// Takes the first entry off `batch`. REQUIRES: !batch.empty().
Result<BatchEntry> take_batch_entry(ByteView& batch);

}  // namespace merlin::message
