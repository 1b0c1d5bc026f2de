#include "store/message_store.h"

#include <algorithm>

#include "merlin/base/log.h"
#include "store/log/log_reader.h"
#include "store/store_impl.h"

namespace merlin::store {

std::string_view text(GetStatus status) {
  switch (status) {
    case GetStatus::found:
      return "FOUND";
    case GetStatus::no_matched_message:
      return "NO_MATCHED_MESSAGE";
    case GetStatus::message_was_removing:
      return "MESSAGE_WAS_REMOVING";
    case GetStatus::offset_found_null:
      return "OFFSET_FOUND_NULL";
    case GetStatus::offset_overflow_badly:
      return "OFFSET_OVERFLOW_BADLY";
    case GetStatus::offset_overflow_one:
      return "OFFSET_OVERFLOW_ONE";
    case GetStatus::offset_too_small:
      return "OFFSET_TOO_SMALL";
    case GetStatus::no_matched_logic_queue:
      return "NO_MATCHED_LOGIC_QUEUE";
    case GetStatus::no_message_in_queue:
      return "NO_MESSAGE_IN_QUEUE";
    case GetStatus::offset_reset:
      return "OFFSET_RESET";
    case GetStatus::damaged:
      return "MESSAGE_DAMAGED";
  }
  return "UNKNOWN";
}

std::string_view queue_topic(const ConsumeQueue* queue) {
  return queue->topic();
}
bool is_batch_queue(const ConsumeQueue* queue) {
  return queue->is_batch();
}
int32_t queue_id(const ConsumeQueue* queue) {
  return queue->id();
}

MessageStore::MessageStore(StoreOptions options, FileSystem& files, const Clock& clock,
                           std::function<void(const Error&)> fail_stop)
    : impl_(std::make_unique<Impl>(std::move(options), files, clock, std::move(fail_stop))) {}

// Without close() this is a crash: nothing more is written.
MessageStore::~MessageStore() {
  impl_->abandon();
}

void MessageStore::set_listener(ArrivalListener* listener) {
  impl_->listener = listener;
}
Status MessageStore::open() {
  return impl_->open();
}
void MessageStore::close() {
  impl_->close();
}

ConsumeQueue* MessageStore::queue(std::string_view topic, int32_t queue_id, bool batch) {
  return impl_->queues.get(topic, queue_id, batch ? QueueKind::batch : QueueKind::plain);
}

Result<ConsumeQueue*> MessageStore::light_queue(std::string_view name) {
  return impl_->light_queue(name);
}

void MessageStore::set_light_queues_max(int64_t max) {
  impl_->light_queues_max.store(max, std::memory_order_relaxed);
}

Status MessageStore::light_queues(std::string_view names, std::string_view own_topic, int32_t own_queue_id,
                                  LightQueues& out) {
  return impl_->light_queues(names, own_topic, own_queue_id, out);
}

ConsumeQueue* MessageStore::find_queue(std::string_view topic, int32_t queue_id) const {
  return impl_->queues.find(topic, queue_id);
}

std::vector<QueueName> MessageStore::queues() const {
  std::vector<QueueName> names;
  for (const ConsumeQueue* queue : impl_->queues.all()) names.push_back({queue->topic(), queue->id()});
  return names;
}

Status MessageStore::delete_topic(std::string_view topic) {
  return impl_->delete_topic(topic);
}

int64_t MessageStore::append(std::span<AppendItem> items, Buffer& scratch) {
  if (impl_->index_feed) IndexFeed::prepare(items);
  const int64_t end = impl_->log.append(items, scratch);
  if (impl_->options.sync_flush) {
    impl_->flusher.notify();
  } else {
    impl_->dispatcher.pump();
    if (impl_->follower) impl_->follower->wake();
  }
  return end;
}

void MessageStore::wait_durable(int64_t end_offset, int32_t timeout_ms, std::function<void(DurableCode)> done) {
  impl_->flusher.wait(end_offset, timeout_ms, std::move(done));
}

bool MessageStore::sync_flush() const {
  return impl_->options.sync_flush;
}

bool MessageStore::writable(std::string& why) const {
  if (impl_->flusher.failed()) {
    why = "the commit log has stopped after a failed fdatasync";
    return false;
  }
  if (impl_->log.closed()) {
    why = "the store is closing";
    return false;
  }
  if (!impl_->log.disk_full()) return true;
  why = impl_->log_keeper.refusal();
  if (why.empty()) {
    impl_->log_keeper.look_at_space();
    why = impl_->log_keeper.refusal();
  }
  if (why.empty()) why = "disk full: " + impl_->options.commit_log_dir + " took no more bytes a moment ago";
  return false;
}

void MessageStore::get(const ConsumeQueue* queue, int64_t offset, const GetLimits& limits, const MessageFilter* filter,
                       GetResult& out, ReadMode mode) const {
  out.bytes.clear();
  out.cold = false;
  out.read_failed = false;
  out.error.clear();
  out.message_count = 0;
  out.behind_memory = false;
  out.min_offset = 0;
  out.max_offset = 0;
  out.next_begin_offset = 0;
  out.status = GetStatus::no_matched_logic_queue;
  if (queue != nullptr) impl_->get(*queue, offset, limits, filter, out, mode);
}

int64_t MessageStore::min_offset(const ConsumeQueue* queue) const {
  return queue == nullptr ? 0 : queue->min_offset();
}
int64_t MessageStore::max_offset(const ConsumeQueue* queue) const {
  return queue == nullptr ? 0 : queue->max_offset();
}

int64_t MessageStore::offset_by_time(const ConsumeQueue* queue, int64_t timestamp_ms, Boundary boundary) const {
  return queue == nullptr ? 0 : impl_->offset_by_time(*queue, timestamp_ms, boundary);
}

int64_t MessageStore::store_timestamp(const ConsumeQueue* queue, int64_t offset) const {
  return queue == nullptr ? -1 : impl_->store_timestamp(*queue, offset);
}

std::vector<QueueEntry> MessageStore::entries(const ConsumeQueue* queue, int64_t offset, int32_t count) const {
  std::vector<QueueEntry> out;
  if (queue == nullptr || offset < 0 || count <= 0) return out;
  const int64_t end = offset + count;
  std::array<QueueUnit, 256> units;
  std::array<BatchUnit, 256> batches;
  while (offset < end) {
    const size_t wanted = std::min<size_t>(units.size(), static_cast<size_t>(end - offset));
    if (queue->is_batch()) {
      const size_t found = queue->read_batches(offset, {batches.data(), wanted});
      for (size_t i = 0; i < found && batches[i].base < end; ++i) {
        const QueueUnit& unit = batches[i].unit;
        out.push_back({batches[i].base, unit.physical_offset, unit.size, unit.tags_code});
      }
      if (found == 0) break;
      offset = std::max(offset + 1, batches[found - 1].end());
    } else {
      const size_t found = queue->read(offset, {units.data(), wanted});
      for (size_t i = 0; i < found; ++i) {
        out.push_back({offset + static_cast<int64_t>(i), units[i].physical_offset, units[i].size, units[i].tags_code});
      }
      if (found == 0) break;
      offset += static_cast<int64_t>(found);
    }
  }
  return out;
}

bool MessageStore::is_in_memory(const ConsumeQueue* queue, int64_t offset) const {
  QueueUnit unit;
  if (queue == nullptr || queue->read(offset, {&unit, 1}) == 0) return false;
  const int64_t end = impl_->log.end();
  return unit.physical_offset >= impl_->log.begin() && unit.physical_offset < end &&
         impl_->hot(unit.physical_offset, end);
}

Status MessageStore::record_at(int64_t physical_offset, LogBytes& out) const {
  return impl_->record_at(physical_offset, out);
}

bool MessageStore::newest_record(int64_t physical_offset, int32_t size, LogBytes& out) const {
  const int64_t end = impl_->log.end();
  if (size <= 0 || physical_offset < std::max<int64_t>(0, end - impl_->options.mapped_tail_bytes) ||
      size > end - physical_offset) {
    return false;
  }
  const auto segment = impl_->log.segments().find(physical_offset);
  if (segment == nullptr || physical_offset + size > segment->end()) return false;
  const auto mapping = segment->mapping();
  if (!mapping) return false;
  add_record(out, {(*mapping)->data() + (physical_offset - segment->start()), static_cast<size_t>(size)}, *mapping);
  return true;
}

Status MessageStore::query(std::string_view topic, std::string_view key, KeyKind kind, int32_t count_max,
                           int64_t begin_ms, int64_t end_ms, LogBytes& out, int64_t& index_last_timestamp_ms,
                           int64_t& index_last_physical_offset) const {
  index_last_timestamp_ms = 0;
  index_last_physical_offset = 0;
  if (impl_->index == nullptr) return {};
  const std::string name = kind == KeyKind::tag ? indexed_tag(key) : std::string(key);
  auto found = impl_->index->query(topic, name, count_max, begin_ms, end_ms);
  if (!found) return found.error();
  if (found->physical_offsets.empty()) return {};
  std::sort(found->physical_offsets.begin(), found->physical_offsets.end());
  index_last_timestamp_ms = found->last_update_timestamp_ms;
  index_last_physical_offset = found->last_update_physical_offset;
  // Retention may be ahead of the index: such entries are passed over. Damage is told only where nothing else was
  // found.
  Status damaged;
  for (const int64_t offset : found->physical_offsets) {
    if (Status s = impl_->record_at(offset, out); !s && s.error().code == Errc::corrupt) damaged = s;
  }
  return out.bytes > 0 ? Status() : damaged;
}

void MessageStore::set_cleaning(const CleaningLimits& limits) {
  impl_->set_cleaning(limits);
}

void MessageStore::drop_expired_units_soon() {
  impl_->drop_units_wanted.store(true, std::memory_order_release);
}

void MessageStore::delete_expired_soon() {
  impl_->retention.expire_soon();
}

StoreStats MessageStore::stats() const {
  const CommitLog& log = impl_->log;
  StoreStats s;
  s.min_physical_offset = log.begin();
  s.max_physical_offset = log.end();
  s.durable_offset = impl_->flusher.durable();
  s.dispatched_offset = impl_->dispatcher.position();
  s.indexed_offset = impl_->follower ? impl_->follower->position() : 0;
  s.boot_ms = impl_->boot_ms;
  s.damaged_ranges = impl_->damage.count();
  s.damaged_bytes = impl_->damage.bytes();
  if (s.max_physical_offset > s.min_physical_offset) {
    const auto rest = std::min<int64_t>(s.max_physical_offset - s.min_physical_offset, INT32_MAX);
    s.earliest_store_timestamp_ms =
        peek_store_timestamp(log.segments(), s.min_physical_offset, static_cast<int32_t>(rest), s.max_physical_offset);
  }
  if (const auto space = impl_->files.space(impl_->options.commit_log_dir); space && space->total_bytes > 0) {
    s.commit_log_disk_ratio = 1.0 - static_cast<double>(space->free_bytes) / static_cast<double>(space->total_bytes);
  }
  return s;
}

}  // namespace merlin::store
