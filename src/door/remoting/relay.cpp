#include "door/remoting/relay.h"

#include <memory>

#include "door/remoting/answer.h"
#include "door/remoting/json_text.h"
#include "merlin/message/ids.h"

namespace merlin::door {

namespace rc = wire::response_code;

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Fields fields_of(const wire::CommandView& command) {
  Fields out;
  for (const wire::ExtField& field : command.ext) out.emplace_back(field.key, field.value);
  return out;
}

void set_field(Fields& fields, std::string_view name, std::string value) {
  for (auto& [key, old] : fields) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  fields.emplace_back(name, std::move(value));
}

}  // namespace

std::string_view object_member(std::string_view json, std::string_view name) {
  const std::string wanted = json_string(name);
  size_t depth = 0;
  size_t begin = std::string_view::npos;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      const size_t start = i;
      for (++i; i < json.size() && json[i] != '"'; ++i) {
        if (json[i] == '\\') ++i;
      }
      if (i >= json.size()) return {};
      if (depth == 1 && begin == std::string_view::npos && json.substr(start, i + 1 - start) == wanted) {
        const size_t colon = json.find_first_not_of(" \t\r\n", i + 1);
        if (colon == std::string_view::npos || json[colon] != ':') continue;
        const size_t value = json.find_first_not_of(" \t\r\n", colon + 1);
        if (value == std::string_view::npos || json[value] != '{') return {};
        begin = value;
        i = value - 1;
      }
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return {};
      --depth;
      if (begin != std::string_view::npos && depth == 1) return json.substr(begin, i + 1 - begin);
    }
  }
  return {};
}

RelayDoor::RelayDoor(std::string broker_name, const service::Relay& relay, store::MessageStore& store,
                     meta::TopicTable& topics, meta::SubscriptionGroups& groups)
    : broker_name_(std::move(broker_name)), relay_(relay), store_(store), topics_(topics), groups_(groups) {}

void RelayDoor::ask(rpc::Request& request, std::string_view group, std::string_view client_id,
                    service::ClientQuestion question) {
  const auto responder = std::make_shared<rpc::Responder>(request.defer());
  relay_.ask(group, client_id, std::move(question),
             [responder](const service::Refusal& refusal, const service::ClientAnswer& answer) {
               if (!refusal.ok()) return responder->reply(response_code_of(refusal.outcome), refusal.remark);
               responder->reply_with(answer.code, answer.remark, as_bytes(answer.body), [&](wire::CommandWriter& w) {
                 for (const auto& [key, value] : answer.fields) w.field(key, std::string_view(value));
               });
             });
}

void RelayDoor::running_info(rpc::Request& request) {
  const auto header = header_or_answer<RunningInfoHeader>(request);
  if (!header) return;
  ask(request, header->consumer_group, header->client_id,
      {service::ClientVerb::running_info, fields_of(request.command()), std::string(request.body_text())});
}

void RelayDoor::consume_directly(rpc::Request& request) {
  const auto header = header_or_answer<ConsumeDirectlyHeader>(request);
  if (!header) return;
  const auto id = message::parse_offset_msg_id(header->msg_id);
  if (!id) return request.reply(rc::system_error, "msgId " + std::string(header->msg_id) + ": " + id.error().message);
  store::LogBytes record;
  if (const Status found = store_.record_at(id->physical_offset, record); !found) {
    return request.reply(rc::system_error,
                         "can not find message by the offset, " + std::to_string(id->physical_offset));
  }
  service::ClientQuestion question{service::ClientVerb::consume_directly, fields_of(request.command()), {}};
  for (const ByteView slice : record.slices) question.body += as_text(slice);
  set_field(question.fields, "brokerName", broker_name_);
  if (const auto topic = topics_.find(header->topic)) {
    set_field(question.fields, "topicSysFlag", std::to_string(topic->topic_sys_flag));
  }
  if (const auto group = groups_.find(header->consumer_group)) {
    set_field(question.fields, "groupSysFlag", std::to_string(group->group_sys_flag));
  }
  const std::string_view client_id = header->client_id.data() == nullptr ? "null" : header->client_id;
  ask(request, header->consumer_group, client_id, std::move(question));
}

void RelayDoor::consume_status(rpc::Request& request) {
  const auto header = header_or_answer<ConsumeStatusHeader>(request);
  if (!header) return;
  const auto responder = std::make_shared<rpc::Responder>(request.defer());
  relay_.consume_status(header->group, header->topic, header->client_id,
                        [responder](const service::Refusal& refusal, const service::Relay::Statuses& statuses) {
                          if (!refusal.ok()) {
                            return responder->reply(response_code_of(refusal.outcome), refusal.remark);
                          }
                          std::string body = "{\"consumerTable\":{";
                          for (const auto& [client_id, answer] : statuses) {
                            const std::string_view table = object_member(answer.body, "messageQueueTable");
                            if (body.back() != '{') body += ',';
                            body += json_string(client_id) + ':' + (table.empty() ? "{}" : std::string(table));
                          }
                          responder->reply(rc::success, {}, as_bytes(body + "},\"messageQueueTable\":{}}"));
                        });
}

}  // namespace merlin::door
