#include "service/delay.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <pthread.h>

#include "merlin/base/log.h"
#include "merlin/message/names.h"
#include "merlin/message/properties.h"

namespace merlin::service {

namespace {

// Lets those pass that are due, up to the first that is not.
class DueFilter final : public store::MessageFilter {
 public:
  // `delay_ms` of the level; negative: not known any more.
  DueFilter(int64_t now_ms, int64_t delay_ms)
      : now_ms_(now_ms), latest_ms_(delay_ms < 0 ? INT64_MAX : now_ms + delay_ms) {}
  bool matches_tags_code(int64_t due_ms) const override {
    if (head_due_ms_ != INT64_MAX) return false;
    // Later than any message of this level can be due: the level was longer once, or the clock was ahead (Apache's
    // rule).
    if (due_ms <= now_ms_ || due_ms > latest_ms_) return true;
    head_due_ms_ = due_ms;
    return false;
  }
  // Of the first that is not due; INT64_MAX: none was seen.
  int64_t head_due_ms() const { return head_due_ms_; }

 private:
  const int64_t now_ms_;
  const int64_t latest_ms_;
  mutable int64_t head_due_ms_ = INT64_MAX;
};

constexpr store::GetLimits burst_limits = {.count_max = Delay::burst_messages_max,
                                           .bytes_in_memory_max = Delay::burst_bytes_max,
                                           .count_in_memory_max = Delay::burst_messages_max,
                                           .bytes_on_disk_max = Delay::burst_bytes_max,
                                           .count_on_disk_max = Delay::burst_messages_max};

}  // namespace

Delay::Delay(std::vector<int64_t> level_ms, const Clock& clock, store::MessageStore& store, Produce& produce,
             DelayPositions& positions)
    : level_ms_(std::move(level_ms)), clock_(clock), store_(store), produce_(produce), positions_(positions) {}

Delay::~Delay() {
  stop();
}

void Delay::open() {
  positions_.open();
  // Queues of levels that messageDelayLevel does not name any more are emptied all the same.
  size_t count = level_ms_.size();
  for (size_t i = count; i < delay_levels_max; ++i) {
    if (store_.find_queue(message::schedule_topic, static_cast<int32_t>(i)) != nullptr) count = i + 1;
  }
  levels_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    Level& level = levels_[i];
    level.number = static_cast<int32_t>(i) + 1;
    level.position = positions_.position(level.number);
    const store::ConsumeQueue* queue = store_.find_queue(message::schedule_topic, static_cast<int32_t>(i));
    // A position whose queue is gone is one of another store: what comes now begins at 0.
    const int64_t min = store_.min_offset(queue);
    const int64_t max = std::max(store_.max_offset(queue), min);
    const int64_t position = std::clamp(level.position, min, max);
    if (position != level.position) {
      log_warn("delay", "level {} was delivered up to {}, but its queue has {} to {}: it goes on at {}", level.number,
               level.position, min, max, position);
      move(level, position, 0);
    }
    if (max > position) log_info("delay", "{} messages of level {} wait", max - position, level.number);
  }
}

void Delay::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "delay");
    run();
  });
}

void Delay::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Delay::run() {
  for (;;) {
    int64_t next_ms = deliver_due();
    std::unique_lock lock(mutex_);
    for (const Level& level : levels_) next_ms = std::min(next_ms, level.look_at_ms);
    const int64_t pause = std::min(next_ms - std::min(clock_.wall_ms(), next_ms), sleep_ms_max);
    if (pause > 0) {
      sleeps_until_ms_ = next_ms;
      wake_.wait_for(lock, std::chrono::milliseconds(pause), [&] { return stopping_ || sleeps_until_ms_ < next_ms; });
      sleeps_until_ms_ = INT64_MIN;
    }
    if (stopping_) return;
  }
}

void Delay::on_delayed(int32_t level, int64_t queue_offset, int64_t due_ms) {
  const std::lock_guard lock(mutex_);
  if (static_cast<size_t>(level) > levels_.size()) return;
  Level& entry = levels_[static_cast<size_t>(level) - 1];
  entry.announced_end = std::max(entry.announced_end, queue_offset + 1);
  entry.look_at_ms = std::min(entry.look_at_ms, due_ms);
  if (due_ms >= sleeps_until_ms_) return;
  sleeps_until_ms_ = due_ms;
  wake_.notify_one();
}

int64_t Delay::deliver_due() {
  int64_t next_ms = never;
  for (Level& level : levels_) {
    const int64_t now_ms = clock_.wall_ms();
    int64_t announced_end = 0;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return never;
      // What is waited for longer than a level can be was due by a clock that has been set back since.
      const bool is_within = level.look_at_ms == never || level.look_at_ms <= now_ms + wait_ms_max(level);
      if (level.look_at_ms > now_ms && is_within) {
        next_ms = std::min(next_ms, level.look_at_ms);
        continue;
      }
      // What is stored from here on says so itself.
      level.look_at_ms = never;
      announced_end = level.announced_end;
    }
    const int64_t again_ms = deliver_level(level, now_ms, announced_end);
    const std::lock_guard lock(mutex_);
    level.look_at_ms = std::min(level.look_at_ms, again_ms);
    next_ms = std::min(next_ms, level.look_at_ms);
  }
  return next_ms;
}

// The longest that a level is left alone.
int64_t Delay::wait_ms_max(const Level& level) const {
  const auto index = static_cast<size_t>(level.number) - 1;
  return index < level_ms_.size() ? std::max(level_ms_[index], pause_ms_max) : delay_ms_max;
}

// One burst. Returns when to look at the level again.
int64_t Delay::deliver_level(Level& level, int64_t now_ms, int64_t announced_end) {
  const store::ConsumeQueue* const queue = store_.find_queue(message::schedule_topic, level.number - 1);
  const int64_t max = store_.max_offset(queue);
  if (level.position >= max) return level.position < announced_end ? now_ms + unseen_pause_ms : never;
  const auto index = static_cast<size_t>(level.number) - 1;
  const DueFilter due(now_ms, index < level_ms_.size() ? level_ms_[index] : -1);
  store_.get(queue, level.position, burst_limits, &due, found_);
  switch (found_.status) {
    case store::GetStatus::found:
      return deliver_found(level, now_ms);
    case store::GetStatus::damaged:
      if (found_.read_failed) return pause(level, now_ms, found_.error);
      log_error("delay", "a delayed message of level {} is lost: {}", level.number, found_.error);
      move(level, level.position + 1, 0);
      return now_ms;
    case store::GetStatus::offset_found_null:
      return pause(level, now_ms, "the queue cannot be read");
    default:
      break;
  }
  if (due.head_due_ms() != never) return due.head_due_ms();
  // Nothing in front of the next offset has a record any more.
  const int64_t next = std::min(found_.next_begin_offset, found_.max_offset);
  if (next <= level.position)
    return pause(level, now_ms, std::string("a look gave ") + std::string(text(found_.status)));
  log_warn("delay", "delayed messages {} to {} of level {} are not in the log any more", level.position, next - 1,
           level.number);
  move(level, next, 0);
  return now_ms;
}

int64_t Delay::deliver_found(Level& level, int64_t now_ms) {
  burst_.clear();
  offsets_.clear();
  put_off_ = 0;
  Refusal stopped;
  int64_t passed = collect(level);
  const int64_t log_end = burst_.empty() ? 0 : produce_.append(burst_);
  found_.bytes.clear();
  int64_t delivered = 0;
  int64_t bytes = 0;
  // The first that was not stored is where it stands.
  for (size_t i = 0; i < burst_.items.size(); ++i) {
    const store::AppendItem& item = burst_.items[i];
    if (item.code == store::AppendCode::ok) {
      ++delivered;
      bytes += item.size;
      continue;
    }
    Refusal refusal = produce_.refusal_of(item);
    if (item.code == store::AppendCode::record_too_large) {
      log_error("delay", "delayed message {} of level {} cannot be delivered: {}", offsets_[i], level.number,
                refusal.remark);
      continue;
    }
    passed = offsets_[i];
    stopped = std::move(refusal);
    break;
  }
  if (delivered > 0) produce_.count_delivered(level.number, delivered, bytes);
  if (passed > level.position) move(level, passed, log_end);
  if (!stopped.ok()) return pause(level, now_ms, stopped.remark);
  level.failures = 0;
  return now_ms;
}

// Puts what was found into the burst; returns the offset behind it.
int64_t Delay::collect(const Level& level) {
  int64_t passed = level.position;
  for (const ByteView slice : found_.bytes.slices) {
    for (ByteView rest = slice; !rest.empty();) {
      const auto record = message::decode_record(rest, false);
      if (!record) {
        if (passed > level.position) return passed;
        log_error("delay", "delayed message {} of level {} is lost: {}", passed, level.number, record.error().message);
        return passed + 1;
      }
      rest = rest.subspan(static_cast<size_t>(record->total_size));
      add_to_burst(level, *record);
      passed = record->queue_offset + 1;
    }
  }
  return passed;
}

// A message without a place to go is passed: Apache's broker does so, too, and nobody can repair it.
void Delay::add_to_burst(const Level& level, const message::RecordView& record) {
  namespace p = message::property;
  StoredCopy copy;
  copy.record = &record;
  copy.properties = record.properties;
  copy.reconsume_times = record.reconsume_times;
  copy.queue_id = -1;
  std::string_view queue_text;
  message::for_each_property(record.properties, [&](std::string_view name, std::string_view value) {
    if (name == p::real_topic) copy.topic = value;
    if (name == p::real_queue_id) queue_text = value;
    return true;
  });
  std::from_chars(queue_text.data(), queue_text.data() + queue_text.size(), copy.queue_id);
  Refusal refusal;
  if (message::is_send_forbidden_topic(copy.topic)) {
    refusal = {Outcome::no_permission, "the topic is the broker's own"};
  } else {
    refusal = produce_.add_copy(copy, burst_);
  }
  if (refusal.outcome == Outcome::system_error) refusal = put_off(level, copy, std::move(refusal));
  if (refusal.ok()) {
    offsets_.push_back(record.queue_offset);
    return;
  }
  log_error("delay", "delayed message {} of level {}, for queue \"{}\" of topic \"{}\", cannot be delivered: {}",
            record.queue_offset, level.number, queue_text, copy.topic, refusal.remark);
}

// The next level that is long enough, or just the next; 0 behind the last. It grows, so a message comes to an end.
// Those of levels that are gone go on in the last.
int32_t Delay::level_behind(const Level& level) const {
  const auto behind = static_cast<size_t>(level.number);  // the index of the next one
  if (behind > level_ms_.size()) return static_cast<int32_t>(level_ms_.size());
  for (size_t i = behind; i < level_ms_.size(); ++i) {
    if (level_ms_[i] >= put_off_ms_min) return static_cast<int32_t>(i) + 1;
  }
  return behind < level_ms_.size() ? level.number + 1 : 0;
}

// A limit that is reached (light queues) may be raised, or others may go: the message waits once more. Apache's broker
// has no such limit; what it cannot store holds its level.
Refusal Delay::put_off(const Level& level, StoredCopy copy, Refusal why) {
  copy.delay_level = level_behind(level);
  if (copy.delay_level == 0) return why;
  if (put_off_++ == 0) {
    log_warn("delay", "level {}, message {} and what follows like it: {}; they wait again, in level {}", level.number,
             copy.record->queue_offset, why.remark, copy.delay_level);
  }
  return produce_.add_copy(copy, burst_);
}

void Delay::move(Level& level, int64_t position, int64_t log_end) {
  level.position = position;
  positions_.set(level.number, position, log_end);
}

int64_t Delay::pause(Level& level, int64_t now_ms, const std::string& why) {
  const int64_t pause_ms = std::min(pause_ms_min << std::min(level.failures, 10), pause_ms_max);
  ++level.failures;
  log_warn("delay", "level {} stands at {}: {}; tried again in {} ms", level.number, level.position, why, pause_ms);
  return now_ms + pause_ms;
}

std::vector<Delay::Progress> Delay::progress() const {
  std::vector<Progress> out;
  for (const auto& [level, position] : positions_.all()) {
    out.push_back({level, position, store_.max_offset(store_.find_queue(message::schedule_topic, level - 1))});
  }
  return out;
}

}  // namespace merlin::service
