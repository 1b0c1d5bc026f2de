#include "requests.h"

#include <charconv>
#include <vector>

#include "core_broker.h"
#include "merlin/message/properties.h"
#include "merlin/wire/command.h"
#include "merlin/wire/request_code.h"

namespace merlin::bench {

namespace {

constexpr int32_t opaque_mark = 2'000'000'000;
constexpr std::string_view key_mark = "@@@@@@@@@@@@@@@@";
constexpr std::string_view queue_mark = "#";

std::string properties() {
  std::string text;
  message::append_property(text, message::property::unique_key, "7F00000100010000" + std::string(key_mark));
  message::append_property(text, message::property::wait_store_ok, "true");
  message::append_property(text, "TAGS", "TagA");
  return text;
}

Buffer body_of(int32_t batch) {
  Buffer body;
  const std::string payload(body_bytes, 'm');
  if (batch == 1) {
    body.append(payload);
    return body;
  }
  const std::string own = properties();
  for (int32_t i = 0; i < batch; ++i) {
    body.append_be<int32_t>(static_cast<int32_t>(22 + payload.size() + own.size()));
    for (int zero = 0; zero < 3; ++zero) body.append_be<int32_t>(0);  // magic, CRC, flag
    body.append_be<int32_t>(static_cast<int32_t>(payload.size()));
    body.append(payload);
    body.append_be<int16_t>(static_cast<int16_t>(own.size()));
    body.append(own);
  }
  return body;
}

}  // namespace

SendTemplate::SendTemplate(wire::Serialization form, int32_t batch)
    : batch_(batch), binary_(form == wire::Serialization::rocketmq) {
  wire::CommandHead head;
  head.code = batch > 1 ? wire::request_code::send_batch_message : wire::request_code::send_message_v2;
  head.opaque = opaque_mark;
  const Buffer body = body_of(batch);
  Buffer out;
  wire::CommandWriter w(out, form, head);
  w.field("a", "please_rename_unique_group_name");
  w.field("b", CoreBroker::topic);
  w.field("c", "TBW102");
  w.field("d", 8);
  w.field("e", queue_mark);
  w.field("f", 0);
  w.field("g", int64_t{1'700'000'000'123});
  w.field("h", 0);
  w.field("i", batch > 1 ? std::string_view() : std::string_view(properties()));
  w.field("j", 0);
  w.field("k", false);
  w.field("m", batch > 1);
  w.field("n", "broker-a");
  w.finish(body.size());
  out.append(body.view());
  bytes_ = as_text(out.view());
  opaque_at_ = binary_ ? wire::frame_prefix_bytes + 5 : bytes_.find(std::to_string(opaque_mark));
  queue_at_ = bytes_.find(queue_mark);
  for (size_t at = bytes_.find(key_mark); at != std::string::npos; at = bytes_.find(key_mark, at + key_mark.size()))
    keys_at_.push_back(at);
}

void SendTemplate::append_to(Buffer& out, int64_t number, int32_t queues) const {
  uint8_t* frame = out.prepare(bytes_.size());
  std::memcpy(frame, bytes_.data(), bytes_.size());
  const int32_t opaque = 1'000'000'000 + static_cast<int32_t>(number % 1'000'000'000);
  if (binary_) {
    store_be<int32_t>(frame + opaque_at_, opaque);
  } else {
    std::to_chars(reinterpret_cast<char*>(frame + opaque_at_), reinterpret_cast<char*>(frame + opaque_at_ + 10),
                  opaque);
  }
  frame[queue_at_] = static_cast<uint8_t>('0' + number % queues);
  uint64_t key = static_cast<uint64_t>(number) * static_cast<uint64_t>(batch_);
  for (const size_t at : keys_at_) {
    uint64_t rest = key++;
    for (size_t i = key_mark.size(); i-- > 0; rest >>= 4)
      frame[at + i] = static_cast<uint8_t>("0123456789ABCDEF"[rest & 15]);
  }
  out.commit(bytes_.size());
}

void append_pull(Buffer& out, wire::Serialization form, int32_t queue, int64_t offset, int32_t count, bool may_wait) {
  wire::CommandHead head;
  head.code = wire::request_code::pull_message;
  head.opaque = 1'000'000'000 + queue;
  wire::CommandWriter w(out, form, head);
  w.field("consumerGroup", "please_rename_unique_group_name_4");
  w.field("topic", CoreBroker::topic);
  w.field("queueId", queue);
  w.field("queueOffset", offset);
  w.field("maxMsgNums", count);
  w.field("sysFlag", may_wait ? 6 : 4);  // the subscription stands here; no commit
  w.field("commitOffset", int64_t{0});
  w.field("suspendTimeoutMillis", int64_t{15'000});
  w.field("subscription", "*");
  w.field("subVersion", int64_t{1'700'000'000'123});
  w.field("expressionType", "TAG");
  w.finish(0);
}

}  // namespace merlin::bench
