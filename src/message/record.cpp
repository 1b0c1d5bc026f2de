#include "merlin/message/record.h"

#include <cassert>

#include "merlin/base/crc32.h"
#include "merlin/message/properties.h"

namespace merlin::message {

namespace {

constexpr size_t born_host_at = 48;
// All fields of fixed size but the hosts: 1-9, store timestamp, reconsume times, prepared offset, and three lengths
// without the topic's.
constexpr size_t fixed_bytes = 48 + 8 + 4 + 8 + 4 + 2;

bool needs_separator(const RecordSpec& spec) {
  return !spec.properties.empty() && !spec.properties_tail.empty() && spec.properties.back() != property_separator;
}

size_t properties_size(const RecordSpec& spec) {
  return spec.properties.size() + (needs_separator(spec) ? 1 : 0) + spec.properties_tail.size();
}

// A cursor that writes and moves on.
struct Out {
  uint8_t* at;
  template <class T>
  void number(T value) {
    store_be<T>(at, value);
    at += sizeof(T);
  }
  void bytes(const void* from, size_t size) {
    if (size == 0) return;
    std::memcpy(at, from, size);
    at += size;
  }
  void host(const HostPort& host) {
    std::memcpy(at, host.ip.data(), 4);
    if (host.v6) std::memcpy(at + 4, host.ip.data() + 4, 12);
    at += host.ip_size();
    number<int32_t>(host.port);
  }
};

HostPort load_host(const uint8_t*& at, bool v6) {
  HostPort host;
  host.v6 = v6;
  std::memcpy(host.ip.data(), at, host.ip_size());
  host.port = load_be<int32_t>(at + host.ip_size());
  at += host.wire_size();
  return host;
}

Error corrupt(std::string what, int64_t value) {
  return Error{Errc::corrupt, "record: " + std::move(what) + " is " + std::to_string(value)};
}

// Cuts body, topic and properties, which must fill the bytes up to `end` exactly.
Status decode_texts(const uint8_t* at, const uint8_t* end, RecordView& out) {
  const auto left = [&] { return static_cast<int64_t>(end - at); };
  const int64_t body_size = load_be<int32_t>(at);
  at += 4;
  const int64_t topic_length_bytes = out.magic == magic_v2 ? 2 : 1;
  if (body_size < 0 || body_size > left() - topic_length_bytes) return corrupt("body length", body_size);
  out.body = ByteView(at, static_cast<size_t>(body_size));
  at += body_size;

  const int64_t topic_size = out.magic == magic_v2 ? load_be<int16_t>(at) : load_be<int8_t>(at);
  at += topic_length_bytes;
  if (topic_size < 0 || topic_size > left() - 2) return corrupt("topic length", topic_size);
  out.topic = as_text(ByteView(at, static_cast<size_t>(topic_size)));
  at += topic_size;

  const int64_t size = load_be<int16_t>(at);
  at += 2;
  if (size < 0 || size != left()) return corrupt("properties length", size);
  out.properties = as_text(ByteView(at, static_cast<size_t>(size)));
  return {};
}

}  // namespace

size_t record_size(const RecordSpec& spec) {
  const size_t topic_length_bytes = spec.topic.size() > topic_length_v1_max ? 2 : 1;
  return fixed_bytes + spec.born_host.wire_size() + spec.store_host.wire_size() + spec.body.size() +
         topic_length_bytes + spec.topic.size() + properties_size(spec);
}

void encode_record(const RecordSpec& spec, uint8_t* out) {
  const size_t properties = properties_size(spec);
  const size_t size = record_size(spec);
  assert(spec.topic.size() <= topic_length_max);
  assert(properties <= properties_length_max);
  const bool is_v2 = spec.topic.size() > topic_length_v1_max;
  int32_t sys_flag = spec.sys_flag & ~(sys_flag::born_host_v6 | sys_flag::store_host_v6);
  if (spec.born_host.v6) sys_flag |= sys_flag::born_host_v6;
  if (spec.store_host.v6) sys_flag |= sys_flag::store_host_v6;

  Out to{out};
  to.number<int32_t>(static_cast<int32_t>(size));
  to.number<int32_t>(is_v2 ? magic_v2 : magic_v1);
  to.number<int32_t>(crc32_31(spec.body));
  to.number<int32_t>(spec.queue_id);
  to.number<int32_t>(spec.flag);
  to.number<int64_t>(0);  // queue offset
  to.number<int64_t>(0);  // physical offset
  to.number<int32_t>(sys_flag);
  to.number<int64_t>(spec.born_timestamp_ms);
  to.host(spec.born_host);
  to.number<int64_t>(0);  // store timestamp
  to.host(spec.store_host);
  to.number<int32_t>(spec.reconsume_times);
  to.number<int64_t>(spec.prepared_transaction_offset);
  to.number<int32_t>(static_cast<int32_t>(spec.body.size()));
  to.bytes(spec.body.data(), spec.body.size());
  if (is_v2) {
    to.number<int16_t>(static_cast<int16_t>(spec.topic.size()));
  } else {
    to.number<int8_t>(static_cast<int8_t>(spec.topic.size()));
  }
  to.bytes(spec.topic.data(), spec.topic.size());
  to.number<int16_t>(static_cast<int16_t>(properties));
  to.bytes(spec.properties.data(), spec.properties.size());
  if (needs_separator(spec)) to.number<int8_t>(property_separator);
  to.bytes(spec.properties_tail.data(), spec.properties_tail.size());
  assert(to.at == out + size);
}

int32_t extend_properties(const RecordSpec& spec, uint8_t* record, std::string_view more) {
  const size_t size = record_size(spec);
  const size_t properties = properties_size(spec);
  const bool separate = properties > 0 && record[size - 1] != property_separator;
  const size_t added = more.size() + (separate ? 1 : 0);
  if (properties + added > properties_length_max) return 0;
  Out to{record + size};
  if (separate) to.number<int8_t>(property_separator);
  to.bytes(more.data(), more.size());
  store_be<int32_t>(record, static_cast<int32_t>(size + added));
  store_be<int16_t>(record + size - properties - 2, static_cast<int16_t>(properties + added));
  return static_cast<int32_t>(size + added);
}

void stamp_record(uint8_t* record, int64_t queue_offset, int64_t physical_offset, int64_t store_timestamp_ms) {
  const bool born_host_v6 = (load_be<int32_t>(record + sys_flag_at) & sys_flag::born_host_v6) != 0;
  store_be<int64_t>(record + queue_offset_at, queue_offset);
  store_be<int64_t>(record + physical_offset_at, physical_offset);
  store_be<int64_t>(record + store_timestamp_at(born_host_v6), store_timestamp_ms);
}

Result<RecordView> decode_record(ByteView bytes, bool check_crc) {
  // The shortest record: IPv4 hosts, v1, all texts empty.
  constexpr size_t shortest = fixed_bytes + 8 + 8 + 1;
  if (bytes.size() < shortest) return corrupt("number of bytes left", static_cast<int64_t>(bytes.size()));
  RecordView out;
  const uint8_t* at = bytes.data();
  out.total_size = load_be<int32_t>(at);
  out.magic = load_be<int32_t>(at + 4);
  if (out.magic != magic_v1 && out.magic != magic_v2) return corrupt("magic", out.magic);
  out.sys_flag = load_be<int32_t>(at + sys_flag_at);
  const bool born_v6 = (out.sys_flag & sys_flag::born_host_v6) != 0;
  const bool store_v6 = (out.sys_flag & sys_flag::store_host_v6) != 0;
  const size_t least = shortest + (born_v6 ? 12 : 0) + (store_v6 ? 12 : 0) + (out.magic == magic_v2 ? 1 : 0);
  if (out.total_size < static_cast<int64_t>(least) || static_cast<size_t>(out.total_size) > bytes.size()) {
    return corrupt("total size", out.total_size);
  }
  const uint8_t* const end = at + out.total_size;

  out.body_crc = load_be<int32_t>(at + 8);
  out.queue_id = load_be<int32_t>(at + 12);
  out.flag = load_be<int32_t>(at + 16);
  out.queue_offset = load_be<int64_t>(at + queue_offset_at);
  out.physical_offset = load_be<int64_t>(at + physical_offset_at);
  out.born_timestamp_ms = load_be<int64_t>(at + 40);
  at += born_host_at;
  out.born_host = load_host(at, born_v6);
  out.store_timestamp_ms = load_be<int64_t>(at);
  at += 8;
  out.store_host = load_host(at, store_v6);
  out.reconsume_times = load_be<int32_t>(at);
  out.prepared_transaction_offset = load_be<int64_t>(at + 4);
  at += 12;
  const Status texts = decode_texts(at, end, out);
  if (!texts.ok()) return texts.error();
  // Old records may carry all 32 bits of the checksum; 31 of them count.
  if (check_crc && !out.body.empty() && crc32_31(out.body) != (out.body_crc & 0x7FFFFFFF)) {
    return corrupt("body CRC", out.body_crc);
  }
  return out;
}

Result<BatchEntry> take_batch_entry(ByteView& batch) {
  // Total size, magic and crc are read past: Apache does not look at them either, and some clients leave them 0.
  constexpr size_t before_body = 20;
  const auto invalid = [](const char* what, int64_t value) {
    return Error{Errc::invalid, "batch entry: " + std::string(what) + " " + std::to_string(value) + " does not fit"};
  };
  if (batch.size() < before_body) return invalid("length", static_cast<int64_t>(batch.size()));
  BatchEntry entry;
  entry.flag = load_be<int32_t>(batch.data() + 12);
  const int64_t body_size = load_be<int32_t>(batch.data() + 16);
  ByteView rest = batch.subspan(before_body);
  if (body_size < 0 || body_size + 2 > static_cast<int64_t>(rest.size())) return invalid("body length", body_size);
  entry.body = rest.first(static_cast<size_t>(body_size));
  rest = rest.subspan(entry.body.size());
  const int64_t size = load_be<int16_t>(rest.data());
  rest = rest.subspan(2);
  if (size < 0 || size > static_cast<int64_t>(rest.size())) return invalid("properties length", size);
  entry.properties = as_text(rest.first(static_cast<size_t>(size)));
  batch = rest.subspan(entry.properties.size());
  return entry;
}

}  // namespace merlin::message
