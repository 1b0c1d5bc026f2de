#include "service/produce.h"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include "merlin/message/names.h"
#include "merlin/message/properties.h"
#include "service/message_type.h"

namespace merlin::service {

namespace {

constexpr std::string_view faq = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

std::string make_tail(const ProduceSettings& settings) {
  std::string tail;
  message::append_property(tail, message::property::region, settings.region_id);
  message::append_property(tail, message::property::trace_on, settings.trace_on ? "true" : "false");
  message::append_property(tail, message::property::cluster, settings.cluster_name);
  return tail;
}

// The few properties that decide what happens to a message, found in one pass.
struct PropertyScan {
  std::string_view tags;
  std::string_view keys;
  std::string_view unique_key;
  std::string_view delay_level;
  bool is_transaction = false;
  bool is_timer = false;
  std::string_view multi_dispatch;
  bool has_inner_num = false;
  bool has_own_name = false;  // of a property that only the broker writes
  bool waits_for_durable = true;
};

bool equals_true(std::string_view v) {
  return v.size() == 4 && (v[0] | 32) == 't' && (v[1] | 32) == 'r' && (v[2] | 32) == 'u' && (v[3] | 32) == 'e';
}

PropertyScan scan_properties(std::string_view properties) {
  namespace p = message::property;
  PropertyScan out;
  message::for_each_property(properties, [&](std::string_view name, std::string_view value) {
    switch (name.size()) {
      case 4:
        if (name == p::tags) out.tags = value;
        if (name == p::keys) out.keys = value;
        if (name == p::wait_store_ok) out.waits_for_durable = equals_true(value);
        break;
      case 5:
        if (name == p::delay_level) out.delay_level = value;
        break;
      case 6:
        if (name == p::pop_ck) out.has_own_name = true;
        break;
      case 8:
        if (name == p::unique_key) out.unique_key = value;
        if (name == p::transaction_prepared) out.is_transaction = equals_true(value);
        break;
      case 9:
        if (name == p::inner_num) out.has_inner_num = true;
        break;
      case 10:
        if (name == p::inner_base) out.has_own_name = true;
        break;
      case 20:
        if (name == p::inner_multi_dispatch) out.multi_dispatch = value;
        break;
      case 24:
        if (name == p::inner_multi_queue_offset) out.has_own_name = true;
        break;
      default:
        if (name == p::timer_deliver_ms || name == p::timer_delay_ms || name == p::timer_delay_sec) out.is_timer = true;
    }
    return true;
  });
  return out;
}

// What only the broker writes is believed by whoever reads the log: clients' own go.
std::string without_broker_properties(std::string_view properties) {
  std::string out(properties);
  for (const std::string_view name :
       {message::property::pop_ck, message::property::inner_base, message::property::inner_multi_queue_offset}) {
    out = message::without_property(out, name);
  }
  return out;
}

// A message that asks for what is not there yet must not be stored as one that does not.
Refusal refuse_unbuilt(const PropertyScan& scan, const std::string& broker_ip) {
  if (scan.is_transaction) {
    return {Outcome::no_permission,
            fmt::format("the broker[{}] sending transaction message is forbidden: transactions are not built yet",
                        broker_ip)};
  }
  if (scan.is_timer) {
    return {Outcome::system_error,
            "accurate timer message is not enabled, timerWheelEnable is false: timers are not built yet"};
  }
  if (scan.has_inner_num) {
    return {Outcome::message_illegal, "the property INNER_NUM belongs to inner batches, and this is none"};
  }
  return {};
}

// The level in DELAY; 0 and less: at once.
Refusal read_delay_level(std::string_view text, int32_t& level) {
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), level);
  if (ec == std::errc() && end == digits.data() + digits.size()) return {};
  return {Outcome::system_error, fmt::format("the property DELAY is \"{}\", which is no number", text)};
}

// Messages of a batch have one place together.
Refusal refuse_in_batch(const PropertyScan& scan, const std::string& broker_ip) {
  int32_t level = 0;
  if (!scan.delay_level.empty()) {
    if (Refusal r = read_delay_level(scan.delay_level, level); !r.ok()) return r;
  }
  if (level > 0) return {Outcome::message_illegal, fmt::format("a message of a batch asks for DELAY={}", level)};
  return refuse_unbuilt(scan, broker_ip);
}

}  // namespace

Produce::Produce(ProduceSettings settings, const Clock& clock, store::MessageStore& store, meta::TopicTable& topics,
                 const std::atomic<int64_t>& broker_permission, BrokerStats& stats)
    : settings_(std::move(settings)),
      store_(store),
      topics_(topics),
      broker_permission_(broker_permission),
      stats_(stats),
      uniq_keys_(settings_.store_host, clock),
      tail_(make_tail(settings_)) {}

namespace {

ProduceBurst::CachedTopic make_cached(meta::TopicPtr config) {
  ProduceBurst::CachedTopic cached;
  cached.queues.resize(static_cast<size_t>(std::max({config->write_queue_nums, config->read_queue_nums, 1})));
  cached.send_forbidden = message::is_send_forbidden_topic(config->name);
  cached.is_retry = message::is_retry_topic(config->name);
  cached.config = std::move(config);
  return cached;
}

}  // namespace

ProduceBurst::CachedTopic* Produce::topic(std::string_view name, ProduceBurst& burst) {
  const uint64_t generation = topics_.generation();
  if (generation != burst.topics_generation || burst.topics.size() > ProduceBurst::topic_cache_max) {
    burst.topics.clear();
    burst.topics_generation = generation;
    burst.last_topic = nullptr;
  }
  if (burst.last_topic != nullptr && *burst.last_name == name) return burst.last_topic;
  auto it = burst.topics.find(name);
  if (it == burst.topics.end()) {
    meta::TopicPtr config = topics_.find(name);
    if (!config) return nullptr;
    it = burst.topics.emplace(std::string(name), make_cached(std::move(config))).first;
  }
  burst.last_name = &it->first;
  burst.last_topic = &it->second;
  return burst.last_topic;
}

store::ConsumeQueue* Produce::queue_of(ProduceBurst::CachedTopic& topic, int32_t queue_id) {
  store::ConsumeQueue*& queue = topic.queues[static_cast<size_t>(queue_id)];
  if (queue == nullptr) queue = store_.queue(topic.config->name, queue_id, topic.config->is_batch_queue());
  return queue;
}

Refusal Produce::check_names(const SendRequest& request) const {
  if (auto error = message::topic_name_error(request.topic)) return {Outcome::invalid_parameter, std::move(*error)};
  if (message::is_send_forbidden_topic(request.topic)) {
    return {Outcome::no_permission, fmt::format("Sending message to topic[{}] is forbidden.", request.topic)};
  }
  return {};
}

Refusal Produce::prepare(const SendRequest& request, ProduceBurst& burst, PlacedRequest& placed) {
  const bool is_light = topics_.is_light(request.topic);
  if (is_light) {
    if (Refusal r = find_light_topic(request, burst); !r.ok()) return r;
  }
  ProduceBurst::CachedTopic* cached = is_light ? &burst.light_topic : topic(request.topic, burst);
  if (cached == nullptr || cached->send_forbidden) {
    // A topic in the table has passed the name rules when it was made.
    if (Refusal r = check_names(request); !r.ok()) return r;
    return {Outcome::needs_worker, {}};
  }
  const meta::TopicConfig& config = *cached->config;
  if (config.order && (broker_permission_.load(std::memory_order_relaxed) & meta::perm_write) == 0) {
    return {Outcome::no_permission, fmt::format("the broker[{}] sending message is forbidden", settings_.broker_ip)};
  }
  if (request.queue_id >= std::max(config.write_queue_nums, config.read_queue_nums)) {
    return {Outcome::invalid_parameter, fmt::format("request queueId[{}] is illegal, {} Producer: {}", request.queue_id,
                                                    config.text(), request.born_host.text())};
  }
  if (settings_.check_message_type) {
    auto error = request.batch ? message_type_error_in_batch(config, request.body)
                               : message_type_error(config, request.properties);
    if (error) return {Outcome::message_illegal, std::move(*error)};
  }
  const int32_t transaction = request.sys_flag & message::sys_flag::transaction_mask;
  if (transaction == message::sys_flag::transaction_prepared ||
      transaction == message::sys_flag::transaction_rollback) {
    // Such records take no place in a queue; one that got a queue offset would leave a hole when the queue is rebuilt.
    return {Outcome::no_permission,
            fmt::format("the broker[{}] sending transaction message is forbidden: transactions are not built yet, and "
                        "sysFlag {} asks for one",
                        settings_.broker_ip, request.sys_flag)};
  }
  if ((request.sys_flag & message::sys_flag::inner_batch) != 0) {
    return {Outcome::message_illegal,
            fmt::format("sysFlag {} says that the message is an inner batch, which only the broker makes",
                        request.sys_flag)};
  }
  if (request.batch) return add_batch(request, *cached, burst, placed);
  if (cached->is_retry && resend_rules_ != nullptr) return add_resent(request, *cached, burst, placed);
  return add_single(request, *cached, burst, placed);
}

Refusal Produce::prepare_on_worker(const SendRequest& request, ProduceBurst& burst, PlacedRequest& placed) {
  Refusal refusal = create_topic(request);
  if (refusal.ok()) refusal = prepare(request, burst, placed);
  if (refusal.outcome != Outcome::needs_worker) return refusal;
  return {Outcome::topic_not_exist, fmt::format("topic[{}] was deleted while it was being created", request.topic)};
}

Refusal Produce::create_topic(const SendRequest& request) {
  const bool is_retry = message::is_retry_topic(request.topic);
  if (topics_.find(request.topic)) return is_retry ? create_dead_letter_topic(request) : Refusal();
  int32_t sys_flag = 0;
  if (request.unit_mode) sys_flag = is_retry ? meta::topic_sys_flag_unit_sub : meta::topic_sys_flag_unit;
  meta::TopicPtr created;
  if (auto made =
          topics_.create_for_send(request.topic, request.default_topic, request.default_topic_queue_nums, sys_flag)) {
    created = *made;
  } else if (is_retry) {
    created = topics_.create_if_absent(request.topic, 1, meta::perm_read | meta::perm_write, false, sys_flag);
  }
  if (!created) {
    return {Outcome::topic_not_exist, fmt::format("topic[{}] not exist, apply first please!{}", request.topic, faq)};
  }
  if (topic_created_) topic_created_(created);
  return is_retry ? create_dead_letter_topic(request) : Refusal();
}

Refusal Produce::too_large(size_t body_bytes, size_t properties_bytes) const {
  return {Outcome::message_illegal,
          fmt::format(
              "the message is illegal, maybe msg body or properties length not matched. msg body length limit {}B, msg "
              "properties length limit 32KB. It has {} bytes of body and {} of properties.",
              settings_.message_size_bytes_max, body_bytes, properties_bytes)};
}

// What each record of a request has in common.
void Produce::fill_record(const SendRequest& request, int32_t queue_id, message::RecordSpec& spec) const {
  spec.topic = request.topic;
  spec.queue_id = queue_id;
  spec.sys_flag = request.sys_flag & ~message::sys_flag::need_unwrap;
  spec.born_timestamp_ms = request.born_timestamp_ms;
  spec.born_host = request.born_host;
  spec.store_host = settings_.store_host;
  spec.reconsume_times = request.reconsume_times;
}

namespace {

int32_t pick_queue(const SendRequest& request, const meta::TopicConfig& config, ProduceBurst& burst) {
  if (request.queue_id >= 0) return request.queue_id;
  burst.next_random = burst.next_random * 1664525U + 1013904223U;
  return static_cast<int32_t>((burst.next_random >> 8) % static_cast<uint32_t>(std::max(config.write_queue_nums, 1)));
}

}  // namespace

Refusal Produce::add_single(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                            PlacedRequest& placed) {
  PropertyScan scan = scan_properties(request.properties);
  int32_t level = 0;
  if (!scan.delay_level.empty()) {
    if (Refusal r = read_delay_level(scan.delay_level, level); !r.ok()) return r;
    // A level is stronger than a timer, and clients before 4.6.1 leave TRAN_MSG in what they send back.
    scan.is_timer = scan.is_timer && level <= 0;
    scan.is_transaction = scan.is_transaction && request.reconsume_times <= 0;
  }
  if (Refusal r = refuse_unbuilt(scan, settings_.broker_ip); !r.ok()) return r;
  const int32_t queue_id = pick_queue(request, *topic.config, burst);
  std::string_view properties = request.properties;
  if (scan.has_own_name) properties = burst.text() = without_broker_properties(properties);
  if (level > 0) {
    level = level_within(level);
    properties = burst.text() = with_real_place(properties, request.topic, queue_id, level);
  }
  std::string_view tail = tail_;
  std::string_view unique_key = scan.unique_key;
  if (unique_key.empty()) {
    std::string& own = burst.text();
    own.resize(64);
    own.resize(uniq_keys_.next(own.data()));
    unique_key = own;
    std::string& with_key = burst.text();
    message::append_property(with_key, message::property::unique_key, unique_key);
    with_key += tail_;
    tail = with_key;
  }
  if (request.body.size() > static_cast<size_t>(settings_.message_size_bytes_max) || request.body.empty() ||
      properties.size() + tail.size() + 1 > message::properties_length_max) {
    return too_large(request.body.size(), properties.size() + tail.size());
  }
  store::ConsumeQueue* const queue = level > 0 ? nullptr : queue_of(topic, queue_id);
  store::LightQueues* light = nullptr;
  if (settings_.multi_dispatch && !scan.multi_dispatch.empty() && level <= 0 && !topic.is_retry) {
    if (Refusal r = enter_light_queues(scan.multi_dispatch, request.topic, queue_id, burst, light); !r.ok()) return r;
  }
  // From here on nothing refuses or throws. The item is filled where it stays: it is large, and a copy of what has just
  // been written waits for each write.
  store::AppendItem& item = burst.items.emplace_back();
  fill_record(request, queue_id, item.spec);
  if (topic.config->multi_tag) item.spec.sys_flag |= message::sys_flag::multi_tags;
  item.spec.flag = request.flag;
  item.spec.body = request.body;
  item.spec.properties = properties;
  item.spec.properties_tail = tail;
  item.texts = {unique_key, scan.keys, scan.tags};
  item.texts_known = true;
  item.tags_code = scan.tags.empty() ? 0 : message::java_hash(scan.tags);
  item.queue = queue;
  if (level > 0) put_aside(level, burst, item);
  if (light != nullptr) item.enter(*light);
  placed = {burst.items.size() - 1, 1, queue_id, unique_key, false, scan.waits_for_durable};
  return {};
}

Refusal Produce::add_batch(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                           PlacedRequest& placed) {
  if (request.topic.size() > message::topic_length_v1_max) {
    return {Outcome::message_illegal, fmt::format("message topic length too long {}", request.topic.size())};
  }
  if (message::is_retry_topic(request.topic)) {
    return {Outcome::message_illegal, fmt::format("batch request does not support retry group {}", request.topic)};
  }
  if (topic.config->is_batch_queue() && !scan_properties(request.properties).unique_key.empty()) {
    return add_inner_batch(request, topic, burst, placed);
  }
  if (request.body.size() > static_cast<size_t>(settings_.message_size_bytes_max) || request.body.empty()) {
    return too_large(request.body.size(), 0);
  }
  const int32_t queue_id = pick_queue(request, *topic.config, burst);
  store::ConsumeQueue* const queue = queue_of(topic, queue_id);
  const size_t first = burst.items.size();
  ByteView rest = request.body;
  Refusal refusal;
  while (!rest.empty()) {
    const auto entry = message::take_batch_entry(rest);
    if (!entry) {
      refusal = {Outcome::message_illegal, "the batch body is broken: " + entry.error().message};
      break;
    }
    if (burst.items.size() - first >= batch_messages_max) {
      refusal = {Outcome::message_illegal, fmt::format("the batch has more than {} messages", batch_messages_max)};
      break;
    }
    if (entry->properties.size() + tail_.size() + 1 > message::properties_length_max) {
      refusal = too_large(entry->body.size(), entry->properties.size() + tail_.size());
      break;
    }
    const PropertyScan scan = scan_properties(entry->properties);
    refusal = refuse_in_batch(scan, settings_.broker_ip);
    if (!refusal.ok()) break;
    std::string_view properties = entry->properties;
    if (scan.has_own_name) properties = burst.text() = without_broker_properties(properties);
    store::AppendItem& item = burst.items.emplace_back();
    fill_record(request, queue_id, item.spec);
    item.spec.flag = entry->flag;
    item.spec.body = entry->body;
    item.spec.properties = properties;
    item.spec.properties_tail = tail_;
    item.texts = {scan.unique_key, scan.keys, scan.tags};
    item.texts_known = true;
    item.tags_code = scan.tags.empty() ? 0 : message::java_hash(scan.tags);
    item.queue = queue;
    item.joined_to_previous = burst.items.size() > first + 1;
  }
  if (!refusal.ok()) {
    burst.items.resize(first);
    return refusal;
  }
  placed = {first, burst.items.size() - first, queue_id, scan_properties(request.properties).unique_key, false, true};
  return {};
}

namespace {

// The messages in the body of a batch, each checked as if it had come alone.
Refusal count_messages(ByteView body, const std::string& broker_ip, int32_t& count) {
  for (count = 0; !body.empty(); ++count) {
    const auto entry = message::take_batch_entry(body);
    if (!entry) return {Outcome::message_illegal, "the batch body is broken: " + entry.error().message};
    if (count == store::inner_batch_messages_max) {
      return {Outcome::message_illegal,
              fmt::format("the batch has more than {} messages", store::inner_batch_messages_max)};
    }
    if (Refusal r = refuse_in_batch(scan_properties(entry->properties), broker_ip); !r.ok()) return r;
  }
  return {};
}

}  // namespace

// The body stays one record, which takes a queue offset for each message in it.
Refusal Produce::add_inner_batch(const SendRequest& request, ProduceBurst::CachedTopic& topic, ProduceBurst& burst,
                                 PlacedRequest& placed) {
  namespace p = message::property;
  if (request.body.size() > static_cast<size_t>(settings_.message_size_bytes_max) || request.body.empty()) {
    return too_large(request.body.size(), request.properties.size());
  }
  std::string& properties = burst.text();
  properties = without_broker_properties(message::without_property(request.properties, p::inner_num));
  const PropertyScan scan = scan_properties(properties);
  if (Refusal r = refuse_in_batch(scan, settings_.broker_ip); !r.ok()) return r;
  const int32_t queue_id = pick_queue(request, *topic.config, burst);
  store::AppendItem item;
  if (Refusal r = count_messages(request.body, settings_.broker_ip, item.count); !r.ok()) return r;
  std::string& tail = burst.text();
  tail = tail_;
  message::append_property(tail, p::inner_num, std::to_string(item.count));
  if (properties.size() + tail.size() + 1 > message::properties_length_max) {
    return too_large(request.body.size(), properties.size() + tail.size());
  }
  item.queue = queue_of(topic, queue_id);
  if (!store::is_batch_queue(item.queue)) {
    return {Outcome::message_illegal,
            fmt::format("topic[{}] has queue.type=BatchCQ, but its messages are in queues of another kind: delete the "
                        "topic and make it again",
                        request.topic)};
  }
  fill_record(request, queue_id, item.spec);
  item.spec.sys_flag |= message::sys_flag::need_unwrap | message::sys_flag::inner_batch;
  if (topic.config->multi_tag) item.spec.sys_flag |= message::sys_flag::multi_tags;
  item.spec.flag = request.flag;
  item.spec.body = request.body;
  item.spec.properties = properties;
  item.spec.properties_tail = tail;
  item.tags_code = scan.tags.empty() ? 0 : message::java_hash(scan.tags);
  item.late_bytes_max = store::inner_base_bytes_max;
  placed = {burst.items.size(), 1, queue_id, scan.unique_key, true, scan.waits_for_durable};
  burst.items.push_back(item);
  return {};
}

int64_t Produce::append(ProduceBurst& burst) {
  const int64_t end = store_.append(burst.items, burst.scratch);
  int64_t stored = 0;
  int64_t bytes = 0;
  PutRun topics(stats_.table());
  for (const store::AppendItem& item : burst.items) {
    if (item.code == store::AppendCode::ok) {
      stored += item.count;
      bytes += item.size;
      // The queue's own copy of the name: the same bytes for all messages of the topic.
      const std::string_view topic = item.queue == nullptr ? std::string_view() : store::queue_topic(item.queue);
      topics.add(topic.data(), topic, item.count, item.size, !item.joined_to_previous);
    }
  }
  stats_.add_put(stored, bytes);
  if (stored != static_cast<int64_t>(burst.items.size())) {
    stats_.add_put_failed(static_cast<int64_t>(burst.items.size()) - stored);
  }
  if (burst.has_delayed && delayed_ != nullptr) tell_of_delayed(burst);
  return end;
}

Refusal Produce::refusal_of(const store::AppendItem& item) const {
  switch (item.code) {
    case store::AppendCode::ok:
      return {};
    case store::AppendCode::record_too_large:
      return too_large(item.spec.body.size(), item.spec.properties.size());
    case store::AppendCode::io_error:
      return {Outcome::system_error, "writing the commit log failed; the broker's log says why"};
    case store::AppendCode::closed:
    case store::AppendCode::no_space:
      break;
  }
  std::string why;
  if (store_.writable(why) || why.empty())
    why = item.code == store::AppendCode::closed ? "the store is closing" : "the disk is full";
  return {Outcome::service_not_available, "service not available now. " + why};
}

}  // namespace merlin::service
