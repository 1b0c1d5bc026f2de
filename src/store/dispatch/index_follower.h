// Feeds the key index behind the dispatcher: from memory what was appended lately, else from the log.
//
// Owns:     its thread. The index is used for writing by this thread alone while it runs.
// Threads:  wake() from anywhere.
// Survives: nothing of its own: the index knows how far it is.
// Fails:    when the index refuses (disk full) the same record is tried again later.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "store/index/index_feed.h"
#include "store/index/key_index.h"
#include "store/log/commit_log.h"
#include "store/log/damage.h"

namespace merlin::store {

class IndexFollower {
 public:
  // `limit` tells how far the log may be read. `feed` has what is appended after start().
  IndexFollower(KeyIndex& index, CommitLog& log, IndexFeed& feed, DamageList& damage, std::function<int64_t()> limit);
  ~IndexFollower();

  // REQUIRES: nobody appends yet.
  void start(int64_t from, int32_t flush_interval_ms);
  // Catches up to the limit, then stops. REQUIRES: the limit grows no more.
  void stop();
  // Stops where it stands.
  void abandon();
  void wake();
  // Index files about records below `offset` may go; done soon, on the follower's thread.
  void drop_below(int64_t offset) { drop_below_.store(offset, std::memory_order_release); }
  // Everything below is in the index.
  int64_t position() const { return position_.load(std::memory_order_acquire); }

 private:
  void join(bool catch_up);
  void run();
  bool follow();
  bool follow_feed(int64_t limit);
  bool follow_log(int64_t limit);
  bool put_whole(int64_t physical_offset, int64_t limit);
  void skip_to_log_begin();

  KeyIndex& index_;
  CommitLog& log_;
  IndexFeed& feed_;
  DamageList& damage_;
  const std::function<int64_t()> limit_;
  int32_t flush_interval_ms_ = 1000;
  int64_t log_until_ = 0;  // the thread's; records in front of it come from the log, later ones from the feed
  std::atomic<int64_t> position_{0};
  std::atomic<int64_t> drop_below_{0};
  std::atomic<bool> sleeping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // guarded by mutex_
  std::atomic<bool> abandoned_{false};
  std::thread thread_;
};

}  // namespace merlin::store
