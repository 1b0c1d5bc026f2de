// The files of one consume queue: fixed size, named by the byte offset of their first unit. Units are counted here: in
// a queue of 20-byte units the number of a unit is its queue offset.
//
// Owns:     the list of files, the open ones among them, and mappings of those that were read lately.
// Threads:  not safe by itself: the queue's mutex guards it. What map() and take_unsynced() return may be used without.
// Survives: what sync of the returned files covered.
// Fails:    load() refuses wrong sizes, as Apache does; write errors are passed on and the write may be repeated.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "store/queue/queue_unit.h"

namespace merlin::store {

class QueueFiles {
 public:
  // `dir` is made with the first file. Units have queue_unit_bytes or batch_unit_bytes.
  QueueFiles(FileSystem& files, std::string dir, int32_t file_bytes, int32_t unit_bytes = queue_unit_bytes);

  Status load();
  // Instead of load(), when it is known what is there: files from unit `first` on without a gap, up to the one of the
  // last unit in front of `end`. Only these two are looked at. False: one is not there, or has another size; nothing is
  // known then.
  Result<bool> adopt(int64_t first, int64_t end);
  // Files may be there all the same although load() was not called: they are removed before the first is made.
  void expect_leftovers() { leftovers_ = true; }

  // Whether load() found a file cut short, as no crash of ours leaves one: units that were on disk may be missing.
  bool cut_short() const { return cut_short_start_ >= 0; }
  // Gives that file its full size; before this nothing may be read from it.
  Status extend_cut_short();
  int32_t units_per_file() const { return units_per_file_; }
  bool empty() const { return starts_.empty(); }
  // Number of the first unit of the first file; 0 when empty.
  int64_t first_unit() const { return starts_.empty() ? 0 : starts_.front(); }
  // One past the last unit of the last file.
  int64_t unit_limit() const { return starts_.empty() ? 0 : starts_.back() + units_per_file_; }
  const std::string& dir() const { return dir_; }

  // Writes encoded units from number `first` on. REQUIRES: they lie in one file, the last or the one behind it.
  Status write(int64_t first, ByteView units);
  // The file that holds the unit, mapped. The unit lies at (unit % units_per_file) * its size.
  Result<std::shared_ptr<Mapping>> map(int64_t unit);

  // A unit of a file that is there; of a batch what it has in common with others.
  Result<QueueUnit> unit_at(int64_t unit);
  // One past the last unit that is written and whose record lies below `physical_limit`. Units in front of it are taken
  // for good: they were written in order.
  Result<int64_t> written_end(int64_t physical_limit);
  // Forgets everything from `end` on: later files are removed, and the rest of the last one reads as zero when asked
  // for.
  Status cut(int64_t end, bool zero_rest);

  // The files written since the last call, for syncing.
  Result<std::vector<std::shared_ptr<File>>> take_unsynced();
  // What was written since is synced by somebody else, with the names.
  void forget_unsynced();
  // Closes and unmaps everything now. What was written stays to be synced.
  void close_all();
  // Whether a file was made since the last call: its directories need a sync, too.
  bool take_new_names();
  // Whether anything is open or mapped.
  bool in_use() const { return open_ != nullptr || !maps_.empty(); }
  // Closes and unmaps what was not used since the last call.
  void release_idle();
  // Deletes files whose units all lie below `unit`; the last one stays.
  Status drop_below(int64_t unit);
  Status remove_all();

 private:
  struct Mapped {
    int64_t start = 0;
    std::shared_ptr<Mapping> map;
    bool used = true;
  };

  std::string path(int64_t start) const;
  int64_t start_of(int64_t unit) const { return unit - unit % units_per_file_; }
  Status open_for_write(int64_t start);
  Status remove_leftovers();
  Status fill_blank(int64_t start, int64_t until);
  void forget_maps(int64_t from);

  FileSystem& files_;
  const std::string dir_;
  const int32_t file_bytes_;
  const int32_t unit_bytes_;
  const int32_t units_per_file_;
  std::vector<int64_t> starts_;  // in units, ascending, no gaps
  int64_t open_start_ = -1;      // the file that open_ is
  std::shared_ptr<File> open_;
  bool open_used_ = false;
  bool open_unsynced_ = false;
  bool new_names_ = false;
  int64_t cut_short_start_ = -1;
  bool leftovers_ = false;         // remove_all() failed: files may be there that nobody knows
  std::vector<int64_t> unsynced_;  // starts of files that were written, but are no longer open_
  std::vector<Mapped> maps_;       // at most maps_max
};

}  // namespace merlin::store
