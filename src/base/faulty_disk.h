// The parts of the faulty file system's disk: files with their un-synced pages, directories with their un-synced
// changes. Not synchronized: the file system's mutex guards all of it, except what readers see through a mapping.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "merlin/base/faulty_file_system.h"

namespace merlin::faulty {

inline constexpr int64_t page_bytes = 4096;
inline constexpr int64_t sector_bytes = 512;
using Page = std::array<uint8_t, page_bytes>;
using Random = std::mt19937_64;

inline bool coin(Random& random, double chance) {
  return std::uniform_real_distribution<double>(0, 1)(random) < chance;
}

// One file: what the process sees, and what the disk still holds of pages that changed since the last sync.
class Inode {
 public:
  Inode(int64_t reserved_bytes, int64_t* used_bytes);
  ~Inode();
  Inode(const Inode&) = delete;
  Inode& operator=(const Inode&) = delete;

  uint8_t* data() const { return data_; }
  int64_t size() const { return size_; }
  int64_t reserved_bytes() const { return reserved_; }

  // REQUIRES: within reserved_bytes().
  void write(ByteView bytes, int64_t offset, Random& random);
  void truncate(int64_t size);
  void sync();
  void sync_failed();
  // How many of the bytes fit when only `room_bytes` of new pages may be taken.
  size_t fitting(size_t bytes, int64_t offset, int64_t room_bytes) const;
  // Fills `out`, a fresh file, with what is on the disk after a power cut.
  void crash_into(Inode& out, CrashChooser& choose, bool torn_sectors) const;
  uint64_t digest() const;

  // The disk's space comes back when no name leads here and nobody has it open, though a power cut may bring it back.
  void link() { ++links_; }
  void unlink();
  void hold() { ++holders_; }
  void release();

  bool locked = false;

 private:
  void give_space_back();
  void remember(int64_t page, Random* random);
  // The disk's version of a page that differs from what the process sees; nullptr when they are the same.
  const Page* disk_holds(int64_t page) const;

  uint8_t* data_ = nullptr;  // reserved address space; pages come when touched
  const int64_t reserved_;
  int64_t* const used_bytes_;  // of the disk
  bool counted_ = true;        // its pages are in *used_bytes_
  int64_t links_ = 0;
  int64_t holders_ = 0;
  int64_t size_ = 0;
  int64_t durable_size_ = 0;
  int64_t cut_at_ = INT64_MAX;                              // lowest size since the last sync, when it was truncated
  std::set<int64_t> pages_;                                 // taken
  std::unordered_map<int64_t, std::unique_ptr<Page>> old_;  // dirty pages: what the disk holds
  std::unordered_map<int64_t, std::unique_ptr<Page>>
      lost_;  // clean to the kernel after a failed sync: what the disk holds
};

struct Directory;

struct Node {
  std::shared_ptr<Inode> file;
  std::shared_ptr<Directory> directory;
  explicit operator bool() const { return file || directory; }
};

// One change of a directory: names that point elsewhere now; an empty node removes the name.
struct DirectoryChange {
  std::vector<std::pair<std::string, Node>> names;
};

struct Directory {
  std::map<std::string, Node> live;
  std::map<std::string, Node> durable;
  std::vector<DirectoryChange> pending;

  void change(DirectoryChange change);
  void sync();
};

}  // namespace merlin::faulty
