#include "rpc/call_table.h"

#include <cassert>

namespace merlin::rpc {

void CallTable::add(uint64_t connection_id, int32_t opaque, int64_t deadline_ms, WaitingCall call) {
  const auto deadline = deadlines_.emplace(deadline_ms, Key{connection_id, opaque});
  const bool added = by_connection_[connection_id].emplace(opaque, Entry{std::move(call), deadline}).second;
  assert(added);
  (void)added;
}

std::optional<WaitingCall> CallTable::take(uint64_t connection_id, int32_t opaque) {
  const auto connection = by_connection_.find(connection_id);
  if (connection == by_connection_.end()) return std::nullopt;
  const auto entry = connection->second.find(opaque);
  if (entry == connection->second.end()) return std::nullopt;
  WaitingCall call = std::move(entry->second.call);
  deadlines_.erase(entry->second.deadline);
  connection->second.erase(entry);
  if (connection->second.empty()) by_connection_.erase(connection);
  return call;
}

std::vector<WaitingCall> CallTable::take_connection(uint64_t connection_id) {
  std::vector<WaitingCall> out;
  const auto connection = by_connection_.find(connection_id);
  if (connection == by_connection_.end()) return out;
  for (auto& [opaque, entry] : connection->second) {
    deadlines_.erase(entry.deadline);
    out.push_back(std::move(entry.call));
  }
  by_connection_.erase(connection);
  return out;
}

std::vector<WaitingCall> CallTable::take_expired(int64_t now_ms) {
  std::vector<WaitingCall> out;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ms) {
    const Key key = deadlines_.begin()->second;
    out.push_back(*take(key.connection_id, key.opaque));
  }
  return out;
}

std::optional<int64_t> CallTable::first_deadline_ms() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

}  // namespace merlin::rpc
