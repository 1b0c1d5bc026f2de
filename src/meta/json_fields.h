// Reads fields of a parsed object the way fastjson fills a bean: missing and null keep what is there, numbers and
// booleans may stand as text, anything else is an error that names the field. Only for .cpp files of this room.
#pragma once

#include <charconv>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include "merlin/base/result.h"

namespace merlin::meta {

class FieldReader {
 public:
  // `object` outlives the reader.
  explicit FieldReader(const nlohmann::json& object) : object_(object) {}

  const nlohmann::json* find(const char* name) const {
    const auto it = object_.find(name);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  void text(const char* name, std::string& out) {
    const nlohmann::json* field = find(name);
    if (field == nullptr) return;
    if (field->is_string()) {
      out = field->get_ref<const std::string&>();
    } else {
      fail(name, "text");
    }
  }
  void flag(const char* name, bool& out) {
    const nlohmann::json* field = find(name);
    if (field == nullptr) return;
    if (field->is_boolean()) {
      out = field->get<bool>();
    } else if (field->is_string() && (*field == "true" || *field == "false")) {
      out = *field == "true";
    } else {
      fail(name, "true or false");
    }
  }
  template <class T>
  void number(const char* name, T& out) {
    const nlohmann::json* field = find(name);
    if (field == nullptr) return;
    int64_t value = 0;
    if (to_integer(*field, value) && value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max()) {
      out = static_cast<T>(value);
    } else {
      fail(name, sizeof(T) == 4 ? "a 32-bit number" : "a 64-bit number");
    }
  }
  template <class Map>
  void text_map(const char* name, Map& out) {
    const nlohmann::json* field = find(name);
    if (field == nullptr) return;
    if (!field->is_object()) return fail(name, "an object");
    Map read;
    for (const auto& [key, value] : field->items()) {
      if (!value.is_string()) return fail(name, "an object of texts");
      read.insert_or_assign(key, value.template get_ref<const std::string&>());
    }
    out = std::move(read);
  }
  void fail(const char* name, std::string_view expected) {
    if (status_) status_ = Error{Errc::corrupt, fmt::format("field {} is not {}", name, expected)};
  }
  const Status& status() const { return status_; }

  static bool to_integer(const nlohmann::json& value, int64_t& out) {
    if (value.is_number_unsigned()) {
      const auto wide = value.get<uint64_t>();
      out = static_cast<int64_t>(wide);
      return wide <= static_cast<uint64_t>(INT64_MAX);
    }
    if (value.is_number_integer()) {
      out = value.get<int64_t>();
      return true;
    }
    return value.is_string() && parse_integer(value.get_ref<const std::string&>(), out);
  }
  static bool parse_integer(std::string_view text, int64_t& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return !text.empty() && error == std::errc() && end == text.data() + text.size();
  }

 private:
  const nlohmann::json& object_;
  Status status_;
};

}  // namespace merlin::meta
