// The entry of every fuzz target, and the check that turns a broken promise into a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "merlin/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace merlin::fuzz {

#define FUZZ_CHECK(condition)                                                            \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

// A copy of exactly the input's size on the heap, so that a read behind it is seen.
class Copy {
 public:
  Copy(const uint8_t* data, size_t size) : bytes_(new uint8_t[size]), size_(size) {
    if (size > 0) std::memcpy(bytes_.get(), data, size);
  }
  ByteView view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_;
};

}  // namespace merlin::fuzz
