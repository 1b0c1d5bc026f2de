// The broker's whole table of request codes, joined at compile time from the families, and the codes that are answered
// "not supported" on purpose. A new family is added here and in app/broker.cpp.
#pragma once

#include <array>
#include <cstdint>

#include "door/remoting/broker_admin.h"
#include "door/remoting/clients.h"
#include "door/remoting/offsets.h"
#include "door/remoting/produce.h"
#include "door/remoting/pull.h"
#include "door/remoting/queries.h"
#include "door/remoting/relay.h"
#include "door/remoting/reply.h"
#include "door/remoting/retry.h"
#include "door/remoting/static_topics.h"
#include "door/remoting/stats.h"
#include "door/remoting/topics.h"

namespace merlin::door {

namespace detail {

template <class... Families>
constexpr auto codes_of() {
  constexpr size_t total = (std::size(Families::rows) + ...);
  std::array<int32_t, total> out{};
  size_t i = 0;
  (
      [&] {
        for (const auto& row : Families::rows) out[i++] = row.code;
      }(),
      ...);
  return out;
}

template <size_t N>
constexpr bool all_different(const std::array<int32_t, N>& codes) {
  for (size_t i = 0; i < N; ++i) {
    for (size_t j = i + 1; j < N; ++j) {
      if (codes[i] == codes[j]) return false;
    }
  }
  return true;
}

}  // namespace detail

inline constexpr auto implemented_codes =
    detail::codes_of<ProduceDoor, PullDoor, ClientsDoor, OffsetsDoor, TopicsDoor, StaticTopicsDoor, QueriesDoor,
                     BrokerAdminDoor, RelayDoor, StatsDoor, ReplyDoor, RetryDoor>();
static_assert(detail::all_different(implemented_codes), "two families claim one request code");

// Known to RocketMQ's broker, answered 3 REQUEST_CODE_NOT_SUPPORTED by this build, each with the feature it waits for.
struct NotSupported {
  int32_t code;
  const char* waits_for;
};

inline constexpr NotSupported not_supported_codes[] = {
    {37, "transactions"},
    {50, "pop, and told apart from the old ACL code by its fields"},
    {51, "ack, as above"},
    {52, "ACL of 4.4 to 5.2, which 5.3 dropped"},
    {53, "ACL of 4.4 to 5.2, which 5.3 dropped"},
    {60, "timers"},
    {61, "timers"},
    {323, "transactions"},
    {354, "the RocksDB queue index"},
    {355, "the RocksDB queue index"},
    {370, "timers"},
    {400, "pop"},
    {401, "pop"},
    {402, "pop"},
    {905, "replication"},
    {906, "replication"},
    {907, "replication"},
    {908, "replication"},
    {1007, "the controller mode"},
    {1008, "the controller mode"},
    {2001, "cold-data flow control"},
    {2002, "cold-data flow control"},
    {2003, "cold-data flow control"},
    {2004, "cold-data flow control"},
    {3001, "users and ACL"},
    {3002, "users and ACL"},
    {3003, "users and ACL"},
    {3004, "users and ACL"},
    {3005, "users and ACL"},
    {3006, "users and ACL"},
    {3007, "users and ACL"},
    {3008, "users and ACL"},
    {3009, "users and ACL"},
    {3010, "users and ACL"},
    {5001, "timers"},
    {200050, "pop"},
    {200051, "pop"},
    {200052, "pop"},
    {200053, "pop"},
    {200054, "pop"},
    {200055, "pop"},
    {200056, "pop"},
    {200070, "lite topics"},
    {200071, "lite topics"},
    {200074, "lite topics"},
    {200075, "lite topics"},
    {200076, "lite topics"},
    {200077, "lite topics"},
    {200078, "lite topics"},
    {200079, "lite topics"},
    {200151, "pop"},
};

}  // namespace merlin::door
