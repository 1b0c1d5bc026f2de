// A client's connection as the services see it.
#pragma once

#include <memory>
#include <string>

#include "merlin/wire/request_code.h"
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
  void notify_consumer_ids_changed(const std::string& group) override {
    const auto connection = connection_;
    if (!connection->is_open()) return;
    rpc::Call call;
    call.code = wire::request_code::notify_consumer_ids_changed;
    call.ext.emplace_back("consumerGroup", group);
    dispatcher_.call_oneway(*connection, call);
  }

 private:
  const std::shared_ptr<net::Connection> connection_;
  rpc::Dispatcher& dispatcher_;
  const uint64_t id_;
  const std::string remote_;
};

}  // namespace merlin::door
