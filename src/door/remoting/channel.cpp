#include "door/remoting/channel.h"

#include "door/remoting/json_text.h"

namespace merlin::door {

namespace {

int32_t code_of(service::ClientVerb verb) {
  switch (verb) {
    case service::ClientVerb::consume_status:
      return wire::request_code::get_consumer_status_from_client;
    case service::ClientVerb::running_info:
      return wire::request_code::get_consumer_running_info;
    case service::ClientVerb::consume_directly:
      return wire::request_code::consume_message_directly;
  }
  return wire::request_code::get_consumer_running_info;
}

// {"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:5}}
std::string offset_table_text(const service::OffsetMove& move) {
  std::string body = "{\"offsetTable\":{";
  for (const auto& [queue_id, offset] : move.offsets) {
    if (body.back() != '{') body += ',';
    body += message_queue_text(move.broker_name, queue_id, move.topic) + ":" + std::to_string(offset);
  }
  return body + "}}";
}

// {"offsetTable":[{"brokerName":"b","offset":5,"queueId":0,"topic":"T"}]}: C++ clients read no objects as keys.
std::string offset_list_text(const service::OffsetMove& move) {
  std::string body = "{\"offsetTable\":[";
  for (const auto& [queue_id, offset] : move.offsets) {
    if (body.back() != '[') body += ',';
    body += "{\"brokerName\":" + json_string(move.broker_name) + ",\"offset\":" + std::to_string(offset) +
            ",\"queueId\":" + std::to_string(queue_id) + ",\"topic\":" + json_string(move.topic) + "}";
  }
  return body + "]}";
}

}  // namespace

void RemotingChannel::move_offsets(const service::OffsetMove& move, const std::string& language) {
  rpc::Call call;
  call.code = wire::request_code::reset_consumer_client_offset;
  call.ext = {{"group", move.group},
              {"topic", move.topic},
              {"queueId", "-1"},
              {"timestamp", std::to_string(move.timestamp_ms)},
              {"isForce", "false"}};
  call.body = language == "CPP" ? offset_list_text(move) : offset_table_text(move);
  tell(call);
}

void RemotingChannel::ask(service::ClientQuestion question, int64_t timeout_ms,
                          std::function<void(Result<service::ClientAnswer>)> done) {
  rpc::Call call;
  call.code = code_of(question.verb);
  call.ext = std::move(question.fields);
  call.body = std::move(question.body);
  const auto connection = connection_;
  dispatcher_.call(*connection, call, timeout_ms, [done = std::move(done)](Result<rpc::OwnedCommand> answer) {
    if (!answer) return done(answer.error());
    rpc::OwnedCommand command = std::move(answer).value();
    done(service::ClientAnswer{command.code, std::move(command.remark), std::move(command.ext),
                               std::move(command.body)});
  });
}

}  // namespace merlin::door
