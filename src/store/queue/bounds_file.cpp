#include "store/queue/bounds_file.h"

#include "merlin/base/crc32.h"

namespace merlin::store {

static constexpr std::string_view bounds_magic = "MRLNBND2";
static constexpr size_t head_bytes = 36;
static constexpr size_t crc_bytes = 4;
static constexpr size_t row_bytes = 2 + 4 + 5 * 8;  // without the topic

std::optional<BoundsFile> read_bounds(FileSystem& files, const std::string& path) {
  auto content = files.read_file(path);
  if (!content || content->size() < head_bytes + crc_bytes || !content->starts_with(bounds_magic)) return std::nullopt;
  BoundsFile out;
  out.content = std::move(*content);
  const auto* in = reinterpret_cast<const uint8_t*>(out.content.data());
  const size_t end = out.content.size() - crc_bytes;
  if (load_be<uint32_t>(in + end) != crc32(ByteView(in, end))) return std::nullopt;
  out.progress.dispatched_offset = load_be<int64_t>(in + 8);
  out.progress.last_record_offset = load_be<int64_t>(in + 16);
  out.progress.last_record_timestamp_ms = load_be<int64_t>(in + 24);
  const size_t count = load_be<uint32_t>(in + 32);
  if (count > (end - head_bytes) / row_bytes) return std::nullopt;
  out.rows.resize(count);
  size_t at = head_bytes;
  std::string_view topic;
  for (BoundsRow& row : out.rows) {
    if (end - at < row_bytes) return std::nullopt;
    const size_t length = load_be<uint16_t>(in + at);
    if (end - at - row_bytes < length) return std::nullopt;
    if (length > 0) topic = std::string_view(out.content).substr(at + 2, length);
    row.topic = topic;
    at += 2 + length;
    row.queue_id = load_be<int32_t>(in + at);
    row.first = load_be<int64_t>(in + at + 4);
    row.bounds = {load_be<int64_t>(in + at + 12), load_be<int64_t>(in + at + 20), load_be<int64_t>(in + at + 28),
                  load_be<int64_t>(in + at + 36)};
    at += row_bytes - 2;
  }
  if (at != end) return std::nullopt;
  return out;
}

Status write_bounds(FileSystem& files, const std::string& path, const Progress& progress,
                    const std::vector<BoundsRow>& rows) {
  std::vector<uint8_t> out(head_bytes);
  out.reserve(head_bytes + rows.size() * (row_bytes + 16));
  std::memcpy(out.data(), bounds_magic.data(), bounds_magic.size());
  store_be<int64_t>(out.data() + 8, progress.dispatched_offset);
  store_be<int64_t>(out.data() + 16, progress.last_record_offset);
  store_be<int64_t>(out.data() + 24, progress.last_record_timestamp_ms);
  store_be<uint32_t>(out.data() + 32, static_cast<uint32_t>(rows.size()));
  std::string_view topic;
  for (const BoundsRow& row : rows) {
    const std::string_view name = row.topic == topic ? std::string_view() : row.topic;
    topic = row.topic;
    const size_t at = out.size();
    out.resize(at + row_bytes + name.size());
    store_be<uint16_t>(out.data() + at, static_cast<uint16_t>(name.size()));
    if (!name.empty()) std::memcpy(out.data() + at + 2, name.data(), name.size());
    uint8_t* rest = out.data() + at + 2 + name.size();
    store_be<int32_t>(rest, row.queue_id);
    store_be<int64_t>(rest + 4, row.first);
    store_be<int64_t>(rest + 12, row.bounds.min);
    store_be<int64_t>(rest + 20, row.bounds.min_physical);
    store_be<int64_t>(rest + 28, row.bounds.max);
    store_be<int64_t>(rest + 36, row.bounds.max_physical);
  }
  const uint32_t crc = crc32(out);
  out.resize(out.size() + crc_bytes);
  store_be<uint32_t>(out.data() + out.size() - crc_bytes, crc);
  const std::string tmp = path + ".tmp";
  auto file = files.open(tmp, OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(0); !s) return s;
  if (Status s = (*file)->pwrite(out, 0); !s) return s;
  if (Status s = (*file)->sync_data(); !s) return s;
  return files.rename(tmp, path);
}

}  // namespace merlin::store
