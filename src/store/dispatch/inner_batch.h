// Inner batches: one record that holds several messages, each with a queue offset of its own.
#pragma once

#include <cstdint>
#include <span>

#include "merlin/message/record.h"
#include "store/message_store.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

inline bool is_inner_batch(const message::RecordView& record) {
  return (record.sys_flag & message::sys_flag::inner_batch) != 0;
}
// A record with the flag says of which kind its queue is; others may be in both.
inline QueueKind kind_of_queue(const message::RecordView& record) {
  return is_inner_batch(record) ? QueueKind::batch : QueueKind::as_it_is;
}
// How many queue offsets the record takes.
int32_t messages_in(const message::RecordView& record);

// INNER_BASE=`queue_offset` as an encoded property, inner_base_bytes_max at most; returns its size.
size_t write_inner_base(int64_t queue_offset, std::span<char> out);

}  // namespace merlin::store
