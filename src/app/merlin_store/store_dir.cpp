#include "app/merlin_store/store_dir.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "store/file_names.h"

namespace merlin::tool {

namespace {

constexpr int64_t record_bytes_min = 80;  // less than the smallest record's fixed fields

Result<int64_t> size_of(FileSystem& files, const std::string& path) {
  auto file = files.open(path, OpenMode::read_only);
  if (!file) return file.error();
  return (*file)->size();
}

std::vector<std::string> names_in(FileSystem& files, const std::string& path) {
  if (!files.is_dir(path)) return {};
  auto names = files.list(path);
  return names ? std::move(*names) : std::vector<std::string>();
}

}  // namespace

StoreDir::StoreDir(FileSystem& files, std::string root, std::string log_dir)
    : files_(files), root_(std::move(root)), log_dir_(log_dir.empty() ? root_ + "/commitlog" : std::move(log_dir)) {}

Status StoreDir::open() {
  if (!files_.is_dir(root_)) return Error{Errc::not_found, root_ + " is no directory"};
  if (!files_.is_dir(log_dir_)) return Error{Errc::not_found, log_dir_ + " is no directory: is " + root_ + " a store?"};
  const auto names = files_.list(log_dir_);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::optional<int64_t> start = store::parse_offset_file_name(name);
    if (!start) {
      foreign_.push_back(log_dir_ + "/" + name);
      continue;
    }
    const Result<int64_t> size = size_of(files_, log_dir_ + "/" + name);
    if (!size) return size.error();
    segments_.push_back({log_dir_ + "/" + name, *start, *size});
  }
  std::sort(segments_.begin(), segments_.end(), [](const auto& a, const auto& b) { return a.start < b.start; });
  return {};
}

const SegmentFile* StoreDir::segment_of(int64_t physical_offset) const {
  for (const SegmentFile& segment : segments_) {
    if (physical_offset >= segment.start && physical_offset < segment.end()) return &segment;
  }
  return nullptr;
}

bool StoreDir::has_queue_database() const {
  return files_.exists(path("consumequeue/CURRENT")) || files_.is_dir(path("merlin.queues"));
}

Result<size_t> StoreDir::read_log(std::span<uint8_t> out, int64_t physical_offset) {
  const SegmentFile* segment = segment_of(physical_offset);
  if (segment == nullptr) return size_t{0};
  if (open_start_ != segment->start) {
    auto file = files_.open(segment->path, OpenMode::read_only);
    if (!file) return file.error();
    open_segment_ = std::move(*file);
    open_start_ = segment->start;
  }
  const auto room = static_cast<size_t>(segment->end() - physical_offset);
  return open_segment_->pread(out.first(std::min(out.size(), room)), physical_offset - segment->start);
}

static const std::string plain_queues = "consumequeue/";
static const std::string batch_queues = "batchconsumequeue/";

Status StoreDir::load_queue(QueueDir& queue) const {
  for (const std::string& name : names_in(files_, queue.path)) {
    const std::optional<int64_t> start = store::parse_offset_file_name(name);
    if (!start) continue;
    const Result<int64_t> size = size_of(files_, queue.path + "/" + name);
    if (!size) return size.error();
    queue.files.push_back({queue.path + "/" + name, *start, *size});
  }
  return {};
}

std::optional<QueueDir> StoreDir::queue(const std::string& topic, int32_t id) const {
  const std::string name = topic + "/" + std::to_string(id);
  for (const bool batch : {false, true}) {
    QueueDir out{topic, id, path((batch ? batch_queues : plain_queues) + name), {}, batch};
    if (load_queue(out) && !out.files.empty()) return out;
  }
  return std::nullopt;
}

Status StoreDir::each_queue(const std::function<Status(const QueueDir&)>& visit) const {
  if (Status s = each_queue_in(plain_queues, visit); !s) return s;
  return each_queue_in(batch_queues, visit);
}

Status StoreDir::each_queue_in(const std::string& folder, const std::function<Status(const QueueDir&)>& visit) const {
  for (const std::string& topic : names_in(files_, path(folder))) {
    const std::string topic_path = path(folder + topic);
    std::vector<int32_t> ids;
    for (const std::string& name : names_in(files_, topic_path)) {
      int32_t id = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
      if (error == std::errc() && end == name.data() + name.size() && id >= 0) ids.push_back(id);
    }
    std::sort(ids.begin(), ids.end());
    for (const int32_t id : ids) {
      QueueDir queue{topic, id, topic_path + "/" + std::to_string(id), {}, folder == batch_queues};
      if (Status s = load_queue(queue); !s) return s;
      if (queue.files.empty()) continue;
      if (Status s = visit(queue); !s) return s;
    }
  }
  return {};
}

std::string LogScan::file() const {
  const SegmentFile* segment = dir_.segment_of(position_);
  return segment == nullptr ? "commitlog" : segment->path;
}

// At most `count` bytes from `offset` on; fewer at the end of a segment.
Result<ByteView> LogScan::bytes(int64_t offset, int64_t count) {
  const bool is_there = window_start_ >= 0 && offset >= window_start_ && offset + count <= window_start_ + window_size_;
  if (!is_there) {
    window_.resize(static_cast<size_t>(std::max(count, window_bytes)));
    const auto got = dir_.read_log(window_, offset);
    if (!got) return got.error();
    window_start_ = offset;
    window_size_ = static_cast<int64_t>(*got);
  }
  const int64_t at = offset - window_start_;
  return ByteView(window_.data() + at, static_cast<size_t>(std::clamp<int64_t>(window_size_ - at, 0, count)));
}

Result<bool> LogScan::fits(const SegmentFile& segment, int64_t offset) {
  const auto head = bytes(offset, static_cast<int64_t>(message::blank_bytes));
  if (!head) return head.error();
  if (head->size() < message::blank_bytes) {
    why_ = "fewer than 8 bytes are left";
    return false;
  }
  const auto size = int64_t{load_be<int32_t>(head->data())};
  const auto magic = load_be<int32_t>(head->data() + 4);
  const int64_t room = segment.end() - offset;
  if (magic == message::magic_blank) {
    if (size != room)
      why_ = "a filler of " + std::to_string(size) + " bytes where " + std::to_string(room) + " are left";
    return size == room;
  }
  if (magic != message::magic_v1 && magic != message::magic_v2) {
    why_ = size == 0 && magic == 0 ? "zeros" : "no record's magic";
    return false;
  }
  if (size < record_bytes_min || size > std::min(room, record_bytes_max)) {
    why_ = "a record of " + std::to_string(size) + " bytes where " + std::to_string(room) + " are left";
    return false;
  }
  const auto whole = bytes(offset, size);
  if (!whole) return whole.error();
  auto record = message::decode_record(*whole, true);
  if (!record) {
    why_ = record.error().message;
    return false;
  }
  if (record->physical_offset != offset) {
    why_ = "the record there says it is at " + std::to_string(record->physical_offset);
    return false;
  }
  record_ = *record;
  return true;
}

// The next place in the segment where a record or the segment's filler fits.
Result<std::optional<int64_t>> LogScan::find_fitting(const SegmentFile& segment, int64_t from) {
  const std::string why = why_;
  for (int64_t at = from; at + static_cast<int64_t>(message::blank_bytes) <= segment.end();) {
    const auto view = bytes(at, std::min(window_bytes, segment.end() - at));
    if (!view) return view.error();
    if (view->size() < message::blank_bytes) break;
    std::vector<int64_t> candidates;
    for (size_t i = 4; i + 4 <= view->size(); ++i) {
      const uint8_t byte = (*view)[i];
      if (byte != 0xDA && byte != 0xCB) continue;
      const auto magic = load_be<int32_t>(view->data() + i);
      if (magic == message::magic_v1 || magic == message::magic_v2 || magic == message::magic_blank) {
        candidates.push_back(at + static_cast<int64_t>(i) - 4);
      }
    }
    const int64_t step = static_cast<int64_t>(view->size()) - 7;
    for (const int64_t candidate : candidates) {
      const Result<bool> fit = fits(segment, candidate);
      if (!fit) return fit.error();
      if (!*fit) continue;
      why_ = why;
      return std::optional(candidate);
    }
    at += step;
  }
  why_ = why;
  return std::optional<int64_t>();
}

Result<bool> LogScan::later_segment_has_data(const SegmentFile& segment) {
  for (const SegmentFile& later : dir_.segments()) {
    if (later.start <= segment.start) continue;
    const auto head = bytes(later.start, static_cast<int64_t>(message::blank_bytes));
    if (!head) return head.error();
    if (std::any_of(head->begin(), head->end(), [](uint8_t b) { return b != 0; })) return true;
  }
  return false;
}

// One past the last byte that is not zero; `from` when there is none.
Result<int64_t> LogScan::last_nonzero(const SegmentFile& segment, int64_t from) {
  int64_t last = from;
  for (int64_t at = from; at < segment.end();) {
    const auto view = bytes(at, std::min(window_bytes, segment.end() - at));
    if (!view) return view.error();
    if (view->empty()) break;
    for (size_t i = view->size(); i-- > 0;) {
      if ((*view)[i] == 0) continue;
      last = at + static_cast<int64_t>(i) + 1;
      break;
    }
    at += static_cast<int64_t>(view->size());
  }
  return last;
}

Result<LogScan::Step> LogScan::broken(const SegmentFile& segment) {
  const std::string why = why_;
  const auto fitting = find_fitting(segment, position_ + 1);
  if (!fitting) return fitting.error();
  const auto goes_on = later_segment_has_data(segment);
  if (!goes_on) return goes_on.error();
  why_ = why;
  // A filler alone at the end of the last segment is no record that came later.
  if (*fitting) {
    next_ = **fitting;
    return Step::damage;
  }
  if (*goes_on) {
    next_ = segment.end();
    return Step::damage;
  }
  const auto last = last_nonzero(segment, position_);
  if (!last) return last.error();
  next_ = *last;
  return *last > position_ ? Step::tail : Step::end;
}

Result<LogScan::Step> LogScan::next() {
  for (;;) {
    position_ = next_;
    const SegmentFile* segment = dir_.segment_of(position_);
    if (segment == nullptr) {
      const auto& all = dir_.segments();
      const auto later = std::find_if(all.begin(), all.end(), [this](const auto& s) { return s.start > position_; });
      if (later == all.end()) return Step::end;
      next_ = later->start;
      why_ = "no segment holds these offsets";
      return Step::damage;
    }
    const Result<bool> fit = fits(*segment, position_);
    if (!fit) return fit.error();
    if (!*fit) return broken(*segment);
    const auto head = bytes(position_, static_cast<int64_t>(message::blank_bytes));
    if (!head) return head.error();
    if (load_be<int32_t>(head->data() + 4) == message::magic_blank) {
      next_ = segment->end();
      continue;
    }
    next_ = position_ + record_.total_size;
    return Step::record;
  }
}

Result<std::optional<store::QueueUnit>> UnitReader::unit(const std::string& topic, int32_t id, int64_t offset) {
  const std::string key = topic + "/" + std::to_string(id);
  auto known = by_key_.find(key);
  if (known == by_key_.end()) {
    std::optional<QueueDir> queue = dir_.queue(topic, id);
    if (!queue) return std::optional<store::QueueUnit>();
    open_.push_front({key, std::move(*queue), nullptr, -1});
    known = by_key_.emplace(key, open_.begin()).first;
    if (open_.size() > open_max) {
      by_key_.erase(open_.back().key);
      open_.pop_back();
    }
  }
  open_.splice(open_.begin(), open_, known->second);
  Open& home = open_.front();
  if (home.queue.batch) return batch_unit(home, offset);
  std::array<uint8_t, store::queue_unit_bytes> bytes;
  const auto got = read(home, offset * store::queue_unit_bytes, bytes);
  if (!got) return got.error();
  const store::QueueUnit unit = store::load_unit(bytes.data());
  return *got && unit.written() ? std::optional(unit) : std::nullopt;
}

// False: no file has all of these bytes.
Result<bool> UnitReader::read(Open& home, int64_t at, std::span<uint8_t> out) const {
  for (const QueueFile& file : home.queue.files) {
    if (at < file.start_bytes || at >= file.start_bytes + file.size) continue;
    if (home.file_start != file.start_bytes) {
      auto opened = dir_.files().open(file.path, OpenMode::read_only);
      if (!opened) return opened.error();
      home.file = std::move(*opened);
      home.file_start = file.start_bytes;
    }
    const auto got = home.file->pread(out, at - file.start_bytes);
    if (!got) return got.error();
    return *got == out.size();
  }
  return false;
}

Result<std::optional<store::QueueUnit>> UnitReader::batch_unit(Open& home, int64_t base) const {
  const QueueFile& last = home.queue.files.back();
  int64_t low = home.queue.files.front().start_bytes / store::batch_unit_bytes;
  int64_t high = (last.start_bytes + last.size) / store::batch_unit_bytes;
  std::array<uint8_t, store::batch_unit_bytes> bytes;
  while (low < high) {
    const int64_t mid = low + (high - low) / 2;
    const auto got = read(home, mid * store::batch_unit_bytes, bytes);
    if (!got) return got.error();
    const store::BatchUnit unit = store::load_batch_unit(bytes.data());
    if (*got && unit.written() && unit.base == base) return std::optional(unit.unit);
    if (*got && unit.written() && unit.base < base) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return std::optional<store::QueueUnit>();
}

Status UnitReader::each(FileSystem& files, const QueueDir& queue, int64_t from,
                        const std::function<bool(int64_t, const store::QueueUnit&)>& visit) {
  const int64_t unit_bytes = queue.unit_bytes();
  std::vector<uint8_t> bytes(static_cast<size_t>(3200 * unit_bytes));
  for (const QueueFile& one : queue.files) {
    auto file = files.open(one.path, OpenMode::read_only);
    if (!file) return file.error();
    int64_t at = queue.batch ? 0 : std::max<int64_t>(from * unit_bytes - one.start_bytes, 0);
    while (at + unit_bytes <= one.size) {
      const auto got = (*file)->pread(bytes, at);
      if (!got) return got.error();
      const int64_t units = static_cast<int64_t>(*got) / unit_bytes;
      if (units == 0) break;
      for (int64_t i = 0; i < units; ++i) {
        const uint8_t* place = bytes.data() + i * unit_bytes;
        store::BatchUnit batch;
        if (queue.batch) {
          batch = store::load_batch_unit(place);
        } else {
          batch = {store::load_unit(place), 0, (one.start_bytes + at) / unit_bytes + i};
        }
        if (!batch.written()) return {};
        if (batch.end() > from && !visit(batch.base, batch.unit)) return {};
      }
      at += units * unit_bytes;
    }
  }
  return {};
}

}  // namespace merlin::tool
