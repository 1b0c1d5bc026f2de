// What a consumer group wants of a topic, and the filter made of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "service/message_filter.h"

namespace merlin::service {

inline constexpr std::string_view expression_type_tag = "TAG";
inline constexpr std::string_view expression_type_sql = "SQL92";

// Tags in one subscription; one with more is refused by whoever takes it.
inline constexpr size_t tags_max = 4096;

inline bool is_tag_type(std::string_view expression_type) {
  return expression_type.empty() || expression_type == expression_type_tag;
}

struct Subscription {
  std::string topic;
  std::string sub_string;               // "*", "a || b"
  std::string expression_type = "TAG";  // TAG or SQL92
  int64_t sub_version = 0;
  bool class_filter_mode = false;
  std::vector<std::string> tags;
  std::vector<int32_t> codes;            // Java hash codes of the tags
  std::shared_ptr<const Filter> filter;  // of the tags; nullptr when they let everything pass

  bool is_tag_type() const { return service::is_tag_type(expression_type); }
  bool matches_all() const { return is_tag_type() && codes.empty(); }
  bool has_too_many_tags() const { return tags.size() > tags_max; }
};

// FilterAPI.build: splits "a || b" into tags and their codes. It stops when there are too many.
// The text of another type is kept as it is.
Subscription build_subscription(std::string_view topic, std::string_view expression, std::string_view expression_type);

// nullptr when everything matches. Of tags; SQL92 has service/sql_programs.h.
std::shared_ptr<const Filter> make_filter(const Subscription& subscription);

}  // namespace merlin::service
