// Whether a message that a client sends to %RETRY%group goes there, or has been retried too often.
//
// Owns: nothing. Threads: any (memory only).
#pragma once

#include <string>
#include <string_view>

#include "meta/subscription_group.h"
#include "service/outcome.h"
#include "service/queue_locks.h"

namespace merlin::service {

struct SendRequest;

// The group in the name of a retry topic; that of a pop consumer has "+topic" behind it.
std::string_view group_of_retry_topic(std::string_view topic);

// The answer to who names a group that is not there and may not be made.
Refusal no_such_group(std::string_view group);

class ResendRules {
 public:
  ResendRules(meta::SubscriptionGroups& groups, const QueueLocks& locks) : groups_(groups), locks_(locks) {}

  // `dead_letter_topic` is set when the message goes there, and empty otherwise. A group whose queues are locked
  // consumes in order: it has tried often enough before it sends (Apache's rule).
  Refusal judge(const SendRequest& request, std::string& dead_letter_topic) const;

 private:
  meta::SubscriptionGroups& groups_;
  const QueueLocks& locks_;
};

}  // namespace merlin::service
