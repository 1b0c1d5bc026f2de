#include "merlin/base/faulty_file_system.h"

#include <algorithm>
#include <mutex>

#include "faulty_disk.h"
#include "faulty_state.h"

namespace merlin {

using faulty::Directory;
using faulty::DirectoryChange;
using faulty::Inode;
using faulty::Node;

namespace {

using State = FaultyFileSystem::State;

std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (at <= path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") parts.push_back(part);
    at = slash + 1;
  }
  return parts;
}

class MemoryMapping final : public Mapping {
 public:
  MemoryMapping(std::shared_ptr<State> state, std::shared_ptr<Inode> inode, size_t length)
      : state_(std::move(state)), inode_(std::move(inode)) {
    inode_->hold();
    data_ = inode_->data();
    size_ = length;
  }
  ~MemoryMapping() override {
    const std::lock_guard lock(state_->mutex);
    inode_->release();
    inode_.reset();
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Inode> inode_;
};

class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<State> state, std::shared_ptr<Inode> inode, std::string path, bool writable,
             bool owns_lock)
      : state_(std::move(state)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable),
        owns_lock_(owns_lock) {
    inode_->hold();
  }
  ~MemoryFile() override {
    const std::lock_guard lock(state_->mutex);
    if (owns_lock_) inode_->locked = false;
    inode_->release();
    inode_.reset();
  }

  Result<size_t> pread(std::span<uint8_t> out, int64_t offset) override {
    state_->call_hook(FileOp::read, path_);
    const std::lock_guard lock(state_->mutex);
    if (Status s = state_->enter(FileOp::read, path_, false); !s) return s.error();
    if (offset < 0) return errno_error("read " + path_, EINVAL);
    const int64_t n = std::clamp<int64_t>(inode_->size() - offset, 0, static_cast<int64_t>(out.size()));
    if (n > 0) std::memcpy(out.data(), inode_->data() + offset, static_cast<size_t>(n));
    return static_cast<size_t>(n);
  }

  Status pwrite(ByteView bytes, int64_t offset) override {
    state_->call_hook(FileOp::write, path_);
    const std::lock_guard lock(state_->mutex);
    if (!writable_) return errno_error("write " + path_, EBADF);
    if (offset < 0) return errno_error("write " + path_, EINVAL);
    if (offset + static_cast<int64_t>(bytes.size()) > inode_->reserved_bytes())
      return errno_error("write " + path_, EFBIG);
    size_t short_bytes = 0;
    Status status = state_->enter(FileOp::write, path_, true, &short_bytes);
    if (!status) bytes = bytes.first(std::min(short_bytes, bytes.size()));
    const int64_t room =
        state_->quota_bytes == FaultyFileSystem::quota_none ? INT64_MAX : state_->quota_bytes - state_->used_bytes;
    const size_t fits = inode_->fitting(bytes.size(), offset, room);
    inode_->write(bytes.first(fits), offset, state_->random);
    if (!status) return status;
    if (fits < bytes.size()) return errno_error("write " + path_, ENOSPC);
    return {};
  }

  Status sync_data() override {
    state_->call_hook(FileOp::sync, path_);
    const std::lock_guard lock(state_->mutex);
    if (Status s = state_->enter(FileOp::sync, path_, true); !s) {
      if (!state_->power_off) inode_->sync_failed();
      return s;
    }
    if (!state_->sync_lies) inode_->sync();
    return {};
  }

  Status truncate(int64_t size) override {
    state_->call_hook(FileOp::truncate, path_);
    const std::lock_guard lock(state_->mutex);
    if (!writable_ || size < 0) return errno_error("truncate " + path_, EINVAL);
    if (size > inode_->reserved_bytes()) return errno_error("truncate " + path_, EFBIG);
    if (Status s = state_->enter(FileOp::truncate, path_, true); !s) return s;
    inode_->truncate(size);
    return {};
  }

  Result<int64_t> size() override {
    const std::lock_guard lock(state_->mutex);
    return inode_->size();
  }

  Result<std::shared_ptr<Mapping>> map_read(size_t length) override {
    state_->call_hook(FileOp::map, path_);
    const std::lock_guard lock(state_->mutex);
    if (Status s = state_->enter(FileOp::map, path_, false); !s) return s.error();
    if (length == 0 || length > static_cast<size_t>(inode_->reserved_bytes()))
      return errno_error("map " + path_, EINVAL);
    return std::shared_ptr<Mapping>(std::make_shared<MemoryMapping>(state_, inode_, length));
  }

 private:
  const std::shared_ptr<State> state_;
  std::shared_ptr<Inode> inode_;
  const std::string path_;
  const bool writable_;
  const bool owns_lock_;
};

template <class VisitFile, class VisitDirectory>
void each_node(Directory& directory, const VisitFile& visit_file, const VisitDirectory& visit_directory) {
  for (const auto& [name, node] : directory.live) {
    if (node.file) visit_file(*node.file);
    if (node.directory) each_node(*node.directory, visit_file, visit_directory);
  }
  visit_directory(directory);
}

class MemoryDisk final : public File {
 public:
  MemoryDisk(std::shared_ptr<State> state, std::string path) : state_(std::move(state)), path_(std::move(path)) {}

  Result<size_t> pread(std::span<uint8_t>, int64_t) override { return refused(); }
  Status pwrite(ByteView, int64_t) override { return refused(); }
  Status sync_data() override {
    state_->call_hook(FileOp::sync, path_);
    const std::lock_guard lock(state_->mutex);
    const Status status = state_->enter(FileOp::sync, path_, true);
    const auto nothing = [](auto&) {};
    if (!status && !state_->power_off) {
      each_node(*state_->root, [](Inode& file) { file.sync_failed(); }, nothing);
    }
    if (status && !state_->sync_lies) {
      each_node(*state_->root, [](Inode& file) { file.sync(); }, [](Directory& directory) { directory.sync(); });
    }
    return status;
  }
  Status truncate(int64_t) override { return refused(); }
  Result<int64_t> size() override { return refused(); }
  Result<std::shared_ptr<Mapping>> map_read(size_t) override { return refused(); }

 private:
  Error refused() const { return Error{Errc::unsupported, path_ + " stands for its disk"}; }

  const std::shared_ptr<State> state_;
  const std::string path_;
};

}  // namespace

void FaultyFileSystem::State::call_hook(FileOp op, const std::string& path) const {
  std::function<void(FileOp, const std::string&)> call;
  {
    const std::lock_guard lock(mutex);
    call = hook;
  }
  if (call) call(op, path);
}

Status FaultyFileSystem::State::enter(FileOp op, const std::string& path, bool changes_disk, size_t* short_bytes) {
  ++calls[op];
  if (changes_disk && !power_off) {
    if (changes_left == 0) {
      power_off = true;
    } else {
      if (changes_left != forever) --changes_left;
      ++changes;
    }
  }
  if (power_off) return errno_error(path + " (the power is off)", EIO);
  for (Fault& fault : faults) {
    if (fault.op && *fault.op != op) continue;
    if (path.find(fault.path_part) == std::string::npos) continue;
    if (fault.calls_passed > 0) {
      --fault.calls_passed;
      continue;
    }
    if (fault.calls_failed == 0) continue;
    if (fault.calls_failed != forever) --fault.calls_failed;
    if (short_bytes != nullptr) *short_bytes = fault.bytes_before_failure;
    return errno_error(path + " (by request)", fault.sys_errno);
  }
  return {};
}

FaultyFileSystem::State::Place FaultyFileSystem::State::find(const std::string& path) const {
  const std::vector<std::string> parts = split(path);
  Place place;
  place.node.directory = root;
  for (const std::string& part : parts) {
    if (!place.node.directory) return {};
    place.parent = place.node.directory;
    place.name = part;
    const auto it = place.parent->live.find(part);
    place.node = it == place.parent->live.end() ? Node{} : it->second;
  }
  return place;
}

FaultyFileSystem::FaultyFileSystem(uint64_t seed, int64_t file_size_max)
    : state_(std::make_shared<State>(seed, file_size_max)) {}

FaultyFileSystem::~FaultyFileSystem() = default;

void FaultyFileSystem::add_fault(Fault fault) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.push_back(std::move(fault));
}

void FaultyFileSystem::clear_faults() {
  const std::lock_guard lock(state_->mutex);
  state_->faults.clear();
}

void FaultyFileSystem::set_quota_bytes(int64_t quota_bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->quota_bytes = quota_bytes;
}

int64_t FaultyFileSystem::used_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return state_->used_bytes;
}

void FaultyFileSystem::set_sync_lies(bool lies) {
  const std::lock_guard lock(state_->mutex);
  state_->sync_lies = lies;
}

void FaultyFileSystem::cut_power_after(int64_t changing_calls) {
  const std::lock_guard lock(state_->mutex);
  state_->changes_left = changing_calls;
}

bool FaultyFileSystem::power_is_off() const {
  const std::lock_guard lock(state_->mutex);
  return state_->power_off;
}

int64_t FaultyFileSystem::changing_calls() const {
  const std::lock_guard lock(state_->mutex);
  return state_->changes;
}

int64_t FaultyFileSystem::calls(FileOp op) const {
  const std::lock_guard lock(state_->mutex);
  const auto it = state_->calls.find(op);
  return it == state_->calls.end() ? 0 : it->second;
}

void FaultyFileSystem::set_hook(std::function<void(FileOp, const std::string&)> hook) {
  const std::lock_guard lock(state_->mutex);
  state_->hook = std::move(hook);
}

Result<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path, OpenMode mode) {
  state_->call_hook(FileOp::open, path);
  const std::lock_guard lock(state_->mutex);
  const State::Place place = state_->find(path);
  const bool made = mode == OpenMode::create && place.parent && !place.node;
  if (Status s = state_->enter(FileOp::open, path, made); !s) return s.error();
  if (place.node.directory) return errno_error("open " + path, EISDIR);
  std::shared_ptr<Inode> inode = place.node.file;
  if (made) {
    inode = std::make_shared<Inode>(state_->file_size_max, &state_->used_bytes);
    place.parent->change({{{place.name, Node{inode, nullptr}}}});
  }
  if (!inode) return errno_error("open " + path, ENOENT);
  return std::unique_ptr<File>(
      std::make_unique<MemoryFile>(state_, std::move(inode), path, mode != OpenMode::read_only, false));
}

Status FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  state_->call_hook(FileOp::rename, to);
  const std::lock_guard lock(state_->mutex);
  if (Status s = state_->enter(FileOp::rename, to, true); !s) return s;
  const State::Place source = state_->find(from);
  const State::Place target = state_->find(to);
  if (!source.node || !target.parent || !source.parent) return errno_error("rename " + from + " to " + to, ENOENT);
  if (target.node && static_cast<bool>(target.node.directory) != static_cast<bool>(source.node.directory)) {
    return errno_error("rename " + from + " to " + to, target.node.directory ? EISDIR : ENOTDIR);
  }
  if (target.node.directory && !target.node.directory->live.empty()) {
    return errno_error("rename " + from + " to " + to, ENOTEMPTY);
  }
  if (source.parent == target.parent) {
    if (source.name != target.name) source.parent->change({{{source.name, {}}, {target.name, source.node}}});
  } else {
    target.parent->change({{{target.name, source.node}}});
    source.parent->change({{{source.name, {}}}});
  }
  return {};
}

Status FaultyFileSystem::remove(const std::string& path) {
  state_->call_hook(FileOp::remove, path);
  const std::lock_guard lock(state_->mutex);
  if (Status s = state_->enter(FileOp::remove, path, true); !s) return s;
  const State::Place place = state_->find(path);
  if (!place.node) return errno_error("remove " + path, ENOENT);
  if (place.node.directory) return errno_error("remove " + path, EISDIR);
  place.parent->change({{{place.name, {}}}});
  return {};
}

Status FaultyFileSystem::remove_tree(const std::string& path) {
  state_->call_hook(FileOp::remove, path);
  const std::lock_guard lock(state_->mutex);
  if (Status s = state_->enter(FileOp::remove, path, true); !s) return s;
  const State::Place place = state_->find(path);
  if (!place.node || !place.parent) return {};
  // Bottom up, entry by entry, as the real one does it: a power cut may leave half of the tree.
  const auto empty = [](const auto& self, Directory& directory) -> void {
    while (!directory.live.empty()) {
      const auto [name, node] = *directory.live.begin();
      if (node.directory) self(self, *node.directory);
      directory.change({{{name, {}}}});
    }
  };
  if (place.node.directory) empty(empty, *place.node.directory);
  place.parent->change({{{place.name, {}}}});
  return {};
}

Status FaultyFileSystem::make_dirs(const std::string& path) {
  state_->call_hook(FileOp::make_dirs, path);
  const std::lock_guard lock(state_->mutex);
  const bool made = !state_->find(path).node;
  if (Status s = state_->enter(FileOp::make_dirs, path, made); !s) return s;
  std::shared_ptr<Directory> at = state_->root;
  for (const std::string& part : split(path)) {
    const auto it = at->live.find(part);
    if (it == at->live.end()) {
      auto directory = std::make_shared<Directory>();
      at->change({{{part, Node{nullptr, directory}}}});
      at = directory;
    } else if (it->second.directory) {
      at = it->second.directory;
    } else {
      return errno_error("make directory " + path, ENOTDIR);
    }
  }
  return {};
}

Status FaultyFileSystem::sync_dir(const std::string& path) {
  state_->call_hook(FileOp::sync_dir, path);
  const std::lock_guard lock(state_->mutex);
  if (Status s = state_->enter(FileOp::sync_dir, path, true); !s) return s;
  const State::Place place = state_->find(path);
  if (!place.node.directory) return errno_error("open " + path, place.node ? ENOTDIR : ENOENT);
  if (state_->sync_lies) return {};
  place.node.directory->sync();
  // The way down to it: of the directories above only the entries on this path.
  std::shared_ptr<Directory> at = state_->root;
  for (const std::string& part : split(path)) {
    const Node node = at->live.at(part);
    if (at->durable.find(part) == at->durable.end()) at->durable[part] = node;
    at = node.directory;
  }
  return {};
}

Result<std::vector<std::string>> FaultyFileSystem::list(const std::string& path) {
  state_->call_hook(FileOp::list, path);
  const std::lock_guard lock(state_->mutex);
  if (Status s = state_->enter(FileOp::list, path, false); !s) return s.error();
  const State::Place place = state_->find(path);
  if (!place.node.directory) return errno_error("list " + path, place.node ? ENOTDIR : ENOENT);
  std::vector<std::string> names;
  for (const auto& [name, node] : place.node.directory->live) names.push_back(name);
  return names;
}

bool FaultyFileSystem::exists(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  return static_cast<bool>(state_->find(path).node);
}

bool FaultyFileSystem::is_dir(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  return state_->find(path).node.directory != nullptr;
}

Result<DiskSpace> FaultyFileSystem::space(const std::string& path) {
  state_->call_hook(FileOp::space, path);
  const std::lock_guard lock(state_->mutex);
  if (Status s = state_->enter(FileOp::space, path, false); !s) return s.error();
  const int64_t total = state_->quota_bytes == quota_none ? int64_t{1} << 40 : state_->quota_bytes;
  return DiskSpace{total, std::max<int64_t>(total - state_->used_bytes, 0)};
}

Result<std::unique_ptr<File>> FaultyFileSystem::open_disk(const std::string& dir) {
  state_->call_hook(FileOp::open, dir);
  const std::lock_guard lock(state_->mutex);
  if (Status s = state_->enter(FileOp::open, dir, false); !s) return s.error();
  if (!state_->find(dir).node.directory) return errno_error("open " + dir, ENOENT);
  return std::unique_ptr<File>(std::make_unique<MemoryDisk>(state_, dir));
}

Result<std::unique_ptr<File>> FaultyFileSystem::lock(const std::string& path) {
  state_->call_hook(FileOp::lock, path);
  {
    const std::lock_guard guard(state_->mutex);
    if (Status s = state_->enter(FileOp::lock, path, false); !s) return s.error();
  }
  auto opened = open(path, OpenMode::create);
  if (!opened) return opened.error();
  const std::lock_guard guard(state_->mutex);
  const std::shared_ptr<Inode> inode = state_->find(path).node.file;
  if (!inode) return errno_error("lock " + path, ENOENT);
  if (inode->locked) return Error{Errc::exists, "lock " + path + ": another process holds it", EAGAIN};
  inode->locked = true;
  return std::unique_ptr<File>(std::make_unique<MemoryFile>(state_, inode, path, true, true));
}

}  // namespace merlin
