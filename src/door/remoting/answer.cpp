#include "door/remoting/answer.h"

namespace merlin::door {

int32_t response_code_of(service::Outcome outcome) {
  using service::Outcome;
  namespace rc = wire::response_code;
  switch (outcome) {
    case Outcome::ok:
      return rc::success;
    case Outcome::flush_disk_timeout:
      return rc::flush_disk_timeout;
    case Outcome::message_illegal:
      return rc::message_illegal;
    case Outcome::invalid_parameter:
      return rc::invalid_parameter;
    case Outcome::no_permission:
      return rc::no_permission;
    case Outcome::topic_not_exist:
      return rc::topic_not_exist;
    case Outcome::group_not_exist:
      return rc::subscription_group_not_exist;
    case Outcome::service_not_available:
      return rc::service_not_available;
    case Outcome::system_error:
      return rc::system_error;
    case Outcome::system_busy:
      return rc::system_busy;
    case Outcome::subscription_parse_failed:
      return rc::subscription_parse_failed;
    case Outcome::subscription_not_exist:
      return rc::subscription_not_exist;
    case Outcome::subscription_not_latest:
      return rc::subscription_not_latest;
    case Outcome::filter_data_not_exist:
      return rc::filter_data_not_exist;
    case Outcome::filter_data_not_latest:
      return rc::filter_data_not_latest;
    case Outcome::query_not_found:
      return rc::query_not_found;
    case Outcome::consumer_not_online:
      return rc::consumer_not_online;
    case Outcome::consume_timeout:
      return rc::consume_msg_timeout;
    case Outcome::needs_worker:
      break;
  }
  return rc::system_error;
}

}  // namespace merlin::door
