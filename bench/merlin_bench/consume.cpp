#include "consume.h"

#include <algorithm>
#include <numeric>

#include "admin.h"
#include "drive.h"
#include "merlin/message/properties.h"
#include "puller.h"
#include "report.h"

namespace merlin::bench {

namespace {

// The present backlog of every queue.
Result<std::vector<Cursor>> find_backlog(const Options& options) {
  auto admin = Link::open(options.broker, 5000);
  if (!admin) return admin.error();
  std::vector<int64_t> queues(static_cast<size_t>(options.queue_count()));
  std::iota(queues.begin(), queues.end(), int64_t{0});
  const auto begin = min_offsets(**admin, options, queues);
  if (!begin) return begin.error();
  const auto end = max_offsets(**admin, options, queues);
  if (!end) return end.error();
  std::vector<Cursor> cursors;
  for (size_t i = 0; i < queues.size(); ++i) {
    const QueueName name = queue_name(options, queues[i]);
    cursors.push_back({.number = queues[i],
                       .topic = name.topic,
                       .queue = name.queue,
                       .next = std::max<int64_t>((*begin)[i], 0),
                       .end = (*end)[i]});
  }
  return cursors;
}

}  // namespace

Result<ConsumeReport> consume(const Options& options) {
  const auto backlog = find_backlog(options);
  if (!backlog) return backlog.error();
  ConsumeReport report;
  Poller poller(options.spin);
  Second second;
  int64_t wall = wall_ms();
  const auto take = [&](const Cursor&, const message::RecordView& record, int64_t) {
    second.took(wall - record.born_timestamp_ms, wall - record.store_timestamp_ms);
    if (!options.tag.empty() && message::find_property(record.properties, message::property::tags) != options.tag)
      ++report.wrong_tags;
  };
  Puller puller(options, poller,
                {.connections = static_cast<int32_t>(std::min<int64_t>(options.connections, options.queue_count())),
                 .in_flight = options.in_flight,
                 .suspend_ms = 0,
                 .tag = options.tag},
                take);
  if (Status s = puller.connect(); !s) return s.error();
  int64_t total = 0;
  for (const Cursor& cursor : *backlog) total += (cursor.end - cursor.next) * options.passes;
  // By offsets: where the broker filters, fewer messages come.
  Progress progress(options, Progress::Lines::receiving, now_ns(), [&](int64_t) {
    return total == 0 ? 1 : static_cast<double>(puller.offsets_passed()) / static_cast<double>(total);
  });
  UsageMeter meter(options.broker_pid);
  for (int32_t pass = 0; pass < options.passes; ++pass) {
    wall = wall_ms();
    if (Status s = puller.start(*backlog); !s) return s.error();
    if (Status s = read_to_end(poller, puller, progress, second); !s) return s.error();
  }
  meter.stop();
  report.messages = puller.messages();
  report.pulls = puller.pulls();
  report.empty_answers = puller.empty_answers();
  report.bytes = puller.bytes();
  report.latency = puller.latency();
  report.usage = meter.finish(report.messages);
  return report;
}

Status print(const Options& options, const ConsumeReport& report) {
  Report out(options);
  const double seconds = report.usage.seconds;
  out.number("queues", options.queues);
  out.number("messages_per_pull", options.pull_count);
  out.text("header", options.binary ? "binary" : "json");
  out.number("messages", static_cast<double>(report.messages));
  out.number("pulls", static_cast<double>(report.pulls));
  out.number("empty_answers", static_cast<double>(report.empty_answers));
  out.number("messages_per_second", static_cast<double>(report.messages) / seconds);
  out.number("mib_per_second", static_cast<double>(report.bytes) / seconds / 1048576, 1);
  out.number("measured_seconds", seconds, 2);
  out.latency(report.latency);
  out.usage(report.usage);
  if (report.wrong_tags > 0) out.number("wrong_tags", static_cast<double>(report.wrong_tags));
  out.text("verdict", report.wrong_tags > 0  ? "WRONG: messages with other tags came"
                      : report.messages == 0 ? "nothing to read"
                      : options.tag.empty()  ? "good: offsets dense, CRCs right"
                                             : "good: offsets go up, CRCs and tags right");
  return out.print();
}

}  // namespace merlin::bench
