#include "namesrv/registration_body.h"

#include <array>
#include <charconv>
#include <zlib.h>

#include <nlohmann/json.hpp>

#include "merlin/wire/command.h"
#include "namesrv/json_text.h"

namespace merlin::namesrv {

namespace {

using nlohmann::json;

constexpr int32_t queue_nums_default = 16;
constexpr size_t inflate_step_bytes = 64 << 10;

Result<json> parse(std::string_view text) {
  auto standard = lenient_json(text);
  if (!standard) return standard.error();
  json value = json::parse(*standard, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return Error{Errc::invalid, "the body is not JSON"};
  if (!value.is_object()) return Error{Errc::invalid, "the body is not a JSON object"};
  return value;
}

const json* member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(key);
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

int64_t number_at(const json& object, const char* key, int64_t absent) {
  const json* value = member(object, key);
  return value != nullptr && value->is_number_integer() ? value->get<int64_t>() : absent;
}

int32_t int_at(const json& object, const char* key, int32_t absent) {
  return static_cast<int32_t>(number_at(object, key, absent));
}

std::string text_at(const json& object, const char* key, std::string_view absent = {}) {
  const json* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string(absent);
}

bool bool_at(const json& object, const char* key) {
  const json* value = member(object, key);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

template <class T>
bool to_int(std::string_view text, T& out) {
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
  return ec == std::errc() && end == text.data() + text.size();
}

DataVersion version_from(const json& object) {
  return {number_at(object, "stateVersion", 0), number_at(object, "timestamp", 0), number_at(object, "counter", 0)};
}

QueueData queues_from(const json& object, int32_t nums_absent) {
  return {int_at(object, "readQueueNums", nums_absent), int_at(object, "writeQueueNums", nums_absent),
          int_at(object, "perm", perm_read | perm_write), int_at(object, "topicSysFlag", 0)};
}

TopicMapping mapping_from(const json& object) {
  TopicMapping mapping;
  mapping.topic = text_at(object, "topic");
  mapping.scope = text_at(object, "scope", mapping.scope);
  mapping.broker_name = text_at(object, "bname");
  mapping.total_queues = int_at(object, "totalQueues", 0);
  mapping.epoch = number_at(object, "epoch", 0);
  mapping.dirty = bool_at(object, "dirty");
  if (const json* ids = member(object, "currIdMap"); ids != nullptr && ids->is_object()) {
    for (const auto& [key, value] : ids->items()) {
      int32_t logic = 0;
      if (to_int(key, logic) && value.is_number_integer()) mapping.current_ids[logic] = value.get<int32_t>();
    }
  }
  return mapping;
}

std::vector<std::string> texts_from(const json& array) {
  std::vector<std::string> texts;
  for (const json& item : array) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

Status read_topics(const json& wrapper, RegistrationBody& out) {
  if (const json* version = member(wrapper, "dataVersion")) out.version = version_from(*version);
  if (const json* table = member(wrapper, "topicConfigTable"); table != nullptr && table->is_object()) {
    for (const auto& [key, topic] : table->items()) {
      if (!topic.is_object()) return Error{Errc::invalid, "topic " + key + " is not an object"};
      out.topics.push_back({text_at(topic, "topicName", key), queues_from(topic, queue_nums_default)});
    }
  }
  if (const json* mappings = member(wrapper, "topicQueueMappingInfoMap");
      mappings != nullptr && mappings->is_object()) {
    for (const auto& [topic, mapping] : mappings->items()) out.mappings[topic] = mapping_from(mapping);
  }
  return {};
}

Result<RegistrationBody> from_json(std::string_view text, int32_t broker_version) {
  auto root = parse(text);
  if (!root) return root.error();
  RegistrationBody body;
  if (broker_version < version_v3_0_11) {
    if (Status s = read_topics(*root, body); !s) return s.error();
    return body;
  }
  if (const json* wrapper = member(*root, "topicConfigSerializeWrapper")) {
    if (Status s = read_topics(*wrapper, body); !s) return s.error();
  }
  body.filter_servers.emplace();
  if (const json* servers = member(*root, "filterServerList"); servers != nullptr && servers->is_array()) {
    body.filter_servers = texts_from(*servers);
  }
  return body;
}

Result<std::string> inflate_all(ByteView body) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return Error{Errc::io, "zlib does not start"};
  stream.next_in = const_cast<Bytef*>(body.data());
  stream.avail_in = static_cast<uInt>(body.size());
  std::string out;
  int rc = Z_OK;
  while (rc == Z_OK && out.size() <= inflated_bytes_max) {
    const size_t had = out.size();
    out.resize(had + inflate_step_bytes);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + had);
    stream.avail_out = static_cast<uInt>(inflate_step_bytes);
    rc = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (out.size() > inflated_bytes_max) {
    return Error{Errc::limit, "the body inflates to more than " + std::to_string(inflated_bytes_max) + " bytes"};
  }
  if (rc != Z_STREAM_END) return Error{Errc::invalid, "the deflated body is broken"};
  return out;
}

// Length-prefixed parts:  i32 n, n bytes.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : bytes_(bytes) {}

  Result<int32_t> count() {
    if (bytes_.size() < 4) return Error{Errc::invalid, "the deflated body ends early"};
    const auto n = load_be<int32_t>(reinterpret_cast<const uint8_t*>(bytes_.data()));
    bytes_.remove_prefix(4);
    if (n < 0) return Error{Errc::invalid, "the deflated body has a negative length"};
    return n;
  }

  Result<std::string_view> part() {
    const auto n = count();
    if (!n) return n.error();
    if (static_cast<size_t>(*n) > bytes_.size()) return Error{Errc::invalid, "the deflated body ends early"};
    const std::string_view part = bytes_.substr(0, static_cast<size_t>(*n));
    bytes_.remove_prefix(part.size());
    return part;
  }

 private:
  std::string_view bytes_;
};

// "name readQueues writeQueues perm filterType [attributes]"
Result<RegistrationBody::Topic> topic_from_line(std::string_view line) {
  std::array<std::string_view, 5> words;
  size_t count = 0;
  std::string_view rest = line;
  while (count < words.size() && !rest.empty()) {
    const size_t blank = rest.find(' ');
    words[count++] = rest.substr(0, blank);
    rest = blank == std::string_view::npos ? std::string_view() : rest.substr(blank + 1);
  }
  RegistrationBody::Topic topic;
  topic.name = words[0];
  QueueData& q = topic.queues;
  if (count < words.size() || topic.name.empty() || !to_int(words[1], q.read_queue_nums) ||
      !to_int(words[2], q.write_queue_nums) || !to_int(words[3], q.perm)) {
    return Error{Errc::invalid, "topic line \"" + std::string(line.substr(0, 64)) + "\" does not parse"};
  }
  return topic;
}

Status read_mappings(Parts& parts, RegistrationBody& body) {
  const auto count = parts.count();
  if (!count) return count.error();
  for (int32_t i = 0; i < *count; ++i) {
    const auto text = parts.part();
    if (!text) return text.error();
    const auto object = parse(*text);
    if (!object) return object.error();
    TopicMapping mapping = mapping_from(*object);
    body.mappings[mapping.topic] = std::move(mapping);
  }
  return {};
}

Result<RegistrationBody> from_parts(std::string_view bytes, int32_t broker_version) {
  Parts parts(bytes);
  RegistrationBody body;
  const auto version = parts.part();
  if (!version) return version.error();
  const auto parsed = parse_data_version(*version);
  if (!parsed) return parsed.error();
  body.version = *parsed;
  const auto count = parts.count();
  if (!count) return count.error();
  for (int32_t i = 0; i < *count; ++i) {
    const auto line = parts.part();
    if (!line) return line.error();
    auto topic = topic_from_line(*line);
    if (!topic) return topic.error();
    body.topics.push_back(std::move(*topic));
  }
  const auto filters = parts.part();
  if (!filters) return filters.error();
  body.filter_servers.emplace();
  if (const auto checked = lenient_json(*filters)) {
    const json list = json::parse(*checked, nullptr, /*allow_exceptions=*/false);
    if (list.is_array()) body.filter_servers = texts_from(list);
  }
  if (broker_version >= wire::version_v5_0_0) {
    if (Status s = read_mappings(parts, body); !s) return s.error();
  }
  return body;
}

// A zlib stream starts with method 8 and a check that makes the first two bytes a multiple of 31; '{' has method 11.
bool looks_deflated(ByteView body) {
  return body.size() > 2 && (body[0] & 15) == 8 && (body[0] * 256 + body[1]) % 31 == 0;
}

}  // namespace

Result<RegistrationBody> parse_registration(ByteView body, bool compressed, int32_t broker_version) {
  if (body.empty()) {
    RegistrationBody empty;
    if (broker_version >= version_v3_0_11) empty.filter_servers.emplace();
    return empty;
  }
  if (!looks_deflated(body)) {
    if (compressed) return Error{Errc::invalid, "the deflated body is broken"};
    return from_json(as_text(body), broker_version);
  }
  const auto bytes = inflate_all(body);
  if (!bytes) return bytes.error();
  return from_parts(*bytes, broker_version);
}

Result<DataVersion> parse_data_version(std::string_view text) {
  const auto object = parse(text);
  if (!object) return object.error();
  return version_from(*object);
}

Result<std::vector<NamedQueueData>> parse_queue_datas(std::string_view text) {
  const auto object = parse(text);
  if (!object) return object.error();
  std::vector<NamedQueueData> queues;
  const json* list = member(*object, "queueDatas");
  if (list == nullptr || !list->is_array()) return queues;
  for (const json& item : *list) {
    QueueData data = queues_from(item, 0);
    data.perm = int_at(item, "perm", 0);
    queues.push_back({text_at(item, "brokerName"), data});
  }
  return queues;
}

Result<std::map<std::string, std::map<std::string, std::string>>> parse_kv_file(std::string_view text) {
  const auto object = parse(text);
  if (!object) return object.error();
  std::map<std::string, std::map<std::string, std::string>> namespaces;
  const json* table = member(*object, "configTable");
  if (table == nullptr || !table->is_object()) return namespaces;
  for (const auto& [name, entries] : table->items()) {
    auto& into = namespaces[name];
    if (!entries.is_object()) continue;
    for (const auto& [key, value] : entries.items()) {
      if (value.is_string()) into[key] = value.get<std::string>();
    }
  }
  return namespaces;
}

}  // namespace merlin::namesrv
