// Queue units whose records are damaged: their offsets stay, so that no later message gets them.
#include <algorithm>

#include "merlin/base/log.h"
#include "store/dispatch/inner_batch.h"
#include "store/dispatch/light_places.h"
#include "store/store_impl.h"

namespace merlin::store {

// No record is shorter, and no message in a record of several.
static int64_t message_bytes_least(bool batch) {
  return batch ? 22 : 88;
}

// Looks at what the queue files say about records at or behind `from` before they are cut there.
std::vector<MessageStore::Impl::LostUnits> MessageStore::Impl::lost_units(int64_t from) {
  std::vector<LostUnits> lost;
  if (damage.empty()) return lost;
  if (!queues.loaded_max_physical()) return lost;
  for (ConsumeQueue* queue : queues.all()) {
    LostUnits found{queue, 0, 0};
    QueueUnit unit;
    for (int64_t at = queue->max_offset() - 1; at >= queue->min_offset(); --at) {
      if (queue->read(at, {&unit, 1}) == 0 || unit.physical_offset < from) break;
      if (found.end == 0 && damage.find(unit.physical_offset)) found = {queue, at + 1, unit.physical_offset};
    }
    if (found.end > 0) lost.push_back(found);
  }
  return lost;
}

Status MessageStore::Impl::put_lost_units(const std::vector<LostUnits>& lost) {
  for (const LostUnits& units : lost) {
    const auto range = damage.find(units.physical_offset);
    if (!range) continue;
    if (Status s = put_damaged_units(*units.queue, units.end, *range); !s) return s;
  }
  return {};
}

// A record behind damage may come after offsets whose records were lost in it; also after the first ones of a topic
// that was deleted and made again.
Status MessageStore::Impl::put_units_of_damage(const message::RecordView& record) {
  if (damage.empty() || !enters_queue(record.sys_flag) || !QueueIndex::is_topic_name(record.topic)) return {};
  if (Status s = put_units_of_damage(record.topic, record.queue_id, kind_of_queue(record), record.queue_offset,
                                     record.physical_offset);
      !s) {
    return s;
  }
  std::vector<LightPlace> places;
  find_light_places(record, places);
  for (const LightPlace& place : places) {
    if (Status s = put_units_of_damage(place.name, light_queue_id, QueueKind::as_it_is, place.queue_offset,
                                       record.physical_offset);
        !s) {
      return s;
    }
  }
  return {};
}

Status MessageStore::Impl::put_units_of_damage(std::string_view topic, int32_t queue_id, QueueKind kind,
                                               int64_t queue_offset, int64_t physical_offset) {
  ConsumeQueue* queue = queues.find(topic, queue_id);
  const int64_t known_to = queue == nullptr ? 0 : queue->max_physical();
  const int64_t max = queue == nullptr ? 0 : queue->max_offset();
  if (queue_offset == max) return {};
  // What an empty queue had before may have expired long ago.
  if (max == 0 && log.begin() > 0) return {};
  for (const DamagedRange& range : damage.all()) {
    if (range.begin >= physical_offset) break;
    if (range.end <= known_to) continue;
    if (queue_offset < max) {
      if (queue_offset > (range.end - range.begin) / message_bytes_least(queue->is_batch())) return {};
      log_warn("store", "queue {}-{}: offset {} comes again: the topic was made anew", queue->topic(), queue->id(),
               queue_offset);
      if (Status s = queue->reset(); !s) return s;
    }
    return put_damaged_units(*queues.get(topic, queue_id, kind), queue_offset, range);
  }
  return {};
}

Status MessageStore::Impl::put_damaged_units(ConsumeQueue& queue, int64_t end, const DamagedRange& range) {
  const int64_t count = end - queue.max_offset();
  if (count <= 0) return {};
  // More than the range ever held: another trouble, for which dispatch has its own ways.
  if (count > (range.end - range.begin) / message_bytes_least(queue.is_batch())) return {};
  log_error("store", "queue {}-{}: offsets {} to {} are lost: {}", queue.topic(), queue.id(), queue.max_offset(),
            end - 1, text(range));
  QueueUnit unit = damaged_unit(range.begin);
  while (queue.max_offset() < end) {
    const int64_t at = queue.max_offset();
    if (queue.is_batch()) unit.count = static_cast<int32_t>(std::min<int64_t>(end - at, inner_batch_messages_max));
    auto put = queue.put(at, unit, 0);
    if (!put) return put.error();
    if (queue.max_offset() == at) return Error{Errc::corrupt, "queue " + queue.topic() + ": a unit cannot be put"};
  }
  return {};
}

}  // namespace merlin::store
