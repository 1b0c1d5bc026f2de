// One file of the commit log: fixed size, sparse until written, named by its start offset.
//
// Owns:     while in use, the open file and a read-only shared mapping of it; both open by themselves when needed.
// Threads:  write() and zero_from() under the append lane; everything else from anywhere.
// Survives: what sync() covered.
// Fails:    errors of the file system port are passed on; nothing is retried here. A bad sector is an error value of
//           read(); only the newest bytes are read through the mapping, where it would be a signal.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "merlin/base/file_system.h"

namespace merlin::store {

// How many segments of one list have their files open, and a clock that ticks with each use.
struct SegmentUse {
  std::atomic<int64_t> open_count{0};
  std::atomic<int64_t> clock{0};
};

class Segment {
 public:
  // Opens or makes <dir>/<start as 20 digits>. A shorter file is extended to its full size, so that Apache accepts it.
  static Result<std::shared_ptr<Segment>> make(FileSystem& files, const std::string& dir, int64_t start,
                                               int64_t size_bytes, const std::shared_ptr<SegmentUse>& use);

  // A file that exists with its full size; opened when it is first used.
  Segment(FileSystem& files, std::string path, int64_t start, int64_t size_bytes, std::shared_ptr<SegmentUse> use);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  const std::string& path() const { return path_; }
  int64_t start() const { return start_; }
  int64_t size() const { return size_; }
  int64_t end() const { return start_ + size_; }

  // In all of these REQUIRES: [offset, offset + bytes) lies in this segment.
  // All bytes or an error.
  Status read(std::span<uint8_t> out, int64_t offset);
  // What memory holds of them, without waiting for the disk.
  Result<size_t> read_now(std::span<uint8_t> out, int64_t offset);
  void forget(int64_t offset, int64_t bytes);
  Status write(ByteView bytes, int64_t offset);

  Result<std::shared_ptr<Mapping>> mapping();
  Status sync();
  // Makes everything from `offset` on read as zero, also after a power cut: cuts the file there, extends it, syncs it.
  Status zero_from(int64_t offset);

  // Closes file and mapping until the next use; who holds the mapping keeps it. REQUIRES: everything is synced.
  void release();
  bool is_open() const { return open_.load(std::memory_order_relaxed); }
  int64_t last_use() const { return last_use_.load(std::memory_order_relaxed); }

 private:
  Result<std::shared_ptr<File>> file();
  void opened(std::shared_ptr<File> file);  // REQUIRES: mutex_ held

  FileSystem& files_;
  const std::string path_;
  const int64_t start_;
  const int64_t size_;
  const std::shared_ptr<SegmentUse> use_;
  std::atomic<int64_t> last_use_{0};
  std::atomic<bool> open_{false};

  std::mutex mutex_;
  std::shared_ptr<File> file_;    // guarded by mutex_
  std::shared_ptr<Mapping> map_;  // guarded by mutex_
};

}  // namespace merlin::store
