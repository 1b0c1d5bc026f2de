// JSON bodies: reading without exceptions, and writing the shapes that Apache's clients insist on.
//
// Maps keyed by MessageQueue have JSON objects as keys:
// {"offsetTable":{{"brokerName":"b","queueId":1,"topic":"T"}:{...}}}; 5.5 clients refuse a string there, and no JSON
// library writes it, so these bodies are written as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace merlin::door {

using Json = nlohmann::json;

// nullopt when the text is no JSON object. Bare integer keys (fastjson) are not expected in requests.
std::optional<Json> parse_object(std::string_view text);
// The member as text / number / bool, or the fallback when it is absent or of another type.
std::string text_of(const Json& object, const char* key, std::string_view fallback = {});
int64_t int_of(const Json& object, const char* key, int64_t fallback);
bool bool_of(const Json& object, const char* key, bool fallback);

// "text" with quotes and escapes.
std::string json_string(std::string_view text);
// {"brokerName":"b","queueId":1,"topic":"T"}
std::string message_queue_text(std::string_view broker_name, int32_t queue_id, std::string_view topic);

}  // namespace merlin::door
