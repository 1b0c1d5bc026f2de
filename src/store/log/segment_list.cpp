#include "store/log/segment_list.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <span>

#include "merlin/base/log.h"
#include "store/file_names.h"

namespace merlin::store {

SegmentList::SegmentList(FileSystem& files, std::string dir, int64_t segment_size_bytes)
    : files_(files), dir_(std::move(dir)), segment_size_(segment_size_bytes) {}

static Error wrong_size(const std::string& path, int64_t size, int64_t expected) {
  return Error{Errc::corrupt, path + " has " + std::to_string(size) + " bytes; mappedFileSizeCommitLog is " +
                                  std::to_string(expected) + ". Check the setting, or the file, by hand"};
}

// Whether no record was ever written to these segments: each record and filler begins with its size.
static bool hold_nothing(FileSystem& files, const std::string& dir, std::span<const int64_t> starts) {
  return std::all_of(starts.begin(), starts.end(), [&](int64_t start) {
    auto file = files.open(dir + "/" + offset_file_name(start), OpenMode::read_only);
    if (!file) return false;
    std::array<uint8_t, 8> first{};
    const auto got = (*file)->pread(first, 0);
    return got && std::all_of(first.begin(), first.end(), [](uint8_t byte) { return byte == 0; });
  });
}

Status SegmentList::load() {
  const auto names = files_.list(dir_);
  if (!names) return names.error();
  std::vector<int64_t> starts;
  for (const std::string& name : *names) {
    const auto start = parse_offset_file_name(name);
    if (!start || files_.is_dir(dir_ + "/" + name)) {
      log_warn("store", "{}/{} is not a commit log segment: ignored", dir_, name);
      continue;
    }
    starts.push_back(*start);
  }
  std::vector<std::shared_ptr<Segment>> loaded;
  for (size_t i = 0; i < starts.size(); ++i) {
    const std::string path = dir_ + "/" + offset_file_name(starts[i]);
    const bool last = i + 1 == starts.size();
    auto probe = files_.open(path, OpenMode::read_only);
    if (!probe) return probe.error();
    const auto size = (*probe)->size();
    if (!size) return size.error();
    // A crash may leave the newest file short: it was being made, or cut, at that moment. Those made ahead may follow.
    const bool newest = last || *size >= segment_size_ || hold_nothing(files_, dir_, std::span(starts).subspan(i + 1));
    if (*size > segment_size_ || (*size < segment_size_ && !newest)) return wrong_size(path, *size, segment_size_);
    if (*size == 0 && last) {
      log_warn("store", "{} is empty: removed", path);
      if (Status s = files_.remove(path); !s) return s;
      // It must not come back behind a file that recovery is about to shorten.
      if (Status s = files_.sync_dir(dir_); !s) return s;
      continue;
    }
    if (*size < segment_size_) log_warn("store", "{} has {} bytes: extended to {}", path, *size, segment_size_);
    if (starts[i] % segment_size_ != 0) {
      return Error{Errc::corrupt,
                   path + " does not start at a multiple of mappedFileSizeCommitLog " + std::to_string(segment_size_)};
    }
    if (!loaded.empty() && loaded.back()->end() != starts[i]) {
      return Error{Errc::corrupt, "the commit log has a gap: the segment before " + path + " ends at " +
                                      std::to_string(loaded.back()->end())};
    }
    auto segment = Segment::open(files_, dir_, starts[i], segment_size_);
    if (!segment) return segment.error();
    loaded.push_back(std::move(*segment));
  }
  const std::unique_lock lock(mutex_);
  segments_ = std::move(loaded);
  return {};
}

bool SegmentList::empty() const {
  const std::shared_lock lock(mutex_);
  return segments_.empty();
}

int64_t SegmentList::first_start() const {
  const std::shared_lock lock(mutex_);
  return segments_.empty() ? 0 : segments_.front()->start();
}

std::vector<std::shared_ptr<Segment>> SegmentList::all() const {
  const std::shared_lock lock(mutex_);
  return segments_;
}

std::shared_ptr<Segment> SegmentList::find(int64_t offset) const {
  const std::shared_lock lock(mutex_);
  if (segments_.empty() || offset < segments_.front()->start()) return nullptr;
  const auto index = static_cast<size_t>((offset - segments_.front()->start()) / segment_size_);
  return index < segments_.size() ? segments_[index] : nullptr;
}

std::vector<std::shared_ptr<Segment>> SegmentList::covering(int64_t begin, int64_t end) const {
  std::vector<std::shared_ptr<Segment>> out;
  const std::shared_lock lock(mutex_);
  for (const auto& segment : segments_) {
    if (segment->end() > begin && segment->start() < end) out.push_back(segment);
  }
  return out;
}

Result<std::shared_ptr<Segment>> SegmentList::make(int64_t start) {
  auto segment = Segment::open(files_, dir_, start, segment_size_);
  if (!segment) return segment;
  if (Status s = files_.sync_dir(dir_); !s) return s.error();
  return segment;
}

Result<std::shared_ptr<Segment>> SegmentList::next_after(int64_t start) {
  if (auto segment = find(start)) return segment;
  std::shared_ptr<Segment> next;
  {
    const std::lock_guard lock(prepare_mutex_);
    next = std::move(prepared_);
    prepared_ = nullptr;
    if (next == nullptr || next->start() != start) {
      auto made = make(start);
      if (!made) return made;
      next = std::move(*made);
    }
  }
  const std::unique_lock lock(mutex_);
  assert(segments_.empty() || segments_.back()->end() == start);
  segments_.push_back(next);
  return next;
}

Status SegmentList::prepare_next(int64_t start) {
  const std::lock_guard lock(prepare_mutex_);
  if ((prepared_ != nullptr && prepared_->start() == start) || find(start) != nullptr) return {};
  auto made = make(start);
  if (!made) return made.error();
  prepared_ = std::move(*made);
  return {};
}

Status SegmentList::drop_from(int64_t offset) {
  const std::unique_lock lock(mutex_);
  if (segments_.empty() || segments_.back()->start() < offset) return {};
  while (!segments_.empty() && segments_.back()->start() >= offset) {
    if (Status s = files_.remove(segments_.back()->path()); !s) return s;
    segments_.pop_back();
  }
  // Before the segment in front is cut: a power cut must not bring these back behind a shortened one.
  return files_.sync_dir(dir_);
}

Status SegmentList::drop_first() {
  std::shared_ptr<Segment> first;
  {
    const std::unique_lock lock(mutex_);
    if (segments_.size() < 2) return Error{Errc::invalid, "the last commit log segment is never dropped"};
    first = segments_.front();
    segments_.erase(segments_.begin());
  }
  // Outside the lock: deleting a large file takes its time. Synced one by one, so that no crash leaves a gap.
  if (Status s = files_.remove(first->path()); !s) return s;
  return files_.sync_dir(dir_);
}

}  // namespace merlin::store
