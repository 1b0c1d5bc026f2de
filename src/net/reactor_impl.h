// The inside of a Reactor, for the sources of this room only: it shows Asio.
//
// Threads: post() from anywhere (inbox guarded by mutex); everything else on the reactor's thread.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "merlin/wire/frame.h"
#include "net/reactor.h"

namespace merlin::net {

class TcpConnection;
class ConnectOp;

struct Reactor::Impl {
  explicit Impl(size_t reactor_index);

  void run();
  bool post(std::function<void()> work);
  void drain_inbox();
  void begin_stop();
  void arm_periodic(size_t position);

  // Between begin_batch() and end_batch() flushes are collected; end_batch() sends for each connection once.
  void begin_batch() { ++batch_depth; }
  void end_batch();

  struct Periodic {
    boost::asio::steady_timer timer;
    int64_t interval_ms;
    std::function<void()> work;
  };

  // Constant after construction. Destroyed last, after everything that uses it.
  const size_t index;
  boost::asio::io_context io;

  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard;
  std::thread thread;
  bool stopping = false;
  bool closing = false;  // the server stops: no new connections
  std::vector<std::unique_ptr<Periodic>> periodics;
  std::list<boost::asio::steady_timer> one_shots;

  std::unique_ptr<uint8_t[]> read_buffer;
  std::vector<wire::Frame> frames;   // of the burst in progress; keeps its memory
  std::vector<size_t> frame_starts;  // where they begin in the bytes read
  std::vector<std::shared_ptr<TcpConnection>> connections;
  std::vector<std::shared_ptr<ConnectOp>> connecting;
  std::vector<std::shared_ptr<TcpConnection>> dirty;  // asked for a flush within a batch
  std::vector<std::shared_ptr<TcpConnection>> flushing;
  int batch_depth = 0;

  std::mutex mutex;
  std::vector<std::function<void()>> inbox;  // guarded by mutex
  bool refusing = false;                     // guarded by mutex
  std::vector<std::function<void()>> taken;  // the inbox's other half: swapped, so that both keep their memory
};

}  // namespace merlin::net
