// A bounded pool for work that may block: admin requests, metadata files, disk misses.
//
// Owns:    its threads and the queue of waiting jobs (at most queue_limit, holding at most queue_bytes_max; a full
// queue
//          refuses).
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
  static constexpr size_t queue_bytes_max = size_t{256} << 20;

  WorkerPool(std::string name, size_t threads, size_t queue_limit);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // `bytes`: what the job keeps in memory until it has run. A job larger than the limit is taken when nothing waits.
  [[nodiscard]] bool submit(std::function<void()> job, size_t bytes = 0);
  void stop();
  size_t queued() const;
  size_t queued_bytes() const;
  size_t queue_limit() const { return queue_limit_; }

 private:
  void run();

  const std::string name_;
  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  struct Job {
    std::function<void()> run;
    size_t bytes = 0;
  };
  std::deque<Job> queue_;   // guarded by mutex_
  size_t queue_bytes_ = 0;  // guarded by mutex_; of waiting and running jobs
  bool stopping_ = false;   // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace merlin
