#include "store/dispatch/inner_batch.h"

#include <algorithm>
#include <cassert>
#include <charconv>

#include "merlin/message/properties.h"

namespace merlin::store {

int32_t messages_in(const message::RecordView& record) {
  if (!is_inner_batch(record)) return 1;
  const auto text = message::find_property(record.properties, message::property::inner_num);
  if (!text) return 1;
  int32_t count = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), count);
  if (ec != std::errc() || end != text->data() + text->size()) return 1;
  return std::clamp(count, 1, inner_batch_messages_max);
}

size_t write_inner_base(int64_t queue_offset, std::span<char> out) {
  assert(out.size() >= static_cast<size_t>(inner_base_bytes_max));
  char* at = std::copy(message::property::inner_base.begin(), message::property::inner_base.end(), out.data());
  *at++ = message::name_separator;
  at = std::to_chars(at, out.data() + out.size(), queue_offset).ptr;
  *at++ = message::property_separator;
  return static_cast<size_t>(at - out.data());
}

}  // namespace merlin::store
