#include "service/pull.h"

#include <spdlog/fmt/fmt.h>

namespace merlin::service {

namespace {
constexpr std::string_view faq = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
}

Pull::Pull(std::string broker_ip, PullLimits limits, store::MessageStore& store, meta::TopicTable& topics,
           meta::SubscriptionGroups& groups, meta::ConsumerOffsets& offsets, Clients& clients, BrokerStats& stats)
    : broker_ip_(std::move(broker_ip)),
      limits_(limits),
      store_(store),
      topics_(topics),
      groups_(groups),
      offsets_(offsets),
      clients_(clients),
      stats_(stats) {}

Refusal Pull::plan(const PullRequest& request, PullPlan& out) const {
  if ((limits_.broker_permission.load(std::memory_order_relaxed) & meta::perm_read) == 0) {
    return {Outcome::no_permission, fmt::format("the broker[{}] pulling message is forbidden", broker_ip_)};
  }
  const auto group = groups_.find_or_create(request.group);
  if (!group) {
    return {Outcome::group_not_exist, fmt::format("subscription group [{}] does not exist, {}", request.group, faq)};
  }
  if (!group->consume_enable) {
    return {Outcome::no_permission, fmt::format("subscription group no permission, {}", request.group)};
  }
  const auto topic = topics_.find(request.topic);
  if (!topic) {
    return {Outcome::topic_not_exist, fmt::format("topic[{}] not exist, apply first please! {}", request.topic, faq)};
  }
  if ((topic->perm & meta::perm_read) == 0) {
    return {Outcome::no_permission, fmt::format("the topic[{}] pulling message is forbidden", request.topic)};
  }
  if (request.queue_id < 0 || request.queue_id >= topic->read_queue_nums) {
    return {Outcome::invalid_parameter,
            fmt::format("queueId[{}] is illegal, topic:[{}] topicConfig.readQueueNums:[{}] consumer:[{}]",
                        request.queue_id, request.topic, topic->read_queue_nums, request.remote_text)};
  }
  if (Refusal r = find_subscription(request, *group, out); !r.ok()) return r;
  out.topic_sys_flag = topic->topic_sys_flag;
  out.group_sys_flag = group->group_sys_flag;
  if (!topics_.is_light(request.topic)) {
    out.queue = store_.queue(request.topic, request.queue_id, topic->is_batch_queue());
    return {};
  }
  // One that nobody has sent to is made, too: a pull may wait in it.
  const auto queue = store_.light_queue(request.topic);
  if (!queue) return {Outcome::system_error, queue.error().message};
  out.queue = *queue;
  return {};
}

Refusal Pull::find_subscription(const PullRequest& request, const meta::SubscriptionGroup& group, PullPlan& out) const {
  const auto unsupported = [](const Subscription& s) -> Refusal {
    return {Outcome::system_error,
            fmt::format("The broker does not support consumer to filter message by {}", s.expression_type)};
  };
  if ((request.sys_flag & pull_flag::subscription) != 0) {
    if (request.subscription.empty() || request.subscription == "*") {
      if (request.expression_type.empty() || request.expression_type == expression_type_tag) return {};
    }
    const Subscription own = build_subscription(request.topic, request.subscription, request.expression_type);
    if (own.has_too_many_tags()) {
      return {Outcome::subscription_parse_failed,
              fmt::format("the subscription of {} names more than {} tags", request.topic, tags_max)};
    }
    if (!own.is_tag_type()) return unsupported(own);
    out.filter = make_filter(own);
    return {};
  }
  if (!clients_.has_consumer_group(request.group)) {
    return {Outcome::subscription_not_exist, fmt::format("the consumer's group info not exist{}", faq)};
  }
  if (!group.consume_broadcast_enable && clients_.is_broadcasting(request.group)) {
    return {Outcome::no_permission,
            fmt::format("the consumer group[{}] can not consume by broadcast way", request.group)};
  }
  if (groups_.is_read_forbidden(request.group, request.topic)) {
    return {Outcome::no_permission,
            fmt::format("the consumer group[{}] is forbidden for topic[{}]", request.group, request.topic)};
  }
  const auto subscription = clients_.subscription(request.group, request.topic);
  if (!subscription) {
    return {Outcome::subscription_not_exist, fmt::format("the consumer's subscription not exist{}", faq)};
  }
  if (subscription->sub_version < request.sub_version) {
    return {Outcome::subscription_not_latest, "the consumer's subscription not latest"};
  }
  if (!subscription->is_tag_type()) return unsupported(*subscription);
  out.filter = make_filter(*subscription);
  return {};
}

void Pull::read(const PullRequest& request, const PullPlan& plan, store::GetResult& out, store::ReadMode mode) const {
  out.cold = false;
  if (limits_.server_side_reset.load(std::memory_order_relaxed) != 0 &&
      offsets_.has_reset(request.group, request.topic, request.queue_id)) {
    if (const auto reset = offsets_.take_reset(request.group, request.topic, request.queue_id)) {
      out.bytes.clear();
      out.status = store::GetStatus::offset_reset;
      out.message_count = 0;
      out.next_begin_offset = *reset;
      out.min_offset = store_.min_offset(plan.queue);
      out.max_offset = store_.max_offset(plan.queue);
      return;
    }
  }
  store::GetLimits limits;
  limits.count_max = request.messages_max;
  limits.bytes_in_memory_max = static_cast<int32_t>(limits_.bytes_in_memory_max.load(std::memory_order_relaxed));
  limits.count_in_memory_max = static_cast<int32_t>(limits_.count_in_memory_max.load(std::memory_order_relaxed));
  limits.bytes_on_disk_max = static_cast<int32_t>(limits_.bytes_on_disk_max.load(std::memory_order_relaxed));
  limits.count_on_disk_max = static_cast<int32_t>(limits_.count_on_disk_max.load(std::memory_order_relaxed));
  const int64_t begin_ms = mode == store::ReadMode::no_wait ? 0 : stats_.now_ms();
  store_.get(plan.queue, request.queue_offset, limits, plan.filter.get(), out, mode);
  if (out.cold) return;
  stats_.add_get(out.status == store::GetStatus::found, out.message_count);
  if (out.message_count > 0) {
    // What stands in memory is found within the millisecond.
    const int64_t latency_ms = mode == store::ReadMode::no_wait ? 0 : stats_.now_ms() - begin_ms;
    stats_.table().group_get(plan.queue, request.group, request.topic, request.queue_id, out.message_count,
                             static_cast<int64_t>(out.bytes.bytes), latency_ms);
  }
  offsets_.commit_pull(request.group, request.topic, request.queue_id, out.next_begin_offset);
}

void Pull::commit_carried_offset(const PullRequest& request) const {
  if ((request.sys_flag & pull_flag::commit_offset) == 0) return;
  offsets_.commit(request.group, request.topic, request.queue_id, request.commit_offset);
}

bool Pull::moved_on(const PullPlan& plan, const store::GetResult& result) const {
  return store_.max_offset(plan.queue) > result.max_offset;
}

}  // namespace merlin::service
