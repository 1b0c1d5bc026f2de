// The places of a record in light queues (LMQ): the property INNER_MULTI_DISPATCH names queues,
// INNER_MULTI_QUEUE_OFFSET has the record's offset in each of them, in the same order.
//
// Threads: no state.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "merlin/message/record.h"
#include "store/message_store.h"

namespace merlin::store {

// Names are names of folders in the file form of the index.
inline constexpr size_t light_name_bytes_max = 255;

// Whether messages of this topic may enter light queues: not those of retries and of the broker itself.
bool may_enter_light_queues(std::string_view topic);
// Whether a light queue may be called so. Names come from clients: none may lead out of its folder.
bool is_light_queue_name(std::string_view name);

// Takes the next name off a list, as Java's split(","): a list that is used up, or has nothing but commas, is `rest`
// empty. REQUIRES: !rest.empty().
std::string_view take_list_item(std::string_view& rest);
// The list without what Java's split drops at its end.
std::string_view trim_list(std::string_view list);

struct LightPlace {
  std::string_view name;
  int64_t queue_offset = 0;
};

// The light queues that a stored record stands in, each once; `out` is overwritten. Whatever cannot be is left out.
void find_light_places(const message::RecordView& record, std::vector<LightPlace>& out);

// Whether the record is that message of that queue: by its own fields, or as one of its light queues.
bool stands_in(const message::RecordView& record, std::string_view topic, int32_t queue_id, int64_t queue_offset);

// Room for what write_light_places() writes.
int32_t light_places_bytes_max(const LightQueues& light);
// INNER_MULTI_QUEUE_OFFSET with the next offset of each queue, as an encoded property; returns its size, or one that is
// greater than `out`'s when that is too small. REQUIRES: the append lane is held.
size_t write_light_places(const LightQueues& light, int64_t own_queue_offset, std::span<char> out);

}  // namespace merlin::store
