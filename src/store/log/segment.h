// One file of the commit log: fixed size, sparse until written, named by its start offset.
//
// Owns:     the open file and a read-only shared mapping of it.
// Threads:  write() and zero_from() under the append lane; sync() and reads of placed bytes from anywhere.
// Survives: what sync() covered.
// Fails:    errors of the file system port are passed on; nothing is retried here.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "merlin/base/file_system.h"

namespace merlin::store {

class Segment {
 public:
  // Opens or makes <dir>/<start as 20 digits>. A shorter file is extended to its full size, so that Apache accepts it.
  static Result<std::shared_ptr<Segment>> open(FileSystem& files, const std::string& dir, int64_t start,
                                               int64_t size_bytes);

  Segment(std::string path, int64_t start, int64_t size_bytes, std::unique_ptr<File> file, std::shared_ptr<Mapping> map)
      : path_(std::move(path)), start_(start), size_(size_bytes), file_(std::move(file)), map_(std::move(map)) {}

  const std::string& path() const { return path_; }
  int64_t start() const { return start_; }
  int64_t size() const { return size_; }
  int64_t end() const { return start_ + size_; }
  const uint8_t* at(int64_t offset) const { return map_->data() + (offset - start_); }
  const std::shared_ptr<Mapping>& mapping() const { return map_; }

  // REQUIRES: [offset, offset + bytes) lies in this segment.
  Status write(ByteView bytes, int64_t offset) { return file_->pwrite(bytes, offset - start_); }
  Status sync() { return file_->sync_data(); }
  // Makes everything from `offset` on read as zero, also after a power cut: cuts the file there, extends it, syncs it.
  Status zero_from(int64_t offset);

 private:
  const std::string path_;
  const int64_t start_;
  const int64_t size_;
  const std::unique_ptr<File> file_;
  const std::shared_ptr<Mapping> map_;
};

}  // namespace merlin::store
