#include "merlin/base/crc32.h"

#include <libdeflate.h>

namespace merlin {

uint32_t crc32(ByteView bytes) {
  return libdeflate_crc32(0, bytes.data(), bytes.size());
}
uint32_t crc32(uint32_t seed, ByteView bytes) {
  return libdeflate_crc32(seed, bytes.data(), bytes.size());
}

}  // namespace merlin
