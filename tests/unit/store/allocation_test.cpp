// The steady path allocates nothing: append, dispatch and read, counted on the thread that does them.
#include <cstdlib>
#include <new>

#include "unit/store/store_fixture.h"

namespace {
thread_local int64_t allocations = 0;
}

// Not inlined: GCC takes the malloc and free inside for a mismatch with new and delete around them.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* p) noexcept {
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept {
  std::free(p);
}

namespace merlin::store {
namespace {

TEST(AllocationTest, AppendDispatchAndReadAllocateNothingForAMessage) {
  StoreFixture f(small_options(fresh_dir()));
  f.options.segment_size_bytes = 16 << 20;
  f.options.consume_queue_file_bytes = 100'000 * 20;
  f.options.queue_flush_interval_ms = 60'000;
  ASSERT_TRUE(f.open().ok());
  const std::string properties = "KEYS\x01k\x02";
  std::vector<AppendItem> items(16);
  for (size_t i = 0; i < items.size(); ++i) {
    items[i].spec = spec_of("T", 0, "the body of a message", properties);
    items[i].queue = f.store->queue("T", 0);
  }
  GetResult result;
  int64_t next = 0;
  const auto round = [&] {
    f.store->append(items, f.scratch);
    f.store->get(f.store->find_queue("T", 0), next, {}, nullptr, result);
    next = result.next_begin_offset;
  };
  for (int i = 0; i < 100; ++i) round();
  const int64_t before = allocations;
  for (int i = 0; i < 1000; ++i) round();
  // None for a message. The memory of units that wait for the log may double, and the log is read again when another
  // thread has the dispatcher for long.
  EXPECT_LE(allocations - before, 160) << "in 16000 messages";
  EXPECT_TRUE(eventually([&] {
    f.store->get(f.store->find_queue("T", 0), next, {}, nullptr, result);
    next = result.next_begin_offset;
    return next == 1100 * 16;
  }));
  f.close();
}

}  // namespace
}  // namespace merlin::store
