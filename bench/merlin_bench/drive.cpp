#include "drive.h"

#include <algorithm>

namespace merlin::bench {

namespace {

constexpr int64_t stall_ns = 30'000'000'000;
// No wait is longer, so that `done` is asked now and then.
constexpr int64_t wait_max_ns = 100'000'000;

}  // namespace

Status drive(Poller& poller, Sender* sender, Progress& progress, Second& second, int64_t end_ns,
             const std::function<bool()>& done) {
  for (int64_t now = now_ns(); now < end_ns && !done(); now = now_ns()) {
    if (sender != nullptr) {
      if (Status s = sender->send_due(now); !s) return s;
    }
    progress.tick(now, second);
    int64_t wake_ns = std::min({end_ns, progress.next_ns(), now + wait_max_ns});
    if (sender != nullptr) wake_ns = std::min(wake_ns, sender->next_due_ns(now));
    // The clock has moved on while requests were written; a wait that ignored it would end late.
    if (Status s = poller.wait(wake_ns <= now ? 0 : wake_ns - now_ns()); !s) return s;
  }
  return {};
}

Status read_to_end(Poller& poller, Puller& puller, Progress& progress, Second& second) {
  const auto is_still = [&] { return now_ns() - puller.last_answer_ns() > stall_ns; };
  Status driven =
      drive(poller, nullptr, progress, second, INT64_MAX, [&] { return puller.unfinished() == 0 || is_still(); });
  if (!driven) return driven;
  if (puller.unfinished() > 0)
    return Error{Errc::timeout, std::to_string(puller.unfinished()) + " queues got no answer within 30 s"};
  return {};
}

}  // namespace merlin::bench
