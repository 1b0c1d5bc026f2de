// Request-reply: the answer to a request goes to the producer that asked, found by its client id, and into the store
// if wanted.
//
// Owns:    nothing but the answers on their way, each for push_timeout_ms at most. Threads: handle() on workers (it may
// make the reply topic); `done` on any thread.
// Survives: what storeReplyMessageEnable stores. Limits: those of sending, and of calls that wait for clients.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "merlin/base/clock.h"
#include "service/clients.h"
#include "service/produce.h"

namespace merlin::service {

struct ReplyAnswer {
  Refusal refusal;           // of the push; a reply may have been stored all the same
  bool was_checked = false;  // the message was acceptable: the places below are set
  std::string message_id = "0";
  int32_t queue_id = 0;
  int64_t queue_offset = 0;
};

class Reply {
 public:
  static constexpr int64_t push_timeout_ms = 10'000;

  Reply(const Clock& clock, store::MessageStore& store, Produce& produce, Clients& clients,
        const std::atomic<int64_t>& store_replies, int32_t sync_flush_timeout_ms)
      : clock_(clock),
        store_(store),
        produce_(produce),
        clients_(clients),
        store_replies_(store_replies),
        sync_flush_timeout_ms_(sync_flush_timeout_ms) {}

  // `done` runs once.
  void handle(ReplyMessage message, std::function<void(ReplyAnswer)> done);

 private:
  struct Pending;
  using PendingPtr = std::shared_ptr<Pending>;

  Refusal check(Pending& pending);
  void push(const PendingPtr& pending);
  void pushed(const PendingPtr& pending, std::string remark);
  void store_reply(const PendingPtr& pending);

  const Clock& clock_;
  store::MessageStore& store_;
  Produce& produce_;
  Clients& clients_;
  const std::atomic<int64_t>& store_replies_;
  const int32_t sync_flush_timeout_ms_;
};

}  // namespace merlin::service
