#include "store/log/log_keeper.h"

#include <algorithm>
#include <chrono>
#include <pthread.h>

#include "merlin/base/log.h"

namespace merlin::store {

// After a write found no space, appends are tried again when this much is free, or this part of a small disk.
static constexpr int64_t space_to_resume_bytes = int64_t{4} << 20;
static constexpr int64_t space_to_resume_part = 64;

int32_t used_percent(FileSystem& files, const std::string& dir) {
  const auto space = files.space(dir);
  if (!space || space->total_bytes <= 0) return -1;
  const int64_t used = space->total_bytes - space->free_bytes;
  return static_cast<int32_t>((used * 100 + space->total_bytes - 1) / space->total_bytes);
}

LogKeeper::LogKeeper(LogKeeperOptions options, FileSystem& files, CommitLog& log)
    : options_(std::move(options)), used_percent_max_(options_.used_percent_max), files_(files), log_(log) {}

LogKeeper::~LogKeeper() {
  stop();
}

void LogKeeper::start() {
  look_at_space();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "log-keeper");
    run();
  });
}

void LogKeeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LogKeeper::prepare_segment(int64_t start) {
  wanted_segment_.store(start, std::memory_order_release);
  wake_.notify_one();
}

void LogKeeper::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::milliseconds(look_interval_ms),
                     [this] { return stopping_ || wanted_segment_.load(std::memory_order_acquire) >= 0; });
      if (stopping_) return;
    }
    prepare();
    look_at_space();
  }
}

void LogKeeper::prepare() {
  const int64_t start = wanted_segment_.exchange(-1, std::memory_order_acq_rel);
  if (start < 0) return;
  if (Status s = log_.segments().prepare_next(start); !s) {
    log_warn("store", "the next commit log segment could not be made ahead: {}", s.error().message);
  }
}

std::string LogKeeper::too_full(const std::string& dir, bool after_failure) const {
  const auto space = files_.space(dir);
  if (!space || space->total_bytes <= 0) return {};
  const int64_t used = used_percent(files_, dir);
  const int32_t limit = used_percent_max_.load(std::memory_order_relaxed);
  if (used > limit) {
    return "disk full: " + std::to_string(used) + "% of the disk of " + dir +
           " is used, diskSpaceWarningLevelRatio is " + std::to_string(limit);
  }
  const int64_t wanted = std::min(space_to_resume_bytes, space->total_bytes / space_to_resume_part);
  if (after_failure && space->free_bytes < wanted) {
    return "disk full: " + dir + " has " + std::to_string(space->free_bytes) + " of " +
           std::to_string(space->total_bytes) + " bytes free, " + std::to_string(wanted) + " are needed";
  }
  return {};
}

void LogKeeper::look_at_space() {
  const bool failed = log_.disk_full();
  std::string why = too_full(log_.segments().dir(), failed);
  if (why.empty()) why = too_full(options_.root_dir, false);
  const bool refuse = !why.empty();
  bool changed = false;
  {
    const std::lock_guard lock(mutex_);
    changed = refusal_.empty() == refuse;
    refusal_ = why;
  }
  if (refuse) {
    log_.set_disk_full();
    if (changed) log_error("store", "{}: appends are refused until there is space", why);
  } else if (failed) {
    log_.clear_disk_full();
    log_info("store", "there is space on the disk: appends are accepted again");
  }
}

std::string LogKeeper::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

}  // namespace merlin::store
