#include "service/resend_rules.h"

#include <spdlog/fmt/fmt.h>

#include "merlin/message/names.h"
#include "service/produce.h"

namespace merlin::service {

std::string_view group_of_retry_topic(std::string_view topic) {
  topic.remove_prefix(message::retry_prefix.size());
  const size_t plus = topic.find('+');
  const bool has_two_parts = plus != std::string_view::npos && plus > 0 && plus + 1 < topic.size() &&
                             topic.find('+', plus + 1) == std::string_view::npos;
  return has_two_parts ? topic.substr(0, plus) : topic;
}

Refusal no_such_group(std::string_view group) {
  return {Outcome::group_not_exist,
          fmt::format("subscription group not exist, {} \nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for "
                      "further details.",
                      group)};
}

Refusal ResendRules::judge(const SendRequest& request, std::string& dead_letter_topic) const {
  const std::string_view name = group_of_retry_topic(request.topic);
  const auto group = groups_.find_or_create(name);
  if (!group) return no_such_group(name);
  const int32_t times_max = request.max_reconsume_times.value_or(group->retry_max_times);
  if (request.reconsume_times > times_max || !locks_.all_expired(name)) dead_letter_topic = message::dlq_topic(name);
  return {};
}

}  // namespace merlin::service
