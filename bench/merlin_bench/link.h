// One non-blocking TCP connection to the broker, for use with epoll, and blocking calls on top of it.
//
// Owns:    the socket and its two buffers. Threads: one.
// Limits:  frames up to frame_limit_bytes_default; the read buffer grows to the largest frame.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "merlin/base/bytes.h"
#include "merlin/base/host_port.h"
#include "merlin/base/result.h"
#include "merlin/wire/command.h"
#include "merlin/wire/frame.h"

namespace merlin::bench {

int64_t now_ns();

class Link {
 public:
  static Result<std::unique_ptr<Link>> open(const HostPort& address, int32_t timeout_ms);
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
  explicit Link(int fd) : fd_(fd), in_(size_t{256} << 10) {}
  Status read_once();
  void keep_from(size_t at);

  const int fd_;
  Buffer out_;
  size_t sent_ = 0;
  std::vector<uint8_t> in_;
  size_t in_size_ = 0;
  size_t bytes_needed_ = 0;
};

struct Answer {
  int32_t code = 0;
  std::string remark;
  std::map<std::string, std::string> fields;
};

// Sends one request and waits for its answer. REQUIRES: nothing else is in flight on the link.
Result<Answer> call(Link& link, int32_t code, const std::vector<std::pair<std::string, std::string>>& fields,
                    int32_t timeout_ms);

// Makes the topic with that many queues. Some brokers answer before the change is seen everywhere; callers may retry.
Status create_topic(Link& link, const std::string& topic, int32_t queues);
// The offset that a queue's next message gets, or that of the first one there is; for one queue, or each of a topic.
Result<int64_t> max_offset(Link& link, const std::string& topic, int32_t queue);
Result<std::vector<int64_t>> max_offsets(Link& link, const std::string& topic, int32_t queues);
Result<std::vector<int64_t>> min_offsets(Link& link, const std::string& topic, int32_t queues);

}  // namespace merlin::bench
