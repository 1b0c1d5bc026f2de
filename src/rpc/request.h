// What a handler gets: one decoded command, the connection it came on, and the ways to answer.
//
// Threads: a Request lives for one call of a handler, on the reactor (Lane::reactor) or on a worker (Lane::worker).
//          A Responder may be kept and used once from any thread; after that, or without connection, it does nothing.
// One-way requests: every answer is swallowed.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "merlin/wire/command.h"
#include "merlin/wire/header.h"
#include "merlin/wire/response_code.h"
#include "net/connection.h"

namespace merlin::rpc {

// The right to answer one request later.
class Responder {
 public:
  Responder() = default;
  Responder(std::shared_ptr<net::Connection> connection, wire::Serialization serialization, int32_t opaque,
            bool is_oneway)
      : connection_(std::move(connection)), serialization_(serialization), opaque_(opaque), is_oneway_(is_oneway) {}
  Responder(Responder&&) = default;
  Responder& operator=(Responder&&) = default;

  explicit operator bool() const { return connection_ != nullptr; }
  net::Connection* connection() const { return connection_.get(); }

  // Answers with code and remark, no header.
  void reply(int32_t code, std::string_view remark = {}, ByteView body = {});
  // Answers with a header; `fill(wire::CommandWriter&)` adds its fields.
  template <class Fill>
  void reply_with(int32_t code, std::string_view remark, ByteView body, Fill&& fill) {
    if (!connection_) return;
    if (is_oneway_) return release();
    if (connection_->reactor().on_this_thread()) {
      write(connection_->out(), code, remark, body, fill);
      connection_->flush();
    } else {
      Buffer bytes;
      write(bytes, code, remark, body, fill);
      connection_->post_bytes(std::move(bytes));
    }
    release();
  }
  // On the reactor only: writes the head and fields of an answer whose body of body_size bytes the caller then queues
  // with write_pinned() (or out()) and flushes.
  template <class Fill>
  void begin_body(int32_t code, std::string_view remark, size_t body_size, Fill&& fill) {
    wire::CommandWriter writer(connection_->out(), serialization_, head(code, remark));
    fill(writer);
    writer.finish(body_size);
  }
  bool is_oneway() const { return is_oneway_; }
  void release() { connection_.reset(); }

 private:
  wire::CommandHead head(int32_t code, std::string_view remark) const {
    wire::CommandHead h;
    h.code = code;
    h.opaque = opaque_;
    h.flag = wire::flag_response;
    h.remark = remark;
    return h;
  }
  template <class Fill>
  void write(Buffer& out, int32_t code, std::string_view remark, ByteView body, Fill&& fill) {
    wire::CommandWriter writer(out, serialization_, head(code, remark));
    fill(writer);
    writer.finish(body.size());
    out.append(body);
  }

  std::shared_ptr<net::Connection> connection_;
  wire::Serialization serialization_ = wire::Serialization::json;
  int32_t opaque_ = 0;
  bool is_oneway_ = false;
};

class Request {
 public:
  Request(const wire::CommandView& command, net::Connection& connection) : command_(command), connection_(connection) {}

  const wire::CommandView& command() const { return command_; }
  net::Connection& connection() const { return connection_; }
  ByteView body() const { return command_.body; }
  std::string_view body_text() const { return as_text(command_.body); }

  // Answers now. On the reactor the bytes join the burst and leave with its flush.
  void reply(int32_t code, std::string_view remark = {}, ByteView body = {}) {
    reply_with(code, remark, body, [](wire::CommandWriter&) {});
  }
  void reply_text(int32_t code, std::string_view body) { reply(code, {}, as_bytes(body)); }
  template <class Fill>
  void reply_with(int32_t code, std::string_view remark, ByteView body, Fill&& fill) {
    answered_ = true;
    if (command_.is_oneway()) return;
    if (connection_.reactor().on_this_thread()) {
      write(connection_.out(), code, remark, body, fill);
    } else {
      Buffer bytes;
      write(bytes, code, remark, body, fill);
      connection_.post_bytes(std::move(bytes));
    }
  }
  // On the reactor, two-way requests only: writes the head and fields of an answer whose body of body_size bytes the
  // caller then queues with write_pinned() or out().
  template <class Fill>
  void begin_body(int32_t code, std::string_view remark, size_t body_size, Fill&& fill) {
    answered_ = true;
    wire::CommandHead head;
    head.code = code;
    head.opaque = command_.opaque;
    head.flag = wire::flag_response;
    head.remark = remark;
    wire::CommandWriter writer(connection_.out(), command_.serialization, head);
    fill(writer);
    writer.finish(body_size);
  }
  // Answers later.
  Responder defer() {
    answered_ = true;
    return Responder(connection_.shared_from_this(), command_.serialization, command_.opaque, command_.is_oneway());
  }
  // The handler keeps what it needs and will write the answer itself (burst participants).
  void answer_later() { answered_ = true; }
  bool answered() const { return answered_; }

 private:
  template <class Fill>
  void write(Buffer& out, int32_t code, std::string_view remark, ByteView body, Fill&& fill) {
    wire::CommandHead head;
    head.code = code;
    head.opaque = command_.opaque;
    head.flag = wire::flag_response;
    head.remark = remark;
    wire::CommandWriter writer(out, command_.serialization, head);
    fill(writer);
    writer.finish(body.size());
    out.append(body);
  }

  const wire::CommandView& command_;
  net::Connection& connection_;
  bool answered_ = false;
};

}  // namespace merlin::rpc
