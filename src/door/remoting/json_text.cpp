#include "door/remoting/json_text.h"

#include "merlin/base/bytes.h"
#include "merlin/wire/command.h"

namespace merlin::door {

std::optional<Json> parse_object(std::string_view text) {
  Json parsed = Json::parse(text, nullptr, false);
  if (parsed.is_discarded() || !parsed.is_object()) return std::nullopt;
  return parsed;
}

std::string text_of(const Json& object, const char* key, std::string_view fallback) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string(fallback);
}

int64_t int_of(const Json& object, const char* key, int64_t fallback) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_integer() ? it->get<int64_t>() : fallback;
}

bool bool_of(const Json& object, const char* key, bool fallback) {
  const auto it = object.find(key);
  return it != object.end() && it->is_boolean() ? it->get<bool>() : fallback;
}

std::string json_string(std::string_view text) {
  Buffer out;
  wire::append_json_string(out, text);
  return std::string(as_text(out.view()));
}

std::string message_queue_text(std::string_view broker_name, int32_t queue_id, std::string_view topic) {
  return "{\"brokerName\":" + json_string(broker_name) + ",\"queueId\":" + std::to_string(queue_id) +
         ",\"topic\":" + json_string(topic) + "}";
}

}  // namespace merlin::door
