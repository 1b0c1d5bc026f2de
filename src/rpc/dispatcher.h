// Joins frames and handlers: decodes, passes the gates in one fixed order, finds the row, runs its lane; matches
// answers to calls this process made.
//
// The gates, in order: decode (a header that does not decode closes the connection) -> answer or request -> known code
// with a row, on this port (else 3) -> running state (else 14) -> lane limit (else 2 SYSTEM_BUSY).
//
// Owns:    the table of rows, the calls that wait for an answer.
// Threads: on_burst on each reactor; Lane::worker handlers on the pool; call() from anywhere.
// Limits:  the worker queue; calls_waiting_max outstanding calls in all.
// Serves the connections of one Server, and must outlive its reactors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "merlin/base/worker_pool.h"
#include "net/connection.h"
#include "net/server.h"
#include "rpc/request.h"

namespace merlin::rpc {

// What a request is told that found the workers' queue full.
std::string overload_remark(const WorkerPool& workers);

enum class Lane : uint8_t {
  reactor,  // runs inline: must not block
  worker,   // runs on the pool: may block (files, other servers)
};

enum class Ports : uint8_t { all, main_only };

// One row of a door's table. A door lists its rows once:
//   static constexpr rpc::Row<OffsetDoor> rows[] = {{request_code::query_consumer_offset, Lane::reactor, Ports::all,
//   &OffsetDoor::query}};
template <class Door>
struct Row {
  int32_t code;
  Lane lane;
  Ports ports;
  void (Door::*handle)(Request&);
};

// Collects work (appends) over the frames of a burst, or over the bursts of several connections, to do it at once. The
// commands of those bursts (Request::command() and its views) are valid until on_bursts_end() returns.
class BurstParticipant {
 public:
  virtual ~BurstParticipant() = default;
  // How much it has collected on the reactor since the last end: a burst that adds to it is held open.
  virtual size_t collected(const net::Reactor& reactor) const = 0;
  virtual void on_bursts_end(net::Reactor& reactor) = 0;
};

// An answer (or a request from the other side) that outlives its frame.
struct OwnedCommand {
  int32_t code = 0;
  int32_t version = 0;
  std::string remark;
  std::vector<std::pair<std::string, std::string>> ext;
  std::string body;
  const std::string* find(std::string_view key) const;
};

struct Call {
  int32_t code = 0;
  std::vector<std::pair<std::string, std::string>> ext;
  std::string body;
};

class Dispatcher final : public net::FrameHandler {
 public:
  static constexpr size_t calls_waiting_max = 65'536;
  static constexpr int32_t main_port_tag = 0;
  static constexpr int32_t fast_port_tag = 1;

  explicit Dispatcher(WorkerPool& workers);
  ~Dispatcher() override;

  // REQUIRES: before the server starts. A second row for a code asserts.
  template <class Door, size_t N>
  void add(Door& door, const Row<Door> (&rows)[N]) {
    for (const Row<Door>& row : rows) {
      auto handle = row.handle;
      add_row(row.code, row.lane, row.ports, [&door, handle](Request& request) { (door.*handle)(request); });
    }
  }
  void add_row(int32_t code, Lane lane, Ports ports, std::function<void(Request&)> handle);
  void add_burst_participant(BurstParticipant* participant);
  // Called on the reactor when a connection has closed.
  void add_close_listener(std::function<void(net::Connection&)> listener);
  bool has_row(int32_t code) const;

  // Running state: while draining, requests that a client can take elsewhere are answered 14 SERVICE_NOT_AVAILABLE.
  void set_draining(bool draining);

  // Sends a request on an open connection; `done` runs exactly once, on the connection's reactor: with the answer,
  // Errc::timeout, or Errc::closed.
  void call(net::Connection& connection, const Call& call, int64_t timeout_ms,
            std::function<void(Result<OwnedCommand>)> done);
  void call_oneway(net::Connection& connection, const Call& call);

  size_t on_burst(net::Connection& connection, std::span<const wire::Frame> frames) override;
  void end_bursts(net::Reactor& reactor) override;
  void on_close(net::Connection& connection) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace merlin::rpc
