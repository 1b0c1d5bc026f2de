#include "door/remoting/reply.h"

#include "door/remoting/answer.h"
#include "merlin/message/properties.h"

namespace merlin::door {

namespace rc = wire::response_code;

ReplyDoor::ReplyDoor(service::Reply& reply, const service::ProduceSettings& settings)
    : reply_(reply),
      own_fields_({{message::property::region, settings.region_id},
                   {message::property::trace_on, settings.trace_on ? "true" : "false"}}) {}

void ReplyDoor::send(rpc::Request& request) {
  const auto header = header_or_answer<SendMessageHeader>(request);
  if (header) handle(request, *header);
}

void ReplyDoor::send_v2(rpc::Request& request) {
  const auto header = header_or_answer<SendMessageHeaderV2>(request);
  if (header) handle(request, *header);
}

void ReplyDoor::handle(rpc::Request& request, const SendMessageHeader& header) {
  service::ReplyMessage message;
  message.producer_group = header.producer_group;
  message.topic = header.topic;
  message.default_topic = header.default_topic;
  message.default_topic_queue_nums = header.default_topic_queue_nums;
  message.queue_id = header.queue_id;
  message.sys_flag = header.sys_flag;
  message.born_timestamp_ms = header.born_timestamp;
  message.flag = header.flag;
  message.properties = header.properties;
  message.reconsume_times = header.reconsume_times.value_or(0);
  message.unit_mode = header.unit_mode;
  message.born_host = request.connection().remote();
  message.body = request.body_text();
  const auto responder = std::make_shared<rpc::Responder>(request.defer());
  reply_.handle(std::move(message), [this, responder](const service::ReplyAnswer& answer) {
    const int32_t code = answer.refusal.ok() ? rc::success : response_code_of(answer.refusal.outcome);
    responder->reply_with(code, answer.refusal.remark, {}, [&](wire::CommandWriter& w) {
      w.fields(own_fields_);
      if (!answer.was_checked) return;
      // Present also where nothing was stored: a client that misses them does not read the answer.
      w.field("msgId", std::string_view(answer.message_id));
      w.field("queueId", answer.queue_id);
      w.field("queueOffset", answer.queue_offset);
    });
  });
}

}  // namespace merlin::door
