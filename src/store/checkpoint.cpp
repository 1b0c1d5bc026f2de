#include "store/checkpoint.h"

#include <array>

namespace merlin::store {

static constexpr int64_t checkpoint_file_bytes = 4096;
static constexpr size_t checkpoint_bytes = 40;

Checkpoint read_checkpoint(FileSystem& files, const std::string& path) {
  const auto content = files.read_file(path, 1 << 20);
  if (!content || content->size() < checkpoint_bytes) return {};
  const auto* in = reinterpret_cast<const uint8_t*>(content->data());
  return {load_be<int64_t>(in), load_be<int64_t>(in + 8), load_be<int64_t>(in + 16), load_be<int64_t>(in + 24),
          load_be<int64_t>(in + 32)};
}

Status write_checkpoint(FileSystem& files, const std::string& path, const Checkpoint& c) {
  std::array<uint8_t, checkpoint_bytes> out;
  store_be<int64_t>(out.data(), c.log_timestamp_ms);
  store_be<int64_t>(out.data() + 8, c.queue_timestamp_ms);
  store_be<int64_t>(out.data() + 16, c.index_timestamp_ms);
  store_be<int64_t>(out.data() + 24, c.master_flushed_offset);
  store_be<int64_t>(out.data() + 32, c.confirm_offset);
  auto file = files.open(path, OpenMode::create);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size < checkpoint_file_bytes) {
    if (Status s = (*file)->truncate(checkpoint_file_bytes); !s) return s;
  }
  if (Status s = (*file)->pwrite(out, 0); !s) return s;
  return (*file)->sync_data();
}

}  // namespace merlin::store
