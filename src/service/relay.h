// Requests from the broker to one client, or to all of a group, and their answers.
//
// Owns:    nothing; what waits for an answer waits in the door's channel, which has the limit of calls.
// Threads: any. `done` runs once, maybe on another thread, maybe before the call returns.
// Limits:  the timeouts below; status_bytes_max for the answers of a whole group.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "service/client_channel.h"
#include "service/clients.h"
#include "service/outcome.h"

namespace merlin::service {

class Relay {
 public:
  static constexpr int64_t ask_timeout_ms = 10'000;
  static constexpr int64_t status_timeout_ms = 5'000;
  static constexpr size_t status_bytes_max = size_t{8} << 20;
  // As Apache numbers its versions.
  static constexpr int32_t move_version_min = 28;  // V3_0_7_SNAPSHOT
  static constexpr int32_t ask_version_min = 62;   // V3_1_8_SNAPSHOT

  using VersionText = std::string (*)(int version);  // the protocol's names of versions
  Relay(Clients& clients, VersionText version_text) : clients_(clients), version_text_(version_text) {}

  using Answered = std::function<void(const Refusal& refusal, ClientAnswer answer)>;
  // One client of a group. What it answers, whatever its code, is the answer.
  void ask(std::string_view group, std::string_view client_id, ClientQuestion question, Answered done) const;

  // By client id what each client answered to ClientVerb::consume_status. Those that do not answer are left out.
  using Statuses = std::map<std::string, ClientAnswer>;
  using StatusesKnown = std::function<void(const Refusal& refusal, Statuses statuses)>;
  // `client_id` empty: all clients of the group.
  void consume_status(std::string_view group, std::string_view topic, std::string_view client_id,
                      StatusesKnown done) const;

  // Tells all clients of move.group to go on elsewhere. One-way: nobody waits for them.
  Refusal move_offsets(const OffsetMove& move) const;

 private:
  Clients& clients_;
  const VersionText version_text_;
};

}  // namespace merlin::service
