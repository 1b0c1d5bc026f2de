#include "merlin/message/properties.h"

#include "merlin/base/bytes.h"
#include "merlin/base/utf8.h"

namespace merlin::message {

std::optional<std::string_view> find_property(std::string_view properties, std::string_view name) {
  std::optional<std::string_view> found;
  for_each_property(properties, [&](std::string_view key, std::string_view value) {
    if (key == name) found = value;
    return true;
  });
  return found;
}

void append_property(std::string& properties, std::string_view name, std::string_view value) {
  if (!properties.empty() && properties.back() != property_separator) properties.push_back(property_separator);
  properties.append(name);
  properties.push_back(name_separator);
  properties.append(value);
  properties.push_back(property_separator);
}

std::string without_property(std::string_view properties, std::string_view name) {
  std::string out;
  out.reserve(properties.size());
  while (!properties.empty()) {
    const size_t end = properties.find(property_separator);
    const size_t size = end == std::string_view::npos ? properties.size() : end + 1;
    const std::string_view entry = properties.substr(0, size);
    const bool is_named = entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == name_separator;
    if (!is_named) out.append(entry);
    properties.remove_prefix(size);
  }
  return out;
}

int32_t java_hash(std::string_view utf8) {
  const auto* at = reinterpret_cast<const uint8_t*>(utf8.data());
  const uint8_t* const end = at + utf8.size();
  uint32_t hash = 0;
  while (at < end) {
    if (*at < 0x80) {
      hash = hash * 31 + *at++;
      continue;
    }
    const Utf8Step step = utf8_step(at, end);
    at += step.bytes;
    if (step.code_point < 0x10000) {
      hash = hash * 31 + step.code_point;
      continue;
    }
    const char32_t above = step.code_point - 0x10000;
    hash = hash * 31 + (0xD800 + (above >> 10));
    hash = hash * 31 + (0xDC00 + (above & 0x3FF));
  }
  return static_cast<int32_t>(hash);
}

int64_t tags_code(std::string_view properties) {
  const std::optional<std::string_view> tags = find_property(properties, property::tags);
  return tags ? java_hash(*tags) : 0;
}

}  // namespace merlin::message
