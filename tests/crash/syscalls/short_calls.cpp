// Preloaded into a program: every second pwrite writes half of its bytes at most, every fifth is interrupted, and
// preads come in pieces, too. All of that is what POSIX allows a kernel to do.
#include <atomic>
#include <cerrno>
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

using Write = ssize_t (*)(int, const void*, size_t, off_t);
using Read = ssize_t (*)(int, void*, size_t, off_t);

template <class Call>
Call next(const char* name) {
  return reinterpret_cast<Call>(dlsym(RTLD_NEXT, name));
}

std::atomic<unsigned> calls{0};

// How many bytes of a call go through; 0: it is interrupted.
size_t allowed(size_t count) {
  const unsigned n = calls.fetch_add(1);
  if (n % 5 == 3) return 0;
  return n % 2 == 1 && count > 1 ? count / 2 : count;
}

ssize_t interrupted() {
  errno = EINTR;
  return -1;
}

ssize_t short_write(int fd, const void* bytes, size_t count, off_t offset) {
  static const Write write = next<Write>("pwrite");
  const size_t now = allowed(count);
  return now == 0 ? interrupted() : write(fd, bytes, now, offset);
}

ssize_t short_read(int fd, void* bytes, size_t count, off_t offset) {
  static const Read read = next<Read>("pread");
  const size_t now = allowed(count);
  return now == 0 ? interrupted() : read(fd, bytes, now, offset);
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  return short_write(fd, bytes, count, offset);
}
ssize_t pwrite64(int fd, const void* bytes, size_t count, off_t offset) {
  return short_write(fd, bytes, count, offset);
}
ssize_t pread(int fd, void* bytes, size_t count, off_t offset) {
  return short_read(fd, bytes, count, offset);
}
ssize_t pread64(int fd, void* bytes, size_t count, off_t offset) {
  return short_read(fd, bytes, count, offset);
}
}
