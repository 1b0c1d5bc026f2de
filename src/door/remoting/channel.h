// A client's connection as the services see it.
#pragma once

#include <memory>
#include <string>

#include "merlin/wire/request_code.h"
#include "merlin/wire/response_code.h"
#include "rpc/dispatcher.h"
#include "service/client_channel.h"

namespace merlin::door {

class RemotingChannel final : public service::ClientChannel {
 public:
  RemotingChannel(std::shared_ptr<net::Connection> connection, rpc::Dispatcher& dispatcher)
      : connection_(std::move(connection)),
        dispatcher_(dispatcher),
        id_(connection_->id()),
        remote_(connection_->remote_text()) {}

  uint64_t id() const override { return id_; }
  const std::string& remote_text() const override { return remote_; }
  bool is_open() const override { return connection_->is_open(); }
  void notify_consumer_ids_changed(const std::string& group) override {
    rpc::Call call;
    call.code = wire::request_code::notify_consumer_ids_changed;
    call.ext.emplace_back("consumerGroup", group);
    tell(call);
  }
  void move_offsets(const service::OffsetMove& move, const std::string& language) override;
  void ask(service::ClientQuestion question, int64_t timeout_ms,
           std::function<void(Result<service::ClientAnswer>)> done) override;

  void push_reply(const service::ReplyMessage& reply, int64_t timeout_ms, std::function<void(Status)> done) override {
    rpc::Call call;
    call.code = wire::request_code::push_reply_message_to_client;
    call.ext = {{"producerGroup", reply.producer_group},
                {"topic", reply.topic},
                {"defaultTopic", reply.default_topic},
                {"defaultTopicQueueNums", std::to_string(reply.default_topic_queue_nums)},
                {"queueId", std::to_string(reply.queue_id)},
                {"sysFlag", std::to_string(reply.sys_flag)},
                {"bornTimestamp", std::to_string(reply.born_timestamp_ms)},
                {"flag", std::to_string(reply.flag)},
                {"properties", reply.properties},
                {"reconsumeTimes", std::to_string(reply.reconsume_times)},
                {"unitMode", reply.unit_mode ? "true" : "false"},
                {"bornHost", reply.born_host.text()},
                {"storeHost", reply.store_host.text()},
                {"storeTimestamp", std::to_string(reply.store_timestamp_ms)}};
    call.body = reply.body;
    dispatcher_.call(*connection_, call, timeout_ms, [done = std::move(done)](Result<rpc::OwnedCommand> answer) {
      if (!answer) return done(answer.error());
      if (answer->code == wire::response_code::success) return done({});
      done(Error{Errc::invalid, "the client answers " + std::to_string(answer->code) + ": " + answer->remark});
    });
  }

 private:
  void tell(const rpc::Call& call) {
    const auto connection = connection_;
    if (connection->is_open()) dispatcher_.call_oneway(*connection, call);
  }

  const std::shared_ptr<net::Connection> connection_;
  rpc::Dispatcher& dispatcher_;
  const uint64_t id_;
  const std::string remote_;
};

}  // namespace merlin::door
