#include "store/queue/bounds_file.h"

#include "merlin/base/crc32.h"

namespace merlin::store {

static constexpr std::string_view bounds_magic = "MRLNBNDS";
static constexpr size_t head_bytes = 20;
static constexpr size_t crc_bytes = 4;
static constexpr size_t row_bytes = 2 + 4 + 4 * 8;  // without the topic

std::optional<std::vector<BoundsRow>> read_bounds(FileSystem& files, const std::string& path,
                                                  int64_t dispatched_offset) {
  const auto content = files.read_file(path);
  if (!content || content->size() < head_bytes + crc_bytes || !content->starts_with(bounds_magic)) return std::nullopt;
  const auto* in = reinterpret_cast<const uint8_t*>(content->data());
  const size_t end = content->size() - crc_bytes;
  if (load_be<uint32_t>(in + end) != crc32(ByteView(in, end))) return std::nullopt;
  if (load_be<int64_t>(in + 8) != dispatched_offset) return std::nullopt;
  const size_t count = load_be<uint32_t>(in + 16);
  if (count > (end - head_bytes) / row_bytes) return std::nullopt;
  std::vector<BoundsRow> rows(count);
  size_t at = head_bytes;
  for (BoundsRow& row : rows) {
    if (end - at < row_bytes) return std::nullopt;
    const size_t length = load_be<uint16_t>(in + at);
    if (end - at - row_bytes < length) return std::nullopt;
    row.topic = content->substr(at + 2, length);
    at += 2 + length;
    row.queue_id = load_be<int32_t>(in + at);
    row.bounds = {load_be<int64_t>(in + at + 4), load_be<int64_t>(in + at + 12), load_be<int64_t>(in + at + 20),
                  load_be<int64_t>(in + at + 28)};
    at += row_bytes - 2;
  }
  if (at != end) return std::nullopt;
  return rows;
}

Status write_bounds(FileSystem& files, const std::string& path, int64_t dispatched_offset,
                    const std::vector<BoundsRow>& rows) {
  std::vector<uint8_t> out(head_bytes);
  std::memcpy(out.data(), bounds_magic.data(), bounds_magic.size());
  store_be<int64_t>(out.data() + 8, dispatched_offset);
  store_be<uint32_t>(out.data() + 16, static_cast<uint32_t>(rows.size()));
  for (const BoundsRow& row : rows) {
    const size_t at = out.size();
    out.resize(at + row_bytes + row.topic.size());
    store_be<uint16_t>(out.data() + at, static_cast<uint16_t>(row.topic.size()));
    std::memcpy(out.data() + at + 2, row.topic.data(), row.topic.size());
    uint8_t* rest = out.data() + at + 2 + row.topic.size();
    store_be<int32_t>(rest, row.queue_id);
    store_be<int64_t>(rest + 4, row.bounds.min);
    store_be<int64_t>(rest + 12, row.bounds.min_physical);
    store_be<int64_t>(rest + 20, row.bounds.max);
    store_be<int64_t>(rest + 28, row.bounds.max_physical);
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
