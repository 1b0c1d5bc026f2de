#include "send_frame.h"

#include <array>
#include <cassert>
#include <ctime>
#include <string>
#include <unistd.h>

#include "merlin/message/properties.h"
#include "merlin/message/record.h"
#include "merlin/wire/command.h"
#include "merlin/wire/request_code.h"

namespace merlin::bench {

namespace {

constexpr std::string_view key_mark = "@@@@@@@@@@@@@@@@";
// They stand where digits are patched in; a topic or group never holds them.
constexpr char topic_mark = '#';
constexpr char queue_mark = '!';
constexpr char tag_mark = '&';
constexpr char lmq_mark = '$';

// As many marks as the numbers below `count` have digits.
std::string digit_marks(int64_t count, char mark) {
  return std::string(std::to_string(count - 1).size(), mark);
}

// As a Java producer's: the unique key and WAIT. Half of the key is fixed, the marked half is patched.
std::string properties_of_one(const Options& options) {
  std::string properties;
  message::append_property(properties, message::property::unique_key, "7F00000100010000" + std::string(key_mark));
  message::append_property(properties, message::property::wait_store_ok, "true");
  if (options.half) {
    message::append_property(properties, message::property::transaction_prepared, "true");
    message::append_property(properties, message::property::producer_group, options.group);
  }
  if (options.keys) message::append_property(properties, message::property::keys, "k" + std::string(key_mark));
  if (options.tags > 0) {
    message::append_property(properties, message::property::tags, "tag" + digit_marks(options.tags, tag_mark));
  }
  if (!options.kind.empty()) {
    message::append_property(properties, message::property::tags, options.kind);
    message::append_property(properties, "kind", options.kind);
  }
  if (options.lmq > 0) {
    std::string names;
    for (int32_t i = 0; i < options.lmq_per_message; ++i) {
      names += (i == 0 ? "%LMQ%bench" : ",%LMQ%bench") + digit_marks(options.lmq, lmq_mark);
    }
    message::append_property(properties, "INNER_MULTI_DISPATCH", names);
  }
  return properties;
}

// A batch as a whole has no key: its messages have.
std::string properties_of_batch() {
  std::string properties;
  message::append_property(properties, message::property::wait_store_ok, "true");
  return properties;
}

Buffer body_of(const Options& options) {
  Buffer body;
  const std::string payload(static_cast<size_t>(options.size_bytes), 'm');
  if (options.batch == 1) {
    body.append(payload);
    return body;
  }
  const std::string properties = properties_of_one(options);
  for (int32_t i = 0; i < options.batch; ++i) {
    body.append_be<int32_t>(static_cast<int32_t>(22 + payload.size() + properties.size()));
    body.append_be<int32_t>(0);  // magic
    body.append_be<int32_t>(0);  // CRC: the broker computes it
    body.append_be<int32_t>(0);  // flag
    body.append_be<int32_t>(static_cast<int32_t>(payload.size()));
    body.append(payload);
    body.append_be<int16_t>(static_cast<int16_t>(properties.size()));
    body.append(properties);
  }
  return body;
}

// "00" to "99" and "00" to "FF": two digits at a time.
template <size_t Base>
constexpr auto make_pairs() {
  std::array<char, Base * Base * 2> pairs{};
  for (size_t i = 0; i < Base * Base; ++i) {
    pairs[2 * i] = "0123456789ABCDEF"[i / Base];
    pairs[2 * i + 1] = "0123456789ABCDEF"[i % Base];
  }
  return pairs;
}
constexpr auto decimal_pairs = make_pairs<10>();
constexpr auto hex_pairs = make_pairs<16>();

void put_digits(uint8_t* at, size_t width, uint64_t value) {
  for (; width >= 2; value /= 100) {
    width -= 2;
    std::memcpy(at + width, &decimal_pairs[value % 100 * 2], 2);
  }
  if (width == 1) *at = static_cast<uint8_t>('0' + value % 10);
}

void put_hex_key(uint8_t* at, uint64_t key) {
  for (int i = 8; i-- > 0; key >>= 8)
    std::memcpy(at + size_t{2} * static_cast<size_t>(i), &hex_pairs[(key & 255) * 2], 2);
}

// A number without sign, at most nine or ten digits; false where there is none.
bool take_number(std::string_view text, int32_t& value) {
  uint64_t sum = 0;
  size_t digits = 0;
  while (digits < text.size() && digits < 11) {
    const auto digit = static_cast<uint64_t>(static_cast<unsigned char>(text[digits])) - '0';
    if (digit > 9) break;
    sum = sum * 10 + digit;
    ++digits;
  }
  value = static_cast<int32_t>(sum);
  return digits > 0 && sum <= INT32_MAX;
}

}  // namespace

int64_t wall_ms() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}

std::string topic_name(const Options& options, int64_t number) {
  if (options.topics == 1) return options.topic;
  const std::string digits = std::to_string(number);
  return options.topic + "_" + std::string(digit_marks(options.topics, topic_mark).size() - digits.size(), '0') +
         digits;
}

SendFrame::SendFrame(const Options& options)
    : binary_(options.binary),
      keys_per_message_(options.keys ? 2 : 1),
      queues_(options.queues),
      tags_(options.tags),
      lmq_(options.lmq),
      born_ms_(wall_ms()) {
  const bool batch = options.batch > 1;
  wire::CommandHead head;
  head.code = batch ? wire::request_code::send_batch_message : wire::request_code::send_message_v2;
  head.opaque = opaque_base;
  if (options.oneway) head.flag = wire::flag_oneway;
  const Buffer body = body_of(options);
  wire::CommandWriter writer(bytes_, binary_ ? wire::Serialization::rocketmq : wire::Serialization::json, head);
  const std::string properties = batch ? properties_of_batch() : properties_of_one(options);
  const std::string topic =
      options.topics == 1 ? options.topic : options.topic + "_" + digit_marks(options.topics, topic_mark);
  writer.field("a", std::string_view(options.group));
  writer.field("b", std::string_view(topic));
  writer.field("c", "TBW102");
  writer.field("d", int32_t{8});
  const size_t queue_from = bytes_.size();
  writer.field("e", std::string_view(digit_marks(options.queues, queue_mark)));
  writer.field("f", options.half ? message::sys_flag::transaction_prepared : 0);
  const size_t born_from = bytes_.size();
  writer.field("g", born_ms_);
  writer.field("h", int32_t{0});
  writer.field("i", std::string_view(properties));
  writer.field("j", int32_t{0});
  writer.field("k", false);
  if (batch) writer.field("m", true);
  writer.finish(body.size());
  bytes_.append(body.view());

  const std::string_view text = as_text(bytes_.view());
  if (binary_) {
    opaque_at_ = wire::frame_prefix_bytes + 5;  // i16 code, i8 language, i16 version
  } else {
    constexpr std::string_view name = "\"opaque\":";
    opaque_at_ = text.find(name) + name.size();
  }
  for (size_t at = text.find(key_mark); at != std::string_view::npos; at = text.find(key_mark, at + key_mark.size())) {
    keys_at_.push_back(at);
  }
  assert(!keys_at_.empty());
  const std::string born = std::to_string(born_ms_);
  born_ = {text.find(born, born_from), born.size()};
  queue_ = find_digits("", queue_mark, queue_from).at(0);
  if (options.topics > 1) topic_ = find_digits("_", topic_mark, 0).at(0);
  tag_names_ = find_digits("tag", tag_mark, 0);
  lmq_names_ = find_digits("bench", lmq_mark, 0);
}

// The runs of this mark that stand behind `before`, in the order in which they were written. A mark alone would not do:
// in a binary header, the byte may be part of a length.
std::vector<SendFrame::Digits> SendFrame::find_digits(std::string_view before, char mark, size_t from) const {
  const std::string_view text = as_text(bytes_.view());
  const std::string wanted = std::string(before) + mark;
  std::vector<Digits> runs;
  for (size_t at = text.find(wanted, from); at != std::string_view::npos; at = text.find(wanted, at)) {
    at += before.size();
    const size_t end = std::min(text.find_first_not_of(mark, at), text.size());
    runs.push_back({at, end - at});
    at = end;
  }
  return runs;
}

void SendFrame::set_born_ms(int64_t wall_ms) {
  if (wall_ms == born_ms_) return;
  born_ms_ = wall_ms;
  put_digits(bytes_.data() + born_.at, born_.width, static_cast<uint64_t>(wall_ms));
}

void SendFrame::append_to(Buffer& out, int32_t number, uint64_t key, int64_t queue, int64_t lmq) const {
  uint8_t* frame = out.prepare(bytes_.size());
  std::memcpy(frame, bytes_.data(), bytes_.size());
  const int32_t opaque = opaque_base + number;
  if (binary_) {
    store_be<int32_t>(frame + opaque_at_, opaque);
  } else {
    put_digits(frame + opaque_at_, 10, static_cast<uint64_t>(opaque));
  }
  for (size_t i = 0; i < keys_at_.size(); ++i) put_hex_key(frame + keys_at_[i], key + i / keys_per_message_);
  const auto number_of_queue = static_cast<uint64_t>(queue);
  const auto per_topic = static_cast<uint64_t>(queues_);
  if (topic_.width > 0) {
    put_digits(frame + queue_.at, queue_.width, number_of_queue % per_topic);
    put_digits(frame + topic_.at, topic_.width, number_of_queue / per_topic);
  } else {
    put_digits(frame + queue_.at, queue_.width, number_of_queue);
  }
  for (const Digits& name : tag_names_) put_digits(frame + name.at, name.width, key++ % static_cast<uint64_t>(tags_));
  for (const Digits& name : lmq_names_) put_digits(frame + name.at, name.width, static_cast<uint64_t>(lmq++ % lmq_));
  out.commit(bytes_.size());
}

bool AnswerScan::scan(const wire::Frame& frame, int32_t& code, int32_t& opaque) {
  if (frame.serialization == wire::Serialization::rocketmq) {
    if (frame.header.size() < 13) return false;
    code = load_be<int16_t>(frame.header.data());
    opaque = load_be<int32_t>(frame.header.data() + 5);
    return true;
  }
  constexpr std::string_view code_name = "{\"code\":";
  constexpr std::string_view opaque_name = "\"opaque\":";
  const std::string_view header = as_text(frame.header);
  if (!header.starts_with(code_name)) return false;
  if (!take_number(header.substr(code_name.size()), code)) return false;
  size_t at = header.size() - std::min(opaque_before_end_, header.size());
  if (!header.substr(at).starts_with(opaque_name)) {
    at = header.find(opaque_name);
    if (at == std::string_view::npos) return false;
    opaque_before_end_ = header.size() - at;
  }
  return take_number(header.substr(at + opaque_name.size()), opaque);
}

}  // namespace merlin::bench
