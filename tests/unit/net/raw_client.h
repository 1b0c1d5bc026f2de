// A blocking TCP client for tests: sends what it is told, also nonsense, and reads whole frames. Every wait ends after
// ten seconds, so that a broken server fails a test instead of hanging it.
#pragma once

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <functional>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "merlin/wire/command.h"

namespace merlin::test {

inline constexpr int patience_s = 10;

class RawClient {
 public:
  // receive_buffer_bytes > 0: a small window, for readers that are meant to be slow.
  explicit RawClient(int32_t port, int receive_buffer_bytes = 0) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes > 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    timeval patience{patience_s, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { close(); }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_), input_(std::move(other.input_)) {}
  RawClient& operator=(RawClient&&) = delete;

  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // False when the peer is gone or does not read for ten seconds.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Sends what the kernel takes at once, and says how much that was.
  size_t send_some(std::string_view bytes) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<size_t>(sent) : 0;
  }

  // The next whole frame with its length prefix; nothing when the connection ended or ten seconds passed.
  std::optional<std::string> read_frame() {
    if (!fill(4)) return std::nullopt;
    const size_t total = 4 + load_be<uint32_t>(reinterpret_cast<const uint8_t*>(input_.data()));
    if (!fill(total)) return std::nullopt;
    std::string frame = input_.substr(0, total);
    input_.erase(0, total);
    return frame;
  }
  std::optional<std::string> read_exactly(size_t size) {
    if (!fill(size)) return std::nullopt;
    std::string out = input_.substr(0, size);
    input_.erase(0, size);
    return out;
  }
  // Waits for the end of the connection, dropping what comes before.
  bool closed_by_peer() {
    char buffer[65536];
    for (;;) {
      const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
      if (n < 0) return false;
    }
  }

 private:
  bool fill(size_t size) {
    char buffer[65536];
    while (input_.size() < size) {
      const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) return false;
      input_.append(buffer, static_cast<size_t>(n));
    }
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string input_;
};

// A command with views into its own copy of the frame.
struct ParsedCommand {
  std::string bytes;
  wire::HeaderScratch scratch;
  wire::CommandView view;
};

inline std::unique_ptr<ParsedCommand> parse(std::optional<std::string> frame) {
  if (!frame) return nullptr;
  auto out = std::make_unique<ParsedCommand>();
  out->bytes = std::move(*frame);
  const wire::FrameScan scan = wire::scan_frame(as_bytes(out->bytes), wire::frame_limit_bytes_default);
  if (scan.state != wire::FrameScan::State::frame) return nullptr;
  Result<wire::CommandView> view = wire::decode_command(scan.frame, out->scratch);
  if (!view) return nullptr;
  out->view = *view;
  return out;
}

using Ext = std::vector<std::pair<std::string, std::string>>;

inline std::string command_frame(int32_t code, int32_t opaque, std::string_view body = {}, const Ext& ext = {},
                                 int32_t flag = 0, wire::Serialization serialization = wire::Serialization::json) {
  Buffer out;
  wire::CommandHead head;
  head.code = code;
  head.opaque = opaque;
  head.flag = flag;
  wire::CommandWriter writer(out, serialization, head);
  for (const auto& [key, value] : ext) writer.field(key, std::string_view(value));
  writer.finish(body.size());
  out.append(body);
  return std::string(as_text(out.view()));
}

// Waits until `condition` holds; false after ten seconds.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(patience_s);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace merlin::test
