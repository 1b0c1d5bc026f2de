// Big-endian integers in byte buffers, and a growable output buffer. RocketMQ's wire and files are big-endian
// throughout.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace merlin {

using ByteView = std::span<const uint8_t>;

inline ByteView as_bytes(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}
inline std::string_view as_text(ByteView b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

template <class T>
T load_be(const uint8_t* p) {
  static_assert(std::is_integral_v<T>);
  using U = std::make_unsigned_t<T>;
  U u;
  std::memcpy(&u, p, sizeof(U));
  if constexpr (sizeof(U) == 2) u = __builtin_bswap16(u);
  if constexpr (sizeof(U) == 4) u = __builtin_bswap32(u);
  if constexpr (sizeof(U) == 8) u = __builtin_bswap64(u);
  return static_cast<T>(u);
}

template <class T>
void store_be(uint8_t* p, T value) {
  static_assert(std::is_integral_v<T>);
  using U = std::make_unsigned_t<T>;
  U u = static_cast<U>(value);
  if constexpr (sizeof(U) == 2) u = __builtin_bswap16(u);
  if constexpr (sizeof(U) == 4) u = __builtin_bswap32(u);
  if constexpr (sizeof(U) == 8) u = __builtin_bswap64(u);
  std::memcpy(p, &u, sizeof(U));
}

// A growable byte buffer that keeps its capacity over clear(), so that a steady workload stops allocating.
class Buffer {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t capacity() const { return data_.size(); }
  uint8_t* data() { return data_.data(); }
  const uint8_t* data() const { return data_.data(); }
  ByteView view() const { return {data_.data(), size_}; }
  void clear() { size_ = 0; }
  void truncate(size_t size) { size_ = size; }

  // Room for n more bytes at the end; the caller writes them and calls commit(n).
  uint8_t* prepare(size_t n) {
    if (size_ + n > data_.size()) data_.resize(std::max(size_ + n, data_.size() * 2));
    return data_.data() + size_;
  }
  void commit(size_t n) { size_ += n; }
  // Makes room for `n` bytes in all, and no more than that.
  void reserve(size_t n) {
    if (n > data_.size()) data_.resize(n);
  }

  void append(const void* p, size_t n) {
    if (n == 0) return;
    std::memcpy(prepare(n), p, n);
    size_ += n;
  }
  void append(std::string_view s) { append(s.data(), s.size()); }
  void append(ByteView b) { append(b.data(), b.size()); }
  void push(uint8_t b) {
    *prepare(1) = b;
    ++size_;
  }
  template <class T>
  void append_be(T value) {
    store_be<T>(prepare(sizeof(T)), value);
    size_ += sizeof(T);
  }
  // Gives the memory back, for buffers that grew for one large frame.
  void release() {
    data_ = {};
    size_ = 0;
  }
  void drop_front(size_t n) {
    std::memmove(data_.data(), data_.data() + n, size_ - n);
    size_ -= n;
  }

 private:
  std::vector<uint8_t> data_;
  size_t size_ = 0;
};

}  // namespace merlin
