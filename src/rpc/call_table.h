// The calls of one reactor that wait for an answer, by connection and opaque, and by deadline.
//
// Threads: its reactor only. The callbacks it gives out are for the caller to run, outside of the table.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "rpc/dispatcher.h"

namespace merlin::rpc {

using CallDone = std::function<void(Result<OwnedCommand>)>;

struct WaitingCall {
  int32_t code = 0;
  int64_t timeout_ms = 0;
  std::string peer;
  CallDone done;
};

class CallTable {
 public:
  void add(uint64_t connection_id, int32_t opaque, int64_t deadline_ms, WaitingCall call);
  std::optional<WaitingCall> take(uint64_t connection_id, int32_t opaque);
  std::vector<WaitingCall> take_connection(uint64_t connection_id);
  std::vector<WaitingCall> take_expired(int64_t now_ms);
  std::optional<int64_t> first_deadline_ms() const;

 private:
  struct Key {
    uint64_t connection_id;
    int32_t opaque;
  };
  using Deadlines = std::multimap<int64_t, Key>;
  struct Entry {
    WaitingCall call;
    Deadlines::iterator deadline;
  };

  std::unordered_map<uint64_t, std::unordered_map<int32_t, Entry>> by_connection_;
  Deadlines deadlines_;
};

}  // namespace merlin::rpc
