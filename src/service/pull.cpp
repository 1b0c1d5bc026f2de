#include "service/pull.h"

#include <algorithm>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "merlin/message/names.h"

namespace merlin::service {

namespace {
constexpr std::string_view faq = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";
constexpr int32_t unit_bytes = 20;  // in which maxFilterMessageSize counts

// Shows messages to a filter until that has cost too much, and remembers which was the next one.
class LimitedFilter final : public store::MessageFilter {
 public:
  explicit LimitedFilter(const Filter& filter) : filter_(filter), steps_(static_cast<int64_t>(filter.steps())) {}
  bool matches_tags_code(int64_t tags_code) const override { return filter_.matches_tags_code(tags_code); }
  bool needs_record() const override { return true; }
  bool matches_record(const message::RecordView& record) const override {
    if (units_left_ <= 0) {
      if (!stopped_at_) stopped_at_ = record.queue_offset;
      return false;
    }
    units_left_ -= steps_ * Filter::units_per_step(record.properties.size());
    return filter_.matches_record(record);
  }
  // The first message that it was not shown, if there is one.
  std::optional<int64_t> stopped_at() const { return stopped_at_; }

 private:
  const Filter& filter_;
  const int64_t steps_;
  mutable int64_t units_left_ = Pull::filter_units_max;
  mutable std::optional<int64_t> stopped_at_;
};
}  // namespace

Pull::Pull(std::string broker_ip, PullLimits limits, store::MessageStore& store, meta::TopicTable& topics,
           meta::SubscriptionGroups& groups, meta::ConsumerOffsets& offsets, Clients& clients, Filtering& filtering,
           BrokerStats& stats)
    : broker_ip_(std::move(broker_ip)),
      limits_(limits),
      store_(store),
      topics_(topics),
      groups_(groups),
      offsets_(offsets),
      clients_(clients),
      filtering_(filtering),
      stats_(stats) {}

PullCache::Topic* Pull::topic_of(std::string_view name, PullCache& cache) const {
  if (topics_.is_light(name)) {
    cache.light_topic.config = topics_.find(name);
    return &cache.light_topic;
  }
  const uint64_t generation = topics_.generation();
  if (generation != cache.topics_generation || cache.topics.size() > PullCache::names_max ||
      cache.queue_count > PullCache::queues_max) {
    cache.topics.clear();
    cache.last_topic = nullptr;
    cache.queue_count = 0;
    cache.topics_generation = generation;
  }
  if (cache.last_topic != nullptr && cache.last_topic->first == name) return &cache.last_topic->second;
  auto it = cache.topics.find(name);
  if (it == cache.topics.end()) {
    meta::TopicPtr config = topics_.find(name);
    if (config == nullptr) return nullptr;
    const auto queues = static_cast<size_t>(std::max(config->read_queue_nums, 0));
    cache.queue_count += queues;
    it = cache.topics.emplace(std::string(name), PullCache::Topic{std::move(config), {}}).first;
    it->second.queues.resize(queues);
  }
  cache.last_topic = &*it;
  return &it->second;
}

const meta::SubscriptionGroup* Pull::group_of(std::string_view name, PullCache& cache) const {
  const uint64_t generation = groups_.generation();
  if (generation != cache.groups_generation || cache.groups.size() > PullCache::names_max) {
    cache.groups.clear();
    cache.last_group = nullptr;
    cache.groups_generation = generation;
  }
  if (cache.last_group != nullptr && cache.last_group->first == name) return cache.last_group->second.get();
  auto it = cache.groups.find(name);
  if (it == cache.groups.end()) {
    meta::GroupPtr group = groups_.find_or_create(name);
    if (group == nullptr) return nullptr;
    it = cache.groups.emplace(std::string(name), std::move(group)).first;
  }
  cache.last_group = &*it;
  return it->second.get();
}

Refusal Pull::plan(const PullRequest& request, PullCache& cache, PullPlan& out) const {
  if ((limits_.broker_permission.load(std::memory_order_relaxed) & meta::perm_read) == 0) {
    return {Outcome::no_permission, fmt::format("the broker[{}] pulling message is forbidden", broker_ip_)};
  }
  const meta::SubscriptionGroup* group = group_of(request.group, cache);
  if (group == nullptr) {
    return {Outcome::group_not_exist, fmt::format("subscription group [{}] does not exist, {}", request.group, faq)};
  }
  if (!group->consume_enable) {
    return {Outcome::no_permission, fmt::format("subscription group no permission, {}", request.group)};
  }
  PullCache::Topic* const cached = topic_of(request.topic, cache);
  if (cached == nullptr) {
    return {Outcome::topic_not_exist, fmt::format("topic[{}] not exist, apply first please! {}", request.topic, faq)};
  }
  const meta::TopicConfig* const topic = cached->config.get();
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
  return find_queue(request, *cached, out);
}

Refusal Pull::find_queue(const PullRequest& request, PullCache::Topic& topic, PullPlan& out) const {
  if (!topics_.is_light(request.topic)) {
    const store::ConsumeQueue*& queue = topic.queues[static_cast<size_t>(request.queue_id)];
    if (queue == nullptr) queue = store_.queue(request.topic, request.queue_id, topic.config->is_batch_queue());
    out.queue = queue;
    return {};
  }
  // One that nobody has sent to is made, too: a pull may wait in it.
  const auto queue = store_.light_queue(request.topic);
  if (!queue) return {Outcome::system_error, queue.error().message};
  out.queue = *queue;
  return {};
}

Refusal Pull::find_subscription(const PullRequest& request, const meta::SubscriptionGroup& group, PullPlan& out) const {
  out.subscriptions_at = filtering_.changes.load(std::memory_order_acquire);
  if ((request.sys_flag & pull_flag::subscription) != 0) return use_carried_subscription(request, out);
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
  if (!subscription->is_tag_type()) {
    if (Refusal r = use_known_expression(request, out); !r.ok()) return r;
    return check_enabled(subscription->expression_type);
  }
  out.filter = subscription->filter;
  return {};
}

Refusal Pull::check_enabled(std::string_view expression_type) const {
  if (limits_.property_filter_enable.load(std::memory_order_relaxed) != 0) return {};
  return {Outcome::system_error,
          fmt::format("The broker does not support consumer to filter message by {}", expression_type)};
}

Refusal Pull::use_carried_subscription(const PullRequest& request, PullPlan& out) const {
  const auto refused = [](std::string_view why) {
    return Refusal{Outcome::subscription_parse_failed, fmt::format("parse the consumer's subscription failed{}", why)};
  };
  if (is_tag_type(request.expression_type)) {
    if (request.subscription.empty() || request.subscription == "*") return {};
    const Subscription own = build_subscription(request.topic, request.subscription, request.expression_type);
    if (own.has_too_many_tags()) {
      return {Outcome::subscription_parse_failed,
              fmt::format("the subscription of {} names more than {} tags", request.topic, tags_max)};
    }
    out.filter = own.filter;
    return {};
  }
  if (Refusal r = check_enabled(request.expression_type); !r.ok()) return r;
  if (request.subscription.empty()) return refused(": there is no expression");
  if (request.expression_type != expression_type_sql) {
    return refused(fmt::format(": the expression type {} is unknown", request.expression_type));
  }
  const auto compiled = filtering_.programs.get(request.subscription);
  // Apache lets every message pass here.
  if (compiled->filter == nullptr) return refused(": " + compiled->refusal);
  out.filter = filter_of_expression(request, compiled->filter);
  return {};
}

Refusal Pull::use_known_expression(const PullRequest& request, PullPlan& out) const {
  const ConsumerFilterPtr known = filtering_.groups.find(request.topic, request.group);
  if (known == nullptr || known->filter == nullptr) {
    return {Outcome::filter_data_not_exist,
            "The broker's consumer filter data is not exist!Your expression may be wrong!"};
  }
  if (known->row.client_version < request.sub_version) {
    return {Outcome::filter_data_not_latest, "the consumer's consumer filter data not latest"};
  }
  out.filter = filter_of_expression(request, known->filter);
  return {};
}

std::shared_ptr<const Filter> Pull::filter_of_expression(const PullRequest& request,
                                                         std::shared_ptr<const Filter> filter) const {
  if (limits_.filter_retry.load(std::memory_order_relaxed) == 0) return filter;
  if (!request.topic.starts_with(message::retry_prefix)) return filter;
  return std::make_shared<RetryFilter>(filtering_.groups, request.topic.substr(message::retry_prefix.size()));
}

bool Pull::subscription_changed(const PullRequest& request, PullPlan& plan) const {
  const uint64_t now_at = filtering_.changes.load(std::memory_order_acquire);
  if (plan.subscriptions_at == now_at) return false;
  plan.subscriptions_at = now_at;
  if ((request.sys_flag & pull_flag::subscription) != 0) return false;
  const auto subscription = clients_.subscription(request.group, request.topic);
  if (subscription == nullptr) return false;
  PullPlan now;
  if (subscription->is_tag_type()) {
    now.filter = subscription->filter;
  } else if (!use_known_expression(request, now).ok()) {
    return false;
  }
  return now.filter != plan.filter;
}

void Pull::begin_again(const PullRequest& request, const PullPlan& plan, store::GetResult& out) const {
  out.bytes.clear();
  out.cold = false;
  out.status = store::GetStatus::no_matched_message;
  out.message_count = 0;
  out.next_begin_offset = request.queue_offset;
  out.min_offset = store_.min_offset(plan.queue);
  out.max_offset = store_.max_offset(plan.queue);
}

void Pull::read(const PullRequest& request, PullPlan& plan, int64_t offset, store::GetResult& out,
                store::ReadMode mode) const {
  out.cold = false;
  if (reset_waits(request)) {
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
  limits.scanned_max = static_cast<int32_t>(limits_.scanned_unit_bytes_max.load(std::memory_order_relaxed));
  if (plan.filter != nullptr && plan.filter->needs_record()) {
    // A long program is shown fewer messages at once: others wait for the same thread.
    const auto shown_max =
        static_cast<int32_t>(filter_steps_max / std::clamp(plan.filter->steps(), size_t{1}, filter_steps_max));
    limits.count_max = std::min(limits.count_max, shown_max);
    limits.scanned_max = std::min(limits.scanned_max, shown_max * unit_bytes);
  }
  // Records of light queues do not say their place in them.
  if (plan.filter != nullptr && plan.filter->needs_record() && !message::is_lmq(request.topic)) {
    const LimitedFilter filter(*plan.filter);
    store_.get(plan.queue, offset, limits, &filter, out, mode);
    if (filter.stopped_at()) out.next_begin_offset = std::min(out.next_begin_offset, *filter.stopped_at());
  } else {
    store_.get(plan.queue, offset, limits, plan.filter.get(), out, mode);
  }
  if (out.cold) return;
  if (plan.filter != nullptr) {
    // A pull that is held is read more than once.
    const int64_t counted_to = std::max(request.queue_offset, plan.counted_to);
    const int64_t passed_over = out.next_begin_offset - counted_to - out.message_count;
    const bool is_read = out.status == store::GetStatus::found || out.status == store::GetStatus::no_matched_message ||
                         out.status == store::GetStatus::offset_overflow_one;
    if (is_read && passed_over > 0) {
      filtering_.passed_over.add(request.group, passed_over);
      plan.counted_to = out.next_begin_offset;
    }
  }
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

bool Pull::reset_waits(const PullRequest& request) const {
  return limits_.server_side_reset.load(std::memory_order_relaxed) != 0 &&
         offsets_.has_reset(request.group, request.topic, request.queue_id);
}

bool Pull::moved_on(const PullRequest& request, const PullPlan& plan, const store::GetResult& result) const {
  return store_.max_offset(plan.queue) > result.max_offset || reset_waits(request);
}

}  // namespace merlin::service
