#include "link.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "merlin/wire/request_code.h"

namespace merlin::bench {

namespace {

constexpr int32_t call_timeout_ms = 30'000;

socklen_t fill_address(const HostPort& from, sockaddr_storage& to) {
  if (from.v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(from.port));
    std::memcpy(&v6->sin6_addr, from.ip.data(), 16);
    return sizeof(sockaddr_in6);
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&to);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(static_cast<uint16_t>(from.port));
  std::memcpy(&v4->sin_addr, from.ip.data(), 4);
  return sizeof(sockaddr_in);
}

Status wait_for(int fd, int16_t events, int32_t timeout_ms) {
  pollfd waiting{fd, events, 0};
  const int n = ::poll(&waiting, 1, timeout_ms);
  if (n < 0) return errno_error("poll", errno);
  if (n == 0) return Error{Errc::timeout, "no answer within " + std::to_string(timeout_ms) + " ms"};
  return {};
}

}  // namespace

int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

Result<std::unique_ptr<Link>> Link::open(const HostPort& address, int32_t timeout_ms) {
  sockaddr_storage to{};
  const socklen_t size = fill_address(address, to);
  const int fd = ::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_error("socket", errno);
  std::unique_ptr<Link> link(new Link(fd));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), size) != 0) {
    if (errno != EINPROGRESS) return errno_error("connect to " + address.text(), errno);
    if (Status s = wait_for(fd, POLLOUT, timeout_ms); !s) return s.error().with("connect to " + address.text());
    int failure = 0;
    socklen_t length = sizeof failure;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length);
    if (failure != 0) return errno_error("connect to " + address.text(), failure);
  }
  return link;
}

Link::~Link() {
  ::close(fd_);
}

Status Link::flush() {
  while (sent_ < out_.size()) {
    const ssize_t n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return {};
    if (n < 0) return errno_error("send", errno);
    sent_ += static_cast<size_t>(n);
  }
  out_.clear();
  sent_ = 0;
  return {};
}

Status Link::read_once() {
  if (bytes_needed_ > in_.size()) in_.resize(bytes_needed_);
  const ssize_t n = ::recv(fd_, in_.data() + in_size_, in_.size() - in_size_, 0);
  if (n == 0) return Error{Errc::closed, "the broker closed the connection"};
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
  if (n < 0) return errno_error("receive", errno);
  in_size_ += static_cast<size_t>(n);
  return {};
}

void Link::keep_from(size_t at) {
  if (at > 0) std::memmove(in_.data(), in_.data() + at, in_size_ - at);
  in_size_ -= at;
}

Result<Answer> call(Link& link, int32_t code, const std::vector<std::pair<std::string, std::string>>& fields,
                    int32_t timeout_ms) {
  static int32_t last_opaque = 0;
  const int32_t opaque = ++last_opaque;
  wire::CommandHead head;
  head.code = code;
  head.opaque = opaque;
  wire::CommandWriter writer(link.out(), wire::Serialization::json, head);
  for (const auto& [key, value] : fields) writer.field(key, std::string_view(value));
  writer.finish(0);

  Answer answer;
  bool answered = false;
  Status decoded;
  wire::HeaderScratch scratch;
  const int64_t deadline_ns = now_ns() + int64_t{timeout_ms} * 1'000'000;
  while (!answered) {
    if (Status s = link.flush(); !s) return s.error();
    const auto left_ms = static_cast<int32_t>((deadline_ns - now_ns()) / 1'000'000);
    if (left_ms <= 0) return Error{Errc::timeout, "no answer to request " + std::to_string(code)};
    if (Status s = wait_for(link.fd(), link.wants_write() ? POLLIN | POLLOUT : POLLIN, left_ms); !s) return s.error();
    Status read = link.read_frames([&](const wire::Frame& frame) {
      const auto command = wire::decode_command(frame, scratch);
      if (!command) {
        decoded = command.error();
        return;
      }
      if (!command->is_response() || command->opaque != opaque) return;
      answered = true;
      answer.code = command->code;
      answer.remark = command->remark;
      for (const wire::ExtField& field : command->ext) answer.fields[std::string(field.key)] = field.value;
    });
    if (!read) return read.error();
    if (!decoded) return decoded.error();
  }
  return answer;
}

Status create_topic(Link& link, const std::string& topic, int32_t queues) {
  const std::string count = std::to_string(queues);
  const auto answer = call(link, wire::request_code::update_and_create_topic,
                           {{"topic", topic},
                            {"defaultTopic", "TBW102"},
                            {"readQueueNums", count},
                            {"writeQueueNums", count},
                            {"perm", "6"},
                            {"topicFilterType", "SINGLE_TAG"},
                            {"topicSysFlag", "0"},
                            {"order", "false"}},
                           call_timeout_ms);
  if (!answer) return answer.error().with("create topic");
  if (answer->code != 0)
    return Error{Errc::invalid, "create topic: code " + std::to_string(answer->code) + " " + answer->remark};
  return {};
}

namespace {

Result<int64_t> ask_offset(Link& link, int32_t code, const std::string& topic, int32_t queue) {
  const auto answer = call(link, code, {{"topic", topic}, {"queueId", std::to_string(queue)}}, call_timeout_ms);
  if (!answer) return answer.error().with("ask for offsets");
  const auto field = answer->fields.find("offset");
  if (answer->code != 0 || field == answer->fields.end()) {
    return Error{Errc::invalid, "ask for offsets: code " + std::to_string(answer->code) + " " + answer->remark};
  }
  int64_t offset = 0;
  std::from_chars(field->second.data(), field->second.data() + field->second.size(), offset);
  return offset;
}

Result<std::vector<int64_t>> offsets(Link& link, int32_t code, const std::string& topic, int32_t queues) {
  std::vector<int64_t> out;
  for (int32_t queue = 0; queue < queues; ++queue) {
    const auto offset = ask_offset(link, code, topic, queue);
    if (!offset) return offset.error();
    out.push_back(*offset);
  }
  return out;
}

}  // namespace

Result<int64_t> max_offset(Link& link, const std::string& topic, int32_t queue) {
  return ask_offset(link, wire::request_code::get_max_offset, topic, queue);
}

Result<std::vector<int64_t>> max_offsets(Link& link, const std::string& topic, int32_t queues) {
  return offsets(link, wire::request_code::get_max_offset, topic, queues);
}

Result<std::vector<int64_t>> min_offsets(Link& link, const std::string& topic, int32_t queues) {
  return offsets(link, wire::request_code::get_min_offset, topic, queues);
}

}  // namespace merlin::bench
