#include "store/dispatch/tags.h"

#include <algorithm>
#include <charconv>

#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "store/message_store.h"

namespace merlin::store {

std::vector<int64_t> default_delay_levels() {
  constexpr int64_t s = 1000;
  constexpr int64_t m = 60 * s;
  constexpr int64_t h = 60 * m;
  return {1 * s, 5 * s, 10 * s, 30 * s, 1 * m,  2 * m,  3 * m,  4 * m, 5 * m,
          6 * m, 7 * m, 8 * m,  9 * m,  10 * m, 20 * m, 30 * m, 1 * h, 2 * h};
}

TagsCoder::TagsCoder(std::vector<int64_t> delay_level_ms)
    : delay_level_ms_(delay_level_ms.empty() ? default_delay_levels() : std::move(delay_level_ms)) {}

int32_t TagsCoder::delay_level(std::string_view topic, std::string_view properties) const {
  if (topic != message::schedule_topic) return 0;
  const auto text = message::find_property(properties, message::property::delay_level);
  if (!text) return 0;
  int32_t level = 0;
  const auto [end, ec] = std::from_chars(text->data(), text->data() + text->size(), level);
  if (ec != std::errc() || end != text->data() + text->size()) return 0;
  return std::clamp(level, 0, static_cast<int32_t>(delay_level_ms_.size()));
}

int64_t TagsCoder::deliver_time_ms(int32_t level, int64_t store_timestamp_ms) const {
  return store_timestamp_ms + delay_level_ms_[static_cast<size_t>(level) - 1];
}

int64_t TagsCoder::of_record(const message::RecordView& record) const {
  const int32_t level = delay_level(record.topic, record.properties);
  return level > 0 ? deliver_time_ms(level, record.store_timestamp_ms) : message::tags_code(record.properties);
}

}  // namespace merlin::store
