#include "store/log/segment.h"

#include "store/file_names.h"

namespace merlin::store {

Result<std::shared_ptr<Segment>> Segment::make(FileSystem& files, const std::string& dir, int64_t start,
                                               int64_t size_bytes, const std::shared_ptr<SegmentUse>& use) {
  auto segment = std::make_shared<Segment>(files, dir + "/" + offset_file_name(start), start, size_bytes, use);
  auto file = files.open(segment->path_, OpenMode::create);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size != size_bytes) {
    if (Status s = (*file)->truncate(size_bytes); !s) return s.error();
    // The size must be on disk before a later segment exists: only the last file may be short after a power cut.
    if (Status s = (*file)->sync_data(); !s) return s.error();
  }
  const std::lock_guard lock(segment->mutex_);
  segment->opened(std::move(*file));
  return segment;
}

Segment::Segment(FileSystem& files, std::string path, int64_t start, int64_t size_bytes,
                 std::shared_ptr<SegmentUse> use)
    : files_(files), path_(std::move(path)), start_(start), size_(size_bytes), use_(std::move(use)) {}

Segment::~Segment() {
  release();
}

void Segment::opened(std::shared_ptr<File> file) {
  file_ = std::move(file);
  open_.store(true, std::memory_order_relaxed);
  use_->open_count.fetch_add(1, std::memory_order_relaxed);
}

Result<std::shared_ptr<File>> Segment::file() {
  last_use_.store(use_->clock.fetch_add(1, std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  if (file_ == nullptr) {
    auto file = files_.open(path_, OpenMode::read_write);
    if (!file) return file.error();
    opened(std::move(*file));
  }
  return file_;
}

Status Segment::read(std::span<uint8_t> out, int64_t offset) {
  const auto file = this->file();
  if (!file) return file.error();
  const auto count = (*file)->pread(out, offset - start_);
  if (!count) return count.error();
  if (*count < out.size()) return Error{Errc::corrupt, path_ + " is shorter than its size was"};
  return {};
}

Result<size_t> Segment::read_now(std::span<uint8_t> out, int64_t offset) {
  const auto file = this->file();
  if (!file) return file.error();
  return (*file)->pread_now(out, offset - start_);
}

void Segment::forget(int64_t offset, int64_t bytes) {
  if (const auto file = this->file()) (*file)->forget(offset - start_, bytes);
}

Status Segment::write(ByteView bytes, int64_t offset) {
  const auto file = this->file();
  if (!file) return file.error();
  return (*file)->pwrite(bytes, offset - start_);
}

Result<std::shared_ptr<Mapping>> Segment::mapping() {
  {
    const std::lock_guard lock(mutex_);
    if (map_ != nullptr) return map_;
  }
  const auto file = this->file();
  if (!file) return file.error();
  auto map = (*file)->map_read(static_cast<size_t>(size_));
  if (!map) return map.error();
  const std::lock_guard lock(mutex_);
  if (map_ == nullptr) map_ = std::move(*map);
  return map_;
}

Status Segment::sync() {
  const auto file = this->file();
  if (!file) return file.error();
  return (*file)->sync_data();
}

Status Segment::zero_from(int64_t offset) {
  const auto file = this->file();
  if (!file) return file.error();
  if (Status s = (*file)->truncate(offset - start_); !s) return s;
  if (Status s = (*file)->truncate(size_); !s) return s;
  return (*file)->sync_data();
}

void Segment::release() {
  const std::lock_guard lock(mutex_);
  map_ = nullptr;
  if (file_ == nullptr) return;
  file_ = nullptr;
  open_.store(false, std::memory_order_relaxed);
  use_->open_count.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace merlin::store
