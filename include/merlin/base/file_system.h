// The port to files. Everything that MerlinMQ keeps on disk goes through it; tests put a faulty twin in its place.
//
// Errors: Errc::no_space for ENOSPC and EDQUOT, Errc::not_found for ENOENT, Errc::io otherwise, sys_errno set. EINTR
// and
//         short transfers are retried inside.
// Threads: a FileSystem may be used from any thread; a File's pread/pwrite/sync may run side by side.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "merlin/base/bytes.h"
#include "merlin/base/result.h"

namespace merlin {

// A read-only or writable view of a file's bytes in memory; unmapped on destruction. Stays valid after the file is
// unlinked or closed.
class Mapping {
 public:
  virtual ~Mapping() = default;
  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  // Whether memory holds all of these bytes, so that who reads them now does not wait for the disk. False where nobody
  // can tell. REQUIRES: [offset, offset + bytes) lies within the mapping.
  virtual bool in_memory(size_t offset, size_t bytes) const {
    (void)offset;
    (void)bytes;
    return false;
  }

 protected:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

class File {
 public:
  virtual ~File() = default;
  // Reads until `out` is full or the file ends; returns the bytes read.
  virtual Result<size_t> pread(std::span<uint8_t> out, int64_t offset) = 0;
  // Reads what memory holds, without waiting for the disk; fewer bytes than asked for, also none, where it would wait.
  virtual Result<size_t> pread_now(std::span<uint8_t> out, int64_t offset) { return pread(out, offset); }
  // A hint: these bytes will not be read again soon, the page cache may give them up.
  virtual void forget(int64_t offset, int64_t size) {
    (void)offset;
    (void)size;
  }
  // Writes all bytes or fails; after a failure any prefix may have been written.
  virtual Status pwrite(ByteView bytes, int64_t offset) = 0;
  virtual Status sync_data() = 0;  // fdatasync
  virtual Status truncate(int64_t size) = 0;
  virtual Result<int64_t> size() = 0;
  // Maps [0, length) read-only, shared with the page cache: bytes written with pwrite show up in it.
  virtual Result<std::shared_ptr<Mapping>> map_read(size_t length) = 0;
};

enum class OpenMode { read_only, read_write, create };  // create: read-write, made when absent

struct DiskSpace {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;  // available to this user
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status remove_tree(const std::string& path) = 0;
  virtual Status make_dirs(const std::string& path) = 0;
  virtual Status sync_dir(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, sorted, without . and ..
  virtual bool exists(const std::string& path) = 0;
  virtual bool is_dir(const std::string& path) = 0;
  virtual Result<DiskSpace> space(const std::string& path) = 0;
  // A handle on the whole disk that `dir` lies on. Its sync_data() saves everything that was written there so far, by
  // anybody, names included, and tells of everything that could not be saved since it was opened; the other calls fail.
  virtual Result<std::unique_ptr<File>> open_disk(const std::string& dir) {
    return Error{Errc::unsupported, dir + ": its disk cannot be synced as a whole"};
  }
  // Takes the exclusive advisory lock on `path`, made when absent; held until the returned File is destroyed.
  virtual Result<std::unique_ptr<File>> lock(const std::string& path) = 0;

  // Whole small files. write_file_durably: tmp + fsync + rename + directory fsync, keeping the old content as
  // `<path>.bak`.
  Result<std::string> read_file(const std::string& path, size_t size_limit_bytes = size_t{1} << 30);
  Status write_file_durably(const std::string& path, std::string_view content);
};

// The real one.
FileSystem& posix_file_system();

}  // namespace merlin
