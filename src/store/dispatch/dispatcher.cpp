#include "store/dispatch/dispatcher.h"

#include <algorithm>
#include <utility>

#include "merlin/base/log.h"
#include "store/dispatch/inner_batch.h"

namespace merlin::store {

Dispatcher::Dispatcher(QueueIndex& queues, std::vector<int64_t> delay_level_ms, size_t ring_items)
    : queues_(queues), tags_(std::move(delay_level_ms)), ring_(ring_items) {}

void Dispatcher::connect(CommitLog& log, const std::atomic<int64_t>& limit, ArrivalListener* listener,
                         IndexFeed* feed) {
  log_ = &log;
  limit_ = &limit;
  listener_ = listener;
  feed_ = feed;
}

int64_t Dispatcher::take_queue_offset(const AppendItem& item) {
  if (item.light != nullptr) {
    for (size_t i = 0; i < item.light->queues.size(); ++i)
      item.light->offsets[i] = item.light->queues[i]->next_offset++;
  }
  return std::exchange(item.queue->next_offset, item.queue->next_offset + item.count);
}

void Dispatcher::give_back_queue_offset(const AppendItem& item) {
  item.queue->next_offset -= item.count;
  if (item.light == nullptr) return;
  for (ConsumeQueue* queue : item.light->queues) --queue->next_offset;
}

size_t Dispatcher::late_properties(const AppendItem& item, std::span<char> out) {
  if (item.light != nullptr) return write_light_places(*item.light, item.queue->next_offset, out);
  return write_inner_base(item.queue->next_offset, out);
}

void Dispatcher::placed(std::span<const AppendItem> items) {
  if (feed_ != nullptr) feed_->placed(items);
  if (overflowed_) return;
  for (const AppendItem& item : items) {
    if (item.code != AppendCode::ok) continue;
    int64_t tags_code = item.tags_code;
    if (const int32_t level = tags_.delay_level(item.spec.topic, item.spec.properties); level > 0) {
      tags_code = tags_.deliver_time_ms(level, item.store_timestamp_ms);
    }
    const Arrival arrival{item.queue, item.queue_offset, item.physical_offset,   item.size,
                          item.count, tags_code,         item.store_timestamp_ms};
    if (!(item.light == nullptr ? ring_.push(arrival) : push(arrival, item.light))) {
      overflowed_ = true;
      break;
    }
  }
  ring_.publish();
  if (overflowed_) overflow_seen_.store(true, std::memory_order_release);
}

// A record in many queues may be cut off by a full ring: then all of it comes again from the log.
bool Dispatcher::push(Arrival item, const LightQueues* light) {
  item.more = !light->queues.empty();
  if (!ring_.push(item)) return false;
  for (size_t i = 0; i < light->queues.size(); ++i) {
    item.queue = light->queues[i];
    item.queue_offset = light->offsets[i];
    item.count = 1;
    item.more = i + 1 < light->queues.size();
    if (!ring_.push(item)) return false;
  }
  return true;
}

void Dispatcher::pump() {
  // The first wisher works until no wish is left; a wish that comes while it works is seen when it counts again.
  if (wishes_.fetch_add(1, std::memory_order_acq_rel) != 0) return;
  uint64_t served = 1;
  do {
    served = wishes_.load(std::memory_order_acquire);
    const std::lock_guard lock(work_);
    drain();
  } while (wishes_.fetch_sub(served, std::memory_order_acq_rel) != served);
}

void Dispatcher::drain() {
  for (;;) {
    const int64_t limit = limit_->load(std::memory_order_acquire);
    if (position() < log_until_) {
      if (!drain_log(std::min(limit, log_until_)) || position() < log_until_) break;
      continue;
    }
    if (!drain_ring(limit)) break;
    if (!ring_.front().empty() || !overflow_seen_.load(std::memory_order_acquire)) break;
    // The ring is empty and records were passed over: those up to now come from the log, later ones from the ring.
    const auto lane = log_->hold_lane();
    overflowed_ = false;
    overflow_seen_.store(false, std::memory_order_release);
    if (ring_.front().empty()) log_until_ = log_->end();
  }
  queues_.commit(unfinished_);
  tell();
}

// Both answer false when a queue refused; what was reached is in position().
bool Dispatcher::drain_ring(int64_t limit) {
  for (;;) {
    const auto items = ring_.front();
    if (items.empty() || items.front().physical_offset + items.front().size > limit) return true;
    size_t done = deliver_run(items.first(run_in(items, limit)));
    if (done == 0) {
      if (items.front().physical_offset >= position() && !deliver(items.front())) return false;
      done = 1;
    }
    ring_.pop(done);
  }
}

// How many of the items, from the first on, are plain messages of one queue.
size_t Dispatcher::run_in(std::span<const Arrival> items, int64_t limit) const {
  const Arrival& first = items.front();
  if (first.queue == nullptr || first.physical_offset < position()) return 0;
  if (first.physical_offset < first.queue->topic_entry().dead_below) return 0;
  size_t count = 0;
  for (const Arrival& item : items) {
    if (item.queue != first.queue || item.more || item.physical_offset + item.size > limit) break;
    if (++count == batch_max) break;
  }
  return count;
}

// Delivers as many as go in without any question; of the next one deliver() finds out why.
size_t Dispatcher::deliver_run(std::span<const Arrival> run) {
  if (run.empty()) return 0;
  run = run.first(run.front().queue->put_run(run));
  if (run.empty()) return 0;
  refused_ = false;
  if (listener_ != nullptr) {
    if (batch_size_ + run.size() > batch_max) tell();
    std::copy(run.begin(), run.end(), batch_.begin() + static_cast<std::ptrdiff_t>(batch_size_));
    batch_size_ += run.size();
  }
  unfinished_ = -1;
  reached(run.back());
  return run.size();
}

bool Dispatcher::drain_log(int64_t limit) {
  LogReader reader(log_->segments(), position(), false);
  for (;;) {
    const LogReader::Step step = reader.next(limit);
    if (step == LogReader::Step::end) {
      // Behind the last record there may be a filler.
      if (reader.position() >= limit) position_.store(std::max(position(), limit), std::memory_order_release);
      return true;
    }
    if (step == LogReader::Step::broken) {
      log_error("store", "dispatch: log offset {}: {}", reader.position(), reader.error().message);
      return false;
    }
    const message::RecordView& record = reader.record();
    Arrival item{nullptr, record.queue_offset,      record.physical_offset, record.total_size, messages_in(record),
                 0,       record.store_timestamp_ms};
    if (enters_queue(record.sys_flag) && QueueIndex::is_topic_name(record.topic)) {
      item.queue = queues_.get(record.topic, record.queue_id, kind_of_queue(record));
      item.tags_code = tags_.of_record(record);
      find_light_places(record, light_);
      item.more = !light_.empty();
    }
    if (!deliver(item) || (item.more && !deliver_light(item))) return false;
  }
}

bool Dispatcher::deliver_light(const Arrival& own) {
  Arrival item = own;
  for (size_t i = 0; i < light_.size(); ++i) {
    item.queue = queues_.get(light_[i].name, light_queue_id);
    item.queue_offset = light_[i].queue_offset;
    item.count = 1;
    item.more = i + 1 < light_.size();
    if (!deliver(item)) return false;
  }
  return true;
}

// Said once per trouble, not once per try.
bool Dispatcher::refuse(const Arrival& item, const Error& error) {
  if (!std::exchange(refused_, true)) {
    log_error("store", "queue {}-{}: {}", item.queue->topic(), item.queue->id(), error.message);
  }
  return false;
}

bool Dispatcher::deliver(const Arrival& item) {
  if (item.queue != nullptr && item.physical_offset >= item.queue->topic_entry().dead_below) {
    const QueueUnit unit{item.physical_offset, item.size, item.count, item.tags_code};
    auto put = item.queue->put(item.queue_offset, unit, item.store_timestamp_ms);
    if (put && *put == ConsumeQueue::Put::hole) {
      log_error("store", "queue {}-{}: offset {} follows {}; the units between are left blank", item.queue->topic(),
                item.queue->id(), item.queue_offset, item.queue->max_offset());
      if (Status s = item.queue->fill_hole(item.queue_offset); !s) return false;
      put = item.queue->put(item.queue_offset, unit, item.store_timestamp_ms);
    }
    if (put && *put == ConsumeQueue::Put::already_there && item.queue->max_physical() <= item.physical_offset) {
      // The offsets began again although the units are still there: the topic's delete had failed half-way.
      log_error("store", "queue {}-{}: offset {} comes again behind {}: what came before it is dropped",
                item.queue->topic(), item.queue->id(), item.queue_offset, item.queue->max_offset());
      if (Status s = item.queue->reset(); !s) return refuse(item, s.error());
      put = item.queue->put(item.queue_offset, unit, item.store_timestamp_ms);
    }
    if (!put) return refuse(item, put.error());
    refused_ = false;
    if (listener_ != nullptr && *put == ConsumeQueue::Put::stored) {
      if (batch_size_ == batch_max) tell();
      batch_[batch_size_++] = item;
    }
  }
  unfinished_ = item.more ? item.physical_offset : -1;
  if (!item.more) reached(item);
  return true;
}

void Dispatcher::reached(const Arrival& item) {
  position_timestamp_.store(item.store_timestamp_ms, std::memory_order_release);
  last_record_.store(item.physical_offset, std::memory_order_release);
  position_.store(item.physical_offset + item.size, std::memory_order_release);
}

void Dispatcher::tell() {
  if (batch_size_ == 0) return;
  listener_->on_arrivals({batch_.data(), batch_size_});
  batch_size_ = 0;
}

// The queue offset stands under no CRC. Each message in front of this one in its queue took its place in the log, so a
// greater offset than that allows is damage, and putting it would bring the queue to places that no file can have.
static bool is_possible(int64_t queue_offset, int64_t physical_offset, const ConsumeQueue& queue) {
  // Of a record with an empty topic, body and properties; and of a message within one.
  const int64_t bytes_min = queue.is_batch() ? 22 : 91;
  return queue_offset >= 0 && queue_offset <= std::max(queue.max_offset(), physical_offset / bytes_min);
}

Result<bool> Dispatcher::feed(const message::RecordView& record, bool from_log_begin) {
  if (!enters_queue(record.sys_flag) || !QueueIndex::is_topic_name(record.topic)) return true;
  if (record.physical_offset >= queues_.dead_below(record.topic)) {
    ConsumeQueue* queue = queues_.get(record.topic, record.queue_id, kind_of_queue(record));
    if (is_inner_batch(record) && !queue->is_batch() && queues_.has_batch_queues()) {
      // Single messages came first, and nothing said of which kind the topic is.
      queues_.note_batch(record.topic);
      return true;
    }
    auto fed = feed_one(record, *queue, record.queue_offset, messages_in(record), from_log_begin);
    if (!fed || !*fed) return fed;
  }
  auto fed = feed_light(record, from_log_begin);
  if (fed && *fed) queues_.commit(-1);
  return fed;
}

// Other brokers believe what clients say about places in light queues.
Result<bool> Dispatcher::feed_light(const message::RecordView& record, bool from_log_begin) {
  find_light_places(record, light_);
  for (const LightPlace& place : light_) {
    if (record.physical_offset < queues_.dead_below(place.name)) continue;
    ConsumeQueue* queue = queues_.get(place.name, light_queue_id);
    const bool first_known = queue->max_offset() == 0 && log_->begin() > 0;
    if (from_log_begin && !first_known && place.queue_offset - queue->max_offset() > light_hole_max) {
      log_error("store", "queue {}: the record at log offset {} says it is message {} behind {}: it is left out",
                place.name, record.physical_offset, place.queue_offset, queue->max_offset());
      continue;
    }
    auto fed = feed_one(record, *queue, place.queue_offset, 1, from_log_begin);
    if (!fed || !*fed) return fed;
  }
  return true;
}

// False: units are missing in front of this one.
Result<bool> Dispatcher::feed_one(const message::RecordView& record, ConsumeQueue& queue, int64_t queue_offset,
                                  int32_t count, bool from_log_begin) {
  if (!is_possible(queue_offset, record.physical_offset, queue)) {
    log_error("store", "queue {}-{}: the record at log offset {} says it is message {}: damaged, it is left out",
              queue.topic(), queue.id(), record.physical_offset, queue_offset);
    return true;
  }
  const QueueUnit unit{record.physical_offset, record.total_size, count, tags_.of_record(record)};
  if (queue_offset < queue.max_offset() && queue.max_physical() <= record.physical_offset) {
    // A later record with an offset that is taken: the topic was deleted and made again, and what came before is no
    // part of it.
    if (Status s = queue.reset(); !s) return s.error();
  }
  // An empty queue may start anywhere only when nothing older is left in the log.
  if (!from_log_begin && queue_offset > 0 && queue.max_offset() == 0) return false;
  auto put = queue.put(queue_offset, unit, record.store_timestamp_ms);
  if (!put) return put.error();
  if (*put != ConsumeQueue::Put::hole) return true;
  if (!from_log_begin) return false;
  log_error("store", "queue {}-{}: offset {} follows {}; the units between are left blank", queue.topic(), queue.id(),
            queue_offset, queue.max_offset());
  if (Status s = queue.fill_hole(queue_offset); !s) return s.error();
  put = queue.put(queue_offset, unit, record.store_timestamp_ms);
  if (!put) return put.error();
  return true;
}

void Dispatcher::set_position(int64_t position, int64_t timestamp_ms, int64_t last_record_offset) {
  position_.store(position, std::memory_order_release);
  position_timestamp_.store(timestamp_ms, std::memory_order_release);
  last_record_.store(last_record_offset, std::memory_order_release);
  log_until_ = position;
}

}  // namespace merlin::store
