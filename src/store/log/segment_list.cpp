#include "store/log/segment_list.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <span>
#include <utility>

#include "merlin/base/log.h"
#include "store/file_names.h"

namespace merlin::store {

SegmentList::SegmentList(FileSystem& files, std::string dir, int64_t segment_size_bytes)
    : files_(files), dir_(std::move(dir)), segment_size_(segment_size_bytes) {}

static Error wrong_size(const std::string& path, int64_t size, int64_t expected) {
  return Error{Errc::corrupt,
               path + " has " + std::to_string(size) + " bytes; mappedFileSizeCommitLog is " +
                   std::to_string(expected) +
                   ". Check the setting. If the file is what is wrong, bring it back from a copy; or give it this size "
                   "(truncate -s " +
                   std::to_string(expected) + "): what is lost is then served as an error, all else as before"};
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

static Error gap_before(const std::string& path, const std::string& missing) {
  return Error{Errc::corrupt, "the commit log has a gap: " + missing + " is missing in front of " + path +
                                  ". Bring the file back from a copy; or make an empty one of full size in its place "
                                  "(truncate -s): what is lost is then served as an error, all else as before"};
}

// Of the directory's names those that are segments, in order.
static Result<std::vector<int64_t>> segment_starts(FileSystem& files, const std::string& dir) {
  const auto names = files.list(dir);
  if (!names) return names.error();
  std::vector<int64_t> starts;
  for (const std::string& name : *names) {
    const auto start = parse_offset_file_name(name);
    if (start && !files.is_dir(dir + "/" + name)) {
      starts.push_back(*start);
    } else {
      log_warn("store", "{}/{} is not a commit log segment: ignored", dir, name);
    }
  }
  return starts;
}

static Result<int64_t> size_of(FileSystem& files, const std::string& path) {
  auto probe = files.open(path, OpenMode::read_only);
  if (!probe) return probe.error();
  return (*probe)->size();
}

Status SegmentList::load() {
  const auto starts = segment_starts(files_, dir_);
  if (!starts) return starts.error();
  std::vector<std::shared_ptr<Segment>> loaded;
  for (size_t i = 0; i < starts->size(); ++i) {
    const int64_t start = (*starts)[i];
    const std::string path = dir_ + "/" + offset_file_name(start);
    const bool last = i + 1 == starts->size();
    const auto size = size_of(files_, path);
    if (!size) return size.error();
    // A crash may leave the newest file short: it was being made, or cut, at that moment. Those made ahead may follow.
    const bool newest = last || *size >= segment_size_ || hold_nothing(files_, dir_, std::span(*starts).subspan(i + 1));
    if (*size > segment_size_ || (*size < segment_size_ && !newest)) return wrong_size(path, *size, segment_size_);
    if (*size == 0 && last) {
      log_warn("store", "{} is empty: removed", path);
      if (Status s = files_.remove(path); !s) return s;
      // It must not come back behind a file that recovery is about to shorten.
      if (Status s = files_.sync_dir(dir_); !s) return s;
      continue;
    }
    if (*size < segment_size_) log_warn("store", "{} has {} bytes: extended to {}", path, *size, segment_size_);
    if (start % segment_size_ != 0) {
      return Error{Errc::corrupt,
                   path + " does not start at a multiple of mappedFileSizeCommitLog " + std::to_string(segment_size_)};
    }
    if (!loaded.empty() && loaded.back()->end() != start) {
      return gap_before(path, dir_ + "/" + offset_file_name(loaded.back()->end()));
    }
    if (last || *size < segment_size_) {
      auto segment = Segment::make(files_, dir_, start, segment_size_, use_);
      if (!segment) return segment.error();
      loaded.push_back(std::move(*segment));
    } else {
      loaded.push_back(std::make_shared<Segment>(files_, path, start, segment_size_, use_));
    }
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
  if (open_count() > open_segments_max + static_cast<int64_t>(newest_kept)) trim();
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

void SegmentList::trim() const {
  // Each one's last use is read once: readers change it meanwhile, and a sort must not see two answers.
  std::vector<std::pair<int64_t, std::shared_ptr<Segment>>> open;
  {
    const std::shared_lock lock(mutex_);
    for (size_t i = 0; i + newest_kept < segments_.size(); ++i) {
      if (segments_[i]->is_open()) open.emplace_back(segments_[i]->last_use(), segments_[i]);
    }
  }
  // Some more than needed, so that a scan of old segments does not come here with each step.
  constexpr size_t kept = static_cast<size_t>(open_segments_max) / 2;
  if (open.size() <= kept) return;
  std::sort(open.begin(), open.end());
  open.resize(open.size() - kept);
  for (const auto& [last_use, segment] : open) segment->release();
}

Result<std::shared_ptr<Segment>> SegmentList::make(int64_t start) {
  auto segment = Segment::make(files_, dir_, start, segment_size_, use_);
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
  if (Status s = files_.remove(first->path()); !s) {
    // Still the first: were the next one to go in its stead, the log had a gap.
    const std::unique_lock lock(mutex_);
    segments_.insert(segments_.begin(), first);
    return s;
  }
  return files_.sync_dir(dir_);
}

}  // namespace merlin::store
