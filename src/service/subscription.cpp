#include "service/subscription.h"

#include <algorithm>

#include "merlin/message/properties.h"

namespace merlin::service {

namespace {

std::string_view trim(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

}  // namespace

Subscription build_subscription(std::string_view topic, std::string_view expression, std::string_view expression_type) {
  Subscription out;
  out.topic = topic;
  if (!expression_type.empty()) out.expression_type = expression_type;
  out.sub_string = expression.empty() && out.is_tag_type() ? "*" : std::string(expression);
  if (!out.is_tag_type() || out.sub_string == "*") return out;
  std::string_view rest = out.sub_string;
  while (!rest.empty() && !out.has_too_many_tags()) {
    const size_t bar = rest.find("||");
    const std::string_view tag = trim(rest.substr(0, bar));
    rest = bar == std::string_view::npos ? std::string_view() : rest.substr(bar + 2);
    if (tag.empty()) continue;
    out.tags.emplace_back(tag);
    out.codes.push_back(message::java_hash(tag));
  }
  if (!out.has_too_many_tags()) out.filter = make_filter(out);
  return out;
}

TagFilter::TagFilter(std::vector<int32_t> codes) : codes_(std::move(codes)) {
  std::sort(codes_.begin(), codes_.end());
}

bool TagFilter::matches_tags_code(int64_t tags_code) const {
  return std::binary_search(codes_.begin(), codes_.end(), static_cast<int32_t>(tags_code));
}

std::shared_ptr<const Filter> make_filter(const Subscription& subscription) {
  if (subscription.matches_all()) return nullptr;
  return std::make_shared<TagFilter>(subscription.codes);
}

}  // namespace merlin::service
