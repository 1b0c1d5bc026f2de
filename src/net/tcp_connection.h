// The Connection over a TCP socket. Transfers are plain recv() and sendmsg(); reads go to the reactor's shared buffer,
// and an idle connection owns no buffer at all. Both directions are watched by edges from start() on: a read that
// brought less than it asked for, and a write that was refused, are followed by an event, and nothing is asked for
// again.
//
// Owns:    the socket; `partial_`, the bytes of a frame (or of frames put off by back-pressure) not yet handled; `out_`
// with
//          the pinned slices that stand between its bytes; `posted_`, what other threads want to send.
// Threads: as the base says. Nothing is locked but posted_.
// Limits:  ConnectionLimits; partial_ grows with the bytes that came, not with the length a frame promises.
#pragma once

#include <mutex>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/log.h"
#include "net/connection.h"
#include "net/reactor_impl.h"

namespace merlin::net {

// What all connections of one server share. Constant while reactors run, but for the counters.
struct ConnectionEnv {
  ConnectionEnv(const ConnectionLimits& l, const Clock& c) : limits(l), clock(c) {}
  const ConnectionLimits limits;
  const Clock& clock;
  FrameHandler* handler = nullptr;
  std::atomic<size_t> connection_count{0};
  std::atomic<size_t> partial_bytes{0};
  std::atomic<uint64_t> next_id{1};
};

class TcpConnection final : public Connection, private Watched {
 public:
  // `fd` does not block, and is the connection's own from here on.
  TcpConnection(std::shared_ptr<Reactor> reactor, std::shared_ptr<ConnectionEnv> env, int fd, int32_t listener_tag);
  ~TcpConnection() override;

  // Registers with the reactor and begins to read. On the reactor. Without success the connection is none.
  Status start();

  Reactor& reactor() override { return *reactor_; }
  Buffer& out() override { return out_; }
  void write_pinned(ByteView bytes, std::shared_ptr<const void> pin) override;
  void flush() override;
  bool write_is_full() override;
  void hold_burst() override;
  void post_bytes(Buffer bytes) override;
  void close(std::string_view why) override { close_with(LogLevel::info, why); }
  size_t unsent_bytes() const override { return unsent_ + posted_bytes_; }

  // For the room itself, on the reactor.
  FrameHandler& handler() { return *env_->handler; }
  void burst_answered();       // a held burst has its answers: they leave with the batch
  void burst_ended();          // and those have left
  void flush_dirty();          // end of a batch
  void take_turn();            // goes on after it has let others go first
  void sweep(int64_t now_ns);  // closes when idle too long; gives back buffers that nothing used since the last one
  void close_for_stop();

 private:
  struct Slice {
    size_t at;  // stands before out_[at]
    ByteView bytes;
    std::shared_ptr<const void> pin;
  };
  enum class ReadResult { drained, more, closed };
  enum class SendResult { all, blocked, interrupted, failed };

  std::shared_ptr<TcpConnection> self() { return std::static_pointer_cast<TcpConnection>(shared_from_this()); }
  void on_events(uint32_t events) override;
  void wait_turn();
  void on_readable();
  void on_writable();
  ReadResult read_once();
  ReadResult read_large();
  ReadResult read_failed(ssize_t received);
  ReadResult after_read(bool is_full) const;
  void deliver(const uint8_t* data, size_t size);
  void deliver_held();
  void keep_read(const uint8_t* data, size_t size, size_t frame_count);
  void count_partial();
  void flush_now();
  SendResult send_some();
  size_t gather(struct iovec* iov, size_t iov_count) const;
  void consume(size_t sent);
  void compact();
  void take_posted();
  size_t pending() const { return out_.size() - out_sent_ + pinned_unsent_; }
  void publish_unsent() { unsent_.store(pending(), std::memory_order_relaxed); }
  void close_with(LogLevel level, std::string_view why);
  void finish_close();

  // Constant after construction.
  const std::shared_ptr<Reactor> reactor_;
  const std::shared_ptr<ConnectionEnv> env_;

  // On the reactor.
  int fd_ = -1;                  // -1 once closed
  bool write_waits_ = false;     // holds whenever pending() > 0 outside of a batch: an event or a turn will come
  bool write_has_turn_ = false;  // the write goes on at the next turn, and so does the read
  bool read_has_turn_ = false;
  bool waits_turn_ = false;
  bool is_ending_ = false;  // epoll has told that nothing more will come: it will tell nothing more
  bool paused_ = false;     // not read until the peer has read
  bool held_ = false;       // partial_ begins with whole frames, put off while paused
  bool in_burst_ = false;   // from on_burst() until its answers are written: it is not closed meanwhile
  bool burst_held_ = false;
  bool is_dirty_ = false;
  bool was_active_ = false;  // read or written since the last sweep
  bool send_failed_ = false;
  int64_t active_ns_ = 0;      // of the last sweep that found it active
  size_t registry_index_ = 0;  // in Reactor::Impl::connections
  Buffer partial_;
  size_t partial_counted_ = 0;  // its part of ConnectionEnv::partial_bytes
  size_t partial_needed_ = 0;   // bytes that complete the frame in partial_
  Buffer out_;
  size_t out_sent_ = 0;
  std::vector<Slice> slices_;
  size_t slice_first_ = 0;  // those before are sent
  size_t pinned_unsent_ = 0;

  std::atomic<size_t> unsent_{0};
  std::atomic<size_t> posted_bytes_{0};
  std::mutex posted_mutex_;
  Buffer posted_;  // guarded by posted_mutex_
};

}  // namespace merlin::net
