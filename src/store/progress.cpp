#include "store/progress.h"

#include <array>

#include "merlin/base/crc32.h"

namespace merlin::store {

static constexpr std::string_view progress_magic = "MRLNPROG";
static constexpr int32_t progress_version = 1;
static constexpr size_t progress_bytes = 52;
static constexpr size_t crc_at = 48;

std::optional<Progress> read_progress(FileSystem& files, const std::string& path) {
  const auto content = files.read_file(path, 4096);
  if (!content || content->size() != progress_bytes) return std::nullopt;
  const auto* in = reinterpret_cast<const uint8_t*>(content->data());
  if (content->substr(0, 8) != progress_magic || load_be<int32_t>(in + 8) != progress_version) return std::nullopt;
  if (load_be<uint32_t>(in + crc_at) != crc32(ByteView(in, crc_at))) return std::nullopt;
  Progress p;
  p.queue_count = load_be<int32_t>(in + 12);
  p.log_synced_offset = load_be<int64_t>(in + 16);
  p.dispatched_offset = load_be<int64_t>(in + 24);
  p.last_record_offset = load_be<int64_t>(in + 32);
  p.last_record_timestamp_ms = load_be<int64_t>(in + 40);
  return p;
}

Status write_progress(FileSystem& files, const std::string& path, const Progress& p) {
  std::array<uint8_t, progress_bytes> out{};
  std::memcpy(out.data(), progress_magic.data(), progress_magic.size());
  store_be<int32_t>(out.data() + 8, progress_version);
  store_be<int32_t>(out.data() + 12, p.queue_count);
  store_be<int64_t>(out.data() + 16, p.log_synced_offset);
  store_be<int64_t>(out.data() + 24, p.dispatched_offset);
  store_be<int64_t>(out.data() + 32, p.last_record_offset);
  store_be<int64_t>(out.data() + 40, p.last_record_timestamp_ms);
  store_be<uint32_t>(out.data() + crc_at, crc32(ByteView(out.data(), crc_at)));
  const std::string tmp = path + ".tmp";
  auto file = files.open(tmp, OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(0); !s) return s;
  if (Status s = (*file)->pwrite(out, 0); !s) return s;
  if (Status s = (*file)->sync_data(); !s) return s;
  return files.rename(tmp, path);
}

}  // namespace merlin::store
