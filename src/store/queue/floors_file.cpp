#include "store/queue/floors_file.h"

#include <cstring>
#include <unordered_set>

#include "merlin/base/bytes.h"
#include "merlin/base/crc32.h"
#include "merlin/base/log.h"

namespace merlin::store {

static constexpr size_t row_bytes = 4 + 2 + 4 + 8 + 8;  // without the topic

FloorsFile::FloorsFile(FileSystem& files, const std::string& root_dir)
    : files_(files), root_dir_(root_dir), path_(root_dir + "/merlin.floors") {}

static void append_row(std::string& out, const FloorRow& row) {
  const size_t at = out.size();
  const size_t length = row.topic.size();
  out.resize(at + row_bytes + length);
  auto* p = reinterpret_cast<uint8_t*>(out.data()) + at;
  store_be<uint16_t>(p + 4, static_cast<uint16_t>(length));
  std::memcpy(p + 6, row.topic.data(), length);
  store_be<int32_t>(p + 6 + length, row.queue_id);
  store_be<int64_t>(p + 10 + length, row.offset);
  store_be<int64_t>(p + 18 + length, row.max_physical);
  store_be<uint32_t>(p, crc32(ByteView(p + 4, row_bytes + length - 4)));
}

// The bytes of the row at the front; 0: no whole one is there.
static size_t take_row(std::string_view bytes, FloorRow& out) {
  if (bytes.size() < row_bytes) return 0;
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  const size_t length = load_be<uint16_t>(p + 4);
  if (bytes.size() - row_bytes < length) return 0;
  if (load_be<uint32_t>(p) != crc32(ByteView(p + 4, row_bytes + length - 4))) return 0;
  out.topic = bytes.substr(6, length);
  out.queue_id = load_be<int32_t>(p + 6 + length);
  out.offset = load_be<int64_t>(p + 10 + length);
  out.max_physical = load_be<int64_t>(p + 18 + length);
  return row_bytes + length;
}

Result<std::vector<FloorRow>> FloorsFile::read() {
  std::vector<FloorRow> rows;
  content_.clear();
  if (!files_.exists(path_)) return rows;
  auto content = files_.read_file(path_);
  if (!content) return content.error();
  std::string_view rest = *content;
  FloorRow row;
  while (const size_t bytes = take_row(rest, row)) {
    rest.remove_prefix(bytes);
    rows.push_back(std::move(row));
  }
  if (!rest.empty()) log_warn("store", "{}: the last {} bytes are no whole row and are ignored", path_, rest.size());
  content->resize(content->size() - rest.size());
  content_ = std::move(*content);
  // From the back, so that a deleted topic takes with it what stands in front of its row.
  std::unordered_set<std::string> deleted;
  std::vector<FloorRow> out;
  for (size_t i = rows.size(); i-- > 0;) {
    if (deleted.contains(rows[i].topic)) continue;
    if (rows[i].queue_id == FloorRow::deleted_topic) deleted.insert(rows[i].topic);
    out.push_back(std::move(rows[i]));
  }
  return out;
}

Status FloorsFile::write(const std::vector<FloorRow>& rows) {
  std::string content;
  for (const FloorRow& row : rows) append_row(content, row);
  if (content == content_) return {};
  const std::string tmp = path_ + ".tmp";
  auto file = files_.open(tmp, OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(0); !s) return s;
  if (Status s = (*file)->pwrite(as_bytes(content), 0); !s) return s;
  if (Status s = (*file)->sync_data(); !s) return s;
  if (Status s = files_.rename(tmp, path_); !s) return s;
  content_ = std::move(content);
  return files_.sync_dir(root_dir_);
}

Status FloorsFile::append(const FloorRow& row) {
  std::string bytes;
  append_row(bytes, row);
  const bool is_new = !files_.exists(path_);
  auto file = files_.open(path_, OpenMode::create);
  if (!file) return file.error();
  // Over what a failed append may have left behind the last whole row.
  if (Status s = (*file)->pwrite(as_bytes(bytes), static_cast<int64_t>(content_.size())); !s) return s;
  if (Status s = (*file)->sync_data(); !s) return s;
  if (is_new) {
    if (Status s = files_.sync_dir(root_dir_); !s) return s;
  }
  content_ += bytes;
  return {};
}

}  // namespace merlin::store
