// A client's connection as the services see it: an identity and the few things the broker may say to it. Doors
// implement it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace merlin::service {

class ClientChannel {
 public:
  virtual ~ClientChannel() = default;
  virtual uint64_t id() const = 0;
  virtual const std::string& remote_text() const = 0;
  // One-way; any thread.
  virtual void notify_consumer_ids_changed(const std::string& group) = 0;
};

using ClientChannelPtr = std::shared_ptr<ClientChannel>;

}  // namespace merlin::service
