#include "faulty_disk.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <sys/mman.h>

namespace merlin::faulty {

Inode::Inode(int64_t reserved_bytes, int64_t* used_bytes) : reserved_(reserved_bytes), used_bytes_(used_bytes) {
  void* p = ::mmap(nullptr, static_cast<size_t>(reserved_), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) std::abort();  // a test ran out of address space
  data_ = static_cast<uint8_t*>(p);
}

Inode::~Inode() {
  give_space_back();
  ::munmap(data_, static_cast<size_t>(reserved_));
}

void Inode::unlink() {
  if (--links_ == 0 && holders_ == 0) give_space_back();
}

void Inode::release() {
  if (--holders_ == 0 && links_ == 0) give_space_back();
}

void Inode::give_space_back() {
  if (counted_) *used_bytes_ -= static_cast<int64_t>(pages_.size()) * page_bytes;
  counted_ = false;
}

// Before a page changes: keeps what the disk holds of it. With `random` the kernel may write back a dirty page first.
void Inode::remember(int64_t page, Random* random) {
  const uint8_t* content = data_ + page * page_bytes;
  auto dirty = old_.find(page);
  if (dirty != old_.end()) {
    // Not while a truncation waits for its sync: pages written behind it do not reach the disk before it does.
    if (random != nullptr && cut_at_ == INT64_MAX && (*random)() % 8 == 0) {
      std::memcpy(dirty->second->data(), content, page_bytes);
    }
    return;
  }
  auto lost = lost_.find(page);
  if (lost != lost_.end()) {
    old_[page] = std::move(lost->second);
    lost_.erase(lost);
    return;
  }
  auto copy = std::make_unique<Page>();
  std::memcpy(copy->data(), content, page_bytes);
  old_[page] = std::move(copy);
}

void Inode::write(ByteView bytes, int64_t offset, Random& random) {
  if (bytes.empty()) return;
  const int64_t end = offset + static_cast<int64_t>(bytes.size());
  assert(end <= reserved_);
  for (int64_t page = offset / page_bytes; page <= (end - 1) / page_bytes; ++page) {
    remember(page, &random);
    if (pages_.insert(page).second) *used_bytes_ += page_bytes;
  }
  std::memcpy(data_ + offset, bytes.data(), bytes.size());
  size_ = std::max(size_, end);
}

void Inode::truncate(int64_t size) {
  assert(size <= reserved_);
  if (size < size_) {
    for (auto it = pages_.lower_bound(size / page_bytes); it != pages_.end();) {
      const int64_t begin = std::max(*it * page_bytes, size);
      const int64_t end = (*it + 1) * page_bytes;
      remember(*it, nullptr);
      std::memset(data_ + begin, 0, static_cast<size_t>(end - begin));
      if (begin == *it * page_bytes) {
        *used_bytes_ -= page_bytes;
        it = pages_.erase(it);
      } else {
        ++it;
      }
    }
    cut_at_ = std::min(cut_at_, size);
  }
  size_ = size;
}

void Inode::sync() {
  old_.clear();
  durable_size_ = size_;
  cut_at_ = INT64_MAX;
}

void Inode::sync_failed() {
  for (auto& [page, content] : old_) lost_[page] = std::move(content);
  old_.clear();
}

size_t Inode::fitting(size_t bytes, int64_t offset, int64_t room_bytes) const {
  if (bytes == 0) return 0;
  const int64_t end = offset + static_cast<int64_t>(bytes);
  for (int64_t page = offset / page_bytes; page <= (end - 1) / page_bytes; ++page) {
    if (pages_.contains(page)) continue;
    room_bytes -= page_bytes;
    if (room_bytes < 0) return static_cast<size_t>(std::max<int64_t>(page * page_bytes - offset, 0));
  }
  return bytes;
}

const Page* Inode::disk_holds(int64_t page) const {
  if (const auto it = old_.find(page); it != old_.end()) return it->second.get();
  if (const auto it = lost_.find(page); it != lost_.end()) return it->second.get();
  return nullptr;
}

// One page after a power cut: `content` comes as the process saw it, `old` as the disk has it.
static void choose_page(Page& content, const Page& old, bool torn_sectors, CrashChooser& choose) {
  const int64_t unit = torn_sectors ? sector_bytes : page_bytes;
  for (int64_t at = 0; at < page_bytes; at += unit) {
    if (std::memcmp(content.data() + at, old.data() + at, static_cast<size_t>(unit)) == 0) continue;
    if (!choose.survives()) std::memcpy(content.data() + at, old.data() + at, static_cast<size_t>(unit));
  }
}

void Inode::crash_into(Inode& out, CrashChooser& choose, bool torn_sectors) const {
  const bool size_survives = (size_ == durable_size_ && cut_at_ == INT64_MAX) || choose.survives();
  const int64_t size = size_survives ? size_ : durable_size_;
  std::set<int64_t> pages = pages_;
  for (const auto& [page, old] : old_) pages.insert(page);
  for (const auto& [page, old] : lost_) pages.insert(page);
  Random unused(1);
  for (const int64_t page : pages) {
    Page content;
    std::memcpy(content.data(), data_ + page * page_bytes, page_bytes);
    const bool cut_here = cut_at_ < (page + 1) * page_bytes;
    if (const Page* on_disk = disk_holds(page)) {
      Page old = *on_disk;
      // A truncation that survived took the old bytes with it; one that did not brings them all back.
      if (cut_here && size_survives) {
        const int64_t from = std::max<int64_t>(cut_at_ - page * page_bytes, 0);
        std::memset(old.data() + from, 0, static_cast<size_t>(page_bytes - from));
      }
      if (cut_here && !size_survives) {
        content = old;
      } else if (page * page_bytes < size) {
        choose_page(content, old, torn_sectors, choose);
      }
    }
    const int64_t end = std::min((page + 1) * page_bytes, size);
    if (end > page * page_bytes) {
      out.write({content.data(), static_cast<size_t>(end - page * page_bytes)}, page * page_bytes, unused);
    }
  }
  out.truncate(size);
  out.sync();
}

uint64_t Inode::digest() const {
  static constexpr uint64_t prime = 1099511628211U;
  uint64_t hash = static_cast<uint64_t>(size_);
  for (const int64_t page : pages_) {
    const ByteView content(data_ + page * page_bytes, page_bytes);
    if (std::all_of(content.begin(), content.end(), [](uint8_t byte) { return byte == 0; })) continue;
    hash = (hash * prime) ^ static_cast<uint64_t>(page);
    hash = (hash * prime) ^ std::hash<std::string_view>()(as_text(content));
  }
  return hash;
}

void Directory::change(DirectoryChange change) {
  for (const auto& [name, node] : change.names) {
    if (node.file) node.file->link();
  }
  for (const auto& [name, node] : change.names) {
    if (const auto it = live.find(name); it != live.end() && it->second.file) it->second.file->unlink();
    if (node) {
      live[name] = node;
    } else {
      live.erase(name);
    }
  }
  pending.push_back(std::move(change));
}

void Directory::sync() {
  durable = live;
  pending.clear();
}

}  // namespace merlin::faulty
