// The faulty twin of the file port: a disk in memory that fails on request and can lose its power.
//
// Fault model
//   Failing calls: a Fault names an operation, a part of the path, how many matching calls pass and how many then fail,
//   with
//     which errno, and for a write how many bytes reach the file before it fails.
//   Failed sync:   the dirty pages count as clean afterwards although they never reached the disk (as Linux does it): a
//   later
//     sync of the same file succeeds and does not save them, unless they were written again.
//   Disk full:     pages of 4 KiB are counted against a quota. A write that crosses it writes what fits, then fails
//   with
//     ENOSPC. Truncating, removing or a higher quota make room again.
//   Power cut:     crash() answers with the disk as a next boot may find it. Synced file content is there. Of the rest
//   each
//     4 KiB page (each 512-byte sector with torn_sectors) is there or not, at random; a page written several times may
//     be there as it was in between. The size, or a truncation, that was not synced is there or not, as a whole.
//     Directory entries: of the changes of one directory since its last sync_dir a random number survives, oldest
//     first; a rename is one change. sync_dir also saves the entries that lead to that directory. A file's sync does
//     not save its entry.
//   Not modelled:  bit rot, reordering of changes within one directory, reads that fail by page.
//
// Owns:    all content. One reserved address range per file, so that a mapping shows later writes and never moves.
// Threads: any. Memory is plain: a reader of a mapping that races with a write of the same bytes is a data race here
// too.
#pragma once

#include <cerrno>
#include <functional>
#include <limits>
#include <optional>

#include "merlin/base/file_system.h"

namespace merlin {

enum class FileOp { open, read, write, sync, truncate, map, rename, remove, make_dirs, sync_dir, list, space, lock };

struct Fault {
  std::optional<FileOp> op = {};  // empty: any
  std::string path_part = {};     // empty: any path
  int64_t calls_passed = 0;       // so many matching calls succeed first
  int64_t calls_failed = 1;       // then so many fail
  int sys_errno = EIO;
  size_t bytes_before_failure = 0;  // write only
};

struct CrashOptions {
  double page_survival = 0.5;  // chance of each page that was not synced
  double entry_survival =
      0.5;  // chance that all of a directory's changes that were not synced survive; else a random prefix
  bool torn_sectors = true;
};

// Decides item by item what a power cut leaves: for those who go through all possibilities, or name one.
class CrashChooser {
 public:
  virtual ~CrashChooser() = default;
  // A page, a sector or a size that was not synced.
  virtual bool survives() = 0;
  // How many of one directory's changes, the oldest first: 0 .. changes.
  virtual size_t kept_of(size_t changes) = 0;
};

class FaultyFileSystem final : public FileSystem {
 public:
  static constexpr int64_t quota_none = std::numeric_limits<int64_t>::max();
  static constexpr int64_t forever = std::numeric_limits<int64_t>::max();

  // No file grows beyond file_size_max (EFBIG): so much address space is reserved for each. `seed`: the kernel's own
  // will, when it writes back pages that nobody synced.
  explicit FaultyFileSystem(uint64_t seed = 1, int64_t file_size_max = int64_t{2} << 30);
  ~FaultyFileSystem() override;

  void add_fault(Fault fault);
  void clear_faults();
  void set_quota_bytes(int64_t quota_bytes);
  int64_t used_bytes() const;
  // A planted bug: syncs answer ok and do nothing.
  void set_sync_lies(bool lies);
  // After so many more changing calls (writes, syncs, truncations, directory changes) the power is off: every call
  // fails with EIO and changes nothing. crash() then answers with the disk of that moment.
  void cut_power_after(int64_t changing_calls);
  bool power_is_off() const;
  int64_t changing_calls() const;
  int64_t calls(FileOp op) const;
  // Called before each operation, without a lock held; may block.
  void set_hook(std::function<void(FileOp, const std::string& path)> hook);

  // The disk after a power cut now. This one goes on as if nothing had happened; locks, faults and quota are not passed
  // on.
  std::unique_ptr<FaultyFileSystem> crash(uint64_t seed, CrashOptions options = {}) const;
  std::unique_ptr<FaultyFileSystem> crash(CrashChooser& choose, bool torn_sectors, uint64_t seed) const;
  // Of all names and contents, as a process sees them now: equal disks have equal digests.
  uint64_t digest() const;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_tree(const std::string& path) override;
  Status make_dirs(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  bool exists(const std::string& path) override;
  bool is_dir(const std::string& path) override;
  Result<DiskSpace> space(const std::string& path) override;
  Result<std::unique_ptr<File>> open_disk(const std::string& dir) override;
  Result<std::unique_ptr<File>> lock(const std::string& path) override;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace merlin
