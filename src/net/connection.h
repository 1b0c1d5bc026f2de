// One TCP connection that carries remoting frames, in and out.
//
// Owns:    its socket, the bytes of a frame that has not fully arrived, and the bytes that wait to be written.
// Threads: lives on one reactor; out(), write_pinned(), flush() only there. post_bytes(), close(), the getters:
// anywhere. Limits:  a frame over frame_limit_bytes, or a broken one, closes the connection with one log line. While
// more than
//          unsent_bytes_pause wait to be written the connection is not read; more than unsent_bytes_max closes it.
// Fails:   peer gone, idle too long, limits: closed once, FrameHandler::on_close is told on the reactor.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "merlin/base/bytes.h"
#include "merlin/base/host_port.h"
#include "merlin/wire/frame.h"
#include "net/reactor.h"

namespace merlin::net {

struct ConnectionLimits {
  size_t frame_limit_bytes = wire::frame_limit_bytes_default;
  size_t unsent_bytes_pause = 1 << 20;
  size_t unsent_bytes_max = size_t{64} << 20;
  int64_t idle_ms_max = 120'000;  // neither read nor written for so long: closed
  size_t connections_max = 100'000;
  // Memory of unfinished frames, all connections together: beyond it the one that asks for more is closed.
  size_t partial_bytes_max = size_t{1} << 30;
};

class Connection;

// Who gets the frames. Called on the connection's reactor.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;
  // All whole frames that one read brought; views valid until the call returns. The connection flushes afterwards.
  // Returns how many frames it took: fewer than all only because write_is_full(); the rest comes again, with a new
  // burst, when the peer has read its answers.
  virtual size_t on_burst(Connection& connection, std::span<const wire::Frame> frames) = 0;
  // Ends the bursts that hold_burst() has left open on this reactor, of one connection or of several.
  virtual void end_bursts(Reactor& reactor) { (void)reactor; }
  virtual void on_close(Connection& connection) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  virtual ~Connection() = default;

  virtual Reactor& reactor() = 0;
  uint64_t id() const { return id_; }  // unique in the process
  const HostPort& remote() const { return remote_; }
  const HostPort& local() const { return local_; }
  const std::string& remote_text() const { return remote_text_; }
  int32_t listener_tag() const { return listener_tag_; }  // which listener accepted it (Listener::tag); -1 outbound
  bool is_open() const { return open_.load(std::memory_order_acquire); }

  // On the reactor. Bytes appended to out() are sent by the next flush(), in order with write_pinned().
  virtual Buffer& out() = 0;
  // Queues bytes that live elsewhere (mapped log) behind what out() holds; `pin` keeps them alive until they are sent.
  virtual void write_pinned(ByteView bytes, std::shared_ptr<const void> pin) = 0;
  // Within a burst or a posted job the bytes leave when that is done, so that many flushes cost one system call.
  virtual void flush() = 0;
  // Within on_burst(): the answers come at FrameHandler::end_bursts(), before the reactor's turn is over. Until then
  // the frames stay valid, and nothing is sent. So the bursts of several connections can share one append.
  virtual void hold_burst() = 0;
  // More than unsent_bytes_pause waits even after trying to send it: whoever answers requests should stop taking new
  // ones.
  virtual bool write_is_full() = 0;

  // Anywhere. Whole frames only.
  virtual void post_bytes(Buffer bytes) = 0;
  virtual void close(std::string_view why) = 0;
  virtual size_t unsent_bytes() const = 0;

 protected:
  uint64_t id_ = 0;
  HostPort remote_;
  HostPort local_;
  std::string remote_text_;
  int32_t listener_tag_ = -1;
  std::atomic<bool> open_{true};
};

}  // namespace merlin::net
