#include "door/remoting/stats.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "door/remoting/answer.h"
#include "door/remoting/clients.h"
#include "door/remoting/json_text.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

// "a;b;a" into its names, each once: their queues are listed, so a list that repeats a name would make an answer
// without end.
std::vector<std::string> names_in(std::string_view list) {
  std::vector<std::string> out;
  while (!list.empty()) {
    const size_t end = list.find(';');
    if (end != 0) out.emplace_back(list.substr(0, end));
    list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(' ') == std::string_view::npos;
}

// Java reads 0.0 as a double and writes it so.
std::string number_text(double value) {
  std::string out = fmt::format("{}", value);
  if (out.find_first_of(".en") == std::string::npos) out += ".0";
  return out;
}

std::string window_text(const service::StatsWindow& window) {
  return fmt::format(R"({{"avgpt":{},"sum":{},"tps":{}}})", number_text(window.average), window.sum,
                     number_text(window.tps));
}

}  // namespace

StatsDoor::StatsDoor(std::string broker_name, std::string broker_addr, store::MessageStore& store,
                     meta::TopicTable& topics, service::Clients& clients, const meta::ConsumerOffsets& offsets,
                     const service::OffsetAdmin& admin, const service::BrokerStats& stats,
                     const service::ConsumerFilters& filters)
    : broker_name_(std::move(broker_name)),
      broker_addr_(std::move(broker_addr)),
      store_(store),
      topics_(topics),
      clients_(clients),
      offsets_(offsets),
      admin_(admin),
      stats_(stats),
      filters_(filters) {}

// MessageQueue:{"brokerOffset":..}, one for each queue, separated by commas.
std::string StatsDoor::queue_table(const service::TopicProgress& topic) const {
  std::string out;
  for (const service::QueueProgress& q : topic.queues) {
    if (!out.empty()) out += ',';
    out += message_queue_text(broker_name_, q.queue_id, topic.topic) +
           fmt::format(R"(:{{"brokerOffset":{},"consumerOffset":{},"lastTimestamp":{},"pullOffset":{}}})",
                       q.broker_offset, q.consumer_offset, q.last_timestamp_ms, q.pull_offset);
  }
  return out;
}

void StatsDoor::consume_stats(rpc::Request& request) {
  const auto header = header_or_answer<ConsumeStatsHeader>(request);
  if (!header) return;
  const std::string_view topic = is_blank(header->topic) ? std::string_view() : header->topic;
  double tps = 0;
  std::string table;
  for (const service::TopicProgress& one :
       admin_.progress(header->consumer_group, topic, names_in(header->topic_list))) {
    tps += one.consume_tps;
    if (one.queues.empty()) continue;
    if (!table.empty()) table += ',';
    table += queue_table(one);
  }
  request.reply_text(rc::success, "{\"consumeTps\":" + number_text(tps) + ",\"offsetTable\":{" + table + "}}");
}

void StatsDoor::broker_consume_stats(rpc::Request& request) {
  const auto header = header_or_answer<BrokerConsumeStatsHeader>(request);
  if (!header) return;
  std::string body = "{\"brokerAddr\":" + json_string(broker_addr_) + ",\"consumeStatsList\":[";
  int64_t behind = 0;
  int64_t in_flight = 0;
  bool too_large = false;
  admin_.each_progress(header->is_order, [&](const std::string& group, std::vector<service::TopicProgress> topics) {
    if (body.back() != '[') body += ',';
    body += '{' + json_string(group) + ":[";
    for (const service::TopicProgress& topic : topics) {
      if (body.back() != '[') body += ',';
      body += "{\"consumeTps\":" + number_text(topic.consume_tps) + ",\"offsetTable\":{" + queue_table(topic) + "}}";
      for (const service::QueueProgress& q : topic.queues) {
        behind += q.broker_offset - q.consumer_offset;
        in_flight += q.pull_offset - q.consumer_offset;
      }
    }
    body += "]}";
    too_large = body.size() > body_bytes_max;
    return !too_large;
  });
  if (too_large) {
    return request.reply(rc::system_error, fmt::format("the statistics of all groups have more than {} bytes, which no "
                                                       "client would take: ask group by group",
                                                       body_bytes_max));
  }
  request.reply_text(rc::success,
                     body + fmt::format(R"(],"totalDiff":{},"totalInflightDiff":{}}})", behind, in_flight));
}

void StatsDoor::topic_stats(rpc::Request& request) {
  const auto header = header_or_answer<TopicHeader>(request);
  if (!header) return;
  const auto topic = topics_.find(header->topic);
  if (!topic) return request.reply(rc::topic_not_exist, "topic[" + std::string(header->topic) + "] not exist");
  std::string body = "{\"offsetTable\":{";
  for (int32_t i = 0; i < std::max(topic->read_queue_nums, topic->write_queue_nums); ++i) {
    const store::ConsumeQueue* queue = store_.find_queue(header->topic, i);
    const int64_t min_offset = queue == nullptr ? 0 : std::max<int64_t>(store_.min_offset(queue), 0);
    const int64_t max_offset = queue == nullptr ? 0 : std::max<int64_t>(store_.max_offset(queue), 0);
    const int64_t last_ms = max_offset > 0 ? store_.store_timestamp(queue, max_offset - 1) : 0;
    if (body.back() != '{') body += ',';
    body += message_queue_text(broker_name_, i, header->topic) +
            ":{\"lastUpdateTimestamp\":" + std::to_string(last_ms) + ",\"maxOffset\":" + std::to_string(max_offset) +
            ",\"minOffset\":" + std::to_string(min_offset) + "}";
  }
  body += "},\"topicPutTps\":" + number_text(stats_.table().topic_put_tps(header->topic)) + "}";
  request.reply_text(rc::success, body);
}

void StatsDoor::stats_data(rpc::Request& request) {
  const auto header = header_or_answer<StatsDataHeader>(request);
  if (!header) return;
  const auto found = stats_.table().find(header->stats_name, header->stats_key);
  if (!found) {
    return request.reply(rc::system_error,
                         fmt::format("The stats <{}> <{}> not exist", header->stats_name, header->stats_key));
  }
  request.reply_text(rc::success, "{\"statsDay\":" + window_text(found->day) +
                                      ",\"statsHour\":" + window_text(found->hour) +
                                      ",\"statsMinute\":" + window_text(found->minute) + "}");
}

void StatsDoor::time_span(rpc::Request& request) {
  const auto header = header_or_answer<TopicGroupHeader>(request);
  if (!header) return;
  std::vector<service::QueueTimeSpan> spans;
  if (const auto refusal = admin_.time_spans(header->group, header->topic, spans); !refusal.ok()) {
    return refuse(request, refusal);
  }
  std::string body = "{\"consumeTimeSpanSet\":[";
  for (const service::QueueTimeSpan& span : spans) {
    if (body.back() != '[') body += ',';
    body += fmt::format(R"({{"consumeTimeStamp":{},"delayTime":{},"maxTimeStamp":{},"messageQueue":{},)"
                        R"("minTimeStamp":{}}})",
                        span.consume_timestamp_ms, span.delay_ms, span.max_timestamp_ms,
                        message_queue_text(broker_name_, span.queue_id, header->topic), span.min_timestamp_ms);
  }
  request.reply_text(rc::success, body + "]}");
}

std::string StatsDoor::filter_data(std::string_view group, std::string_view topic) const {
  const service::ConsumerFilterPtr filter = filters_.find(topic, group);
  return json_string(filter == nullptr ? "null" : meta::consumer_filter_json(filter->row));
}

// "eval" is about the bit maps of CQ-ext files, which are not written: false, as with Apache's without them.
void StatsDoor::consume_queue(rpc::Request& request) {
  const auto header = header_or_answer<QueryConsumeQueueHeader>(request);
  if (!header) return;
  const std::string place = std::to_string(header->queue_id) + "@" + std::string(header->topic);
  const store::ConsumeQueue* queue = store_.find_queue(header->topic, header->queue_id);
  if (queue == nullptr) return request.reply(rc::system_error, place + " is not exist!");
  const int64_t max_offset = store_.max_offset(queue);
  const int64_t min_offset = store_.min_offset(queue);
  if (header->index < min_offset || header->index >= max_offset) {
    return request.reply(rc::success, "Index " + std::to_string(header->index) + " of " + place + " is not exist!");
  }
  std::string body = "{";
  std::string subscription_data;
  if (header->consumer_group.data() != nullptr) {
    const auto found = clients_.subscription(header->consumer_group, header->topic);
    body += "\"filterData\":" +
            (found ? filter_data(header->consumer_group, header->topic)
                   : json_string(std::string(header->consumer_group) + "@" + std::string(header->topic) +
                                 " is not online!")) +
            ",";
    if (found) subscription_data = ",\"subscriptionData\":" + subscription_text(*found);
  }
  body += fmt::format(R"("maxQueueIndex":{},"minQueueIndex":{},"queueData":[)", max_offset, min_offset);
  const int32_t count = std::clamp(header->count, 0, queue_entries_max);
  for (const store::QueueEntry& entry : store_.entries(queue, header->index, count)) {
    if (body.back() != '[') body += ',';
    body += fmt::format(R"({{"eval":false,"physicOffset":{},"physicSize":{},"tagsCode":{}}})", entry.physical_offset,
                        entry.size, entry.tags_code);
  }
  request.reply_text(rc::success, body + "]" + subscription_data + "}");
}

void StatsDoor::subscription(rpc::Request& request) {
  const auto header = header_or_answer<GroupTopicHeader>(request);
  if (!header) return;
  std::string body = "{\"group\":" + json_string(header->group);
  if (const auto found = clients_.subscription(header->group, header->topic)) {
    body += ",\"subscriptionData\":" + subscription_text(*found);
  }
  if (header->topic.data() != nullptr) body += ",\"topic\":" + json_string(header->topic);
  request.reply_text(rc::success, body + "}");
}

void StatsDoor::topics_by_consumer(rpc::Request& request) {
  const auto header = header_or_answer<GroupHeader>(request);
  if (!header) return;
  std::string body = "{\"brokerAddr\":" + json_string(broker_addr_) + ",\"topicList\":[";
  for (const std::string& topic : offsets_.topics_of(header->group)) {
    if (body.back() != '[') body += ',';
    body += json_string(topic);
  }
  request.reply_text(rc::success, body + "]}");
}

}  // namespace merlin::door
