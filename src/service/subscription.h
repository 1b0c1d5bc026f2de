// What a consumer group wants of a topic, and the filter made of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/message_store.h"

namespace merlin::service {

inline constexpr std::string_view expression_type_tag = "TAG";

// Tags in one subscription; one with more is refused by whoever takes it.
inline constexpr size_t tags_max = 4096;

struct Subscription {
  std::string topic;
  std::string sub_string;               // "*", "a || b"
  std::string expression_type = "TAG";  // TAG or SQL92
  int64_t sub_version = 0;
  bool class_filter_mode = false;
  std::vector<std::string> tags;
  std::vector<int32_t> codes;  // Java hash codes of the tags

  bool is_tag_type() const { return expression_type.empty() || expression_type == expression_type_tag; }
  bool matches_all() const { return is_tag_type() && codes.empty(); }
  bool has_too_many_tags() const { return tags.size() > tags_max; }
};

// FilterAPI.buildSubscriptionData: splits "a || b" into tags and their codes. It stops when there are too many.
Subscription build_subscription(std::string_view topic, std::string_view expression, std::string_view expression_type);

// Compares the low 32 bits of the unit's tags code with the subscription's codes; consumers check the real tag again.
class TagFilter final : public store::MessageFilter {
 public:
  explicit TagFilter(std::vector<int32_t> codes);
  bool matches_tags_code(int64_t tags_code) const override;

 private:
  std::vector<int32_t> codes_;  // constant; sorted, because an arrival asks every held pull of its queue
};

// nullptr when everything matches.
std::shared_ptr<const store::MessageFilter> make_filter(const Subscription& subscription);

}  // namespace merlin::service
