#include "door/remoting/queries.h"

#include "door/remoting/answer.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

std::string joined(const store::LogBytes& bytes) {
  std::string out;
  out.reserve(bytes.bytes);
  for (const ByteView slice : bytes.slices) out += as_text(slice);
  return out;
}

}  // namespace

void QueriesDoor::view(rpc::Request& request) {
  const auto header = header_or_answer<ViewMessageHeader>(request);
  if (!header) return;
  store::LogBytes bytes;
  if (const Status found = store_.record_at(header->offset, bytes); !found) {
    std::string remark = "can not find message by the offset, " + std::to_string(header->offset);
    if (found.error().code == Errc::corrupt) remark += ": " + found.error().message;
    return request.reply(rc::system_error, remark);
  }
  request.reply(rc::success, {}, as_bytes(joined(bytes)));
}

void QueriesDoor::query(rpc::Request& request) {
  const auto header = header_or_answer<QueryMessageHeader>(request);
  if (!header) return;
  int32_t count_max = header->max_num;
  store::KeyKind kind = header->index_type == "T" ? store::KeyKind::tag : store::KeyKind::key;
  if (header->by_unique_key) {
    count_max = query_messages_max_;
    kind = store::KeyKind::key;
  }
  store::LogBytes bytes;
  int64_t last_timestamp_ms = 0;
  int64_t last_physical_offset = 0;
  const Status found = store_.query(header->topic, header->key, kind, count_max, header->begin_timestamp,
                                    header->end_timestamp, bytes, last_timestamp_ms, last_physical_offset);
  const auto fill = [&](wire::CommandWriter& w) {
    w.field("indexLastUpdateTimestamp", last_timestamp_ms);
    w.field("indexLastUpdatePhyoffset", last_physical_offset);
  };
  if (!found) return request.reply_with(rc::system_error, found.error().message, {}, fill);
  if (bytes.bytes == 0) {
    return request.reply_with(rc::query_not_found, "can not find message, maybe time range not correct", {}, fill);
  }
  request.reply_with(rc::success, {}, as_bytes(joined(bytes)), fill);
}

}  // namespace merlin::door
