// A broker that only answers: a forked child that reads frames on 127.0.0.1 and answers each at once as if it had
// stored it. Its rate is the floor that a framed protocol over TCP has on this machine, with this tool as the client.
//
// Owns: the child process, ended with the object. Survives: nothing; the child dies with its parent.
#pragma once

#include <cstdint>
#include <memory>

#include "merlin/base/host_port.h"
#include "merlin/base/result.h"

namespace merlin::bench {

class NullBroker {
 public:
  // REQUIRES: the calling process has one thread.
  static Result<std::unique_ptr<NullBroker>> start();
  ~NullBroker();
  NullBroker(const NullBroker&) = delete;
  NullBroker& operator=(const NullBroker&) = delete;

  const HostPort& address() const { return address_; }
  int32_t pid() const { return pid_; }

 private:
  NullBroker(int32_t pid, HostPort address) : pid_(pid), address_(address) {}

  const int32_t pid_;
  const HostPort address_;
};

}  // namespace merlin::bench
