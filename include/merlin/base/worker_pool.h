// A bounded pool for work that may block: admin requests, metadata files, disk misses.
//
// Owns:    its threads and the queue of waiting jobs (at most queue_limit; a full queue refuses).
// Threads: submit() from anywhere; jobs run side by side on the pool's threads.
// Fails:   stop() lets running and queued jobs finish, then refuses.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace merlin {

class WorkerPool {
 public:
  WorkerPool(std::string name, size_t threads, size_t queue_limit);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  [[nodiscard]] bool submit(std::function<void()> job);
  void stop();
  size_t queued() const;
  size_t queue_limit() const { return queue_limit_; }

 private:
  void run();

  const std::string name_;
  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace merlin
