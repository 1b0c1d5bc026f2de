#include "crash/rig/trace.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "merlin/base/bytes.h"

namespace merlin::rig {

bool changes_disk(Kind kind) {
  return !is_note(kind) && kind != Kind::close && kind != Kind::quota;
}

static std::string_view name(Kind kind) {
  static constexpr std::string_view names[] = {
      "open",        "write",        "sync",        "truncate", "close",  "rename",        "remove",
      "remove_tree", "make_dirs",    "sync_dir",    "quota",    "intend", "placed",        "placed_light",
      "refused",     "durable",      "deleting",    "deleted",  "commit", "commits_saved", "topic_wanted",
      "topic_saved", "group_wanted", "group_saved", "image"};
  return names[static_cast<size_t>(kind)];
}

std::string text(const Entry& e) {
  std::string out(name(e.kind));
  for (const int64_t value : {e.a, e.b, e.c, e.d}) out += " " + std::to_string(value);
  if (!e.path.empty()) out += " " + e.path;
  if (e.kind == Kind::rename) return out + " to " + e.bytes;
  return e.bytes.empty() ? out : out + " (" + std::to_string(e.bytes.size()) + " bytes)";
}

static constexpr std::string_view trace_magic = "MRLNTRC1";

std::string encode(const Trace& trace) {
  std::string out(trace_magic);
  const auto number = [&](int64_t value) {
    uint8_t bytes[8];
    store_be<int64_t>(bytes, value);
    out.append(reinterpret_cast<const char*>(bytes), sizeof bytes);
  };
  for (const Entry& e : trace) {
    out.push_back(static_cast<char>(e.kind));
    for (const int64_t value : {e.a, e.b, e.c, e.d}) number(value);
    number(static_cast<int64_t>(e.path.size()));
    out += e.path;
    number(static_cast<int64_t>(e.bytes.size()));
    out += e.bytes;
  }
  return out;
}

Result<Trace> decode_trace(std::string_view in) {
  const Error broken{Errc::corrupt, "not a trace"};
  if (in.substr(0, trace_magic.size()) != trace_magic) return broken;
  in.remove_prefix(trace_magic.size());
  const auto number = [&](int64_t& value) {
    if (in.size() < 8) return false;
    value = load_be<int64_t>(reinterpret_cast<const uint8_t*>(in.data()));
    in.remove_prefix(8);
    return true;
  };
  const auto string = [&](std::string& value) {
    int64_t size = 0;
    if (!number(size) || size < 0 || static_cast<size_t>(size) > in.size()) return false;
    value = in.substr(0, static_cast<size_t>(size));
    in.remove_prefix(static_cast<size_t>(size));
    return true;
  };
  Trace trace;
  while (!in.empty()) {
    Entry e;
    if (static_cast<uint8_t>(in.front()) > static_cast<uint8_t>(Kind::image)) return broken;
    e.kind = static_cast<Kind>(in.front());
    in.remove_prefix(1);
    if (!number(e.a) || !number(e.b) || !number(e.c) || !number(e.d) || !string(e.path) || !string(e.bytes))
      return broken;
    trace.push_back(std::move(e));
  }
  return trace;
}

// ---------------------------------------------------------------- recording

class TracedFile final : public File {
 public:
  TracedFile(TraceFileSystem& owner, int64_t number, std::unique_ptr<File> file)
      : owner_(owner), number_(number), file_(std::move(file)) {}
  ~TracedFile() override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.trace_.push_back({.kind = Kind::close, .a = number_});
  }

  Result<size_t> pread(std::span<uint8_t> out, int64_t offset) override { return file_->pread(out, offset); }
  Status pwrite(ByteView bytes, int64_t offset) override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.trace_.push_back({.kind = Kind::write, .a = number_, .b = offset, .bytes = std::string(as_text(bytes))});
    return file_->pwrite(bytes, offset);
  }
  Status sync_data() override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.trace_.push_back({.kind = Kind::sync, .a = number_});
    return file_->sync_data();
  }
  Status truncate(int64_t size) override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.trace_.push_back({.kind = Kind::truncate, .a = number_, .b = size});
    return file_->truncate(size);
  }
  Result<int64_t> size() override { return file_->size(); }
  Result<std::shared_ptr<Mapping>> map_read(size_t length) override { return file_->map_read(length); }

 private:
  TraceFileSystem& owner_;
  const int64_t number_;
  const std::unique_ptr<File> file_;
};

void TraceFileSystem::note(Entry entry) {
  const std::lock_guard lock(mutex_);
  trace_.push_back(std::move(entry));
}

void TraceFileSystem::set_quota(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  trace_.push_back({.kind = Kind::quota, .b = bytes});
  disk_.set_quota_bytes(bytes);
}

Trace TraceFileSystem::take() {
  const std::lock_guard lock(mutex_);
  return std::move(trace_);
}

void TraceFileSystem::note_image() {
  if (!image_) return;
  std::string image = image_();
  const std::lock_guard lock(mutex_);
  trace_.push_back({.kind = Kind::image, .bytes = std::move(image)});
}

// REQUIRES: mutex_ held. What is published here may lean on the database: it is looked at before.
void TraceFileSystem::note_image_before(const std::string& path) {
  if (!image_ || (path.find("/merlin.") == std::string::npos && !path.ends_with("/checkpoint"))) return;
  trace_.push_back({.kind = Kind::image, .bytes = image_()});
}

Trace TraceFileSystem::copy() const {
  const std::lock_guard lock(mutex_);
  return trace_;
}

int64_t TraceFileSystem::count(Kind kind) const {
  const std::lock_guard lock(mutex_);
  return std::count_if(trace_.begin(), trace_.end(), [kind](const Entry& e) { return e.kind == kind; });
}

int64_t TraceFileSystem::renames_to(std::string_view suffix) const {
  const std::lock_guard lock(mutex_);
  int64_t count = 0;
  for (const Entry& e : trace_) count += e.kind == Kind::rename && e.bytes.ends_with(suffix) ? 1 : 0;
  return count;
}

// REQUIRES: mutex_ held.
Result<std::unique_ptr<File>> TraceFileSystem::traced(Result<std::unique_ptr<File>> file, const std::string& path,
                                                      int64_t mode) {
  if (!file) return file;
  const int64_t number = next_file_++;
  trace_.push_back({.kind = Kind::open, .a = number, .b = mode, .path = path});
  return std::unique_ptr<File>(std::make_unique<TracedFile>(*this, number, std::move(*file)));
}

Result<std::unique_ptr<File>> TraceFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(mutex_);
  if (mode == OpenMode::create) note_image_before(path);
  return traced(disk_.open(path, mode), path, static_cast<int64_t>(mode));
}

Result<std::unique_ptr<File>> TraceFileSystem::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return traced(disk_.lock(path), path, static_cast<int64_t>(OpenMode::create));
}

Result<std::unique_ptr<File>> TraceFileSystem::open_disk(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  return traced(disk_.open_disk(dir), dir, whole_disk);
}

Status TraceFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  trace_.push_back({.kind = Kind::rename, .path = from, .bytes = to});
  return disk_.rename(from, to);
}

Status TraceFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  trace_.push_back({.kind = Kind::remove, .path = path});
  return disk_.remove(path);
}

Status TraceFileSystem::remove_tree(const std::string& path) {
  const std::lock_guard lock(mutex_);
  trace_.push_back({.kind = Kind::remove_tree, .path = path});
  return disk_.remove_tree(path);
}

Status TraceFileSystem::make_dirs(const std::string& path) {
  const std::lock_guard lock(mutex_);
  trace_.push_back({.kind = Kind::make_dirs, .path = path});
  return disk_.make_dirs(path);
}

Status TraceFileSystem::sync_dir(const std::string& path) {
  const std::lock_guard lock(mutex_);
  trace_.push_back({.kind = Kind::sync_dir, .path = path});
  return disk_.sync_dir(path);
}

// ---------------------------------------------------------------- folders

std::string pack_folder(const std::string& dir) {
  namespace fs = std::filesystem;
  std::string last;
  // Until two looks see the same: a flush may be in progress.
  for (int look = 0; look < 50; ++look) {
    Trace files;
    std::error_code ec;
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(dir, ec)) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      const std::string name = path.filename();
      if (name.starts_with("LOG") || name == "LOCK") continue;  // its diary
      auto content = posix_file_system().read_file(path.string());
      if (content) files.push_back({.path = name, .bytes = std::move(*content)});
    }
    std::string now = encode(files);
    if (look > 0 && now == last) return now;
    last = std::move(now);
  }
  return last;
}

void unpack_folder(const std::string& packed, const std::string& dir) {
  std::error_code ec;
  std::filesystem::remove_all(dir, ec);
  std::filesystem::create_directories(std::filesystem::path(dir).parent_path(), ec);
  const auto files = decode_trace(packed);
  if (!files || files->empty()) return;
  std::filesystem::create_directories(dir, ec);
  for (const Entry& file : *files) std::ofstream(dir + "/" + file.path, std::ios::binary) << file.bytes;
}

// ---------------------------------------------------------------- playing

// What failed when it was recorded fails again in the same way: the results say nothing new.
static void ignore(const Status& status) {
  (void)status.ok();
}

void Player::play(const Entry& e) {
  switch (e.kind) {
    case Kind::open: {
      auto file = e.b == whole_disk ? disk_.open_disk(e.path) : disk_.open(e.path, static_cast<OpenMode>(e.b));
      if (file) files_[e.a] = std::move(*file);
      return;
    }
    case Kind::write:
      return ignore(files_.at(e.a)->pwrite(as_bytes(e.bytes), e.b));
    case Kind::sync:
      return ignore(files_.at(e.a)->sync_data());
    case Kind::truncate:
      return ignore(files_.at(e.a)->truncate(e.b));
    case Kind::close:
      files_.erase(e.a);
      return;
    case Kind::rename:
      return ignore(disk_.rename(e.path, e.bytes));
    case Kind::remove:
      return ignore(disk_.remove(e.path));
    case Kind::remove_tree:
      return ignore(disk_.remove_tree(e.path));
    case Kind::make_dirs:
      return ignore(disk_.make_dirs(e.path));
    case Kind::sync_dir:
      return ignore(disk_.sync_dir(e.path));
    case Kind::quota:
      return disk_.set_quota_bytes(e.b);
    default:
      return;
  }
}

}  // namespace merlin::rig
