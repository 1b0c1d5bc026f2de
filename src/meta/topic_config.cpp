#include "meta/topic_config.h"

#include <spdlog/fmt/fmt.h>

#include "meta/topic_config_json.h"

namespace merlin::meta {

namespace {

constexpr std::string_view filter_name(const TopicConfig& config) {
  return config.multi_tag ? "MULTI_TAG" : "SINGLE_TAG";
}

}  // namespace

std::string perm_text(int32_t perm) {
  std::string out = "---";
  if ((perm & perm_read) != 0) out[0] = 'R';
  if ((perm & perm_write) != 0) out[1] = 'W';
  if ((perm & perm_inherit) != 0) out[2] = 'X';
  return out;
}

std::string_view TopicConfig::attribute(std::string_view key, std::string_view default_value) const {
  if (attributes.empty()) return default_value;
  const auto it = attributes.find(std::string(key));
  return it == attributes.end() ? default_value : std::string_view(it->second);
}

std::string TopicConfig::text() const {
  std::string shown;
  for (const auto& [key, value] : attributes) shown += fmt::format("{}{}={}", shown.empty() ? "" : ", ", key, value);
  return fmt::format(
      "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, topicSysFlag={}, "
      "order={}, "
      "attributes={{{}}}]",
      name, read_queue_nums, write_queue_nums, perm_text(perm), filter_name(*this), topic_sys_flag, order, shown);
}

std::string TopicConfig::json(std::string_view mapping_detail) const {
  std::string out;
  append_topic_json(out, *this, mapping_detail);
  return out;
}

void append_topic_json(std::string& out, const TopicConfig& config, std::string_view mapping_detail) {
  out += R"({"attributes":)";
  append_attributes_json(out, config.attributes);
  if (!mapping_detail.empty()) out.append(R"(,"mappingDetail":)").append(mapping_detail);
  out += fmt::format(R"(,"order":{},"perm":{},"readQueueNums":{},"topicFilterType":"{}","topicName":)", config.order,
                     config.perm, config.read_queue_nums, filter_name(config));
  append_json_string(out, config.name);
  out += fmt::format(R"(,"topicSysFlag":{},"writeQueueNums":{}}})", config.topic_sys_flag, config.write_queue_nums);
}

std::string TopicConfig::line() const {
  std::string out = fmt::format("{} {} {} {} {} ", name, read_queue_nums, write_queue_nums, perm, filter_name(*this));
  append_attributes_json(out, attributes);
  return out;
}

Result<TopicConfig> topic_config_of(const nlohmann::json& object) {
  if (!object.is_object()) return Error{Errc::corrupt, "a topic's configuration is not an object"};
  TopicConfig out;
  FieldReader reader(object);
  reader.text("topicName", out.name);
  reader.number("readQueueNums", out.read_queue_nums);
  reader.number("writeQueueNums", out.write_queue_nums);
  reader.number("perm", out.perm);
  reader.number("topicSysFlag", out.topic_sys_flag);
  reader.flag("order", out.order);
  reader.text_map("attributes", out.attributes);
  std::string filter = "SINGLE_TAG";
  reader.text("topicFilterType", filter);
  if (filter != "SINGLE_TAG" && filter != "MULTI_TAG") reader.fail("topicFilterType", "SINGLE_TAG or MULTI_TAG");
  out.multi_tag = filter == "MULTI_TAG";
  if (!reader.status()) return reader.status().error().with(fmt::format("topic {}", out.name));
  return out;
}

namespace {

// False: something unusual stands there.
bool read_usual(JsonCursor& cursor, TopicConfig& out) {
  const auto number = [&cursor](int32_t& field) {
    int64_t value = 0;
    if (!cursor.integer(value) || value < INT32_MIN || value > INT32_MAX) return false;
    field = static_cast<int32_t>(value);
    return true;
  };
  std::string_view text;
  return cursor.object([&](std::string_view key) {
    if (key == "topicName") return cursor.text(text);  // its key in the table counts
    if (key == "readQueueNums") return number(out.read_queue_nums);
    if (key == "writeQueueNums") return number(out.write_queue_nums);
    if (key == "perm") return number(out.perm);
    if (key == "topicSysFlag") return number(out.topic_sys_flag);
    if (key == "order") return cursor.boolean(out.order);
    if (key == "topicFilterType") {
      if (!cursor.text(text)) return false;
      out.multi_tag = text == "MULTI_TAG";
      return out.multi_tag || text == "SINGLE_TAG";
    }
    if (key == "attributes") {
      return cursor.object([&](std::string_view name) {
        const std::string attribute(name);
        return cursor.text(text) && out.attributes.insert_or_assign(attribute, std::string(text)).second;
      });
    }
    return cursor.skip_value(text);
  });
}

}  // namespace

Result<TopicConfig> topic_config_of(JsonCursor& cursor) {
  const size_t begin = cursor.position();
  TopicConfig out;
  if (read_usual(cursor, out)) return out;
  cursor.go_back(begin);
  std::string_view text;
  if (!cursor.skip_value(text)) return cursor.error();
  return TopicConfig::parse(text);
}

Result<TopicConfig> TopicConfig::parse(std::string_view json) {
  nlohmann::json object;
  if (Status parsed = parse_json(json, object); !parsed) return parsed.error();
  return topic_config_of(object);
}

Result<std::vector<TopicConfig>> TopicConfig::parse_list(std::string_view json) {
  nlohmann::json object;
  if (Status parsed = parse_json(json, object); !parsed) return parsed.error();
  std::vector<TopicConfig> out;
  const nlohmann::json* list = object.is_object() ? FieldReader(object).find("topicConfigList") : nullptr;
  if (list == nullptr) return out;
  if (!list->is_array()) return Error{Errc::corrupt, "topicConfigList is not a list"};
  for (const nlohmann::json& entry : *list) {
    Result<TopicConfig> config = topic_config_of(entry);
    if (!config) return config.error();
    out.push_back(std::move(*config));
  }
  return out;
}

std::string topic_wrapper_json(std::span<const TopicPtr> topics, const DataVersion& version, int32_t broker_permission,
                               const MappingTexts& mappings) {
  const bool is_restricted = (broker_permission & perm_read) == 0 || (broker_permission & perm_write) == 0;
  DataVersion mapping_version = mappings.version;
  if (mapping_version == DataVersion()) mapping_version.timestamp_ms = version.timestamp_ms;
  std::string out = fmt::format(R"({{"dataVersion":{},"mappingDataVersion":{},"topicConfigTable":{{)", version.json(),
                                mapping_version.json());
  bool is_first = true;
  for (const TopicPtr& topic : topics) {
    if (!is_first) out.push_back(',');
    is_first = false;
    append_json_string(out, topic->name);
    out.push_back(':');
    if (!is_restricted) {
      append_topic_json(out, *topic);
      continue;
    }
    TopicConfig masked;
    masked.name = topic->name;
    masked.read_queue_nums = topic->read_queue_nums;
    masked.write_queue_nums = topic->write_queue_nums;
    masked.perm = topic->perm & broker_permission;
    append_topic_json(out, masked);
  }
  out.append(R"(},"topicQueueMappingDetailMap":{)").append(mappings.details);
  out.append(R"(},"topicQueueMappingInfoMap":{)").append(mappings.infos).append("}}");
  return out;
}

std::vector<TopicPtr> topic_page(const TopicTable& table, std::string_view data_version_json, int64_t seq,
                                 int64_t max) {
  const Result<DataVersion> asked = DataVersion::parse(data_version_json);
  const std::vector<TopicPtr> all = table.all();
  const auto size = static_cast<int64_t>(all.size());
  const bool is_same = asked.ok() && *asked == table.version();
  const int64_t begin = is_same ? std::clamp<int64_t>(seq, 0, size) : 0;
  const int64_t end = begin + std::clamp<int64_t>(max, 0, size - begin);
  return {all.begin() + begin, all.begin() + end};
}

}  // namespace merlin::meta
