// A broker without sockets: dispatcher, produce and pull doors, services, tables and a store in a directory, wired as
// app/broker wires them, and one connection whose answers stay in memory.
//
// Owns:    all parts and one reactor, on whose thread alone the dispatcher may be called: run().
// Fails:   what cannot be opened ends the program with a message.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "merlin/base/worker_pool.h"
#include "merlin/wire/frame.h"
#include "net/connection.h"
#include "rpc/dispatcher.h"

namespace merlin::bench {

// Takes answers as a socket's connection does, and forgets the bytes with clear().
class MemoryConnection final : public net::Connection {
 public:
  explicit MemoryConnection(net::Reactor& reactor);
  net::Reactor& reactor() override { return reactor_; }
  Buffer& out() override { return out_; }
  void write_pinned(ByteView bytes, std::shared_ptr<const void> pin) override;
  void flush() override {}
  bool write_is_full() override { return false; }
  void hold_burst() override { burst_held_ = true; }
  bool take_held_burst() { return std::exchange(burst_held_, false); }
  void post_bytes(Buffer bytes) override;
  void close(std::string_view why) override;
  size_t unsent_bytes() const override { return out_.size(); }

  // The answers so far, pinned bytes in their places.
  std::string text() const;
  void clear();

 private:
  struct Pinned {
    size_t at = 0;  // in out_
    ByteView bytes;
    std::shared_ptr<const void> pin;
  };
  net::Reactor& reactor_;
  Buffer out_;
  std::vector<Pinned> pinned_;
  bool burst_held_ = false;
};

class CoreBroker {
 public:
  static constexpr std::string_view topic = "core_path";
  static constexpr int32_t queues = 8;

  // `dir` is made; it must not hold a store.
  explicit CoreBroker(const std::string& dir);
  ~CoreBroker();
  CoreBroker(const CoreBroker&) = delete;
  CoreBroker& operator=(const CoreBroker&) = delete;

  // Runs `work` on the reactor's thread and waits for it.
  void run(const std::function<void()>& work);
  MemoryConnection& connection() { return *connection_; }
  rpc::Dispatcher& dispatcher();
  // Messages of the topic that can be read.
  int64_t readable() const;
  // Until the key index has everything.
  void wait_until_indexed() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::shared_ptr<MemoryConnection> connection_;
};

}  // namespace merlin::bench
