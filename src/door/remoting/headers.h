// The custom headers of the remoting requests this door answers, each declared once: name, type, required or not.
// Source: the *RequestHeader classes of Apache RocketMQ 5.5.0.
#pragma once

#include <optional>
#include <string_view>

#include "merlin/wire/header.h"

namespace merlin::door {

using wire::optional;
using wire::required;

// SEND_MESSAGE (10).
struct SendMessageHeader {
  std::string_view producer_group;
  std::string_view topic;
  std::string_view default_topic;
  int32_t default_topic_queue_nums = 0;
  int32_t queue_id = 0;
  int32_t sys_flag = 0;
  int64_t born_timestamp = 0;
  int32_t flag = 0;
  std::string_view properties;
  std::optional<int32_t> reconsume_times;
  bool unit_mode = false;
  bool batch = false;
  std::optional<int32_t> max_reconsume_times;
  using H = SendMessageHeader;
  static constexpr auto fields = std::make_tuple(
      required("producerGroup", &H::producer_group), required("topic", &H::topic),
      required("defaultTopic", &H::default_topic), required("defaultTopicQueueNums", &H::default_topic_queue_nums),
      required("queueId", &H::queue_id), required("sysFlag", &H::sys_flag),
      required("bornTimestamp", &H::born_timestamp), required("flag", &H::flag), optional("properties", &H::properties),
      optional("reconsumeTimes", &H::reconsume_times), optional("unitMode", &H::unit_mode),
      optional("batch", &H::batch), optional("maxReconsumeTimes", &H::max_reconsume_times));
};

// SEND_MESSAGE_V2 (310) and SEND_BATCH_MESSAGE (320): the same fields by letter.
struct SendMessageHeaderV2 : SendMessageHeader {
  using H = SendMessageHeaderV2;
  static constexpr auto fields =
      std::make_tuple(required("a", &H::producer_group), required("b", &H::topic), required("c", &H::default_topic),
                      required("d", &H::default_topic_queue_nums), required("e", &H::queue_id),
                      required("f", &H::sys_flag), required("g", &H::born_timestamp), required("h", &H::flag),
                      optional("i", &H::properties), optional("j", &H::reconsume_times), optional("k", &H::unit_mode),
                      optional("l", &H::max_reconsume_times), optional("m", &H::batch));
};

// Clients from 3.4.9 on mean it when they say maxReconsumeTimes.
inline constexpr int32_t version_v3_4_9 = 121;

// CONSUMER_SEND_MSG_BACK (36).
struct SendBackHeader {
  int64_t offset = 0;
  std::string_view group;
  int32_t delay_level = 0;
  std::string_view origin_msg_id;
  std::string_view origin_topic;
  bool unit_mode = false;
  std::optional<int32_t> max_reconsume_times;
  using H = SendBackHeader;
  static constexpr auto fields = std::make_tuple(
      required("offset", &H::offset), required("group", &H::group), required("delayLevel", &H::delay_level),
      optional("originMsgId", &H::origin_msg_id), optional("originTopic", &H::origin_topic),
      optional("unitMode", &H::unit_mode), optional("maxReconsumeTimes", &H::max_reconsume_times));
};

// PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361).
struct PullMessageHeader {
  std::string_view consumer_group;
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t queue_offset = 0;
  int32_t max_msg_nums = 0;
  int32_t sys_flag = 0;
  int64_t commit_offset = 0;
  int64_t suspend_timeout_ms = 0;
  std::string_view subscription;
  int64_t sub_version = 0;
  std::string_view expression_type;
  using H = PullMessageHeader;
  static constexpr auto fields = std::make_tuple(
      required("consumerGroup", &H::consumer_group), required("topic", &H::topic), required("queueId", &H::queue_id),
      required("queueOffset", &H::queue_offset), required("maxMsgNums", &H::max_msg_nums),
      required("sysFlag", &H::sys_flag), required("commitOffset", &H::commit_offset),
      required("suspendTimeoutMillis", &H::suspend_timeout_ms), optional("subscription", &H::subscription),
      required("subVersion", &H::sub_version), optional("expressionType", &H::expression_type));
};

struct QueryConsumerOffsetHeader {
  std::string_view consumer_group;
  std::string_view topic;
  int32_t queue_id = 0;
  std::optional<bool> set_zero_if_not_found;
  using H = QueryConsumerOffsetHeader;
  static constexpr auto fields =
      std::make_tuple(required("consumerGroup", &H::consumer_group), required("topic", &H::topic),
                      required("queueId", &H::queue_id), optional("setZeroIfNotFound", &H::set_zero_if_not_found));
};

struct UpdateConsumerOffsetHeader {
  std::string_view consumer_group;
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t commit_offset = 0;
  using H = UpdateConsumerOffsetHeader;
  static constexpr auto fields =
      std::make_tuple(required("consumerGroup", &H::consumer_group), required("topic", &H::topic),
                      required("queueId", &H::queue_id), required("commitOffset", &H::commit_offset));
};

// GET_MAX_OFFSET, GET_MIN_OFFSET, GET_EARLIEST_MSG_STORETIME.
struct TopicQueueHeader {
  std::string_view topic;
  int32_t queue_id = 0;
  using H = TopicQueueHeader;
  static constexpr auto fields = std::make_tuple(required("topic", &H::topic), required("queueId", &H::queue_id));
};

struct SearchOffsetHeader {
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t timestamp = 0;
  std::string_view boundary_type;
  using H = SearchOffsetHeader;
  static constexpr auto fields =
      std::make_tuple(required("topic", &H::topic), required("queueId", &H::queue_id),
                      required("timestamp", &H::timestamp), optional("boundaryType", &H::boundary_type));
};

struct ViewMessageHeader {
  int64_t offset = 0;
  using H = ViewMessageHeader;
  static constexpr auto fields = std::make_tuple(required("offset", &H::offset));
};

struct QueryMessageHeader {
  std::string_view topic;
  std::string_view key;
  int32_t max_num = 0;
  int64_t begin_timestamp = 0;
  int64_t end_timestamp = 0;
  std::string_view index_type;  // T: the key is a tag; anything else: a key or unique id
  bool by_unique_key = false;
  using H = QueryMessageHeader;
  static constexpr auto fields =
      std::make_tuple(required("topic", &H::topic), required("key", &H::key), required("maxNum", &H::max_num),
                      required("beginTimestamp", &H::begin_timestamp), required("endTimestamp", &H::end_timestamp),
                      optional("indexType", &H::index_type), optional("_UNIQUE_KEY_QUERY", &H::by_unique_key));
};

struct UnregisterClientHeader {
  std::string_view client_id;
  std::string_view producer_group;
  std::string_view consumer_group;
  using H = UnregisterClientHeader;
  static constexpr auto fields =
      std::make_tuple(required("clientID", &H::client_id), optional("producerGroup", &H::producer_group),
                      optional("consumerGroup", &H::consumer_group));
};

// GET_CONSUMER_LIST_BY_GROUP, GET_CONSUMER_CONNECTION_LIST.
struct ConsumerGroupHeader {
  std::string_view consumer_group;
  using H = ConsumerGroupHeader;
  static constexpr auto fields = std::make_tuple(required("consumerGroup", &H::consumer_group));
};

struct ProducerGroupHeader {
  std::string_view producer_group;
  using H = ProducerGroupHeader;
  static constexpr auto fields = std::make_tuple(required("producerGroup", &H::producer_group));
};

// GET_SUBSCRIPTIONGROUP_CONFIG, QUERY_TOPICS_BY_CONSUMER.
struct GroupHeader {
  std::string_view group;
  using H = GroupHeader;
  static constexpr auto fields = std::make_tuple(required("group", &H::group));
};

// UPDATE_AND_GET_GROUP_FORBIDDEN; without `readable` it only asks.
struct GroupForbiddenHeader {
  std::string_view group;
  std::string_view topic;
  std::optional<bool> readable;
  using H = GroupForbiddenHeader;
  static constexpr auto fields =
      std::make_tuple(required("group", &H::group), required("topic", &H::topic), optional("readable", &H::readable));
};

struct DeleteGroupHeader {
  std::string_view group_name;
  bool clean_offset = false;
  using H = DeleteGroupHeader;
  static constexpr auto fields =
      std::make_tuple(required("groupName", &H::group_name), optional("cleanOffset", &H::clean_offset));
};

struct TopicHeader {
  std::string_view topic;
  using H = TopicHeader;
  static constexpr auto fields = std::make_tuple(required("topic", &H::topic));
};

struct CreateTopicHeader {
  std::string_view topic;
  std::string_view default_topic;
  int32_t read_queue_nums = 0;
  int32_t write_queue_nums = 0;
  int32_t perm = 0;
  std::string_view topic_filter_type;
  int32_t topic_sys_flag = 0;
  bool order = false;
  std::string_view attributes;
  using H = CreateTopicHeader;
  static constexpr auto fields =
      std::make_tuple(required("topic", &H::topic), required("defaultTopic", &H::default_topic),
                      required("readQueueNums", &H::read_queue_nums), required("writeQueueNums", &H::write_queue_nums),
                      required("perm", &H::perm), required("topicFilterType", &H::topic_filter_type),
                      optional("topicSysFlag", &H::topic_sys_flag), required("order", &H::order),
                      optional("attributes", &H::attributes));
};

struct ConsumeStatsHeader {
  std::string_view consumer_group;
  std::string_view topic;
  std::string_view topic_list;
  using H = ConsumeStatsHeader;
  static constexpr auto fields = std::make_tuple(required("consumerGroup", &H::consumer_group),
                                                 optional("topic", &H::topic), optional("topicList", &H::topic_list));
};

// INVOKE_BROKER_TO_RESET_OFFSET.
struct ResetOffsetHeader {
  std::string_view topic;
  std::string_view group;
  int32_t queue_id = -1;          // negative: all queues
  std::optional<int64_t> offset;  // -1: by timestamp
  int64_t timestamp = 0;          // -1: to the end
  bool force = false;
  using H = ResetOffsetHeader;
  static constexpr auto fields = std::make_tuple(required("topic", &H::topic), required("group", &H::group),
                                                 optional("queueId", &H::queue_id), optional("offset", &H::offset),
                                                 required("timestamp", &H::timestamp), optional("isForce", &H::force));
};

// GET_CONSUMER_RUNNING_INFO.
struct RunningInfoHeader {
  std::string_view consumer_group;
  std::string_view client_id;
  using H = RunningInfoHeader;
  static constexpr auto fields =
      std::make_tuple(required("consumerGroup", &H::consumer_group), required("clientId", &H::client_id));
};

// CONSUME_MESSAGE_DIRECTLY.
struct ConsumeDirectlyHeader {
  std::string_view consumer_group;
  std::string_view client_id;
  std::string_view msg_id;
  std::string_view topic;
  using H = ConsumeDirectlyHeader;
  static constexpr auto fields =
      std::make_tuple(required("consumerGroup", &H::consumer_group), optional("clientId", &H::client_id),
                      optional("msgId", &H::msg_id), optional("topic", &H::topic));
};

// INVOKE_BROKER_TO_GET_CONSUMER_STATUS.
struct ConsumeStatusHeader {
  std::string_view topic;
  std::string_view group;
  std::string_view client_id;
  using H = ConsumeStatusHeader;
  static constexpr auto fields = std::make_tuple(required("topic", &H::topic), required("group", &H::group),
                                                 optional("clientAddr", &H::client_id));
};

struct CloneOffsetHeader {
  std::string_view source_group;
  std::string_view target_group;
  std::string_view topic;
  bool offline = false;
  using H = CloneOffsetHeader;
  static constexpr auto fields =
      std::make_tuple(required("srcGroup", &H::source_group), required("destGroup", &H::target_group),
                      optional("topic", &H::topic), optional("offline", &H::offline));
};

// QUERY_CORRECTION_OFFSET.
struct CorrectionHeader {
  std::string_view filter_groups;
  std::string_view compare_group;
  std::string_view topic;
  using H = CorrectionHeader;
  static constexpr auto fields =
      std::make_tuple(optional("filterGroups", &H::filter_groups), required("compareGroup", &H::compare_group),
                      required("topic", &H::topic));
};

// GET_BROKER_CONSUME_STATS.
struct BrokerConsumeStatsHeader {
  bool is_order = false;
  using H = BrokerConsumeStatsHeader;
  static constexpr auto fields = std::make_tuple(required("isOrder", &H::is_order));
};

// QUERY_CONSUME_TIME_SPAN.
struct TopicGroupHeader {
  std::string_view topic;
  std::string_view group;
  using H = TopicGroupHeader;
  static constexpr auto fields = std::make_tuple(required("topic", &H::topic), required("group", &H::group));
};

// QUERY_SUBSCRIPTION_BY_CONSUMER.
struct GroupTopicHeader {
  std::string_view group;
  std::string_view topic;
  using H = GroupTopicHeader;
  static constexpr auto fields = std::make_tuple(required("group", &H::group), optional("topic", &H::topic));
};

struct QueryConsumeQueueHeader {
  std::string_view topic;
  int32_t queue_id = 0;
  int64_t index = 0;
  int32_t count = 0;
  std::string_view consumer_group;
  using H = QueryConsumeQueueHeader;
  static constexpr auto fields =
      std::make_tuple(optional("topic", &H::topic), optional("queueId", &H::queue_id), optional("index", &H::index),
                      optional("count", &H::count), optional("consumerGroup", &H::consumer_group));
};

struct StatsDataHeader {
  std::string_view stats_name;
  std::string_view stats_key;
  using H = StatsDataHeader;
  static constexpr auto fields =
      std::make_tuple(required("statsName", &H::stats_name), required("statsKey", &H::stats_key));
};

}  // namespace merlin::door
