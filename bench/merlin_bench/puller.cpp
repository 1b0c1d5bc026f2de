#include "puller.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

#include "admin.h"
#include "merlin/wire/request_code.h"

namespace merlin::bench {

namespace {

// Answers of PULL_MESSAGE.
constexpr int32_t found = 0;
constexpr int32_t not_found = 19;
constexpr int32_t retry_at_once = 20;
constexpr int32_t offset_moved = 21;

// Bits of a pull's sysFlag.
constexpr int32_t may_suspend = 2;
constexpr int32_t with_subscription = 4;

}  // namespace

Status take_records(Cursor& cursor, ByteView body, bool gaps_allowed,
                    const std::function<void(const Cursor&, const message::RecordView&)>& take) {
  const auto wrong = [&](const std::string& what) {
    return Error{Errc::corrupt, cursor.topic + " queue " + std::to_string(cursor.queue) + " offset " +
                                    std::to_string(cursor.next) + ": " + what};
  };
  if (body.empty()) return wrong("an answer without messages");
  while (!body.empty()) {
    const auto record = message::decode_record(body, true);
    if (!record) return wrong(record.error().message);
    if (gaps_allowed ? record->queue_offset < cursor.next : record->queue_offset != cursor.next)
      return wrong("the broker sent offset " + std::to_string(record->queue_offset));
    if (record->queue_id != cursor.queue) return wrong("the record says queue " + std::to_string(record->queue_id));
    if (record->topic != cursor.topic) return wrong("the record says topic " + std::string(record->topic));
    cursor.next = record->queue_offset + 1;
    take(cursor, *record);
    body = body.subspan(static_cast<size_t>(record->total_size));
  }
  return {};
}

Puller::Puller(const Options& options, Poller& poller, Way way, Take take)
    : options_(options), poller_(poller), way_(std::move(way)), take_(std::move(take)) {}

Puller::~Puller() = default;

Status Puller::connect() {
  for (int32_t i = 0; i < way_.connections; ++i) {
    auto link = Link::open(options_.broker, 5000);
    if (!link) return link.error();
    Lane& lane = lanes_.emplace_back();
    lane.puller = this;
    lane.link = std::move(*link);
    if (Status s = poller_.add(lane.link->fd(), lane); !s) return s;
  }
  return {};
}

Status Puller::follow(Link& admin) {
  std::vector<int64_t> queues(static_cast<size_t>(options_.queue_count()));
  std::iota(queues.begin(), queues.end(), int64_t{0});
  const auto next = max_offsets(admin, options_, queues);
  if (!next) return next.error();
  std::vector<Cursor> cursors;
  for (const int64_t queue : queues) {
    const QueueName name = queue_name(options_, queue);
    cursors.push_back({.number = queue,
                       .topic = name.topic,
                       .queue = name.queue,
                       .next = (*next)[static_cast<size_t>(queue)],
                       .end = INT64_MAX});
  }
  if (Status s = connect(); !s) return s;
  return start(std::move(cursors));
}

Status Puller::start(std::vector<Cursor> cursors) {
  cursors_ = std::move(cursors);
  last_answer_ns_ = now_ns();
  for (size_t i = 0; i < cursors_.size(); ++i) {
    if (cursors_[i].next >= cursors_[i].end) continue;
    cursors_[i].link = i % lanes_.size();
    lanes_[cursors_[i].link].waiting.push_back(i);
    ++unfinished_;
  }
  for (Lane& lane : lanes_) {
    ask_next(lane);
    if (Status s = flush(lane); !s) return s;
  }
  return {};
}

void Puller::ask_next(Lane& lane) {
  while (!stopping_ && !lane.waiting.empty() && lane.in_flight < way_.in_flight) {
    const size_t index = lane.waiting.front();
    lane.waiting.pop_front();
    ask(lane, index);
  }
}

void Puller::ask(Lane& lane, size_t index) {
  Cursor& cursor = cursors_[index];
  wire::CommandHead head;
  head.code = wire::request_code::pull_message;
  head.opaque = SendFrame::opaque_base + static_cast<int32_t>(index);
  wire::CommandWriter writer(lane.link->out(),
                             options_.binary ? wire::Serialization::rocketmq : wire::Serialization::json, head);
  writer.field("consumerGroup", std::string_view(options_.group));
  writer.field("topic", std::string_view(cursor.topic));
  writer.field("queueId", cursor.queue);
  writer.field("queueOffset", cursor.next);
  writer.field("maxMsgNums", options_.pull_count);
  writer.field("sysFlag", with_subscription | (way_.suspend_ms > 0 ? may_suspend : 0));
  writer.field("commitOffset", int64_t{0});
  writer.field("suspendTimeoutMillis", way_.suspend_ms);
  const std::string& wanted = way_.sql.empty() ? way_.tag : way_.sql;
  writer.field("subscription", wanted.empty() ? std::string_view("*") : std::string_view(wanted));
  writer.field("subVersion", int64_t{0});
  writer.field("expressionType", way_.sql.empty() ? "TAG" : "SQL92");
  writer.finish(0);
  cursor.asked_ns = now_ns();
  ++lane.in_flight;
}

Status Puller::flush(Lane& lane) {
  if (Status s = lane.link->flush(); !s) return s;
  if (lane.link->wants_write() == lane.listens_for_write) return {};
  lane.listens_for_write = !lane.listens_for_write;
  return poller_.listen_for_write(lane.link->fd(), lane, lane.listens_for_write);
}

Status Puller::take_found(Cursor& cursor, const wire::Frame& frame, int64_t now) {
  latency_.add(now - cursor.asked_ns);
  bytes_ += static_cast<int64_t>(frame.body.size());
  return take_records(cursor, frame.body, way_.filters(), [&](const Cursor& at, const message::RecordView& record) {
    ++messages_;
    take_(at, record, now);
  });
}

// An answer without messages. Where the broker filters, it tells how far it has looked.
Status Puller::move_on(Cursor& cursor, const wire::Frame& frame, int32_t code) {
  ++empty_answers_;
  if (!way_.filters() && (code == retry_at_once || (code == not_found && way_.suspend_ms > 0))) return {};
  const auto command = wire::decode_command(frame, scratch_);
  if (!command) return command.error();
  const std::string_view* text = !way_.filters() || (code != retry_at_once && code != not_found && code != offset_moved)
                                     ? nullptr
                                     : command->find("nextBeginOffset");
  int64_t next = -1;
  if (text != nullptr) std::from_chars(text->data(), text->data() + text->size(), next);
  if (next >= cursor.next) {
    cursor.next = next;
    return {};
  }
  return Error{Errc::invalid, "pull of " + cursor.topic + " queue " + std::to_string(cursor.queue) + " at " +
                                  std::to_string(cursor.next) + " (of " + std::to_string(cursor.end) + "): code " +
                                  std::to_string(code) + " " + std::string(command->remark)};
}

Status Puller::take_answer(Lane& lane, const wire::Frame& frame) {
  int32_t code = 0;
  int32_t opaque = 0;
  if (!scan_.scan(frame, code, opaque)) {
    const auto command = wire::decode_command(frame, scratch_);
    if (!command) return command.error();
    if (!command->is_response()) return {};
    code = command->code;
    opaque = command->opaque;
  }
  const auto index = static_cast<size_t>(SendFrame::number_of(opaque));
  if (index >= cursors_.size() || &lanes_[cursors_[index].link] != &lane)
    return Error{Errc::corrupt, "an answer to nothing: opaque " + std::to_string(opaque)};
  Cursor& cursor = cursors_[index];
  const int64_t now = now_ns();
  ++pulls_;
  --lane.in_flight;
  last_answer_ns_ = now;
  const int64_t before = cursor.next;
  if (Status s = code == found ? take_found(cursor, frame, now) : move_on(cursor, frame, code); !s) return s;
  offsets_passed_ += cursor.next - before;
  if (cursor.next < cursor.end && !stopping_) {
    lane.waiting.push_back(index);
  } else {
    --unfinished_;
  }
  ask_next(lane);
  return {};
}

Status Puller::serve(Lane& lane) {
  Status taken;
  Status read = lane.link->read_frames([&](const wire::Frame& frame) {
    if (taken.ok()) taken = take_answer(lane, frame);
  });
  if (!read) return read;
  if (!taken) return taken;
  return flush(lane);
}

}  // namespace merlin::bench
