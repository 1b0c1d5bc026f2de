#include "door/remoting/retry.h"

#include <memory>

#include "door/remoting/answer.h"

namespace merlin::door {

namespace rc = wire::response_code;

void RetryDoor::send_back(rpc::Request& request) {
  const auto header = header_or_answer<SendBackHeader>(request);
  if (!header) return;
  service::SendBack back;
  back.group = header->group;
  back.physical_offset = header->offset;
  back.delay_level = header->delay_level;
  if (request.command().version >= version_v3_4_9) back.max_reconsume_times = header->max_reconsume_times;
  back.unit_mode = header->unit_mode;
  back.origin_topic = header->origin_topic;
  int64_t end_offset = 0;
  const service::Refusal refusal = retry_.give_back(back, end_offset);
  if (!refusal.ok()) return refuse(request, refusal);
  if (end_offset == 0 || !store_.sync_flush()) return request.reply(rc::success);
  // A consumer that has this answer takes the message as consumed.
  const auto responder = std::make_shared<rpc::Responder>(request.defer());
  store_.wait_durable(end_offset, sync_flush_timeout_ms_, [responder](store::DurableCode durable) {
    switch (durable) {
      case store::DurableCode::durable:
        return responder->reply(rc::success, {});
      case store::DurableCode::timed_out:
        return responder->reply(rc::system_error, "FLUSH_DISK_TIMEOUT, the copy is not on disk within the time");
      case store::DurableCode::failed:
        break;
    }
    responder->reply(rc::system_error, "SERVICE_NOT_AVAILABLE, fdatasync of the commit log failed");
  });
}

void RetryDoor::all_delay_offsets(rpc::Request& request) {
  request.reply_text(rc::success, delay_.positions_json());
}

}  // namespace merlin::door
