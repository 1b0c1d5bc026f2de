// The inside of a Reactor, for the sources of this room only: an epoll loop.
//
// Owns:    the epoll descriptor, the descriptor that wakes it, timers, posted work, the registry of connections.
// Threads: post() from anywhere (inbox guarded by mutex); everything else on the reactor's thread.
// Why not a library's loop: connections are watched for both directions and by edges, registered once, so that a
// request costs no system call beside its own epoll_wait, recv and send; work posted on the own thread costs none.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "merlin/base/result.h"
#include "merlin/wire/frame.h"
#include "net/reactor.h"

struct epoll_event;

namespace merlin::net {

class TcpConnection;
class ConnectOp;

// Who is told what epoll found at a descriptor. One that goes in the midst of a turn hands itself to
// Reactor::Impl::bury(): later events of that turn may name it still.
class Watched {
 public:
  virtual void on_events(uint32_t events) = 0;

 protected:
  ~Watched() = default;
};

// So many frames share one append at most: more would leave the processor's cache and keep the first answers waiting.
inline constexpr size_t burst_frames_max = 64;

struct Reactor::Impl {
  explicit Impl(size_t reactor_index);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void run();
  bool post(std::function<void()> work);
  void ask_to_stop();

  // `events` as epoll takes them. Closing the descriptor ends it.
  Status watch(int fd, uint32_t events, Watched& who);
  void unwatch(int fd);
  void bury(std::shared_ptr<const void> gone) { buried.push_back(std::move(gone)); }
  // Calls take_turn() of the connection when the others have had theirs.
  void again(std::shared_ptr<TcpConnection> connection) { waiting_turn.push_back(std::move(connection)); }

  // When it is due (steady clock), and a number that tells apart those that are due at the same time.
  using TimerKey = std::pair<int64_t, uint64_t>;
  TimerKey add_timer(int64_t delay_ms, std::function<void()> work);
  void cancel_timer(const TimerKey& key) { timers.erase(key); }
  void add_periodic(int64_t interval_ms, std::function<void()> work);

  // Between begin_batch() and end_batch() flushes are collected; end_batch() sends for each connection once.
  void begin_batch() { ++batch_depth; }
  void end_batch();

  // Bursts that wait for FrameHandler::end_bursts(). All end when burst_frames_max frames are open, when the read
  // buffer has no room for another read, and at the end of a turn.
  void hold_burst(std::shared_ptr<TcpConnection> connection) { held_bursts.push_back(std::move(connection)); }
  void end_bursts();

  // Constant after construction.
  const size_t index;
  int epoll_fd = -1;
  int wake_fd = -1;

  std::thread thread;
  bool ended = false;  // run() has returned or will
  bool stopping = false;
  bool closing = false;  // the server stops: no new connections
  std::map<TimerKey, std::function<void()>> timers;
  uint64_t next_timer = 0;

  std::unique_ptr<uint8_t[]> read_buffer;
  size_t read_used = 0;  // bytes at its front that open bursts look at
  size_t open_frames = 0;
  std::vector<std::shared_ptr<TcpConnection>> held_bursts;
  std::vector<wire::Frame> frames;   // of the burst in progress; keeps its memory
  std::vector<size_t> frame_starts;  // where they begin in the bytes read
  std::vector<std::shared_ptr<TcpConnection>> connections;
  std::vector<std::shared_ptr<ConnectOp>> connecting;
  std::list<std::thread> resolving;                   // threads that look up names; joined when they are done
  std::vector<std::shared_ptr<TcpConnection>> dirty;  // asked for a flush within a batch
  std::vector<std::shared_ptr<TcpConnection>> flushing;
  int batch_depth = 0;

 private:
  void turn();
  bool take_posted();
  void run_posted();
  void run_turns();
  void run_timers();
  int wait_ms() const;
  void finish_stop();

  std::unique_ptr<epoll_event[]> events_;
  std::vector<std::shared_ptr<const void>> buried;
  std::vector<std::shared_ptr<TcpConnection>> waiting_turn;
  std::vector<std::shared_ptr<TcpConnection>> having_turn;
  std::vector<std::shared_ptr<TcpConnection>> ending_bursts;
  std::vector<std::function<void()>> taken;  // the inbox's other half: swapped, so that both keep their memory

  std::mutex mutex;
  std::vector<std::function<void()>> inbox;  // guarded by mutex
  bool refusing = false;                     // guarded by mutex
  bool stop_wanted = false;                  // guarded by mutex
  // Set under mutex when nothing was left to do; who takes it back wakes the reactor.
  std::atomic<bool> asleep{false};
};

}  // namespace merlin::net
