#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "histogram.h"
#include "link.h"
#include "machine_limits.h"

namespace merlin::bench {

namespace {

constexpr size_t append_bytes = size_t{256} << 20;  // of a file that is appended to; the next one begins there
constexpr size_t page_bytes = 4096;
constexpr size_t synced_bytes = size_t{64} << 20;
constexpr size_t copied_bytes = size_t{64} << 20;

// A file that nobody else sees and that is gone when it is closed.
class HiddenFile {
 public:
  static Result<std::unique_ptr<HiddenFile>> create(const std::string& directory) {
    std::string path = directory + "/merlin-bench-XXXXXX";
    const int fd = ::mkstemp(path.data());
    if (fd < 0) return errno_error("create a file in " + directory, errno);
    ::unlink(path.c_str());
    return std::unique_ptr<HiddenFile>(new HiddenFile(fd));
  }
  ~HiddenFile() { ::close(fd_); }
  HiddenFile(const HiddenFile&) = delete;
  HiddenFile& operator=(const HiddenFile&) = delete;
  int fd() const { return fd_; }

 private:
  explicit HiddenFile(int fd) : fd_(fd) {}
  const int fd_;
};

Status write_at(int fd, const std::vector<uint8_t>& data, size_t at) {
  const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(at));
  if (n < 0) return errno_error("write", errno);
  if (static_cast<size_t>(n) != data.size()) return Error{Errc::no_space, "a short write"};
  return {};
}

double gib_per_second(int64_t bytes, int64_t ns) {
  return static_cast<double>(bytes) / (1 << 30) / (static_cast<double>(ns) / 1e9);
}

// Records of `size` appended one by one, each a system call.
Status measure_write(const Options& options, size_t size, std::vector<Figure>& out) {
  const std::vector<uint8_t> record(size, 'm');
  int64_t bytes = 0;
  int64_t spent_ns = 0;
  while (spent_ns < part_ns(options)) {
    auto file = HiddenFile::create(options.directory);
    if (!file) return file.error();
    const int64_t start = now_ns();
    for (size_t at = 0; at + size <= append_bytes && now_ns() - start < part_ns(options); at += size) {
      if (Status s = write_at((*file)->fd(), record, at); !s) return s;
      bytes += static_cast<int64_t>(size);
    }
    spent_ns += now_ns() - start;
  }
  out.push_back({"write_" + std::to_string(size) + "_gib_per_second", gib_per_second(bytes, spent_ns), 3});
  out.push_back({"write_" + std::to_string(size) + "_us",
                 static_cast<double>(spent_ns) / 1000 / (static_cast<double>(bytes) / static_cast<double>(size)), 3});
  return {};
}

// Records of --size copied into a mapping of a file with its size set, page faults included.
Status measure_mmap(const Options& options, std::vector<Figure>& out) {
  const std::vector<uint8_t> record(static_cast<size_t>(options.size_bytes), 'm');
  int64_t bytes = 0;
  int64_t spent_ns = 0;
  while (spent_ns < part_ns(options)) {
    auto file = HiddenFile::create(options.directory);
    if (!file) return file.error();
    if (::ftruncate((*file)->fd(), static_cast<off_t>(append_bytes)) != 0) return errno_error("ftruncate", errno);
    void* map = ::mmap(nullptr, append_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, (*file)->fd(), 0);
    if (map == MAP_FAILED) return errno_error("mmap", errno);
    const int64_t start = now_ns();
    for (size_t at = 0; at + record.size() <= append_bytes; at += record.size()) {
      std::memcpy(static_cast<uint8_t*>(map) + at, record.data(), record.size());
      bytes += std::ssize(record);
    }
    spent_ns += now_ns() - start;
    ::munmap(map, append_bytes);
  }
  out.push_back({"mmap_append_gib_per_second", gib_per_second(bytes, spent_ns), 3});
  return {};
}

// 4 KiB written and made durable, one by one; over bytes that were written before, or at the end of a growing file.
Status measure_fdatasync(const Options& options, bool written_before, std::vector<Figure>& out) {
  const std::vector<uint8_t> page(page_bytes, 'm');
  auto file = HiddenFile::create(options.directory);
  if (!file) return file.error();
  const int fd = (*file)->fd();
  for (size_t at = 0; written_before && at < synced_bytes; at += page_bytes) {
    if (Status s = write_at(fd, page, at); !s) return s;
  }
  if (::fsync(fd) != 0) return errno_error("fsync", errno);
  Histogram latency;
  const int64_t end_ns = now_ns() + part_ns(options);
  for (size_t at = 0; now_ns() < end_ns; at = (at + page_bytes) % synced_bytes) {
    // From the start again, a file would not grow any more.
    if (at == 0 && !written_before && ::ftruncate(fd, 0) != 0) return errno_error("ftruncate", errno);
    const int64_t start = now_ns();
    if (Status s = write_at(fd, page, at); !s) return s;
    if (::fdatasync(fd) != 0) return errno_error("fdatasync", errno);
    latency.add(now_ns() - start);
  }
  const std::string name = written_before ? "fdatasync_written_" : "fdatasync_growing_";
  out.push_back({name + "p50_us", static_cast<double>(latency.quantile_ns(0.5)) / 1000, 1});
  out.push_back({name + "p99_us", static_cast<double>(latency.quantile_ns(0.99)) / 1000, 1});
  return {};
}

void measure_memcpy(const Options& options, std::vector<Figure>& out) {
  const std::vector<uint8_t> from(copied_bytes, 'm');
  std::vector<uint8_t> to(copied_bytes);
  int64_t bytes = 0;
  const int64_t start = now_ns();
  int64_t spent_ns = 0;
  while (spent_ns < part_ns(options)) {
    std::memcpy(to.data(), from.data(), copied_bytes);
    // Without a reader, the compiler may leave the copy out.
    asm volatile("" : : "r"(to.data()) : "memory");
    bytes += std::ssize(to);
    spent_ns = now_ns() - start;
  }
  out.push_back({"memcpy_gib_per_second", gib_per_second(bytes, spent_ns), 2});
}

}  // namespace

Status measure_files(const Options& options, std::vector<Figure>& out) {
  if (Status s = measure_write(options, static_cast<size_t>(options.size_bytes), out); !s) return s;
  constexpr size_t large_write_bytes = size_t{64} << 10;
  if (Status s = measure_write(options, large_write_bytes, out); !s) return s;
  if (Status s = measure_mmap(options, out); !s) return s;
  if (Status s = measure_fdatasync(options, false, out); !s) return s;
  if (Status s = measure_fdatasync(options, true, out); !s) return s;
  measure_memcpy(options, out);
  return {};
}

}  // namespace merlin::bench
