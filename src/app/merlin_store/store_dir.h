// A store's directory as files say it, Apache's or ours: read only, with pread, in bounded memory. Nothing here opens
// the store itself: that would repair what is to be looked at.
//
// Threads: one.
// Fails:   what the operating system refuses is an error; bytes that do not fit are told to the caller.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "merlin/message/record.h"
#include "store/queue/queue_unit.h"

namespace merlin::tool {

struct SegmentFile {
  std::string path;
  int64_t start = 0;
  int64_t size = 0;
  int64_t end() const { return start + size; }
};

struct QueueFile {
  std::string path;
  int64_t start_bytes = 0;
  int64_t size = 0;
};

struct QueueDir {
  std::string topic;
  int32_t id = 0;
  std::string path;
  std::vector<QueueFile> files;  // ascending
  bool batch = false;            // of a topic with queue.type=BatchCQ: a unit stands for all messages of a record
  // Of a queue that is not empty, the lowest offset its files can hold.
  int64_t first_offset() const { return files.empty() || batch ? 0 : files.front().start_bytes / unit_bytes(); }
  int32_t unit_bytes() const { return batch ? store::batch_unit_bytes : store::queue_unit_bytes; }
};

class StoreDir {
 public:
  // `log_dir` empty: <root>/commitlog.
  StoreDir(FileSystem& files, std::string root, std::string log_dir = {});
  Status open();

  FileSystem& files() const { return files_; }
  const std::string& root() const { return root_; }
  std::string path(std::string_view name) const { return root_ + "/" + std::string(name); }
  const std::vector<SegmentFile>& segments() const { return segments_; }
  const std::vector<std::string>& foreign() const {
    return foreign_;
  }  // names in the log's folder that are no segments
  const SegmentFile* segment_of(int64_t physical_offset) const;
  int64_t log_begin() const { return segments_.empty() ? 0 : segments_.front().start; }
  int64_t log_bytes() const { return segments_.empty() ? 0 : segments_.back().end() - segments_.front().start; }
  // Whether the last stop was clean.
  bool clean() const { return !files_.exists(path("abort")); }
  // The queues stand in a database, so that there are no files to look at.
  bool has_queue_database() const;

  // Calls `visit` for each queue with files, by topic and id. Ends at its first error.
  Status each_queue(const std::function<Status(const QueueDir&)>& visit) const;
  std::optional<QueueDir> queue(const std::string& topic, int32_t id) const;
  // Reads bytes of the log; fewer when the segment ends.
  Result<size_t> read_log(std::span<uint8_t> out, int64_t physical_offset);

 private:
  Status load_queue(QueueDir& queue) const;
  Status each_queue_in(const std::string& folder, const std::function<Status(const QueueDir&)>& visit) const;

  FileSystem& files_;
  const std::string root_;
  const std::string log_dir_;
  std::vector<SegmentFile> segments_;
  std::vector<std::string> foreign_;
  std::unique_ptr<File> open_segment_;
  int64_t open_start_ = -1;
};

// Goes through the log. A place where no record fits ends at the next one that does.
class LogScan {
 public:
  static constexpr int64_t window_bytes = int64_t{4} << 20;
  static constexpr int64_t record_bytes_max = int64_t{64} << 20;

  enum class Step {
    record,  // record() lies at position()
    damage,  // [position(), end()) holds no record; why() says what was found
    tail,    // the log ends at position(); [position(), end()) holds bytes that are no record
    end,     // the log ends at position()
  };

  LogScan(StoreDir& dir, int64_t from) : dir_(dir), next_(from) {}
  Result<Step> next();
  const message::RecordView& record() const { return record_; }
  int64_t position() const { return position_; }
  int64_t end() const { return next_; }
  const std::string& why() const { return why_; }
  std::string file() const;

 private:
  Result<ByteView> bytes(int64_t offset, int64_t count);
  Result<bool> fits(const SegmentFile& segment, int64_t offset);
  Result<std::optional<int64_t>> find_fitting(const SegmentFile& segment, int64_t from);
  Result<bool> later_segment_has_data(const SegmentFile& segment);
  Result<int64_t> last_nonzero(const SegmentFile& segment, int64_t from);
  Result<Step> broken(const SegmentFile& segment);

  StoreDir& dir_;
  int64_t position_ = 0;
  int64_t next_ = 0;
  std::vector<uint8_t> window_;
  int64_t window_start_ = -1;
  int64_t window_size_ = 0;
  message::RecordView record_;
  std::string why_;
};

// Units of queues at random places, with a bounded number of open files.
class UnitReader {
 public:
  static constexpr size_t open_max = 256;
  explicit UnitReader(const StoreDir& dir) : dir_(dir) {}
  // nullopt: no such queue, or the place is not written. In a batch queue: no record begins with this offset.
  Result<std::optional<store::QueueUnit>> unit(const std::string& topic, int32_t id, int64_t offset);
  // Calls `visit` for each written unit from queue offset `from` on; ends when it says false.
  static Status each(FileSystem& files, const QueueDir& queue, int64_t from,
                     const std::function<bool(int64_t offset, const store::QueueUnit&)>& visit);

 private:
  struct Open {
    std::string key;
    QueueDir queue;
    std::unique_ptr<File> file;
    int64_t file_start = -1;
  };
  Result<bool> read(Open& home, int64_t at, std::span<uint8_t> out) const;
  Result<std::optional<store::QueueUnit>> batch_unit(Open& home, int64_t base) const;
  const StoreDir& dir_;
  std::list<Open> open_;  // lately used first
  std::map<std::string, std::list<Open>::iterator> by_key_;
};

}  // namespace merlin::tool
