// A client's connection as the services see it: an identity and the few things the broker may say to it. Doors
// implement it.
//
// Threads: any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "merlin/base/bytes.h"
#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin::service {

// An answer to a request-reply message on its way to the producer that asked: the fields of the SEND it came as.
struct ReplyMessage {
  std::string producer_group;
  std::string topic;
  std::string default_topic;
  int32_t default_topic_queue_nums = 0;
  int32_t queue_id = 0;
  int32_t sys_flag = 0;
  int64_t born_timestamp_ms = 0;
  int32_t flag = 0;
  std::string properties;
  int32_t reconsume_times = 0;
  bool unit_mode = false;
  HostPort born_host;
  HostPort store_host;
  int64_t store_timestamp_ms = 0;
  std::string body;
};

// A consumer is to go on elsewhere in these queues.
struct OffsetMove {
  std::string broker_name;
  std::string group;
  std::string topic;
  int64_t timestamp_ms = 0;  // what the operator asked for
  std::map<int32_t, int64_t> offsets;
};

enum class ClientVerb : uint8_t {
  consume_status,    // which offset is the client at?
  running_info,      // threads, queues, numbers
  consume_directly,  // consume the message in the body, now
};

struct ClientQuestion {
  ClientVerb verb = ClientVerb::running_info;
  std::vector<std::pair<std::string, std::string>> fields;  // with the names of the remoting protocol
  std::string body;
};

struct ClientAnswer {
  int32_t code = 0;
  std::string remark;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
};

class ClientChannel {
 public:
  virtual ~ClientChannel() = default;
  virtual uint64_t id() const = 0;
  virtual const std::string& remote_text() const = 0;
  virtual bool is_open() const = 0;
  // One-way; any thread.
  virtual void notify_consumer_ids_changed(const std::string& group) = 0;
  // `language` as in ClientInfo: some clients read another form of the table. One-way; any thread.
  virtual void move_offsets(const OffsetMove& move, const std::string& language) = 0;
  // Any thread; `done` of these two runs once, on any thread, never inside of the call: with the client's verdict, or
  // Errc::timeout, Errc::closed, Errc::limit.
  virtual void push_reply(const ReplyMessage& reply, int64_t timeout_ms, std::function<void(Status)> done) = 0;
  virtual void ask(ClientQuestion question, int64_t timeout_ms, std::function<void(Result<ClientAnswer>)> done) = 0;
};

using ClientChannelPtr = std::shared_ptr<ClientChannel>;

}  // namespace merlin::service
