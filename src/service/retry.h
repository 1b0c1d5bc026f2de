// What becomes of a message that a consumer gives back (CONSUMER_SEND_MSG_BACK): a copy waits for its next delivery to
// %RETRY%group, or lies in %DLQ%group.
//
// Owns:     nothing of its own: the copy is a message like others, and which topics exist is the topic table's.
// Threads:  workers: it reads the log, and may create topics.
// Survives: as a send; what the copy says (ORIGIN_MESSAGE_ID, RETRY_TOPIC) is written once and kept from then on.
// Fails:    every refusal leaves the message to the consumer, which tries again; in Apache's words where it has some.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "meta/subscription_group.h"
#include "service/outcome.h"
#include "service/produce.h"
#include "store/message_store.h"

namespace merlin::service {

struct SendBack {
  std::string_view group;
  int64_t physical_offset = 0;                 // of the message
  int32_t delay_level = 0;                     // 0: the broker's choice; negative: no more deliveries
  std::optional<int32_t> max_reconsume_times;  // instead of the group's retryMaxTimes
  bool unit_mode = false;
  std::string_view origin_topic;  // for the log
};

class Retry {
 public:
  // The first retry waits for this level, the next ones for those behind it.
  static constexpr int32_t first_level = 3;

  Retry(store::MessageStore& store, Produce& produce, meta::SubscriptionGroups& groups,
        const std::atomic<int64_t>& broker_permission);

  // Stores the copy. `end_offset` is what to wait for in sync mode; 0: nothing was stored, the group has no retries.
  Refusal give_back(const SendBack& back, int64_t& end_offset);

  // Called for each message given back, with the topic it came from.
  void set_sent_back(std::function<void(std::string_view group, std::string_view topic)> callback) {
    sent_back_ = std::move(callback);
  }
  // Called for each that goes to the group's dead letter queue, with the topic that the consumer named.
  void set_given_up(std::function<void(std::string_view group, std::string_view topic)> callback) {
    given_up_ = std::move(callback);
  }

 private:
  Refusal copy(const SendBack& back, const meta::SubscriptionGroup& group, const meta::TopicConfig& retry_topic,
               const message::RecordView& record, int64_t& end_offset);
  int32_t random_queue(int32_t queues);

  store::MessageStore& store_;
  Produce& produce_;
  meta::SubscriptionGroups& groups_;
  const std::atomic<int64_t>& broker_permission_;
  std::atomic<uint32_t> random_{1};
  std::function<void(std::string_view, std::string_view)> sent_back_;
  std::function<void(std::string_view, std::string_view)> given_up_;
};

}  // namespace merlin::service
