// Messages to light queues (LMQ), and those that enter some beside their own queue.
#include <spdlog/fmt/fmt.h>

#include "service/produce.h"

namespace merlin::service {

// In Apache's words where it has some; its own broker never counts.
Refusal Produce::refuse_light(const Error& error) const {
  if (error.code != Errc::no_space) return {Outcome::message_illegal, error.message};
  return {Outcome::system_error, fmt::format("[LMQ_CONSUME_QUEUE_NUM_EXCEEDED]{}", error.message)};
}

// Such topics stand in no table; clients choose their names.
Refusal Produce::find_light_topic(const SendRequest& request, ProduceBurst& burst) {
  if (Refusal r = check_names(request); !r.ok()) return r;
  auto queue = store_.light_queue(request.topic);
  if (!queue) return refuse_light(queue.error());
  if (!burst.light_topic.config || burst.light_topic.config->name != request.topic) {
    burst.light_topic.config = topics_.find(request.topic);
  }
  burst.light_topic.queues = {*queue};
  return {};
}

Refusal Produce::enter_light_queues(std::string_view names, std::string_view topic, int32_t queue_id,
                                    ProduceBurst& burst, store::LightQueues*& out) {
  if (burst.light_used == burst.light.size()) burst.light.emplace_back();
  store::LightQueues& light = burst.light[burst.light_used];
  if (Status s = store_.light_queues(names, topic, queue_id, light); !s) return refuse_light(s.error());
  if (light.late_bytes_max == 0) return {};
  ++burst.light_used;
  out = &light;
  return {};
}

}  // namespace merlin::service
