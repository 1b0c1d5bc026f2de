// One non-blocking TCP connection to the broker, for use with epoll.
//
// Owns:    the socket and its two buffers. Threads: one.
// Limits:  frames up to frame_limit_bytes_default; the read buffer grows to the largest frame.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "merlin/base/bytes.h"
#include "merlin/base/host_port.h"
#include "merlin/base/result.h"
#include "merlin/wire/frame.h"

namespace merlin::bench {

int64_t now_ns();

class Link {
 public:
  static Result<std::unique_ptr<Link>> open(const HostPort& address, int32_t timeout_ms);
  // Takes over a connection that was accepted.
  static std::unique_ptr<Link> adopt(int fd) { return std::unique_ptr<Link>(new Link(fd)); }
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  int fd() const { return fd_; }
  // Bytes appended here leave with the next flush().
  Buffer& out() { return out_; }
  // Writes what the socket takes; wants_write() tells whether something is left.
  Status flush();
  bool wants_write() const { return sent_ < out_.size(); }

  // One read of the socket; each(frame) for every frame that is whole now.
  template <class Each>
  Status read_frames(Each&& each) {
    if (Status s = read_once(); !s) return s;
    size_t at = 0;
    while (at < in_size_) {
      const wire::FrameScan scan = wire::scan_frame({in_.data() + at, in_size_ - at}, wire::frame_limit_bytes_default);
      if (scan.state == wire::FrameScan::State::broken) return Error{Errc::corrupt, "broken frame: " + scan.why};
      if (scan.state == wire::FrameScan::State::need_more) {
        bytes_needed_ = scan.bytes_needed;
        break;
      }
      each(scan.frame);
      at += scan.consumed;
    }
    keep_from(at);
    return {};
  }

 private:
  explicit Link(int fd) : fd_(fd), in_(in_first_bytes) {}
  Status read_once();
  // Small at first, for ten thousand connections; a link that fills it gets room for few large reads.
  static constexpr size_t in_first_bytes = size_t{16} << 10;
  static constexpr size_t in_busy_bytes = size_t{256} << 10;
  void keep_from(size_t at);

  const int fd_;
  Buffer out_;
  size_t sent_ = 0;
  std::vector<uint8_t> in_;
  size_t in_size_ = 0;
  size_t bytes_needed_ = 0;
};

}  // namespace merlin::bench
