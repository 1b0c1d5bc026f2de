#include "meta/attributes.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "meta/durable_json.h"
#include "meta/json_fields.h"

namespace merlin::meta {

namespace {

using Kind = AttributeRule::Kind;

constexpr std::array topic_rules = {
    AttributeRule{"queue.type", Kind::choice, false, "SimpleCQ|BatchCQ"},
    AttributeRule{"cleanup.policy", Kind::choice, false, "DELETE|COMPACTION"},
    AttributeRule{"message.type", Kind::choice, true, "UNSPECIFIED|MIXED|TRANSACTION|PRIORITY|FIFO|DELAY|LITE|NORMAL"},
    AttributeRule{"reserve.time", Kind::number, true, {}, -1, INT64_MAX},
    AttributeRule{"lite.topic.expiration", Kind::number, true, {}, -1, 43200},
};

constexpr std::array group_rules = {
    AttributeRule{"priority.factor", Kind::number, true, {}, 0, 100},
    AttributeRule{"lite.bind.topic", Kind::text, true},
    AttributeRule{"lite.sub.wildcard", Kind::text, true},
    AttributeRule{"lite.sub.model", Kind::choice, true, "Shared|Exclusive"},
    AttributeRule{"lite.sub.client.quota", Kind::number, true, {}, -1, INT64_MAX},
    AttributeRule{"lite.sub.client.max.event.cnt", Kind::number, true, {}, 10, INT64_MAX},
    AttributeRule{"lite.sub.reset.offset.exclusive", Kind::boolean, true},
    AttributeRule{"lite.sub.reset.offset.unsubscribe", Kind::boolean, true},
};

Error refused(std::string text) {
  return Error{Errc::invalid, std::move(text)};
}

// String.split of Java: empty parts at the end are dropped; text without the separator is one part.
std::vector<std::string_view> java_split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) break;
    begin = end + 1;
  }
  if (parts.size() > 1) {
    while (!parts.empty() && parts.back().empty()) parts.pop_back();
  }
  return parts;
}

Status verify_choice(const AttributeRule& rule, std::string_view value) {
  std::string shown;
  for (const std::string_view choice : java_split(rule.choices, '|')) {
    if (choice == value) return {};
    if (!shown.empty()) shown += ", ";
    shown += choice;
  }
  return refused(fmt::format("value is not in set: [{}]", shown));
}

Status verify_number(const AttributeRule& rule, std::string_view value) {
  std::string_view digits = value;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  int64_t number = 0;
  if (!FieldReader::parse_integer(digits, number)) return refused(fmt::format("For input string: \"{}\"", value));
  if (number >= rule.min && number <= rule.max) return {};
  return refused(fmt::format("value is not in range({}, {})", rule.min, rule.max));
}

Status verify(const AttributeRule& rule, std::string_view value) {
  switch (rule.kind) {
    case Kind::choice:
      return verify_choice(rule, value);
    case Kind::number:
      return verify_number(rule, value);
    case Kind::boolean: {
      std::string lower(value);
      std::transform(lower.begin(), lower.end(), lower.begin(),
                     [](char c) { return static_cast<char>(std::tolower(c)); });
      if (lower == "true" || lower == "false") return {};
      return refused("boolean attribute format is wrong.");
    }
    case Kind::text:
      return {};
  }
  return {};
}

enum class Step { init, alter, erase };

Status check_step(std::span<const AttributeRule> rules, Step step, const std::string& key, std::string_view value) {
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const AttributeRule& r) { return r.name == key; });
  if (rule == rules.end()) return refused(fmt::format("unsupported key: {}", key));
  if (step != Step::init && !rule->changeable) {
    return refused(fmt::format("attempt to update an unchangeable attribute. key: {}", key));
  }
  return step == Step::erase ? Status() : verify(*rule, value);
}

// What one entry asks for.
Result<Step> step_of(bool create, const Attributes& current, std::string_view signed_key, const std::string& key) {
  if (create) {
    if (signed_key.front() == '+') return Step::init;
    return refused(fmt::format("only add attribute is supported while creating topic. key: {}", key));
  }
  if (signed_key.front() == '+') return Step::alter;
  if (signed_key.front() != '-') return refused(fmt::format("wrong format key: {}", key));
  if (!current.contains(key)) return refused(fmt::format("attempt to delete a nonexistent key: {}", key));
  return Step::erase;
}

}  // namespace

std::span<const AttributeRule> topic_attribute_rules() {
  return topic_rules;
}
std::span<const AttributeRule> group_attribute_rules() {
  return group_rules;
}

Result<Attributes> parse_attribute_changes(std::string_view text) {
  Attributes out;
  if (text.empty()) return out;
  for (const std::string_view entry : java_split(text, ',')) {
    std::string key(entry);
    std::string value;
    if (entry.find('=') != std::string_view::npos) {
      const std::vector<std::string_view> parts = java_split(entry, '=');
      // Java runs into its array's end here, and that is what the operator gets to read.
      if (parts.size() < 2) {
        return refused(fmt::format("Index {} out of bounds for length {}", parts.size(), parts.size()));
      }
      key = parts[0];
      value = parts[1];
      if (key.find('+') == std::string::npos)
        return refused(fmt::format("add/alter attribute format is wrong: {}", key));
    } else if (key.find('-') == std::string::npos) {
      return refused(fmt::format("delete attribute format is wrong: {}", key));
    }
    if (out.contains(key)) return refused(fmt::format("key duplication: {}", key));
    out.emplace(std::move(key), std::move(value));
  }
  return out;
}

Result<Attributes> alter_attributes(std::span<const AttributeRule> rules, bool create, const Attributes& current,
                                    const Attributes& changes) {
  struct Planned {
    Step step;
    std::string key;
    const std::string* value;
  };
  std::vector<Planned> plan;
  std::set<std::string> keys;
  for (const auto& [signed_key, value] : changes) {
    std::string key = signed_key.substr(std::min<size_t>(1, signed_key.size()));
    if (key.empty() || key.find_first_of("+-") != std::string::npos) return refused("kv string format wrong.");
    if (!keys.insert(key).second) return refused(fmt::format("alter duplication key. key: {}", key));
    const Result<Step> step = step_of(create, current, signed_key, key);
    if (!step) return step.error();
    plan.push_back({*step, std::move(key), &value});
  }
  // Java checks additions and changes before deletions.
  std::sort(plan.begin(), plan.end(),
            [](const Planned& a, const Planned& b) { return std::tie(a.step, a.key) < std::tie(b.step, b.key); });
  Attributes out = current;
  for (const Planned& p : plan) {
    if (Status checked = check_step(rules, p.step, p.key, *p.value); !checked) return checked.error();
    if (p.step == Step::erase) {
      out.erase(p.key);
    } else {
      out.insert_or_assign(p.key, *p.value);
    }
  }
  return out;
}

void append_attributes_json(std::string& out, const Attributes& attributes) {
  out.push_back('{');
  bool is_first = true;
  for (const auto& [key, value] : attributes) {
    if (!is_first) out.push_back(',');
    is_first = false;
    append_json_string(out, key);
    out.push_back(':');
    append_json_string(out, value);
  }
  out.push_back('}');
}

}  // namespace merlin::meta
