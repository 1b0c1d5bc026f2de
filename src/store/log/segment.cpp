#include "store/log/segment.h"

#include "store/file_names.h"

namespace merlin::store {

Result<std::shared_ptr<Segment>> Segment::open(FileSystem& files, const std::string& dir, int64_t start,
                                               int64_t size_bytes) {
  const std::string path = dir + "/" + offset_file_name(start);
  auto file = files.open(path, OpenMode::create);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size != size_bytes) {
    if (Status s = (*file)->truncate(size_bytes); !s) return s.error();
    // The size must be on disk before a later segment exists: only the last file may be short after a power cut.
    if (Status s = (*file)->sync_data(); !s) return s.error();
  }
  auto map = (*file)->map_read(static_cast<size_t>(size_bytes));
  if (!map) return map.error();
  return std::make_shared<Segment>(path, start, size_bytes, std::move(*file), std::move(*map));
}

Status Segment::zero_from(int64_t offset) {
  if (Status s = file_->truncate(offset - start_); !s) return s;
  if (Status s = file_->truncate(size_); !s) return s;
  return file_->sync_data();
}

}  // namespace merlin::store
