#include "consume.h"

#include <cerrno>
#include <charconv>
#include <memory>
#include <numeric>
#include <sys/epoll.h>
#include <unistd.h>
#include <vector>

#include "link.h"
#include "merlin/message/record.h"
#include "merlin/wire/request_code.h"
#include "report.h"
#include "send_frame.h"

namespace merlin::bench {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int64_t stall_ns = 30 * second_ns;  // without any answer

struct Cursor {
  int64_t begin = 0;
  int64_t next = 0;
  int64_t end = 0;
  int64_t asked_ns = 0;
  size_t link = 0;
};

class Consumer {
 public:
  explicit Consumer(const Options& options) : options_(options) {}
  ~Consumer() {
    if (epoll_ >= 0) ::close(epoll_);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  Result<ConsumeReport> run();

 private:
  Status connect();
  Status find_backlog();
  Status read_backlog();
  void pull(size_t queue);
  Status take_answer(const wire::Frame& frame, int64_t now);
  Status take_records(Cursor& cursor, size_t queue, ByteView body);

  const Options& options_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<Cursor> cursors_;  // by queue
  int epoll_ = -1;
  int64_t waiting_ = 0;
  wire::HeaderScratch scratch_;
  ConsumeReport report_;
};

Status Consumer::connect() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return errno_error("epoll_create1", errno);
  for (int32_t i = 0; i < std::min(options_.connections, options_.queues); ++i) {
    auto link = Link::open(options_.broker, 5000);
    if (!link) return link.error();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<uint64_t>(i);
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, (*link)->fd(), &event) != 0) return errno_error("epoll_ctl", errno);
    links_.push_back(std::move(*link));
  }
  return {};
}

Status Consumer::find_backlog() {
  const auto begin = min_offsets(*links_[0], options_.topic, options_.queues);
  if (!begin) return begin.error();
  const auto end = max_offsets(*links_[0], options_.topic, options_.queues);
  if (!end) return end.error();
  for (size_t queue = 0; queue < begin->size(); ++queue) {
    cursors_.push_back(
        {.begin = (*begin)[queue], .next = 0, .end = (*end)[queue], .asked_ns = 0, .link = queue % links_.size()});
  }
  return {};
}

void Consumer::pull(size_t queue) {
  Cursor& cursor = cursors_[queue];
  wire::CommandHead head;
  head.code = wire::request_code::pull_message;
  head.opaque = SendFrame::opaque_base + static_cast<int32_t>(queue);
  Link& link = *links_[cursor.link];
  wire::CommandWriter writer(link.out(), options_.binary ? wire::Serialization::rocketmq : wire::Serialization::json,
                             head);
  writer.field("consumerGroup", std::string_view(options_.group));
  writer.field("topic", std::string_view(options_.topic));
  writer.field("queueId", static_cast<int32_t>(queue));
  writer.field("queueOffset", cursor.next);
  writer.field("maxMsgNums", options_.pull_count);
  writer.field("sysFlag", int32_t{4});  // the subscription stands here; no commit, no waiting
  writer.field("commitOffset", int64_t{0});
  writer.field("suspendTimeoutMillis", int64_t{0});
  writer.field("subscription", "*");
  writer.field("subVersion", int64_t{0});
  writer.field("expressionType", "TAG");
  writer.finish(0);
  cursor.asked_ns = now_ns();
  ++waiting_;
}

Status Consumer::take_records(Cursor& cursor, size_t queue, ByteView body) {
  const auto wrong = [&](const std::string& what) {
    return Error{Errc::corrupt,
                 "queue " + std::to_string(queue) + " offset " + std::to_string(cursor.next) + ": " + what};
  };
  if (body.empty()) return wrong("an answer without messages");
  while (!body.empty()) {
    const auto record = message::decode_record(body, true);
    if (!record) return wrong(record.error().message);
    if (record->queue_offset != cursor.next)
      return wrong("the broker sent offset " + std::to_string(record->queue_offset));
    if (record->queue_id != static_cast<int32_t>(queue))
      return wrong("the record says queue " + std::to_string(record->queue_id));
    if (record->topic != options_.topic) return wrong("the record says topic " + std::string(record->topic));
    ++cursor.next;
    ++report_.messages;
    report_.bytes += record->total_size;
    body = body.subspan(static_cast<size_t>(record->total_size));
  }
  return {};
}

Status Consumer::take_answer(const wire::Frame& frame, int64_t now) {
  int32_t code = 0;
  int32_t opaque = 0;
  if (!scan_answer(frame, code, opaque)) {
    const auto command = wire::decode_command(frame, scratch_);
    if (!command) return command.error();
    if (!command->is_response()) return {};
    code = command->code;
    opaque = command->opaque;
  }
  const int32_t queue = SendFrame::number_of(opaque);
  if (queue < 0 || queue >= options_.queues)
    return Error{Errc::corrupt, "an answer to nothing: opaque " + std::to_string(opaque)};
  Cursor& cursor = cursors_[static_cast<size_t>(queue)];
  report_.latency.add(now - cursor.asked_ns);
  ++report_.pulls;
  --waiting_;
  if (code == 0) {
    if (Status s = take_records(cursor, static_cast<size_t>(queue), frame.body); !s) return s;
  } else if (code != 20) {  // 20: ask again at once
    const auto command = wire::decode_command(frame, scratch_);
    return Error{Errc::invalid, "pull of queue " + std::to_string(queue) + " at " + std::to_string(cursor.next) +
                                    " (of " + std::to_string(cursor.end) + "): code " + std::to_string(code) + " " +
                                    std::string(command ? command->remark : "")};
  }
  if (cursor.next < cursor.end) pull(static_cast<size_t>(queue));
  return {};
}

Status Consumer::read_backlog() {
  for (size_t queue = 0; queue < cursors_.size(); ++queue) {
    cursors_[queue].next = cursors_[queue].begin;
    if (cursors_[queue].next < cursors_[queue].end) pull(queue);
  }
  for (const auto& link : links_) {
    if (Status s = link->flush(); !s) return s;
  }
  epoll_event events[256];
  while (waiting_ > 0) {
    const int n = ::epoll_wait(epoll_, events, 256, static_cast<int>(stall_ns / 1'000'000));
    if (n < 0 && errno != EINTR) return errno_error("epoll_wait", errno);
    if (n == 0) return Error{Errc::timeout, std::to_string(waiting_) + " pulls got no answer within 30 s"};
    for (int i = 0; i < n; ++i) {
      Link& link = *links_[events[i].data.u64];
      const int64_t now = now_ns();
      Status taken;
      Status read = link.read_frames([&](const wire::Frame& frame) {
        if (taken.ok()) taken = take_answer(frame, now);
      });
      if (!read) return read;
      if (!taken) return taken;
      // A few pulls of 300 bytes always fit into the socket's buffer.
      if (Status s = link.flush(); !s) return s;
    }
  }
  return {};
}

Result<ConsumeReport> Consumer::run() {
  if (Status s = connect(); !s) return s.error();
  if (Status s = find_backlog(); !s) return s.error();
  const int64_t own_before = own_cpu_ns();
  const int64_t broker_before = process_cpu_ns(options_.broker_pid);
  const int64_t start_ns = now_ns();
  for (int32_t pass = 0; pass < options_.passes; ++pass) {
    if (Status s = read_backlog(); !s) return s.error();
  }
  report_.seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
  report_.own_cores = static_cast<double>(own_cpu_ns() - own_before) / 1e9 / report_.seconds;
  const double broker_cpu_s = static_cast<double>(process_cpu_ns(options_.broker_pid) - broker_before) / 1e9;
  report_.broker_cores = broker_cpu_s / report_.seconds;
  report_.broker_cpu_s_per_million = broker_cpu_s / (static_cast<double>(report_.messages) / 1e6);
  if (options_.broker_pid > 0) report_.broker_memory = process_memory(options_.broker_pid);
  return std::move(report_);
}

}  // namespace

Result<ConsumeReport> consume(const Options& options) {
  Consumer consumer(options);
  return consumer.run();
}

void print(const Options& options, const ConsumeReport& report) {
  Report out(options);
  out.number("queues", options.queues);
  out.number("messages_per_pull", options.pull_count);
  out.text("header", options.binary ? "binary" : "json");
  out.number("messages", static_cast<double>(report.messages));
  out.number("pulls", static_cast<double>(report.pulls));
  out.number("messages_per_second", static_cast<double>(report.messages) / report.seconds);
  out.number("mib_per_second", static_cast<double>(report.bytes) / report.seconds / 1048576, 1);
  out.number("measured_seconds", report.seconds, 2);
  out.latency(report.latency);
  out.number("own_cores", report.own_cores, 3);
  out.broker(report.broker_cores, report.broker_cpu_s_per_million, report.broker_memory);
  out.text("verdict", report.messages > 0 ? "good: offsets dense, CRCs right" : "nothing to read");
  out.print();
}

}  // namespace merlin::bench
