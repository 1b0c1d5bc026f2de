// How bytes should reach the log: pwrite, or a copy into a shared writable mapping of fresh pages; and what the whole
// append lane costs on top. Per burst size, on a sparse file, without syncs.
//
// Seen on two cores with ext4 (CPU time): 256 B 0.74 us by pwrite, 0.12 us mapped; 4 KiB 3.1 and 2.9 us; 16 KiB 6.4 and
// 9.6 us; 64 KiB 21 and 36 us. Page faults make the mapping lose from a page on; below that pwrite pays 0.6 us per
// burst for errors that are values, not signals. Hence pwrite, and bursts.
//
// TMPDIR chooses the disk.
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>

#include "store/message_store.h"

namespace {

using namespace merlin;

constexpr int64_t file_bytes = int64_t{256} << 20;

std::string scratch_dir() {
  const char* base = std::getenv("TMPDIR");
  const std::string dir = std::string(base != nullptr ? base : "/tmp") + "/micro_bench";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir;
}

int fresh_file(const std::string& path) {
  ::unlink(path.c_str());
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ::ftruncate(fd, file_bytes) != 0) std::abort();
  return fd;
}

void report(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void append_by_pwrite(benchmark::State& state) {
  const std::string path = scratch_dir() + "/pwrite";
  const auto burst = static_cast<size_t>(state.range(0));
  const std::vector<char> bytes(burst, 'x');
  int fd = fresh_file(path);
  int64_t at = 0;
  for (auto _ : state) {
    if (at + state.range(0) > file_bytes) {
      state.PauseTiming();
      ::close(fd);
      fd = fresh_file(path);
      at = 0;
      state.ResumeTiming();
    }
    if (::pwrite(fd, bytes.data(), burst, at) < 0) std::abort();
    at += state.range(0);
  }
  ::close(fd);
  ::unlink(path.c_str());
  report(state);
}

void append_by_mapping(benchmark::State& state) {
  const std::string path = scratch_dir() + "/mapped";
  const auto burst = static_cast<size_t>(state.range(0));
  const std::vector<char> bytes(burst, 'x');
  int fd = fresh_file(path);
  const auto map = [&] {
    void* p = ::mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) std::abort();
    return static_cast<char*>(p);
  };
  char* base = map();
  int64_t at = 0;
  for (auto _ : state) {
    if (at + state.range(0) > file_bytes) {
      state.PauseTiming();
      ::munmap(base, file_bytes);
      ::close(fd);
      fd = fresh_file(path);
      base = map();
      at = 0;
      state.ResumeTiming();
    }
    std::memcpy(base + at, bytes.data(), burst);
    benchmark::ClobberMemory();
    at += state.range(0);
  }
  ::munmap(base, file_bytes);
  ::close(fd);
  ::unlink(path.c_str());
  report(state);
}

// Encode, stamp, write, dispatch: bursts of so many messages with a body of 256 bytes.
void append_to_store(benchmark::State& state) {
  store::StoreOptions options;
  options.root_dir = scratch_dir();
  options.segment_size_bytes = file_bytes;
  options.index_enabled = false;
  const SystemClock clock;
  store::MessageStore store(options, posix_file_system(), clock, [](const Error&) { std::abort(); });
  if (!store.open().ok()) std::abort();
  const std::string body(256, 'b');
  std::vector<store::AppendItem> items(static_cast<size_t>(state.range(0)));
  for (store::AppendItem& item : items) {
    item.spec.topic = "BenchTopic";
    item.spec.body = as_bytes(body);
    item.spec.properties =
        "UNIQ_KEY\x01"
        "7F000001000018B4AAC2000000000000\x02WAIT\x01true\x02";
    item.spec.born_host = item.spec.store_host = *HostPort::from_ip("127.0.0.1", 10911);
    item.queue = store.queue("BenchTopic", 0);
  }
  Buffer scratch;
  for (auto _ : state) {
    store.append(items, scratch);
    if (items.back().code != store::AppendCode::ok) std::abort();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(scratch.size()));
  store.close();
  std::filesystem::remove_all(options.root_dir);
}

BENCHMARK(append_by_pwrite)->RangeMultiplier(4)->Range(256, 1 << 20);
BENCHMARK(append_by_mapping)->RangeMultiplier(4)->Range(256, 1 << 20);
BENCHMARK(append_to_store)->RangeMultiplier(4)->Range(1, 256);

}  // namespace
