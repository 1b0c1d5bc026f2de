// Requests for queues of static topics: which physical queue is meant, and how its offsets read in the logical one.
//
// Threads: any. Where no static topic exists a request costs one relaxed load.
// Fails:   a queue that is not led by this broker is answered 501 NOT_LEADER_FOR_QUEUE, in Apache's words; so is one
// that has moved between brokers, which this build cannot follow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "meta/topic_queue_mapping.h"
#include "rpc/request.h"

namespace merlin::door {

// The one item of a logical queue, as numbers. Not mapped: an ordinary queue, whose offsets pass unchanged.
struct StaticQueue {
  bool is_mapped = false;
  int32_t global_id = 0;
  int32_t queue_id = 0;
  int64_t logic_offset = 0;
  int64_t start_offset = 0;
  int64_t end_offset = -1;

  int64_t delta() const { return logic_offset - start_offset; }
  // Offsets come from clients: wrap, never overflow.
  int64_t to_physical(int64_t logic) const { return moved(logic, -delta()); }
  int64_t to_logic(int64_t physical) const {
    return is_mapped ? moved(std::max(physical, start_offset), delta()) : physical;
  }
  // As to_logic(), but not past a decided end: what a send is told, and the lowest offset.
  int64_t to_logic_within(int64_t physical) const {
    return to_logic(end_offset >= start_offset ? std::min(physical, end_offset) : physical);
  }

 private:
  static int64_t moved(int64_t offset, int64_t by) {
    return static_cast<int64_t>(static_cast<uint64_t>(offset) + static_cast<uint64_t>(by));
  }
};

class StaticQueues {
 public:
  explicit StaticQueues(const meta::QueueMappingTable& mappings) : mappings_(mappings) {}

  // For a queue of a static topic: `queue_id` becomes the physical one and `out` how to translate. False: the request
  // has been answered. A sender may leave the queue open (-1); it gets one of the hosted queues.
  bool resolve(rpc::Request& request, std::string_view topic, int32_t& queue_id, StaticQueue& out) const {
    return !mappings_.any() || resolve_mapped(request, topic, queue_id, out);
  }
  bool is_static(std::string_view topic) const { return mappings_.find(topic) != nullptr; }

 private:
  bool resolve_mapped(rpc::Request& request, std::string_view topic, int32_t& queue_id, StaticQueue& out) const;

  const meta::QueueMappingTable& mappings_;
};

// The request's field "lo" (logical): absent, or what it says.
enum class Logical : uint8_t { unsaid, yes, no };
Logical logical_of(const wire::CommandView& command);

}  // namespace merlin::door
