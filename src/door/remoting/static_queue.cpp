#include "door/remoting/static_queue.h"

#include "merlin/wire/request_code.h"

namespace merlin::door {

namespace {

namespace rc = wire::response_code;
namespace code = wire::request_code;

bool is_send(int32_t request_code) {
  return request_code == code::send_message || request_code == code::send_message_v2 ||
         request_code == code::send_batch_message;
}

std::string not_leader_text(int32_t request_code, std::string_view topic, int32_t global_id,
                            const std::string& broker_name) {
  const std::string queue = std::string(topic) + "-" + std::to_string(global_id);
  switch (request_code) {
    case code::pull_message:
    case code::lite_pull_message:
      return queue + " cannot find mapping item in request process of current broker " + broker_name;
    case code::get_min_offset:
      return queue + " is not leader in broker " + broker_name + ", request code " + std::to_string(request_code);
    default:
      return queue + " does not exit in request process of current broker " + broker_name;
  }
}

}  // namespace

Logical logical_of(const wire::CommandView& command) {
  const std::string_view* said = command.find("lo");
  if (said == nullptr) return Logical::unsaid;
  return wire::detail::equals_true(*said) ? Logical::yes : Logical::no;
}

bool StaticQueues::resolve_mapped(rpc::Request& request, std::string_view topic, int32_t& queue_id,
                                  StaticQueue& out) const {
  const meta::QueueMappingPtr mapping = mappings_.find(topic);
  if (mapping == nullptr) return true;
  const int32_t request_code = request.command().code;
  // lo=false: the sender has translated already. The short form of a send has no such field.
  const bool may_say_logical = request_code != code::send_message_v2 && request_code != code::send_batch_message;
  if (may_say_logical && logical_of(request.command()) == Logical::no) return true;
  int32_t global_id = queue_id;
  if (global_id < 0 && is_send(request_code) && !mapping->hosted_queues.empty()) {
    global_id = mapping->hosted_queues.begin()->first;
  }
  const auto* items = mapping->items_of(global_id);
  if (items == nullptr || items->empty() || items->back().broker_name != mapping->broker_name) {
    request.reply(rc::not_leader_for_queue, not_leader_text(request_code, topic, queue_id, mapping->broker_name));
    return false;
  }
  const meta::MappingItem& item = items->back();
  if (items->size() > 1 || item.logic_offset < 0) {
    request.reply(rc::not_leader_for_queue, std::string(topic) + "-" + std::to_string(global_id) + " has " +
                                                std::to_string(items->size()) +
                                                " mapping items; queues that moved between brokers are not built");
    return false;
  }
  out = {true, global_id, item.queue_id, item.logic_offset, item.start_offset, item.end_offset};
  queue_id = item.queue_id;
  return true;
}

}  // namespace merlin::door
