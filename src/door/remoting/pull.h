// PULL_MESSAGE and LITE_PULL_MESSAGE, with held pulls.
//
// Owns:    per reactor one read result and the pulls that wait, whose memory is used again for the next ones.
// Threads: handlers on the reactors; a wake posts to the connection's own reactor and reads again there. A held pull is
//          with LongPoll, or in the reactor's inbox, or with the cold readers: with one of them at a time.
// Limits:  LongPoll::held_max; beyond it a pull is answered 19 at once. A pull of bytes that are not in memory goes to
//          the pool for cold reads; beyond its queue, or cold_reads_max of one connection, it is answered 2
//          SYSTEM_BUSY. Of those answered, spare_held_max of each reactor keep their memory.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "door/remoting/headers.h"
#include "door/remoting/static_queue.h"
#include "merlin/base/clock.h"
#include "merlin/base/worker_pool.h"
#include "merlin/wire/request_code.h"
#include "rpc/dispatcher.h"
#include "service/long_poll.h"
#include "service/pull.h"

namespace merlin::door {

struct PullDoorSettings {
  const std::atomic<int64_t>& long_polling_enable;
  const std::atomic<int64_t>& short_polling_ms;
};

class PullDoor {
 public:
  // A slice of at most this many bytes is copied next to its header; a longer one is sent from the mapping.
  static constexpr size_t copied_slice_bytes_max = 2048;
  // A pull is held no longer, whatever it asks for (clients ask for 15 to 30 s).
  static constexpr int64_t suspend_ms_max = 10 * 60 * 1000;

  // Pulls of one connection that wait for the disk.
  static constexpr int cold_reads_max = 64;
  static constexpr size_t spare_held_max = 1024;

  PullDoor(PullDoorSettings settings, const Clock& clock, service::Pull& pull, StaticQueues static_queues,
           service::LongPoll& long_poll, WorkerPool& cold_readers, size_t reactor_count);
  // REQUIRES: the reactors and the cold readers have stopped.
  ~PullDoor();
  PullDoor(const PullDoor&) = delete;
  PullDoor& operator=(const PullDoor&) = delete;
  // On the connection's reactor: its held pulls are given up, so that clients that come and go do not fill the table.
  void connection_closed(net::Connection& connection);

 private:
  struct Held;

  void handle(rpc::Request& request);
  struct HeldList {
    Held* first = nullptr;
  };
  struct ReactorState {
    store::GetResult result;
    service::PullCache cache;
    std::vector<std::unique_ptr<Held>> all;  // in use and spare
    Held* spare = nullptr;
    size_t spare_count = 0;
    std::unordered_map<uint64_t, HeldList> held_by_connection;
    std::unordered_map<uint64_t, int> cold_reads;  // by connection
  };
  ReactorState& state_of(net::Connection& connection) { return reactors_[connection.reactor().index()]; }
  Held& keep(rpc::Request& request, const service::PullRequest& pull, service::PullPlan&& plan,
             const StaticQueue& mapped);
  void done(Held& held);
  void hold(Held& held);
  bool is_news(const Held& held, const store::GetResult& result) const;
  void look_again(Held& held);
  bool found_nothing(const Held& held, const store::GetResult& result) const;
  // Registers it to be read again from read_from on. False: the table is full.
  bool wait(Held& held);
  void read_cold(Held& held);
  void cold_read(Held& held, const store::GetResult& result);
  void answer_held(Held& held, const store::GetResult& result);
  template <class Answer>
  void answer(Answer& to, net::Connection& connection, const service::PullPlan& plan, const StaticQueue& mapped,
              int64_t asked_offset, const store::GetResult& result);

  const PullDoorSettings settings_;
  const Clock& clock_;
  service::Pull& pull_;
  const StaticQueues static_queues_;
  service::LongPoll& long_poll_;
  WorkerPool& cold_readers_;
  std::vector<ReactorState> reactors_;  // one per reactor, used by that reactor only

 public:
  static constexpr rpc::Row<PullDoor> rows[] = {
      {wire::request_code::pull_message, rpc::Lane::reactor, rpc::Ports::main_only, &PullDoor::handle},
      {wire::request_code::lite_pull_message, rpc::Lane::reactor, rpc::Ports::main_only, &PullDoor::handle},
  };
};

}  // namespace merlin::door
