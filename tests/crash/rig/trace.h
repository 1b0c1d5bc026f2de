// What a workload did to its disk, call by call, and what its clients were told in between: one sequence that can be
// played again as far as wanted, without the workload's threads.
//
// Owns:    TraceFileSystem: one lock around each call, so that the order in the trace is the order on the disk.
// Threads: TraceFileSystem any; everything else one.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "merlin/base/faulty_file_system.h"

namespace merlin::rig {

enum class Kind : uint8_t {
  // Calls. a: number of the open file, b: offset or size.
  open,  // b: OpenMode, or whole_disk
  write,
  sync,
  truncate,
  close,
  rename,  // bytes: the new path
  remove,
  remove_tree,
  make_dirs,
  sync_dir,
  quota,  // b: bytes
  // Notes. a: number of the message.
  intend,         // b: queue, path: topic, bytes: body
  placed,         // b: queue offset, c: physical offset, d: size
  placed_light,   // b: offset in a light queue, path: its name
  refused,        //
  durable,        // b: everything in front of this physical offset was acknowledged as durable
  deleting,       // path: topic
  deleted,        //
  commit,         // path: group, bytes: topic, a: queue, b: offset
  commits_saved,  // all commits so far
  topic_wanted,   // path: name, a: queues; 0: to be removed
  topic_saved,
  group_wanted,  // path: name, a: retries; 0: to be removed
  group_saved,
  image,  // bytes: the folder of a database that does not use the port, as it is now
};

inline constexpr int64_t whole_disk = 100;

struct Entry {
  Kind kind = Kind::open;
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;
  int64_t d = 0;
  std::string path = {};
  std::string bytes = {};
};

inline bool is_note(Kind kind) {
  return kind >= Kind::intend;
}
// Whether a power cut right behind it may find another disk than one in front of it.
bool changes_disk(Kind kind);
std::string text(const Entry& entry);

using Trace = std::vector<Entry>;

std::string encode(const Trace& trace);
Result<Trace> decode_trace(std::string_view bytes);

// Records what it passes on to `disk`. Calls that fail by a fault of the disk are recorded, too, if they may have had
// an effect; playing them again needs the same quota, which set_quota() records.
class TraceFileSystem final : public FileSystem {
 public:
  explicit TraceFileSystem(FaultyFileSystem& disk) : disk_(disk) {}

  // Noted in front of each call that publishes how far something is on disk, and by note_image().
  void set_image(std::function<std::string()> image) { image_ = std::move(image); }
  void note_image();

  void note(Entry entry);
  void set_quota(int64_t bytes);
  Trace take();
  Trace copy() const;
  int64_t count(Kind kind) const;
  // How many renames onto a path that ends so were seen.
  int64_t renames_to(std::string_view suffix) const;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status remove_tree(const std::string& path) override;
  Status make_dirs(const std::string& path) override;
  Status sync_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override { return disk_.list(path); }
  bool exists(const std::string& path) override { return disk_.exists(path); }
  bool is_dir(const std::string& path) override { return disk_.is_dir(path); }
  Result<DiskSpace> space(const std::string& path) override { return disk_.space(path); }
  Result<std::unique_ptr<File>> open_disk(const std::string& dir) override;
  Result<std::unique_ptr<File>> lock(const std::string& path) override;

 private:
  friend class TracedFile;
  void note_image_before(const std::string& path);
  Result<std::unique_ptr<File>> traced(Result<std::unique_ptr<File>> file, const std::string& path, int64_t mode);

  FaultyFileSystem& disk_;
  std::function<std::string()> image_;  // constant while the store lives
  mutable std::mutex mutex_;
  Trace trace_;            // guarded by mutex_
  int64_t next_file_ = 0;  // guarded by mutex_
};

// All files of a real folder as one string, and back. The folder is small and nobody writes to it for long.
std::string pack_folder(const std::string& dir);
void unpack_folder(const std::string& packed, const std::string& dir);

// Plays the calls of a trace onto a disk.
class Player {
 public:
  explicit Player(FaultyFileSystem& disk) : disk_(disk) {}
  void play(const Entry& call);

 private:
  FaultyFileSystem& disk_;
  std::map<int64_t, std::unique_ptr<File>> files_;
};

}  // namespace merlin::rig
