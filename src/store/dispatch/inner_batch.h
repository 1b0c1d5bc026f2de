// Inner batches: one record that holds several messages, each with a queue offset of its own.
#pragma once

#include <cstdint>
#include <span>

#include "merlin/message/record.h"

namespace merlin::store {

// INNER_NUM is a short in Apache's unit of 46 bytes.
inline constexpr int32_t inner_messages_max = 32767;
// Of what write_inner_base() writes.
inline constexpr int32_t inner_base_bytes_max = 31;

// How many queue offsets the record takes.
int32_t messages_in(const message::RecordView& record);

// INNER_BASE=`queue_offset` as an encoded property; returns its size.
size_t write_inner_base(int64_t queue_offset, std::span<char> out);

}  // namespace merlin::store
