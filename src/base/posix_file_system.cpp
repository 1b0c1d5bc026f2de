#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "merlin/base/file_system.h"

namespace merlin {

namespace {

class PosixMapping final : public Mapping {
 public:
  PosixMapping(uint8_t* data, size_t size) {
    data_ = data;
    size_ = size;
  }
  ~PosixMapping() override { munmap(data_, size_); }

  // The kernel answers so to those only who may write the file, and tells the others that all is there.
  bool in_memory(size_t offset, size_t bytes) const override {
    constexpr size_t pages_at_a_time = 512;
    static const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::array<unsigned char, pages_at_a_time> pages{};
    for (size_t at = offset - offset % page_bytes; at < offset + bytes;) {
      const size_t piece = std::min(offset + bytes - at, pages_at_a_time * page_bytes);
      if (mincore(data_ + at, piece, pages.data()) != 0) return false;
      const size_t count = (piece + page_bytes - 1) / page_bytes;
      if (!std::all_of(pages.begin(), pages.begin() + static_cast<std::ptrdiff_t>(count),
                       [](unsigned char page) { return (page & 1) != 0; })) {
        return false;
      }
      at += piece;
    }
    return true;
  }
};

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }

  Result<size_t> pread(std::span<uint8_t> out, int64_t offset) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(fd_, out.data() + done, out.size() - done, offset + static_cast<int64_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("read " + path_, errno);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Result<size_t> pread_now(std::span<uint8_t> out, int64_t offset) override {
    size_t done = 0;
    while (done < out.size()) {
      iovec part{out.data() + done, out.size() - done};
      const ssize_t n = ::preadv2(fd_, &part, 1, offset + static_cast<int64_t>(done), RWF_NOWAIT);
      if (n < 0 && errno == EINTR) continue;
      // A file system that cannot tell may have to wait for anything.
      if (n < 0 && (errno == EAGAIN || errno == EOPNOTSUPP)) break;
      if (n < 0) return errno_error("read " + path_, errno);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  void forget(int64_t offset, int64_t size) override { (void)::posix_fadvise(fd_, offset, size, POSIX_FADV_DONTNEED); }

  Status pwrite(ByteView bytes, int64_t offset) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::pwrite(fd_, bytes.data() + done, bytes.size() - done, offset + static_cast<int64_t>(done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_error("write " + path_, errno);
      done += static_cast<size_t>(n);
    }
    return {};
  }

  Status sync_data() override {
    // Not retried on EINTR or EIO: after a failed sync the page cache may have dropped the dirty bytes.
    if (::fdatasync(fd_) != 0) return errno_error("fdatasync " + path_, errno);
    return {};
  }

  Status truncate(int64_t size) override {
    if (::ftruncate(fd_, size) != 0) return errno_error("truncate " + path_, errno);
    return {};
  }

  Result<int64_t> size() override {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) return errno_error("stat " + path_, errno);
    return int64_t{st.st_size};
  }

  Result<std::shared_ptr<Mapping>> map_read(size_t length) override {
    void* p = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_, 0);
    if (p == MAP_FAILED) return errno_error("map " + path_, errno);
    return std::shared_ptr<Mapping>(std::make_shared<PosixMapping>(static_cast<uint8_t*>(p), length));
  }

  int fd() const { return fd_; }

 private:
  const int fd_;
  const std::string path_;
};

class PosixDisk final : public File {
 public:
  PosixDisk(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixDisk() override { ::close(fd_); }

  Result<size_t> pread(std::span<uint8_t>, int64_t) override { return refused(); }
  Status pwrite(ByteView, int64_t) override { return refused(); }
  Status sync_data() override {
    if (::syncfs(fd_) != 0) return errno_error("syncfs " + path_, errno);
    return {};
  }
  Status truncate(int64_t) override { return refused(); }
  Result<int64_t> size() override { return refused(); }
  Result<std::shared_ptr<Mapping>> map_read(size_t) override { return refused(); }

 private:
  Error refused() const { return Error{Errc::unsupported, path_ + " stands for its disk"}; }

  const int fd_;
  const std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    if (mode == OpenMode::read_only) flags |= O_RDONLY;
    if (mode == OpenMode::read_write) flags |= O_RDWR;
    if (mode == OpenMode::create) flags |= O_RDWR | O_CREAT;
    // A pipe that somebody put there would keep us waiting for its other end, a device may have bytes without end.
    const int fd = ::open(path.c_str(), flags | O_NONBLOCK, 0644);
    if (fd < 0) return errno_error("open " + path, errno);
    auto file = std::make_unique<PosixFile>(fd, path);
    struct stat st{};
    if (::fstat(fd, &st) != 0) return errno_error("stat " + path, errno);
    if (S_ISDIR(st.st_mode)) return errno_error("open " + path, EISDIR);
    if (!S_ISREG(st.st_mode)) return Error{Errc::unsupported, "open " + path + ": it is no regular file"};
    return std::unique_ptr<File>(std::move(file));
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("rename " + from + " to " + to, errno);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return errno_error("remove " + path, errno);
    return {};
  }

  Status remove_tree(const std::string& path) override {
    std::error_code ec;
    std::filesystem::remove_all(path, ec);
    if (ec) return errno_error("remove " + path, ec.value());
    return {};
  }

  Status make_dirs(const std::string& path) override {
    std::error_code ec;
    std::filesystem::create_directories(path, ec);
    if (ec) return errno_error("make directory " + path, ec.value());
    return {};
  }

  Status sync_dir(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno_error("open " + path, errno);
    const int rc = ::fsync(fd);
    const int saved = errno;
    ::close(fd);
    if (rc != 0) return errno_error("fsync " + path, saved);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) return errno_error("list " + path, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  bool is_dir(const std::string& path) override {
    struct stat st{};
    return ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode);
  }

  Result<DiskSpace> space(const std::string& path) override {
    struct statvfs st{};
    if (::statvfs(path.c_str(), &st) != 0) return errno_error("statvfs " + path, errno);
    // As df: what is kept for root counts neither as used nor as there.
    const auto total = static_cast<int64_t>((st.f_blocks - st.f_bfree + st.f_bavail) * st.f_frsize);
    return DiskSpace{total, static_cast<int64_t>(st.f_bavail * st.f_frsize)};
  }

  Result<std::unique_ptr<File>> open_disk(const std::string& dir) override {
    const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno_error("open " + dir, errno);
    return std::unique_ptr<File>(std::make_unique<PosixDisk>(fd, dir));
  }

  Result<std::unique_ptr<File>> lock(const std::string& path) override {
    auto file = open(path, OpenMode::create);
    if (!file) return file.error();
    // Java's FileChannel.tryLock is a POSIX record lock, with which a lock of the open file conflicts; unlike that one
    // it is not lost when some other descriptor of the file is closed, and it keeps two stores of one process apart.
    struct flock region{};
    region.l_type = F_WRLCK;
    region.l_whence = SEEK_SET;
    if (::fcntl(static_cast<PosixFile*>(file->get())->fd(), F_OFD_SETLK, &region) != 0) {
      return Error{Errc::exists, "lock " + path + ": another process holds it", errno};
    }
    return file;
  }
};

}  // namespace

Result<std::string> FileSystem::read_file(const std::string& path, size_t size_limit_bytes) {
  auto file = open(path, OpenMode::read_only);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (static_cast<uint64_t>(*size) > size_limit_bytes) {
    return Error{Errc::limit,
                 path + " has " + std::to_string(*size) + " bytes; the limit is " + std::to_string(size_limit_bytes)};
  }
  std::string content(static_cast<size_t>(*size), '\0');
  const auto n = (*file)->pread({reinterpret_cast<uint8_t*>(content.data()), content.size()}, 0);
  if (!n) return n.error();
  content.resize(*n);
  return content;
}

namespace {

Status write_whole_file(FileSystem& files, const std::string& path, std::string_view content) {
  auto file = files.open(path, OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(0); !s) return s;
  if (Status s = (*file)->pwrite(as_bytes(content), 0); !s) return s;
  return (*file)->sync_data();
}

}  // namespace

Status FileSystem::write_file_durably(const std::string& path, std::string_view content) {
  if (Status s = write_whole_file(*this, path + ".tmp", content); !s) return s;
  // The old content is copied, not renamed away: `path` exists at every moment. An old file that is empty or holds NUL
  // bytes was torn by somebody else's crash and must not replace a good copy.
  if (exists(path)) {
    const auto old = read_file(path);
    if (!old) return old.error();
    if (!old->empty() && old->find('\0') == std::string::npos) {
      if (Status s = write_whole_file(*this, path + ".bak.tmp", *old); !s) return s;
      if (Status s = rename(path + ".bak.tmp", path + ".bak"); !s) return s;
    }
  }
  if (Status s = rename(path + ".tmp", path); !s) return s;
  const size_t slash = path.rfind('/');
  return sync_dir(slash == std::string::npos ? "." : path.substr(0, slash));
}

FileSystem& posix_file_system() {
  static PosixFileSystem instance;
  return instance;
}

}  // namespace merlin
