#include "store/queue/rocks_index.h"

#include <algorithm>
#include <chrono>

#include "merlin/base/log.h"

namespace merlin::store {

// What waits is written at the latest after this time.
static constexpr auto write_interval = std::chrono::milliseconds(100);
// A slow log is flushed at the latest after this time, too.
static constexpr int64_t flush_interval_ns = int64_t{60} * 1'000'000'000;

// So often at most a removal that a full disk refused is tried again.
static constexpr int64_t removal_retry_ns = 500'000'000;

static int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

RocksIndex::RocksIndex(Options options, FileSystem& files)
    : options_(std::move(options)), files_(files), floors_(files, options_.root_dir) {}

RocksIndex::~RocksIndex() {
  stop();
}

std::unique_ptr<ConsumeQueue> RocksIndex::make(QueueTopic& topic, int32_t queue_id) {
  return std::make_unique<RocksQueue>(*this, topic, queue_id);
}

std::mutex& RocksIndex::stripe_of(const RocksQueue& queue) const {
  // Objects are more than 64 bytes apart.
  return stripes_[(reinterpret_cast<uintptr_t>(&queue) >> 6) % stripes_.size()];
}

// ---------------------------------------------------------------- from the dispatcher

Status RocksIndex::reserve() {
  if (pending_count_.load(std::memory_order_relaxed) + round_.size() < pending_units_max) return {};
  was_full_.store(true, std::memory_order_relaxed);
  return Error{Errc::no_space, "the queue index has " + std::to_string(pending_units_max) +
                                   " units that wait for the disk (pending_units_max)"};
}

void RocksIndex::add_hot(RocksQueue& queue) {
  const std::lock_guard lock(mutex_);
  hot_queues_.push_back(&queue);
}

void RocksIndex::add_to_round(const Item& item) {
  round_.push_back(item);
}

void RocksIndex::commit(int64_t unfinished) {
  // The units of one record get into the database together, or a crash between would lose some of them behind the mark.
  size_t whole = round_.size();
  while (unfinished >= 0 && whole > 0) {
    const QueueUnit& last = round_[whole - 1].unit;
    if (!last.blank() && last.physical_offset != unfinished) break;
    --whole;
  }
  if (whole == 0) return;
  const auto end = round_.begin() + static_cast<std::ptrdiff_t>(whole);
  size_t before = 0;
  size_t after = 0;
  {
    const std::lock_guard lock(mutex_);
    before = pending_.size();
    pending_.insert(pending_.end(), round_.begin(), end);
    after = pending_.size();
  }
  pending_count_.store(after, std::memory_order_relaxed);
  round_.erase(round_.begin(), end);
  if (thread_.joinable()) {
    if (before == 0 || (before < batch_units_max && after >= batch_units_max)) wake_.notify_one();
  } else if (after >= batch_units_max) {
    shout(write_pending(INT64_MAX));  // while opening
  }
}

void RocksIndex::drop_pending_of(const RocksQueue& queue) {
  std::erase_if(round_, [&](const Item& item) { return item.queue == &queue; });
  const std::lock_guard lock(mutex_);
  std::erase_if(pending_, [&](const Item& item) { return item.queue == &queue; });
  std::erase(hot_queues_, &queue);
  pending_count_.store(pending_.size(), std::memory_order_relaxed);
}

// What waits is dropped only when the database has let the queue go, or the queue goes in any case.
Status RocksIndex::forget(RocksQueue& queue, bool in_any_case) {
  const std::lock_guard lock(write_mutex_);
  Status removed;
  if (queue.named_) {
    db_->remove_queue(queue.number_);
    removed = db_->write();
    if (!removed && !in_any_case) return removed;
    if (!removed) left_numbers_.push_back(queue.number_);
  }
  drop_pending_of(queue);
  queue.forget();
  return removed;
}

// A database that refuses, or a full disk, does not leave half a topic: it goes from memory all the same, and the rest
// is done before the next units are written.
Status RocksIndex::remove_topic(std::string_view topic) {
  for (ConsumeQueue* queue : of_topic(topic)) {
    if (Status s = forget(rocks_queue(queue), true); !s) log_warn("store", "topic {}: {}", topic, s.error().message);
  }
  hide(topic);
  const std::lock_guard lock(write_mutex_);
  left_graves_.emplace_back(topic);
  return finish_removals();
}

// REQUIRES: write_mutex_ held.
Status RocksIndex::finish_removals() {
  removals_tried_ns_ = steady_ns();
  for (const uint32_t number : left_numbers_) db_->remove_queue(number);
  for (const std::string& topic : left_graves_) db_->add_dead(topic, dead_below(topic));
  if (Status s = db_->write(); !s) return s;
  left_numbers_.clear();
  // A crash must not bring the units back, into a topic that was made again since.
  if (Status s = db_->flush(); !s) return s;
  while (!left_graves_.empty()) {
    // For an index that is built from the log some day.
    const std::string& topic = left_graves_.back();
    if (Status s = floors_.append({topic, FloorRow::deleted_topic, dead_below(topic), -1}); !s) return s;
    left_graves_.pop_back();
  }
  return {};
}

// ---------------------------------------------------------------- the writer

void RocksIndex::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void RocksIndex::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (pending_.empty()) {
        wake_.wait(lock, [this] { return stopping_ || !pending_.empty(); });
      }
      wake_.wait_for(lock, write_interval, [this] { return stopping_ || pending_.size() >= batch_units_max; });
      if (stopping_) return;
    }
    const size_t before = pending_count_.load(std::memory_order_relaxed);
    const Status written = write_pending(durable_->load(std::memory_order_acquire));
    shout(written);
    const size_t after = pending_count_.load(std::memory_order_relaxed);
    if (after < pending_units_max / 2 && was_full_.exchange(false, std::memory_order_relaxed)) tell_room();
    if (written && after < before) continue;
    // The log is not durable yet, or the database refuses.
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, write_interval, [this] { return stopping_; });
  }
}

// Once per trouble, not once per try.
void RocksIndex::shout(const Status& status) {
  if (status) {
    refused_ = false;
  } else if (!std::exchange(refused_, true)) {
    log_error("store", "{}", status.error().message);
  }
}

// Copies what may be written to taken_; returns how many.
size_t RocksIndex::take(int64_t durable) {
  const std::lock_guard lock(mutex_);
  taken_.clear();
  int64_t record = -1;
  for (const Item& item : pending_) {
    // A blank belongs to the record behind it; it may come along in front of that.
    if (taken_.size() >= batch_units_max && !item.unit.blank() && item.unit.physical_offset != record) break;
    if (!item.unit.blank()) record = item.unit.physical_offset;
    if (!item.unit.blank() && item.unit.physical_end() > durable) break;
    taken_.push_back(item);
  }
  return taken_.size();
}

Status RocksIndex::write_pending(int64_t durable) {
  for (;;) {
    const std::lock_guard lock(write_mutex_);
    const bool left = !left_numbers_.empty() || !left_graves_.empty();
    // Whoever deletes was told the first time.
    if (left && steady_ns() - removals_tried_ns_ > removal_retry_ns) (void)finish_removals();
    if (take(durable) == 0) return {};
    if (Status s = write_batch(); !s) return s;
    committed();
    evict();
  }
}

// REQUIRES: write_mutex_ held. The units of taken_, the bounds of their queues, and the mark behind them.
Status RocksIndex::write_batch() {
  touched_.clear();
  order_.clear();
  Progress mark = mark_;
  uint32_t next_number = next_number_;
  for (const Item& item : taken_) {
    RocksQueue& queue = *item.queue;
    RocksQueue::Hot& hot = *queue.hot_;
    if (!hot.in_batch) {
      hot.in_batch = true;
      hot.batch_physical = -1;
      touched_.push_back(&queue);
      if (!queue.named_) {
        const std::lock_guard stripe(stripe_of(queue));
        queue.number_ = next_number++;
      }
    }
    hot.batch_end = item.offset + 1;
    order_.push_back(uint64_t{queue.number_} << 32 | static_cast<uint64_t>(&item - taken_.data()));
    if (item.unit.blank()) continue;
    hot.batch_physical = item.unit.physical_end();
    if (item.unit.damaged()) continue;
    mark.dispatched_offset = std::max(mark.dispatched_offset, hot.batch_physical);
    mark.last_record_offset = item.unit.physical_offset;
    mark.last_record_timestamp_ms = item.store_timestamp_ms;
  }
  // Rows in the order of their keys are put one behind the other, each without a search from the top.
  std::sort(order_.begin(), order_.end());
  for (const uint64_t place : order_) {
    const Item& item = taken_[static_cast<uint32_t>(place)];
    db_->add_unit(static_cast<uint32_t>(place >> 32), item.offset, item.unit);
  }
  std::sort(touched_.begin(), touched_.end(),
            [](const RocksQueue* a, const RocksQueue* b) { return a->number_ < b->number_; });
  for (RocksQueue* queue : touched_) {
    RocksQueue::Hot& hot = *queue->hot_;
    hot.in_batch = false;
    if (!queue->named_) db_->add_queue(queue->number_, queue->topic(), queue->id());
    const auto [min, min_physical] = queue->known_min();
    const int64_t physical = hot.batch_physical >= 0 ? hot.batch_physical : queue->max_physical();
    db_->add_bounds(queue->number_, {std::min(min, hot.batch_end), min_physical, hot.batch_end, physical});
  }
  if (next_number != next_number_) db_->add_next_number(next_number);
  db_->add_progress(mark);
  if (Status s = db_->write(); !s) return s;
  mark_ = mark;
  next_number_ = next_number;
  return {};
}

// The batch is in the database: its units may leave the memory.
void RocksIndex::committed() {
  {
    const std::lock_guard lock(mutex_);
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<int64_t>(taken_.size()));
    pending_count_.store(pending_.size(), std::memory_order_relaxed);
  }
  for (RocksQueue* queue : touched_) {
    const std::lock_guard stripe(stripe_of(*queue));
    queue->named_ = true;
    queue->hot_->committed = queue->hot_->batch_end;
  }
}

void RocksIndex::evict() {
  for (;;) {
    RocksQueue* oldest = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (hot_queues_.size() <= hot_queues_max) return;
      oldest = hot_queues_.front();
      hot_queues_.pop_front();
    }
    const std::lock_guard stripe(stripe_of(*oldest));
    if (oldest->hot_->committed == oldest->max_offset()) {
      oldest->hot_.reset();
      continue;
    }
    // Still on its way: those behind it are even newer.
    const std::lock_guard lock(mutex_);
    hot_queues_.push_back(oldest);
    return;
  }
}

// ---------------------------------------------------------------- background

Status RocksIndex::save(Progress& now, Save how) {
  const int64_t durable = durable_->load(std::memory_order_acquire);
  if (Status s = write_pending(durable); !s) return s;
  if (how == Save::write) return {};
  Progress covered;
  {
    const std::lock_guard lock(write_mutex_);
    const bool idle = pending_count_.load(std::memory_order_relaxed) == 0;
    if (idle && now.dispatched_offset > mark_.dispatched_offset && now.dispatched_offset <= durable) {
      // Records behind the last unit that enter no queue.
      db_->add_progress(now);
      if (Status s = db_->write(); !s) return s;
      mark_ = now;
    }
    covered = mark_;
  }
  const bool far = covered.dispatched_offset - flushed_.dispatched_offset >= options_.recovery_bytes_max;
  const bool late =
      covered.dispatched_offset > flushed_.dispatched_offset && steady_ns() - flushed_ns_ >= flush_interval_ns;
  if (how == Save::all || far || late || flush_wanted_.exchange(false)) {
    if (Status s = db_->flush(); !s) return s;
    flushed_ = covered;
    flushed_offset_.store(flushed_.dispatched_offset, std::memory_order_release);
    flushed_ns_ = steady_ns();
  }
  now.dispatched_offset = flushed_.dispatched_offset;
  now.last_record_offset = flushed_.last_record_offset;
  now.last_record_timestamp_ms = flushed_.last_record_timestamp_ms;
  return {};
}

}  // namespace merlin::store
