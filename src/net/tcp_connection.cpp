#include "net/tcp_connection.h"

#include <cassert>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/reactor_impl.h"
#include "net/socket_address.h"

namespace merlin::net {

namespace {

// After so many full reads in a row a connection lets the others of its reactor have a turn.
constexpr int read_rounds_max = 4;
// An unfinished frame of at most this size is copied to the front of the shared buffer, before the bytes that follow
// it; a larger one collects in the connection's own buffer.
constexpr size_t rejoin_bytes_max = 16 << 10;
constexpr size_t large_read_bytes_min = 64 << 10;
constexpr size_t read_room_bytes_min = 64 << 10;

}  // namespace

TcpConnection::TcpConnection(std::shared_ptr<Reactor> reactor, std::shared_ptr<ConnectionEnv> env, int fd,
                             int32_t listener_tag)
    : reactor_(std::move(reactor)), env_(std::move(env)), fd_(fd) {
  id_ = env_->next_id++;
  listener_tag_ = listener_tag;
  remote_ = SocketAddress::peer(fd_).host_port();
  local_ = SocketAddress::local(fd_).host_port();
  remote_text_ = remote_.text();
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  active_ns_ = env_->clock.monotonic_ns();
}

TcpConnection::~TcpConnection() {
  if (fd_ >= 0) ::close(fd_);
}

Status TcpConnection::start() {
  Reactor::Impl& reactor = reactor_->impl();
  if (Status s = reactor.watch(fd_, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, *this); !s) {
    open_ = false;
    return s;
  }
  registry_index_ = reactor.connections.size();
  reactor.connections.push_back(self());
  return {};
}

void TcpConnection::on_events(uint32_t events) {
  if (fd_ < 0) return;
  const bool ends = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (ends) is_ending_ = true;
  if (write_waits_ && (ends || (events & EPOLLOUT) != 0)) {
    on_writable();
    if (fd_ < 0) return;
  }
  if (ends || (events & EPOLLIN) != 0) on_readable();
}

void TcpConnection::wait_turn() {
  if (waits_turn_) return;
  waits_turn_ = true;
  reactor_->impl().again(self());
}

void TcpConnection::take_turn() {
  waits_turn_ = false;
  if (fd_ >= 0 && std::exchange(write_has_turn_, false)) on_writable();
  if (fd_ >= 0 && std::exchange(read_has_turn_, false)) on_readable();
}

void TcpConnection::on_readable() {
  if (fd_ < 0 || paused_) return;
  was_active_ = true;
  for (int round = 0; round < read_rounds_max; ++round) {
    if (round > 0) reactor_->impl().end_bursts();  // their answers count for what follows
    if (!is_open()) return;
    if (pending() > env_->limits.unsent_bytes_pause) {
      paused_ = true;  // on_writable() goes on: bytes that wait are always waited for
      return;
    }
    if (held_) {
      deliver_held();
      if (fd_ < 0) return;
      continue;
    }
    const ReadResult result = partial_needed_ > rejoin_bytes_max ? read_large() : read_once();
    if (result == ReadResult::closed) return;
    if (result == ReadResult::drained && !held_) return;
  }
  read_has_turn_ = true;
  wait_turn();
}

// Whether the socket may hold more: one that got less than it asked for has emptied it, and what comes now is an event.
// An end that epoll has told of is not told again, so it is read for.
TcpConnection::ReadResult TcpConnection::after_read(bool is_full) const {
  if (!is_open()) return ReadResult::closed;
  return is_full || is_ending_ ? ReadResult::more : ReadResult::drained;
}

TcpConnection::ReadResult TcpConnection::read_once() {
  Reactor::Impl& reactor = reactor_->impl();
  const size_t before = partial_.size();
  assert(before <= rejoin_bytes_max);
  if (read_buffer_bytes - reactor.read_used < before + read_room_bytes_min) {
    reactor.end_bursts();
    if (!is_open()) return ReadResult::closed;
  }
  uint8_t* buffer = reactor.read_buffer.get() + reactor.read_used;
  const size_t room = read_buffer_bytes - reactor.read_used - before;
  const ssize_t received = recv(fd_, buffer + before, room, MSG_DONTWAIT);
  if (received <= 0) return read_failed(received);
  if (before > 0) std::memcpy(buffer, partial_.data(), before);
  partial_.clear();
  deliver(buffer, before + static_cast<size_t>(received));
  return after_read(static_cast<size_t>(received) == room);
}

TcpConnection::ReadResult TcpConnection::read_large() {
  const size_t missing = partial_needed_ - partial_.size();
  const size_t room = std::min(missing, std::max(large_read_bytes_min, partial_.size()));
  if (partial_.size() + room > partial_.capacity()) {
    partial_.reserve(partial_.size() + room);
    count_partial();
    const size_t all = env_->partial_bytes.load(std::memory_order_relaxed);
    if (all > env_->limits.partial_bytes_max) {
      close_with(LogLevel::warn, fmt::format("unfinished frames of all connections hold {} bytes, the limit is {}", all,
                                             env_->limits.partial_bytes_max));
      return ReadResult::closed;
    }
  }
  const ssize_t received = recv(fd_, partial_.prepare(room), room, MSG_DONTWAIT);
  if (received <= 0) return read_failed(received);
  partial_.commit(static_cast<size_t>(received));
  if (partial_.size() >= partial_needed_) deliver_held();
  return after_read(static_cast<size_t>(received) == room);
}

TcpConnection::ReadResult TcpConnection::read_failed(ssize_t received) {
  if (received == 0) {
    close_with(LogLevel::debug, "the peer closed it");
  } else if (errno == EINTR) {
    return ReadResult::more;
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    return ReadResult::drained;
  } else {
    send_failed_ = true;
    close_with(LogLevel::debug, errno_error("read", errno).message);
  }
  return ReadResult::closed;
}

// Takes partial_ away and delivers it; what is still not whole or not wanted goes back there.
void TcpConnection::deliver_held() {
  Buffer bytes;
  std::swap(bytes, partial_);
  count_partial();
  deliver(bytes.data(), bytes.size());
  reactor_->impl().end_bursts();  // while the bytes are there
}

// Small buffers are left out: they are bounded by the number of connections.
void TcpConnection::count_partial() {
  const size_t now = partial_.capacity() > rejoin_bytes_max ? partial_.capacity() : 0;
  env_->partial_bytes.fetch_add(now - partial_counted_, std::memory_order_relaxed);  // modulo 2^64: may be less
  partial_counted_ = now;
}

// Cuts the frames, hands them over in one burst, sends the answers, and keeps what is left.
void TcpConnection::deliver(const uint8_t* data, size_t size) {
  Reactor::Impl& reactor = reactor_->impl();
  std::vector<wire::Frame>& frames = reactor.frames;
  std::vector<size_t>& starts = reactor.frame_starts;
  frames.clear();
  starts.clear();
  size_t at = 0;
  partial_needed_ = 0;
  held_ = false;
  std::string broken;
  while (at < size) {
    wire::FrameScan scan = wire::scan_frame({data + at, size - at}, env_->limits.frame_limit_bytes);
    if (scan.state != wire::FrameScan::State::frame) {
      partial_needed_ = scan.bytes_needed;
      broken = std::move(scan.why);
      break;
    }
    frames.push_back(scan.frame);
    starts.push_back(at);
    at += scan.consumed;
  }
  size_t taken = 0;
  if (!frames.empty()) {
    reactor.begin_batch();
    in_burst_ = true;
    taken = env_->handler->on_burst(*this, frames);
    in_burst_ = burst_held_;
    if (!burst_held_) flush();
    reactor.end_batch();
    if (!is_open()) {
      if (burst_held_) return keep_read(data, size, frames.size());
      return finish_close();
    }
  }
  if (taken < frames.size()) {
    at = starts[taken];
    held_ = true;
  } else if (!broken.empty()) {
    return close_with(LogLevel::warn, broken);
  }
  if (at < size) {
    partial_.append(data + at, size - at);
    count_partial();
  }
  if (burst_held_) keep_read(data, size, frames.size());
}

// The next read goes behind the bytes of this one, on a cache line of its own.
void TcpConnection::keep_read(const uint8_t* data, size_t size, size_t frame_count) {
  constexpr size_t line_bytes = 64;
  Reactor::Impl& reactor = reactor_->impl();
  if (data == reactor.read_buffer.get() + reactor.read_used) {
    const size_t end = (reactor.read_used + size + line_bytes - 1) / line_bytes * line_bytes;
    reactor.read_used = std::min(read_buffer_bytes, end);
  }
  reactor.open_frames += frame_count;
  if (reactor.open_frames >= burst_frames_max) reactor.end_bursts();
}

void TcpConnection::hold_burst() {
  if (burst_held_) return;
  assert(in_burst_);
  burst_held_ = true;
  reactor_->impl().hold_burst(self());
}

void TcpConnection::burst_answered() {
  burst_held_ = false;
  in_burst_ = false;
  flush();
}

void TcpConnection::burst_ended() {
  if (!is_open()) finish_close();
}

void TcpConnection::sweep(int64_t now_ns) {
  if (was_active_) {
    was_active_ = false;
    active_ns_ = now_ns;
    return;
  }
  if (partial_.empty()) {
    partial_.release();
    count_partial();
  }
  if (out_.empty()) out_.release();
  if (slices_.empty()) slices_ = {};
  const int64_t idle_ms = (now_ns - active_ns_) / 1'000'000;
  if (idle_ms < env_->limits.idle_ms_max) return;
  close_with(LogLevel::info, fmt::format("idle for {} ms, the limit is {} ms", idle_ms, env_->limits.idle_ms_max));
}

void TcpConnection::close_for_stop() {
  close_with(LogLevel::debug, "the server stops");
}

void TcpConnection::close_with(LogLevel level, std::string_view why) {
  if (!open_.exchange(false)) return;
  if (log_enabled(level)) log_write(level, "net", fmt::format("connection of {} closed: {}", remote_text_, why));
  if (!reactor_->on_this_thread()) {
    reactor_->post([self = self()] { self->finish_close(); });
  } else if (!in_burst_) {
    finish_close();  // otherwise deliver() does, when no handler is at work any more
  }
}

void TcpConnection::finish_close() {
  if (fd_ < 0) return;
  const std::shared_ptr<TcpConnection> keep = self();
  take_posted();
  if (!send_failed_) (void)send_some();  // the last answers, as far as they go at once
  ::close(fd_);
  fd_ = -1;
  reactor_->impl().bury(keep);
  auto& connections = reactor_->impl().connections;
  connections[registry_index_] = connections.back();
  connections[registry_index_]->registry_index_ = registry_index_;
  connections.pop_back();
  partial_.release();
  count_partial();
  out_.release();
  out_sent_ = 0;
  slices_ = {};
  slice_first_ = 0;
  pinned_unsent_ = 0;
  unsent_ = 0;
  env_->connection_count--;
  // Told from the inbox, so that a handler that closes connections never meets itself.
  reactor_->post([keep] { keep->env_->handler->on_close(*keep); });
}

}  // namespace merlin::net
