// Attributes of topics and groups: which exist, what values they take, and the +/- notation that changes them.
//
// Errors carry the words of Apache's AttributeParser and AttributeUtil, which reach the operator as remarks.
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "merlin/base/result.h"

namespace merlin::meta {

using Attributes = std::map<std::string, std::string>;

struct AttributeRule {
  enum class Kind : uint8_t { choice, number, boolean, text };
  std::string_view name;
  Kind kind;
  bool changeable;
  std::string_view choices = {};  // "A|B", in the order in which Java prints the set
  int64_t min = INT64_MIN;
  int64_t max = INT64_MAX;
};

std::span<const AttributeRule> topic_attribute_rules();
std::span<const AttributeRule> group_attribute_rules();

// "+k=v,-k2" -> {"+k": "v", "-k2": ""}.
Result<Attributes> parse_attribute_changes(std::string_view text);
// Applies such changes to what is there; `create`: the topic or group is new, so only additions make sense.
Result<Attributes> alter_attributes(std::span<const AttributeRule> rules, bool create, const Attributes& current,
                                    const Attributes& changes);
// {"k":"v"}
void append_attributes_json(std::string& out, const Attributes& attributes);

}  // namespace merlin::meta
