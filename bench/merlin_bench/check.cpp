#include "check.h"

#include <algorithm>
#include <ctime>
#include <numeric>

#include "admin.h"
#include "puller.h"

namespace merlin::bench {

namespace {

constexpr int64_t readable_wait_ns = 60'000'000'000;
// Of oneway requests nobody knows how many arrive: the count is final when it has stood still for so long.
constexpr int64_t still_ns = 1'000'000'000;
// So many queues are counted and read back at most; the verb many-queues counts all.
constexpr int64_t sample_max = 1024;
constexpr int32_t read_connections = 4;

std::vector<int64_t> spread_over(int64_t count, int64_t wanted) {
  std::vector<int64_t> chosen(static_cast<size_t>(std::min(count, wanted)));
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = static_cast<int64_t>(i) * count / std::ssize(chosen);
  return chosen;
}

void pause_one_ms() {
  const timespec pause{0, 1'000'000};
  nanosleep(&pause, nullptr);
}

}  // namespace

std::string CheckReport::what_is_wrong() const {
  if (!offsets_agree) return "the queues did not grow by what was acknowledged";
  if (lost > 0) return std::to_string(lost) + " acknowledged messages are lost";
  if (duplicates > 0) return std::to_string(duplicates) + " messages came twice";
  if (misplaced > 0) return std::to_string(misplaced) + " messages are in queues to which they were not sent";
  return "";
}

Status GrowthCheck::begin() {
  const bool all = options_.verb == "many-queues";
  queues_ = spread_over(options_.queue_count(), all ? INT64_MAX : sample_max);
  for (const int64_t place : spread_over(std::ssize(queues_), sample_max)) read_.push_back(static_cast<size_t>(place));
  auto before = max_offsets(admin_, options_, queues_);
  if (!before) return before.error();
  before_ = std::move(*before);
  after_ = before_;
  report_.queues_counted = std::ssize(queues_);
  return {};
}

// Each queue counted must have grown by what was acknowledged. Requests that failed or stayed without answer may have
// been stored.
Status GrowthCheck::count_once(const Ledger& ledger, bool last_time, bool& agree) {
  std::vector<size_t> short_ones;
  std::vector<int64_t> asked;
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (last_time || after_[i] - before_[i] < ledger.queue(queues_[i]).acknowledged || options_.oneway) {
      short_ones.push_back(i);
      asked.push_back(queues_[i]);
    }
  }
  const auto offsets = max_offsets(admin_, options_, asked);
  if (!offsets) return offsets.error();
  agree = true;
  for (size_t i = 0; i < short_ones.size(); ++i) {
    const size_t place = short_ones[i];
    after_[place] = (*offsets)[i];
    const Ledger::Queue& sent = ledger.queue(queues_[place]);
    const int64_t surplus = after_[place] - before_[place] - sent.acknowledged;
    if (surplus < 0 || (last_time && surplus > sent.unsure)) agree = false;
  }
  report_.offsets_grew_by = std::accumulate(after_.begin(), after_.end(), int64_t{0}) -
                            std::accumulate(before_.begin(), before_.end(), int64_t{0});
  return {};
}

Status GrowthCheck::count(const Ledger& ledger, int64_t last_answer_ns) {
  bool agree = false;
  int64_t last_growth = -1;
  int64_t last_growth_ns = now_ns();
  for (;;) {
    if (Status s = count_once(ledger, false, agree); !s) return s;
    const int64_t now = now_ns();
    if (report_.offsets_grew_by != last_growth) {
      last_growth = report_.offsets_grew_by;
      last_growth_ns = now;
    }
    const bool is_final = !options_.oneway || now - last_growth_ns > still_ns || last_growth == ledger.sent_count();
    if ((agree && is_final) || now - last_answer_ns > readable_wait_ns) break;
    pause_one_ms();
  }
  report_.readable_after_ms = static_cast<double>(last_growth_ns - last_answer_ns) / 1e6;
  return count_once(ledger, true, report_.offsets_agree);
}

Status GrowthCheck::read_back(Ledger& ledger, Progress& progress) {
  std::vector<Cursor> cursors;
  for (const size_t place : read_) {
    const QueueName name = queue_name(options_, queues_[place]);
    cursors.push_back({.number = queues_[place],
                       .topic = name.topic,
                       .queue = name.queue,
                       .next = before_[place],
                       .end = after_[place]});
  }
  progress.end();
  Poller poller;
  Second second;
  const int64_t foreign_before = ledger.foreign();
  Puller puller(options_, poller, {.connections = read_connections},
                [&](const Cursor& cursor, const message::RecordView& record, int64_t) {
                  // A message without a key of ours is as foreign as one of another run.
                  ledger.received(cursor.number, key_of(record.properties).value_or(0));
                });
  if (Status s = puller.connect(); !s) return s;
  const int64_t start_ns = now_ns();
  if (Status s = puller.start(std::move(cursors)); !s) return s;
  if (Status s = read_to_end(poller, puller, progress, second); !s) return s.error().with("read back");
  report_.read_back = true;
  report_.queues_read = std::ssize(read_);
  report_.messages_read = puller.messages();
  report_.read_seconds = static_cast<double>(now_ns() - start_ns) / 1e9;
  report_.duplicates = ledger.duplicates();
  report_.foreign = ledger.foreign() - foreign_before;
  for (const size_t place : read_) {
    report_.lost += ledger.queue(queues_[place]).missing();
    report_.misplaced += ledger.queue(queues_[place]).surplus();
  }
  // A message that stands in the place of another one keeps the count right; the keys tell.
  if (is_complete()) report_.lost = std::max(report_.lost, ledger.lost());
  return {};
}

}  // namespace merlin::bench
