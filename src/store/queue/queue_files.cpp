#include "store/queue/queue_files.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "merlin/base/log.h"
#include "store/file_names.h"

namespace merlin::store {

static constexpr size_t maps_max = 4;
static constexpr size_t unsynced_max = 16;

QueueFiles::QueueFiles(FileSystem& files, std::string dir, int32_t file_bytes, int32_t unit_bytes)
    : files_(files),
      dir_(std::move(dir)),
      file_bytes_(file_bytes),
      unit_bytes_(unit_bytes),
      units_per_file_(file_bytes / unit_bytes) {
  assert(file_bytes % unit_bytes == 0 && file_bytes > 0);
}

std::string QueueFiles::path(int64_t start) const {
  return dir_ + "/" + offset_file_name(start * unit_bytes_);
}

Status QueueFiles::load() {
  const auto names = files_.list(dir_);
  if (!names) return names.error();
  starts_.clear();
  cut_short_start_ = -1;
  for (size_t i = 0; i < names->size(); ++i) {
    const std::string full = dir_ + "/" + (*names)[i];
    const auto bytes = parse_offset_file_name((*names)[i]);
    if (!bytes) {
      log_warn("store", "{} is not a consume queue file: ignored", full);
      continue;
    }
    auto file = files_.open(full, OpenMode::read_write);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    const bool last = i + 1 == names->size();
    // A power cut may leave new files empty, and the last one short; what was in them comes again from the log.
    if (*bytes % file_bytes_ != 0 || *size > file_bytes_ || (*size < file_bytes_ && *size > 0 && !last)) {
      return Error{Errc::corrupt, full + " has " + std::to_string(*size) + " bytes; " +
                                      (unit_bytes_ == batch_unit_bytes ? "mapperFileSizeBatchConsumeQueue"
                                                                       : "mappedFileSizeConsumeQueue") +
                                      " is " + std::to_string(file_bytes_)};
    }
    const int64_t start = *bytes / unit_bytes_;
    if (*size > 0 && *size < file_bytes_) {
      log_warn("store", "{} has {} bytes instead of {}: the queues are compared with the log", full, *size,
               file_bytes_);
      cut_short_start_ = start;
    } else if (*size == 0) {
      if (Status s = (*file)->truncate(file_bytes_); !s) return s;
    }
    if (!starts_.empty() && starts_.back() + units_per_file_ != start) {
      log_error("store", "{}: the files before it are missing; the queue starts here", full);
      starts_.clear();
    }
    starts_.push_back(start);
  }
  return {};
}

Result<bool> QueueFiles::adopt(int64_t first, int64_t end) {
  const int64_t last = start_of(std::max(end - 1, first));
  auto file = files_.open(path(last), OpenMode::read_write);
  if (!file && file.error().code == Errc::not_found) return false;
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  if (*size != file_bytes_ || first % units_per_file_ != 0) return false;
  if (first < last && !files_.exists(path(first))) return false;
  starts_.clear();
  for (int64_t start = first; start <= last; start += units_per_file_) starts_.push_back(start);
  open_ = std::move(*file);
  open_start_ = last;
  open_used_ = true;
  return true;
}

Result<QueueUnit> QueueFiles::unit_at(int64_t unit) {
  const int64_t in_file = (unit - start_of(unit)) * unit_bytes_;
  if (open_start_ == start_of(unit)) {
    std::array<uint8_t, queue_unit_bytes> bytes{};
    const auto read = open_->pread(bytes, in_file);
    if (!read) return read.error();
    return load_unit(bytes.data());
  }
  const auto mapped = map(unit);
  if (!mapped) return mapped.error();
  return load_unit((*mapped)->data() + in_file);
}

Status QueueFiles::extend_cut_short() {
  if (!cut_short()) return {};
  auto file = files_.open(path(cut_short_start_), OpenMode::read_write);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(file_bytes_); !s) return s;
  cut_short_start_ = -1;
  return {};
}

Status QueueFiles::open_for_write(int64_t start) {
  if (open_start_ == start) return {};
  if (open_unsynced_) unsynced_.push_back(open_start_);
  open_ = nullptr;
  open_start_ = -1;
  open_unsynced_ = false;
  // Only a queue that outruns the background by far gets here; it pays for itself then.
  if (unsynced_.size() >= unsynced_max) {
    const auto files = take_unsynced();
    if (!files) return files.error();
    for (const auto& file : *files) {
      if (Status s = file->sync_data(); !s) return s;
    }
  }
  // A new life of the queue must not find units of the one before.
  if (leftovers_) {
    if (Status s = remove_leftovers(); !s) return s;
  }
  const bool known = std::binary_search(starts_.begin(), starts_.end(), start);
  if (!known && starts_.empty()) {
    if (Status s = files_.make_dirs(dir_); !s) return s;
  }
  auto file = files_.open(path(start), OpenMode::create);
  if (!file) return file.error();
  if (!known) {
    if (Status s = (*file)->truncate(file_bytes_); !s) return s;
    assert(starts_.empty() || starts_.back() + units_per_file_ == start);
    starts_.push_back(start);
    new_names_ = true;
  }
  open_ = std::move(*file);
  open_start_ = start;
  return {};
}

// A first file whose first unit is not at its start gets Apache's filler in front.
Status QueueFiles::fill_blank(int64_t start, int64_t until) {
  assert(unit_bytes_ == queue_unit_bytes);
  std::vector<uint8_t> blanks(static_cast<size_t>(until - start) * queue_unit_bytes);
  for (size_t at = 0; at < blanks.size(); at += queue_unit_bytes) store_unit(blanks.data() + at, blank_unit);
  return open_->pwrite(blanks, 0);
}

Status QueueFiles::write(int64_t first, ByteView units) {
  const int64_t start = start_of(first);
  const bool first_file = starts_.empty();
  assert(first + static_cast<int64_t>(units.size()) / unit_bytes_ <= start + units_per_file_);
  if (Status s = open_for_write(start); !s) return s;
  open_used_ = true;
  open_unsynced_ = true;
  if (first_file && first > start) {
    if (Status s = fill_blank(start, first); !s) {
      starts_.clear();  // the next try fills again
      open_start_ = -1;
      return s;
    }
  }
  return open_->pwrite(units, (first - start) * unit_bytes_);
}

Result<std::shared_ptr<Mapping>> QueueFiles::map(int64_t unit) {
  const int64_t start = start_of(unit);
  for (Mapped& mapped : maps_) {
    if (mapped.start != start) continue;
    mapped.used = true;
    return mapped.map;
  }
  if (!std::binary_search(starts_.begin(), starts_.end(), start)) {
    return Error{Errc::not_found, "no file holds unit " + std::to_string(unit)};
  }
  auto file = files_.open(path(start), OpenMode::read_only);
  if (!file) return file.error();
  auto map = (*file)->map_read(static_cast<size_t>(file_bytes_));
  if (!map) return map.error();
  if (maps_.size() >= maps_max) maps_.erase(maps_.begin());
  maps_.push_back({start, *map, true});
  return map;
}

Result<int64_t> QueueFiles::written_end(int64_t physical_limit) {
  for (size_t i = starts_.size(); i-- > 0;) {
    const auto mapping = map(starts_[i]);
    if (!mapping) return mapping.error();
    const uint8_t* data = (*mapping)->data();
    const auto good = [&](int64_t unit) {
      const uint8_t* at = data + unit * unit_bytes_;
      const QueueUnit u = load_unit(at);
      return u.written() && u.physical_offset < physical_limit &&
             (unit_bytes_ == queue_unit_bytes || load_batch_unit(at).written());
    };
    int64_t low = 0;  // good in front of it
    int64_t high = units_per_file_;
    while (low < high) {
      const int64_t mid = low + (high - low) / 2;
      if (good(mid)) {
        low = mid + 1;
      } else {
        high = mid;
      }
    }
    if (low > 0) return starts_[i] + low;
  }
  return first_unit();
}

void QueueFiles::forget_maps(int64_t from) {
  std::erase_if(maps_, [&](const Mapped& m) { return m.start >= from; });
}

Status QueueFiles::cut(int64_t end, bool zero_rest) {
  // The first file stays even when nothing is left in it: its name remembers how far the queue had come.
  const bool removes = starts_.size() > 1 && starts_.back() >= end;
  while (starts_.size() > 1 && starts_.back() >= end) {
    const int64_t start = starts_.back();
    forget_maps(start);
    if (open_start_ == start) {
      open_ = nullptr;
      open_start_ = -1;
      open_unsynced_ = false;
    }
    if (Status s = files_.remove(path(start)); !s) return s;
    starts_.pop_back();
  }
  // A power cut must not bring them back: behind a shortened file, or with units that point into a newer log.
  if (removes) {
    if (Status s = files_.sync_dir(dir_); !s) return s;
  }
  // Who made the files may have been killed before their names were on disk.
  if (zero_rest && !starts_.empty()) new_names_ = true;
  if (!zero_rest || starts_.empty() || end >= unit_limit()) return {};
  if (Status s = open_for_write(starts_.back()); !s) return s;
  open_unsynced_ = true;
  if (Status s = open_->truncate((end - starts_.back()) * unit_bytes_); !s) return s;
  return open_->truncate(file_bytes_);
}

Result<std::vector<std::shared_ptr<File>>> QueueFiles::take_unsynced() {
  std::vector<std::shared_ptr<File>> out;
  for (const int64_t start : unsynced_) {
    // Retention may have taken it.
    if (!std::binary_search(starts_.begin(), starts_.end(), start)) continue;
    auto file = files_.open(path(start), OpenMode::read_write);
    if (!file) return file.error();
    out.push_back(std::move(*file));
  }
  unsynced_.clear();
  if (open_unsynced_) out.push_back(open_);
  open_unsynced_ = false;
  return out;
}

void QueueFiles::forget_unsynced() {
  unsynced_.clear();
  open_unsynced_ = false;
  new_names_ = false;
}

void QueueFiles::close_all() {
  maps_ = {};
  if (open_unsynced_) unsynced_.push_back(open_start_);
  open_ = nullptr;
  open_start_ = -1;
  open_unsynced_ = false;
  open_used_ = false;
}

bool QueueFiles::take_new_names() {
  return std::exchange(new_names_, false);
}

void QueueFiles::release_idle() {
  if (!open_used_ && !open_unsynced_) {
    open_ = nullptr;
    open_start_ = -1;
  }
  open_used_ = false;
  std::erase_if(maps_, [](const Mapped& m) { return !m.used; });
  for (Mapped& mapped : maps_) mapped.used = false;
}

Status QueueFiles::drop_below(int64_t unit) {
  while (starts_.size() > 1 && starts_.front() + units_per_file_ <= unit) {
    const int64_t start = starts_.front();
    std::erase_if(maps_, [&](const Mapped& m) { return m.start == start; });
    if (Status s = files_.remove(path(start)); !s) return s;
    starts_.erase(starts_.begin());
  }
  return {};
}

Status QueueFiles::remove_all() {
  maps_.clear();
  unsynced_.clear();
  new_names_ = false;
  open_ = nullptr;
  open_start_ = -1;
  open_unsynced_ = false;
  starts_.clear();
  leftovers_ = true;
  return remove_leftovers();
}

Status QueueFiles::remove_leftovers() {
  if (files_.exists(dir_)) {
    if (Status s = files_.remove_tree(dir_); !s) return s;
  }
  leftovers_ = false;
  return {};
}

}  // namespace merlin::store
