#include "merlin/base/worker_pool.h"

#include <pthread.h>

namespace merlin {

WorkerPool::WorkerPool(std::string name, size_t threads, size_t queue_limit)
    : name_(std::move(name)), queue_limit_(queue_limit) {
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
      run();
    });
  }
}

WorkerPool::~WorkerPool() {
  stop();
}

bool WorkerPool::submit(std::function<void()> job, size_t bytes) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= queue_limit_) return false;
    if (bytes > 0 && queue_bytes_ > 0 && queue_bytes_ + bytes > queue_bytes_max) return false;
    queue_.push_back({std::move(job), bytes});
    queue_bytes_ += bytes;
  }
  wake_.notify_one();
  return true;
}

void WorkerPool::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

size_t WorkerPool::queued() const {
  std::lock_guard lock(mutex_);
  return queue_.size();
}

size_t WorkerPool::queued_bytes() const {
  std::lock_guard lock(mutex_);
  return queue_bytes_;
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job.run();
    job.run = nullptr;  // destroyed outside the lock: it may own a connection
    lock.lock();
    queue_bytes_ -= job.bytes;
  }
}

}  // namespace merlin
