#include "admin.h"

#include <algorithm>
#include <charconv>
#include <poll.h>

#include "merlin/wire/request_code.h"
#include "send_frame.h"

namespace merlin::bench {

namespace {

constexpr int32_t answer_timeout_ms = 30'000;
constexpr int64_t window = 128;  // requests in flight

Status wait_for(Link& link) {
  pollfd waiting{link.fd(), static_cast<int16_t>(link.wants_write() ? POLLIN | POLLOUT : POLLIN), 0};
  const int n = ::poll(&waiting, 1, answer_timeout_ms);
  if (n < 0 && errno != EINTR) return errno_error("poll", errno);
  if (n == 0) return Error{Errc::timeout, "no answer within " + std::to_string(answer_timeout_ms) + " ms"};
  return {};
}

void append_request(Link& link, const Request& request, int32_t opaque) {
  wire::CommandHead head;
  head.code = request.code;
  head.opaque = opaque;
  wire::CommandWriter writer(link.out(), wire::Serialization::json, head);
  for (const auto& [key, value] : request.fields) writer.field(key, std::string_view(value));
  writer.finish(0);
}

Result<std::vector<int64_t>> offsets(Link& link, int32_t code, const Options& options,
                                     const std::vector<int64_t>& queues) {
  std::vector<int64_t> out(queues.size());
  const auto make = [&](int64_t i) {
    const QueueName name = queue_name(options, queues[static_cast<size_t>(i)]);
    return Request{code, {{"topic", name.topic}, {"queueId", std::to_string(name.queue)}}};
  };
  const auto take = [&](int64_t i, const wire::CommandView& answer) -> Status {
    const std::string_view* offset = answer.find("offset");
    if (offset == nullptr) return Error{Errc::invalid, "an answer about offsets without an offset"};
    std::from_chars(offset->data(), offset->data() + offset->size(), out[static_cast<size_t>(i)]);
    return {};
  };
  if (Status s = call_all(link, std::ssize(queues), make, take); !s) return s.error().with("ask for offsets");
  return out;
}

}  // namespace

Status call_all(Link& link, int64_t count, const std::function<Request(int64_t)>& make,
                const std::function<Status(int64_t, const wire::CommandView&)>& take) {
  // A link is used again after an error, too: late answers of the requests before must not be taken for new ones.
  static int32_t last_opaque = 0;
  if (last_opaque > INT32_MAX - static_cast<int32_t>(count)) last_opaque = 0;
  const int32_t base = last_opaque;
  last_opaque += static_cast<int32_t>(count);
  int64_t sent = 0;
  int64_t answered = 0;
  wire::HeaderScratch scratch;
  Status taken;
  while (answered < count) {
    while (sent < count && sent - answered < window) {
      append_request(link, make(sent), base + static_cast<int32_t>(sent));
      ++sent;
    }
    if (Status s = link.flush(); !s) return s;
    if (Status s = wait_for(link); !s) return s;
    const Status read = link.read_frames([&](const wire::Frame& frame) {
      const auto command = wire::decode_command(frame, scratch);
      if (!command) {
        taken = command.error();
        return;
      }
      const int64_t number = int64_t{command->opaque} - base;
      if (!taken.ok() || !command->is_response() || number < 0 || number >= sent) return;
      ++answered;
      taken = command->code == 0
                  ? take(number, *command)
                  : Error{Errc::invalid, "code " + std::to_string(command->code) + " " + std::string(command->remark)};
    });
    if (!read) return read;
    if (!taken) return taken;
  }
  return {};
}

QueueName queue_name(const Options& options, int64_t queue) {
  return {topic_name(options, queue / options.queues), static_cast<int32_t>(queue % options.queues)};
}

Status create_topics(Link& link, const Options& options) {
  const std::string queues = std::to_string(options.queues);
  const auto make = [&](int64_t i) {
    return Request{wire::request_code::update_and_create_topic,
                   {{"topic", topic_name(options, i)},
                    {"defaultTopic", "TBW102"},
                    {"readQueueNums", queues},
                    {"writeQueueNums", queues},
                    {"perm", "6"},
                    {"topicFilterType", "SINGLE_TAG"},
                    {"topicSysFlag", "0"},
                    {"order", "false"}}};
  };
  const Status created = call_all(link, options.topics, make, [](int64_t, const auto&) { return Status(); });
  if (!created) return created.error().with("create topic");
  return {};
}

Result<std::vector<int64_t>> max_offsets(Link& link, const Options& options, const std::vector<int64_t>& queues) {
  return offsets(link, wire::request_code::get_max_offset, options, queues);
}

Result<std::vector<int64_t>> min_offsets(Link& link, const Options& options, const std::vector<int64_t>& queues) {
  return offsets(link, wire::request_code::get_min_offset, options, queues);
}

}  // namespace merlin::bench
