// Light queues (LMQ) by the names that clients give them.
#include <algorithm>
#include <unordered_map>

#include "merlin/message/names.h"
#include "store/dispatch/light_places.h"
#include "store/store_impl.h"

namespace merlin::store {

static Status check_name(std::string_view name) {
  if (is_light_queue_name(name)) return {};
  return Error{Errc::invalid, "the light queue " + std::string(name.substr(0, light_name_bytes_max)) +
                                  ": a name begins with %LMQ%, has at most " + std::to_string(light_name_bytes_max) +
                                  " bytes, and no '/'"};
}

static Error too_many(std::string_view name, int64_t count, int64_t max) {
  return Error{Errc::no_space, "no queue is made for " + std::string(name) + ": there are " + std::to_string(count) +
                                   " light queues, maxLmqConsumeQueueNum=" + std::to_string(max)};
}

Result<ConsumeQueue*> MessageStore::Impl::light_queue(std::string_view name) {
  if (Status s = check_name(name); !s) return s.error();
  const int64_t max = light_queues_max.load(std::memory_order_relaxed);
  if (ConsumeQueue* queue = queues.get_light(name, max)) return queue;
  return too_many(name, queues.light_count(), max);
}

Status MessageStore::Impl::light_queues(std::string_view names, std::string_view own_topic, int32_t own_queue_id,
                                        LightQueues& out) {
  out.clear();
  if (!may_enter_light_queues(own_topic)) return {};
  const int64_t max = light_queues_max.load(std::memory_order_relaxed);
  // First every name is looked at, then queues are made.
  std::unordered_map<std::string_view, int32_t> places;
  std::vector<std::string_view> distinct;
  int64_t missing = 0;
  std::string_view first_missing;
  for (std::string_view rest = trim_list(names); !rest.empty();) {
    const std::string_view name = take_list_item(rest);
    if (!message::is_lmq(name)) {
      out.names.push_back(LightQueues::no_queue);
      continue;
    }
    if (name == own_topic && own_queue_id == light_queue_id) {
      out.names.push_back(LightQueues::own_queue);
      continue;
    }
    const auto [place, is_new] = places.emplace(name, static_cast<int32_t>(distinct.size()));
    out.names.push_back(place->second);
    if (!is_new) continue;
    if (Status s = check_name(name); !s) return s;
    distinct.push_back(name);
    if (queues.find(name, light_queue_id) != nullptr) continue;
    if (missing++ == 0) first_missing = name;
  }
  const int64_t count = queues.light_count();
  if (missing > 0 && count + missing > max) return too_many(first_missing, count, max);
  for (const std::string_view name : distinct) {
    ConsumeQueue* queue = queues.get_light(name, max);
    if (queue == nullptr) return too_many(name, queues.light_count(), max);
    out.queues.push_back(queue);
  }
  const bool enters_any =
      std::any_of(out.names.begin(), out.names.end(), [](int32_t which) { return which != LightQueues::no_queue; });
  if (!enters_any) return {};
  out.offsets.resize(out.queues.size());
  out.late_bytes_max = light_places_bytes_max(out);
  return {};
}

}  // namespace merlin::store
