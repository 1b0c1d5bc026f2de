#include "store/dispatch/light_places.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "store/dispatch/tags.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

namespace {

constexpr std::string_view system_topic_prefix = "rmq_sys_";
constexpr std::string_view offsets_property = message::property::inner_multi_queue_offset;
constexpr size_t digits_max = 20;

std::optional<int64_t> offset_of(std::string_view text) {
  int64_t value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

bool may_enter_light_queues(std::string_view topic) {
  return !message::is_retry_topic(topic) && !topic.starts_with(system_topic_prefix) && topic != message::schedule_topic;
}

bool is_light_queue_name(std::string_view name) {
  return message::is_lmq(name) && name.size() <= light_name_bytes_max &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

std::string_view trim_list(std::string_view list) {
  while (!list.empty() && list.back() == ',') list.remove_suffix(1);
  return list;
}

std::string_view take_list_item(std::string_view& rest) {
  const size_t end = rest.find(',');
  const std::string_view item = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return item;
}

void find_light_places(const message::RecordView& record, std::vector<LightPlace>& out) {
  out.clear();
  // Nearly all records end here.
  if (record.properties.find(offsets_property) == std::string_view::npos) return;
  if (!may_enter_light_queues(record.topic)) return;
  const auto names = message::find_property(record.properties, message::property::inner_multi_dispatch);
  const auto offsets = message::find_property(record.properties, offsets_property);
  if (!names || !offsets) return;
  std::string_view names_left = trim_list(*names);
  std::string_view offsets_left = *offsets;
  while (!names_left.empty() && !offsets_left.empty()) {
    const std::string_view name = take_list_item(names_left);
    const auto offset = offset_of(take_list_item(offsets_left));
    if (offset && is_light_queue_name(name)) out.push_back({name, *offset});
  }
  if (out.size() < 2) return;
  // A name that stands there twice is one place.
  std::stable_sort(out.begin(), out.end(), [](const LightPlace& a, const LightPlace& b) { return a.name < b.name; });
  const auto same = [](const LightPlace& a, const LightPlace& b) { return a.name == b.name; };
  out.erase(std::unique(out.begin(), out.end(), same), out.end());
}

bool stands_in(const message::RecordView& record, std::string_view topic, int32_t queue_id, int64_t queue_offset) {
  if (record.queue_offset == queue_offset && record.queue_id == queue_id && record.topic == topic) return true;
  if (queue_id != light_queue_id || !message::is_lmq(topic)) return false;
  std::vector<LightPlace> places;
  find_light_places(record, places);
  return std::any_of(places.begin(), places.end(),
                     [&](const LightPlace& p) { return p.name == topic && p.queue_offset == queue_offset; });
}

int32_t light_places_bytes_max(const LightQueues& light) {
  const size_t bytes = 2 + offsets_property.size() + light.names.size() * (digits_max + 1);
  return static_cast<int32_t>(std::min(bytes, message::properties_length_max));
}

size_t write_light_places(const LightQueues& light, int64_t own_queue_offset, std::span<char> out) {
  char* at = out.data();
  char* const end = at + out.size();
  const auto put = [&](std::string_view text) {
    if (static_cast<size_t>(end - at) < text.size()) return false;
    at = std::copy(text.begin(), text.end(), at);
    return true;
  };
  const size_t too_long = out.size() + 1;
  if (!put(offsets_property) || !put({&message::name_separator, 1})) return too_long;
  for (size_t i = 0; i < light.names.size(); ++i) {
    if (i > 0 && !put(",")) return too_long;
    const int32_t which = light.names[i];
    if (which == LightQueues::no_queue) continue;
    const int64_t offset =
        which == LightQueues::own_queue ? own_queue_offset : light.queues[static_cast<size_t>(which)]->next_offset;
    const auto [behind, ec] = std::to_chars(at, end, offset);
    if (ec != std::errc()) return too_long;
    at = behind;
  }
  return put({&message::property_separator, 1}) ? static_cast<size_t>(at - out.data()) : too_long;
}

}  // namespace merlin::store
