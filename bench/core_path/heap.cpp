// The allocation functions of glibc, replaced by ones that count and then call glibc's own. free() stays as it is.
#include "heap.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

extern "C" {
// glibc's own names of the functions below; no header declares them.
void* __libc_malloc(size_t size);                      // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(size_t count, size_t size);        // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* old, size_t size);          // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT(bugprone-reserved-identifier)
}

namespace merlin::bench::heap {

namespace {

thread_local int64_t own_count = 0;
std::atomic<int64_t> all_count{0};

void count() {
  ++own_count;
  all_count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

int64_t own() {
  return own_count;
}

int64_t all() {
  return all_count.load(std::memory_order_relaxed);
}

}  // namespace merlin::bench::heap

extern "C" {

void* malloc(size_t size) noexcept {
  merlin::bench::heap::count();
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) noexcept {
  merlin::bench::heap::count();
  return __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) noexcept {
  merlin::bench::heap::count();
  return __libc_realloc(old, size);
}

void* memalign(size_t alignment, size_t size) noexcept {
  merlin::bench::heap::count();
  return __libc_memalign(alignment, size);
}

void* aligned_alloc(size_t alignment, size_t size) noexcept {
  merlin::bench::heap::count();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** out, size_t alignment, size_t size) noexcept {
  merlin::bench::heap::count();
  *out = __libc_memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}
}
