// CRC-32 with the zlib polynomial, by libdeflate (carry-less multiply where the machine has it).
#pragma once

#include <cstdint>

#include "merlin/base/bytes.h"

namespace merlin {

uint32_t crc32(ByteView bytes);
uint32_t crc32(uint32_t seed, ByteView bytes);

// RocketMQ keeps 31 bits of it: crc32("123456789") is stored as 0x4BF43926.
inline int32_t crc32_31(ByteView bytes) {
  return static_cast<int32_t>(crc32(bytes) & 0x7FFFFFFFU);
}

}  // namespace merlin
