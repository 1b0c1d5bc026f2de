#include "store/synced_point.h"

#include <array>

#include "merlin/base/crc32.h"

namespace merlin::store {

static constexpr std::string_view synced_magic = "MRLNSYNC";
static constexpr int32_t synced_version = 1;
static constexpr size_t crc_at = 32;
static constexpr size_t synced_bytes = 36;

std::optional<SyncedPoint> read_synced_point(FileSystem& files, const std::string& path) {
  const auto content = files.read_file(path, 4096);
  if (!content || content->size() != synced_bytes) return std::nullopt;
  const auto* in = reinterpret_cast<const uint8_t*>(content->data());
  if (content->substr(0, 8) != synced_magic || load_be<int32_t>(in + 8) != synced_version) return std::nullopt;
  if (load_be<uint32_t>(in + crc_at) != crc32(ByteView(in, crc_at))) return std::nullopt;
  return SyncedPoint{load_be<int64_t>(in + 16), load_be<int64_t>(in + 24)};
}

Status write_synced_point(FileSystem& files, const std::string& path, const SyncedPoint& point) {
  std::array<uint8_t, synced_bytes> out{};
  std::copy(synced_magic.begin(), synced_magic.end(), out.begin());
  store_be<int32_t>(out.data() + 8, synced_version);
  store_be<int64_t>(out.data() + 16, point.offset);
  store_be<int64_t>(out.data() + 24, point.timestamp_ms);
  store_be<uint32_t>(out.data() + crc_at, crc32(ByteView(out.data(), crc_at)));
  auto file = files.open(path, OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->pwrite(out, 0); !s) return s;
  return (*file)->sync_data();
}

}  // namespace merlin::store
