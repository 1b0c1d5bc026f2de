#include "null_broker.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <list>
#include <netinet/tcp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link.h"
#include "merlin/wire/command.h"
#include "poller.h"
#include "send_frame.h"

namespace merlin::bench {

namespace {

// The answer to a send, as a broker's, with room for an opaque of ten digits.
class AnswerFrame {
 public:
  explicit AnswerFrame(wire::Serialization serialization) : binary_(serialization == wire::Serialization::rocketmq) {
    wire::CommandHead head;
    head.opaque = SendFrame::opaque_base;
    head.flag = wire::flag_response;
    wire::CommandWriter writer(bytes_, serialization, head);
    writer.field("msgId", "7F00000100002A9F0000000000000000");
    writer.field("queueId", int32_t{0});
    writer.field("queueOffset", int64_t{1'000'000});
    writer.finish(0);
    opaque_at_ =
        binary_ ? wire::frame_prefix_bytes + 5 : as_text(bytes_.view()).find(std::to_string(SendFrame::opaque_base));
  }
  void append_to(Buffer& out, int32_t opaque) const {
    uint8_t* frame = out.prepare(bytes_.size());
    std::memcpy(frame, bytes_.data(), bytes_.size());
    uint8_t* at = frame + opaque_at_;
    if (binary_) {
      store_be<int32_t>(at, opaque);
    } else {
      std::to_chars(reinterpret_cast<char*>(at), reinterpret_cast<char*>(at + 10), opaque);
    }
    out.commit(bytes_.size());
  }

 private:
  const bool binary_;
  Buffer bytes_;
  size_t opaque_at_ = 0;
};

class Server final : Ready {
 public:
  explicit Server(int listener) : listener_(listener) {}

  void run() {
    if (!poller_.add(listener_, *this).ok()) return;
    while (poller_.wait(1'000'000'000).ok()) {
    }
  }

 private:
  struct Peer final : Ready {
    Server* server = nullptr;
    std::unique_ptr<Link> link;
    bool listens_for_write = false;
    Status on_ready() override {
      if (server->answer(*this).ok()) return {};
      // The one who asked is gone; its memory stays until the process ends.
      link.reset();
      return {};
    }
  };

  Status on_ready() override {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return {};
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Peer& peer = peers_.emplace_back();
    peer.server = this;
    peer.link = Link::adopt(fd);
    return poller_.add(fd, peer);
  }

  Status answer(Peer& peer) {
    Status read = peer.link->read_frames([&](const wire::Frame& frame) {
      int32_t code = 0;
      int32_t opaque = 0;
      if (!scan_.scan(frame, code, opaque)) return;
      (frame.serialization == wire::Serialization::json ? json_ : binary_).append_to(peer.link->out(), opaque);
    });
    if (!read) return read;
    if (Status s = peer.link->flush(); !s) return s;
    if (peer.link->wants_write() == peer.listens_for_write) return {};
    peer.listens_for_write = !peer.listens_for_write;
    return poller_.listen_for_write(peer.link->fd(), peer, peer.listens_for_write);
  }

  const int listener_;
  Poller poller_;
  AnswerScan scan_;
  const AnswerFrame json_{wire::Serialization::json};
  const AnswerFrame binary_{wire::Serialization::rocketmq};
  std::list<Peer> peers_;
};

}  // namespace

Result<std::unique_ptr<NullBroker>> NullBroker::start() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) return errno_error("socket", errno);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1024) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const int reason = errno;
    ::close(listener);
    return errno_error("listen on 127.0.0.1", reason);
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() == parent) Server(listener).run();
    ::_exit(0);
  }
  const int reason = errno;
  ::close(listener);
  if (pid < 0) return errno_error("fork", reason);
  const auto at = HostPort::parse("127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
  return std::unique_ptr<NullBroker>(new NullBroker(pid, *at));
}

NullBroker::~NullBroker() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace merlin::bench
