#include "store/queue/queue_index.h"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <tuple>

#include "merlin/message/names.h"
#include "store/message_store.h"

namespace merlin::store {

// The pair min_ and min_physical_ changes seldom; one mutex for all queues keeps it whole.
static std::mutex min_mutex;

void ConsumeQueue::set_min(int64_t offset, int64_t physical_offset) {
  const std::lock_guard lock(min_mutex);
  ++min_changes_;
  min_physical_.store(-1, std::memory_order_release);
  min_.store(offset, std::memory_order_release);
  min_physical_.store(physical_offset, std::memory_order_release);
}

std::pair<int64_t, int64_t> ConsumeQueue::known_min() const {
  const std::lock_guard lock(min_mutex);
  return {min_.load(std::memory_order_relaxed), min_physical_.load(std::memory_order_relaxed)};
}

int64_t ConsumeQueue::find_min() const {
  const uint16_t changes = [&] {
    const std::lock_guard lock(min_mutex);
    return min_changes_;
  }();
  const int64_t begin = topic_.log_begin->load(std::memory_order_acquire);
  const int64_t max = max_offset();
  if (max_physical() <= begin) return max;  // every record is gone
  int64_t min_physical = -1;
  // A unit that cannot be read now is not gone: whoever asks for it shall hear of the trouble. But a database drops
  // those whose records are gone when it likes, also while we look.
  const auto gone = [&](int64_t offset) {
    QueueUnit unit;
    min_physical = -1;
    if (read(offset, {&unit, 1}) == 0) return first_offset_from(offset) > offset;
    if (unit.blank() || unit.physical_offset < begin) return true;
    min_physical = unit.physical_offset;
    return false;
  };
  int64_t low = std::max(first_offset(), int64_t{0});
  int64_t high = max;
  while (low < high) {
    const int64_t mid = low + (high - low) / 2;
    if (gone(mid)) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  if (low < max && !gone(low) && min_physical >= 0) {
    const std::lock_guard lock(min_mutex);
    // Readers look at min_physical_ first: together with a min_ that is newer it only makes them look again.
    if (changes == min_changes_ && min_physical > min_physical_.load(std::memory_order_relaxed)) {
      min_.store(low, std::memory_order_release);
      min_physical_.store(min_physical, std::memory_order_release);
    }
  }
  return low;
}

bool QueueIndex::is_topic_name(std::string_view topic) {
  return !topic.empty() && topic != "." && topic != ".." &&
         topic.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

static auto place_of(const QueueTopic& topic, int32_t queue_id) {
  return std::lower_bound(topic.queues.begin(), topic.queues.end(), queue_id,
                          [](const auto& queue, int32_t id) { return queue->id() < id; });
}

ConsumeQueue* QueueIndex::find(std::string_view topic, int32_t queue_id) const {
  const std::shared_lock lock(mutex_);
  const auto t = topics_.find(topic);
  if (t == topics_.end()) return nullptr;
  const auto q = place_of(*t->second, queue_id);
  return q == t->second->queues.end() || (*q)->id() != queue_id || (*q)->hidden_ ? nullptr : q->get();
}

QueueTopic& QueueIndex::topic_entry(std::string_view topic) {
  const auto t = topics_.find(topic);
  if (t != topics_.end()) return *t->second;
  auto entry = std::make_unique<QueueTopic>();
  entry->name = topic;
  entry->log_begin = &log_begin_;
  const std::string_view key = entry->name;
  return *topics_.emplace(key, std::move(entry)).first->second;
}

int64_t QueueIndex::dead_below(std::string_view topic) const {
  if (!any_dead_.load(std::memory_order_acquire)) return 0;
  const std::shared_lock lock(mutex_);
  const auto t = topics_.find(topic);
  return t == topics_.end() ? 0 : t->second->dead_below;
}

void QueueIndex::set_dead_below(std::string_view topic, int64_t physical_offset) {
  const std::unique_lock lock(mutex_);
  topic_entry(topic).dead_below = physical_offset;
  any_dead_.store(true, std::memory_order_release);
}

std::vector<std::pair<std::string, int64_t>> QueueIndex::dead_topics() const {
  std::vector<std::pair<std::string, int64_t>> out;
  const std::shared_lock lock(mutex_);
  for (const auto& [name, topic] : topics_) {
    if (topic->dead_below >= 0) out.emplace_back(topic->name, topic->dead_below);
  }
  return out;
}

void QueueIndex::bury_below(int64_t log_end) {
  const std::unique_lock lock(mutex_);
  for (auto& [name, topic] : topics_) topic->dead_below = std::min(topic->dead_below, log_end);
}

size_t ConsumeQueue::put_run(std::span<const Arrival>) {
  return 0;
}

size_t ConsumeQueue::read_batches(int64_t, std::span<BatchUnit>) const {
  return 0;
}

int64_t ConsumeQueue::base_by_time(int64_t, bool) const {
  return -1;
}

int64_t ConsumeQueue::base_of(int64_t offset) const {
  BatchUnit batch;
  return read_batches(offset, {&batch, 1}) == 0 ? offset : batch.base;
}

// Queues of the other kind go out of the table when nothing is in them.
void QueueIndex::make_kind(QueueTopic& topic, bool batch) {
  const auto free = [](const auto& queue) { return queue->hidden_ || queue->untouched(); };
  if (topic.batch == batch || !std::all_of(topic.queues.begin(), topic.queues.end(), free)) return;
  topic.batch = batch;
  std::move(topic.queues.begin(), topic.queues.end(), std::back_inserter(topic.retired));
  topic.queues.clear();
}

void QueueIndex::note_batch(std::string_view topic) {
  const std::unique_lock lock(mutex_);
  topic_entry(topic).noted_batch = true;
}

Result<bool> QueueIndex::retype() {
  const std::unique_lock lock(mutex_);
  bool any = false;
  for (auto& [name, topic] : topics_) {
    if (!std::exchange(topic->noted_batch, false)) continue;
    any = true;
    for (const auto& queue : topic->queues) {
      if (Status s = queue->reset(); !s) return s.error();
    }
    make_kind(*topic, true);
  }
  return any;
}

ConsumeQueue* QueueIndex::get(std::string_view topic, int32_t queue_id, QueueKind kind) {
  const bool batch = kind == QueueKind::batch && has_batch_queues();
  ConsumeQueue* const found = find(topic, queue_id);
  if (found != nullptr && (kind == QueueKind::as_it_is || found->is_batch() == batch)) return found;
  const std::unique_lock lock(mutex_);
  if (kind != QueueKind::as_it_is) make_kind(topic_entry(topic), batch);
  return get_locked(topic, queue_id);
}

// REQUIRES: mutex_ held for writing.
ConsumeQueue* QueueIndex::get_locked(std::string_view topic, int32_t queue_id) {
  QueueTopic& entry = topic_entry(topic);
  auto q = place_of(entry, queue_id);
  const bool is_new = q == entry.queues.end() || (*q)->id() != queue_id;
  if (is_new) q = entry.queues.insert(q, make(entry, queue_id));
  if (message::is_lmq(topic) && (is_new || (*q)->hidden_)) count_light(1, is_new ? 0 : -1);
  (*q)->hidden_ = false;
  return q->get();
}

ConsumeQueue* QueueIndex::get_light(std::string_view name, int64_t max) {
  if (ConsumeQueue* queue = find(name, light_queue_id)) return queue;
  const std::unique_lock lock(mutex_);
  const auto t = topics_.find(name);
  const bool is_there = t != topics_.end() && std::any_of(t->second->queues.begin(), t->second->queues.end(),
                                                          [](const auto& queue) { return !queue->hidden_; });
  if (!is_there && light_count() >= max) return nullptr;
  return get_locked(name, light_queue_id);
}

// REQUIRES: mutex_ held for writing.
void QueueIndex::count_light(int64_t more_shown, int64_t more_hidden) {
  light_shown_ += more_shown;
  light_hidden_ += more_hidden;
  light_count_.store(light_shown_ + std::max(light_hidden_ - light_deleted_free, int64_t{0}),
                     std::memory_order_relaxed);
}

bool QueueIndex::knows(std::string_view topic) const {
  const std::shared_lock lock(mutex_);
  return topics_.contains(topic);
}

std::vector<ConsumeQueue*> QueueIndex::all() const {
  std::vector<ConsumeQueue*> out;
  const std::shared_lock lock(mutex_);
  for (const auto& [name, topic] : topics_) {
    for (const auto& queue : topic->queues) {
      if (!queue->hidden_) out.push_back(queue.get());
    }
  }
  return out;
}

std::vector<ConsumeQueue*> QueueIndex::of_topic(std::string_view topic) const {
  std::vector<ConsumeQueue*> out;
  const std::shared_lock lock(mutex_);
  const auto t = topics_.find(topic);
  if (t == topics_.end()) return out;
  for (const auto& queue : t->second->queues) {
    if (!queue->hidden_) out.push_back(queue.get());
  }
  return out;
}

void QueueIndex::expect_topics(size_t count) {
  const std::unique_lock lock(mutex_);
  topics_.reserve(count);
}

void QueueIndex::hide(std::string_view topic) {
  const std::unique_lock lock(mutex_);
  const auto t = topics_.find(topic);
  if (t == topics_.end()) return;
  for (const auto& queue : t->second->queues) {
    if (message::is_lmq(topic) && !queue->hidden_) count_light(-1, 1);
    queue->hidden_ = true;
  }
  make_kind(*t->second, false);
}

Status QueueIndex::reset_all() {
  for (ConsumeQueue* queue : all()) {
    if (Status s = queue->reset(); !s) return s;
  }
  return {};
}

void QueueIndex::take_floors(const QueueIndex& from) {
  for (const ConsumeQueue* queue : from.all()) {
    if (queue->max_offset() == 0) continue;
    floors_.push_back({queue->topic(), queue->id(), queue->max_offset(), queue->max_physical()});
  }
}

void QueueIndex::take_rows(const std::vector<FloorRow>& rows) {
  for (const FloorRow& row : rows) {
    if (!is_topic_name(row.topic)) continue;
    if (row.queue_id == FloorRow::deleted_topic) {
      set_dead_below(row.topic, std::max(row.offset, dead_below(row.topic)));
    } else {
      floors_.push_back(row);
    }
  }
}

std::vector<FloorRow> QueueIndex::floor_rows() const {
  std::vector<FloorRow> rows;
  for (const auto& [topic, below] : dead_topics()) rows.push_back({topic, FloorRow::deleted_topic, below, -1});
  rows.insert(rows.end(), floors_.begin(), floors_.end());
  return rows;
}

Status QueueIndex::opened(int64_t log_begin, const std::atomic<int64_t>&) {
  set_log_begin(log_begin);
  for (const auto& [topic, below] : dead_topics()) {
    if (below > log_begin) lasting_.push_back({topic, FloorRow::deleted_topic, below, -1});
  }
  // Of several floors of a queue the highest counts.
  std::sort(floors_.begin(), floors_.end(), [](const FloorRow& a, const FloorRow& b) {
    return std::tie(a.topic, a.queue_id, b.offset) < std::tie(b.topic, b.queue_id, a.offset);
  });
  const auto same = [](const FloorRow& a, const FloorRow& b) { return a.topic == b.topic && a.queue_id == b.queue_id; };
  floors_.erase(std::unique(floors_.begin(), floors_.end(), same), floors_.end());
  for (const FloorRow& floor : floors_) {
    // What had a record in the log has found it again, or the log has lost it.
    if (floor.max_physical > log_begin || floor.queue_id < 0 || !is_topic_name(floor.topic)) continue;
    ConsumeQueue* queue = get(floor.topic, floor.queue_id);
    if (queue->max_physical() <= log_begin) lasting_.push_back(floor);
    if (queue->max_offset() > 0) continue;
    queue->set_min(floor.offset, -1);
    queue->max_.store(floor.offset, std::memory_order_release);
    floored_.push_back(queue);
  }
  floors_ = {};
  const std::shared_lock lock(mutex_);
  for (const auto& [name, topic] : topics_) {
    for (const auto& queue : topic->queues) queue->next_offset = queue->max_offset();
  }
  return {};
}

Status QueueIndex::stopped_clean(const Progress&) {
  return {};
}

Status QueueIndex::retain(int64_t log_begin) {
  set_log_begin(log_begin);
  return {};
}

}  // namespace merlin::store
