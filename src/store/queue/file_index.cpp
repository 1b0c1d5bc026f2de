#include "store/queue/file_index.h"

#include <charconv>
#include <unordered_set>

#include "merlin/base/log.h"
#include "store/queue/bounds_file.h"
#include "store/queue/rocks_index.h"

namespace merlin::store {

// So many queues that were written keep their file open; the others open it again for the next write.
static constexpr size_t open_queues_max = 512;
// From so many queues on a clean stop writes their bounds.
static constexpr size_t bounds_rows_min = 1000;

FileIndex::FileIndex(FileSystem& files, std::string root_dir, int32_t file_bytes)
    : files_(files),
      root_dir_(std::move(root_dir)),
      dir_(root_dir_ + "/consumequeue"),
      file_bytes_(file_bytes),
      floors_(files, root_dir_) {}

std::unique_ptr<ConsumeQueue> FileIndex::make(QueueTopic& topic, int32_t queue_id) {
  return std::make_unique<FileQueue>(files_, dir_, topic, queue_id, file_bytes_);
}

// Reads <dir>/<topic>/<queue id>; other names are ignored.
Status FileIndex::load_names() {
  const auto topics = files_.list(dir_);
  if (!topics) return topics.error();
  for (const std::string& topic : *topics) {
    const std::string topic_dir = dir_ + "/" + topic;
    if (!files_.is_dir(topic_dir)) continue;
    const auto ids = files_.list(topic_dir);
    if (!ids) return ids.error();
    for (const std::string& name : *ids) {
      int32_t id = 0;
      const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), id);
      if (ec != std::errc() || end != name.data() + name.size() || !files_.is_dir(topic_dir + "/" + name)) {
        log_warn("store", "{}/{} is not a queue: ignored", topic_dir, name);
        continue;
      }
      if (Status s = file_queue(get(topic, id)).load(); !s) return s;
    }
  }
  return {};
}

Result<QueueIndex::Loaded> FileIndex::load() {
  if (Status s = files_.make_dirs(dir_); !s) return s.error();
  if (Status s = take_over_database(); !s) return s.error();
  const auto floors = floors_.read();
  if (!floors) return floors.error();
  take_rows(*floors);
  Loaded loaded;
  loaded.progress = read_progress(files_, root_dir_ + "/merlin.progress");
  const auto adopted = adopt_bounds(loaded.progress);
  if (!adopted) return adopted.error();
  if (*adopted) {
    loaded.any = true;
    return loaded;
  }
  if (Status s = load_names(); !s) return s.error();
  int32_t with_files = 0;
  for (ConsumeQueue* queue : all()) {
    const bool has_files = file_queue(queue).has_files();
    with_files += has_files ? 1 : 0;
    // Nobody knows what stood in a file that was cut short, so no other place than the log's begin is good.
    loaded.torn = loaded.torn || file_queue(queue).cut_short();
  }
  loaded.any = with_files > 0;
  if (loaded.progress && with_files < loaded.progress->queue_count) {
    log_warn("store", "{} queues with files were known, {} are there: the units are built again from the log",
             loaded.progress->queue_count, with_files);
    loaded.torn = true;
  }
  if (files_.exists(root_dir_ + "/merlin.rebuild")) {
    log_warn("store", "a queue's files did not fit in the last run: all queues are built again from the log");
    loaded.torn = true;
  }
  return loaded;
}

// Takes what the last stop wrote about the queues, if it was a clean one and nobody has been here since.
Result<bool> FileIndex::adopt_bounds(const std::optional<Progress>& progress) {
  const std::string path = root_dir_ + "/merlin.bounds";
  if (!files_.exists(path) || files_.exists(root_dir_ + "/merlin.rebuild")) return false;
  auto rows = progress && !files_.exists(root_dir_ + "/abort") ? read_bounds(files_, path, progress->dispatched_offset)
                                                               : std::nullopt;
  // Before anything changes: a crash from here on must not find it.
  if (Status s = files_.remove(path); !s) return s.error();
  if (Status s = files_.sync_dir(root_dir_); !s) return s.error();
  if (!rows) return false;
  const auto topics = files_.list(dir_);
  if (!topics) return topics.error();
  std::unordered_set<std::string_view> known;
  for (const BoundsRow& row : *rows) known.insert(row.topic);
  size_t there = 0;
  for (const std::string& topic : *topics) there += known.contains(topic) ? 1 : 0;
  if (there != topics->size() || there != known.size()) return false;
  expect_topics(known.size());
  for (const BoundsRow& row : *rows) {
    if (!is_topic_name(row.topic)) return false;
    file_queue(get(row.topic, row.queue_id)).adopt(row.bounds);
  }
  return true;
}

Status FileIndex::stopped_clean(const Progress& saved) {
  std::vector<BoundsRow> rows;
  for (ConsumeQueue* queue : all()) {
    FileQueue& file = file_queue(queue);
    if (file.misfit()) return {};
    if (file.has_files()) rows.push_back({queue->topic(), queue->id(), file.bounds()});
  }
  // Few queues are looked at one by one, which also finds what happened to their files meanwhile.
  if (rows.size() < bounds_rows_min) return {};
  return write_bounds(files_, root_dir_ + "/merlin.bounds", saved.dispatched_offset, rows);
}

// The store was one of the database form: queues without a record left in the log keep their next offset.
Status FileIndex::take_over_database() {
  if (!files_.exists(RocksIndex::dir_of(root_dir_))) return {};
  log_info("store", "storeType=default: the queue files are built from the log, {} is not used any more",
           RocksIndex::dir_of(root_dir_));
  RocksIndex old({.root_dir = root_dir_}, files_);
  if (const auto loaded = old.load(); !loaded) {
    log_warn("store", "{}: offsets of empty queues start over", loaded.error().message);
    return {};
  }
  take_floors(old);
  for (const auto& [topic, below] : old.dead_topics()) set_dead_below(topic, below);
  return {};
}

Status FileIndex::reset_all() {
  take_floors(*this);
  if (Status s = floors_.write(floor_rows()); !s) return s;
  return QueueIndex::reset_all();
}

Status FileIndex::opened(int64_t log_begin, const std::atomic<int64_t>& durable) {
  if (Status s = QueueIndex::opened(log_begin, durable); !s) return s;
  for (ConsumeQueue* queue : floored()) {
    if (Status s = file_queue(queue).start_at(queue->max_offset()); !s) return s;
  }
  if (Status s = floors_.write(lasting_rows()); !s) return s;
  const std::string marker = root_dir_ + "/merlin.rebuild";
  if (files_.exists(marker)) {
    if (Status s = files_.remove(marker); !s) return s;
  }
  const std::string database = RocksIndex::dir_of(root_dir_);
  return files_.exists(database) ? files_.remove_tree(database) : Status();
}

Result<int64_t> FileIndex::loaded_max_physical() {
  int64_t max_physical = -1;
  for (ConsumeQueue* queue : all()) {
    // A queue that cannot be read is no hindrance: it is compared with the log afterwards.
    if (const auto end = file_queue(queue).loaded_max_physical()) max_physical = std::max(max_physical, *end);
    file_queue(queue).close_files();
  }
  return max_physical;
}

Status FileIndex::distrust() {
  const std::string mark = root_dir_ + "/merlin.progress";
  if (!files_.exists(mark)) return {};
  if (Status s = files_.remove(mark); !s) return s;
  return files_.sync_dir(root_dir_);
}

Status FileIndex::start_from(const Start& start) {
  for (ConsumeQueue* queue : all()) {
    if (start.trusted && start.clean && file_queue(queue).is_adopted() &&
        queue->max_physical() <= start.physical_limit) {
      continue;
    }
    if (Status s = file_queue(queue).extend_cut_short(); !s) return s;
    if (Status s = file_queue(queue).cut(start.physical_limit, !start.clean || !start.trusted); !s) return s;
    if (!start.trusted) {
      if (Status s = drop_unfit(file_queue(queue), start); !s) return s;
    }
    file_queue(queue).close_files();
  }
  return {};
}

// The files may come from elsewhere; stale units may stand behind the last good one.
Status FileIndex::drop_unfit(FileQueue& queue, const Start& start) {
  for (;;) {
    const int64_t last = queue.max_offset() - 1;
    QueueUnit unit;
    if (last < 0 || queue.read(last, {&unit, 1}) == 0 || unit.blank()) return {};
    if (!start.fits || start.fits(queue, last, unit)) return {};
    log_warn("store", "queue {}-{}: unit {} names no record of it: dropped", queue.topic(), queue.id(), last);
    if (Status s = queue.drop_last(); !s) return s;
  }
}

Status FileIndex::remove_topic(std::string_view topic) {
  if (!is_topic_name(topic)) return Error{Errc::invalid, "topic " + std::string(topic) + " is no name of a directory"};
  for (ConsumeQueue* queue : of_topic(topic)) {
    if (Status s = queue->reset(); !s) return s;
  }
  hide(topic);
  const std::string dir = dir_ + "/" + std::string(topic);
  if (files_.exists(dir)) {
    if (Status s = files_.remove_tree(dir); !s) return s;
    // Else a power cut may bring the units back, into a topic that was made again since.
    if (Status s = files_.sync_dir(dir_); !s) return s;
  }
  // For an index that is built from the log some day. Last, because a full disk may have room for it only now.
  return floors_.append({std::string(topic), FloorRow::deleted_topic, dead_below(topic), -1});
}

Status FileIndex::save(Progress& now, Save how) {
  const bool sync = how != Save::write;
  Status result;
  now.queue_count = 0;
  size_t open_files = 0;
  bool misfit = false;
  for (ConsumeQueue* queue : all()) {
    FileQueue& file = file_queue(queue);
    if (file.dirty()) {
      Status status = file.write_back();
      if (status && sync) {
        status = file.sync_files();
        if (!status) sync_failed_ = true;
      }
      if (++open_files > open_queues_max) file.close_files();
      if (!status) result = status.error().with("queue " + queue->topic() + "-" + std::to_string(queue->id()));
    } else {
      file.release_idle();
    }
    misfit = misfit || file.misfit();
    now.queue_count += file.has_files() ? 1 : 0;
  }
  if (misfit && !rebuild_next_) {
    auto marker = files_.open(root_dir_ + "/merlin.rebuild", OpenMode::create);
    if (!marker) return marker.error();
    if (Status s = files_.sync_dir(root_dir_); !s) return s;
    rebuild_next_ = true;
  }
  if (result && sync && sync_failed_) return Error{Errc::io, "a consume queue could not be synced before"};
  return result;
}

Status FileIndex::retain(int64_t log_begin) {
  set_log_begin(log_begin);
  for (ConsumeQueue* queue : all()) {
    if (file_queue(queue).is_adopted() && file_queue(queue).in_one_file()) continue;
    if (Status s = file_queue(queue).drop_files_below(queue->min_offset()); !s)
      log_warn("store", "{}", s.error().message);
  }
  return {};
}

}  // namespace merlin::store
