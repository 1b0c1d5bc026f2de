// The sending half of TcpConnection: out_ and the pinned slices between its bytes leave in gathered writes.

#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/reactor_impl.h"
#include "net/tcp_connection.h"

namespace merlin::net {

namespace {

constexpr size_t iov_max = 64;
// After so many gathered writes in a row the connection waits for its turn like the others.
constexpr int write_rounds_max = 16;
// Within a batch this much may collect before it is sent at once.
constexpr size_t batch_bytes_max = 256 << 10;
constexpr size_t out_keep_bytes = 256 << 10;  // a larger buffer is given back when it has been sent
constexpr size_t out_move_bytes = 64 << 10;   // so much is sent before the rest is moved to the front

}  // namespace

void TcpConnection::write_pinned(ByteView bytes, std::shared_ptr<const void> pin) {
  if (bytes.empty() || fd_ < 0) return;
  slices_.push_back(Slice{out_.size(), bytes, std::move(pin)});
  pinned_unsent_ += bytes.size();
}

void TcpConnection::flush() {
  if (fd_ < 0) {
    out_.clear();
    return;
  }
  Reactor::Impl& reactor = reactor_->impl();
  if (reactor.batch_depth == 0 || (pending() > batch_bytes_max && !in_burst_)) return flush_now();
  if (is_dirty_) return;
  is_dirty_ = true;
  reactor.dirty.push_back(self());
}

void TcpConnection::flush_dirty() {
  is_dirty_ = false;
  flush_now();
}

bool TcpConnection::write_is_full() {
  if (pending() <= env_->limits.unsent_bytes_pause) return false;
  flush_now();
  return pending() > env_->limits.unsent_bytes_pause;
}

void TcpConnection::flush_now() {
  if (fd_ < 0) {
    out_.clear();
    return;
  }
  if (!is_open()) return;  // finish_close() sends what it can
  if (!write_waits_) {
    const SendResult result = send_some();
    if (result == SendResult::failed) {
      return close_with(LogLevel::debug, errno_error("write", errno).message);
    }
    write_waits_ = result != SendResult::all;
    if (result == SendResult::interrupted) {
      write_has_turn_ = true;
      wait_turn();
    }
  }
  publish_unsent();
  if (pending() > env_->limits.unsent_bytes_max) {
    close_with(LogLevel::warn, fmt::format("{} bytes wait for a peer that does not read, the limit is {}", pending(),
                                           env_->limits.unsent_bytes_max));
  }
}

void TcpConnection::on_writable() {
  if (fd_ < 0) return;
  write_waits_ = false;
  flush_now();
  if (fd_ < 0 || !paused_ || pending() > env_->limits.unsent_bytes_pause / 2) return;
  paused_ = false;
  on_readable();
}

TcpConnection::SendResult TcpConnection::send_some() {
  for (int round = 0; round < write_rounds_max; ++round) {
    struct iovec iov[iov_max];
    const size_t n = gather(iov, iov_max);
    if (n == 0) {
      compact();
      return SendResult::all;
    }
    ssize_t sent = 0;
    if (n == 1) {
      sent = send(fd_, iov[0].iov_base, iov[0].iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = iov;
      message.msg_iovlen = n;
      sent = sendmsg(fd_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (sent > 0) {
      was_active_ = true;
      consume(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      compact();
      return SendResult::blocked;
    } else if (errno != EINTR) {
      send_failed_ = true;
      return SendResult::failed;
    }
  }
  compact();
  return pending() == 0 ? SendResult::all : SendResult::interrupted;
}

// The next unsent pieces, in order: bytes of out_, a slice, bytes of out_, ...
size_t TcpConnection::gather(struct iovec* iov, size_t iov_count) const {
  size_t n = 0;
  size_t at = out_sent_;
  const auto add = [&](const uint8_t* data, size_t size) {
    if (size > 0) iov[n++] = {const_cast<uint8_t*>(data), size};
  };
  for (size_t i = slice_first_; i < slices_.size(); ++i) {
    if (n + 2 > iov_count) return n;
    add(out_.data() + at, slices_[i].at - at);
    at = slices_[i].at;
    add(slices_[i].bytes.data(), slices_[i].bytes.size());
  }
  if (n < iov_count) add(out_.data() + at, out_.size() - at);
  return n;
}

void TcpConnection::consume(size_t sent) {
  while (sent > 0) {
    const bool any_slice = slice_first_ < slices_.size();
    const size_t limit = any_slice ? slices_[slice_first_].at : out_.size();
    const size_t own = std::min(sent, limit - out_sent_);
    out_sent_ += own;
    sent -= own;
    if (!any_slice || out_sent_ < limit) continue;
    Slice& slice = slices_[slice_first_];
    const size_t pinned = std::min(sent, slice.bytes.size());
    slice.bytes = slice.bytes.subspan(pinned);
    pinned_unsent_ -= pinned;
    sent -= pinned;
    if (slice.bytes.empty()) {
      slice.pin.reset();
      ++slice_first_;
    }
  }
}

// Drops what is sent. A long tail is moved to the front only when the sent part is the larger one, so that each byte
// moves at most once.
void TcpConnection::compact() {
  if (pending() == 0) {
    out_.clear();
    if (out_.capacity() > out_keep_bytes) out_.release();
    out_sent_ = 0;
    slices_.clear();
    slice_first_ = 0;
    return;
  }
  if (slice_first_ > slices_.size() / 2) {
    slices_.erase(slices_.begin(), slices_.begin() + static_cast<std::ptrdiff_t>(slice_first_));
    slice_first_ = 0;
  }
  if (out_sent_ < out_move_bytes || out_sent_ < out_.size() / 2) return;
  out_.drop_front(out_sent_);
  for (size_t i = slice_first_; i < slices_.size(); ++i) slices_[i].at -= out_sent_;
  out_sent_ = 0;
}

void TcpConnection::post_bytes(Buffer bytes) {
  if (!is_open() || bytes.empty()) return;
  const size_t size = bytes.size();
  bool wake = false;
  size_t waiting = 0;
  {
    std::lock_guard lock(posted_mutex_);
    wake = posted_.empty();
    if (wake) {
      std::swap(posted_, bytes);
    } else {
      posted_.append(bytes.view());
    }
    waiting = posted_bytes_ += size;
  }
  if (waiting + unsent_ > env_->limits.unsent_bytes_max) {
    return close_with(LogLevel::warn, fmt::format("{} bytes wait for a peer that does not read, the limit is {}",
                                                  waiting + unsent_, env_->limits.unsent_bytes_max));
  }
  if (wake) {
    reactor_->post([self = self()] {
      self->take_posted();
      self->flush();
    });
  }
}

void TcpConnection::take_posted() {
  Buffer bytes;
  {
    std::lock_guard lock(posted_mutex_);
    std::swap(bytes, posted_);
    posted_bytes_ = 0;
  }
  if (fd_ < 0 || bytes.empty()) return;
  if (out_.empty() && slices_.empty()) {
    std::swap(out_, bytes);
  } else {
    out_.append(bytes.view());
  }
  publish_unsent();
}

}  // namespace merlin::net
