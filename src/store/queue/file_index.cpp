#include "store/queue/file_index.h"

#include <charconv>
#include <chrono>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "merlin/base/log.h"
#include "store/checkpoint.h"
#include "store/queue/batch_queue.h"
#include "store/queue/bounds_file.h"
#include "store/queue/rocks_index.h"
#include "store/synced_point.h"

namespace merlin::store {

// So many queues that were written keep their file open; the others open it again for the next write.
static constexpr size_t open_queues_max = 512;
// Bounds of a slow log are written at the latest after this time, too.
static constexpr int64_t bounds_interval_ns = int64_t{60} * 1'000'000'000;

static int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

FileIndex::FileIndex(Options options, FileSystem& files)
    : options_(std::move(options)),
      files_(files),
      floors_(files, options_.root_dir),
      home_(files, {options_.root_dir + "/consumequeue", options_.file_bytes, queue_unit_bytes},
            {batch_dir_of(options_.root_dir), options_.batch_file_bytes, batch_unit_bytes}) {}

std::unique_ptr<ConsumeQueue> FileIndex::make(QueueTopic& topic, int32_t queue_id) {
  if (topic.batch) return std::make_unique<BatchQueue>(home_, topic, queue_id);
  return std::make_unique<FileQueue>(home_, topic, queue_id);
}

// ---------------------------------------------------------------- opening

Result<std::vector<std::string>> FileIndex::topic_names(const std::string& dir) const {
  return files_.exists(dir) ? files_.list(dir) : std::vector<std::string>();
}

// Reads <dir>/<topic>/<queue id>; other names are ignored.
Status FileIndex::load_names(const std::string& dir, QueueKind kind) {
  const auto topics = topic_names(dir);
  if (!topics) return topics.error();
  for (const std::string& topic : *topics) {
    const std::string topic_dir = dir + "/" + topic;
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
      if (get(topic, id, kind)->is_batch() == (kind == QueueKind::batch)) continue;
      return Error{Errc::corrupt, "topic " + topic + " has queues in " + home_.plain.dir + " and in " +
                                      home_.batch.dir +
                                      ": its queue.type decides which folder is right (BatchCQ: the second); move the "
                                      "topic's folder in the other one away"};
    }
  }
  return {};
}

// Looks at many queues, each of which waits for the disk a few times.
static Status each_of(const std::vector<ConsumeQueue*>& queues, const std::function<Status(ConsumeQueue*)>& look) {
  static constexpr size_t threads_max = 8;
  static constexpr size_t queues_of_a_thread_min = 256;
  const size_t count = std::min(threads_max, queues.size() / queues_of_a_thread_min);
  std::atomic<size_t> next{0};
  std::mutex mutex;
  Status first_error;
  const auto work = [&] {
    for (size_t at = next.fetch_add(1); at < queues.size(); at = next.fetch_add(1)) {
      Status status = look(queues[at]);
      if (status) continue;
      const std::lock_guard lock(mutex);
      if (first_error) first_error = std::move(status);
      next = queues.size();
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < count; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return first_error;
}

Status FileIndex::load_all() {
  return each_of(all(), [](ConsumeQueue* queue) { return file_queue(queue).load(); });
}

Result<QueueIndex::Loaded> FileIndex::load() {
  if (Status s = files_.make_dirs(home_.plain.dir); !s) return s.error();
  if (Status s = take_over_database(); !s) return s.error();
  const auto floors = floors_.read();
  if (!floors) return floors.error();
  take_rows(*floors);
  Loaded loaded;
  loaded.progress = read_progress(files_, options_.root_dir + "/merlin.progress");
  const auto adopted = adopt_bounds(loaded);
  if (!adopted) return adopted.error();
  if (*adopted) {
    loaded.any = true;
    return loaded;
  }
  // The plain ones are looked at in between: a topic may have an empty folder of the other kind.
  if (Status s = load_names(home_.plain.dir, QueueKind::plain); !s) return s.error();
  if (Status s = load_all(); !s) return s.error();
  if (Status s = load_names(home_.batch.dir, QueueKind::batch); !s) return s.error();
  for (ConsumeQueue* queue : all()) {
    if (!queue->is_batch()) continue;
    if (Status s = file_queue(queue).load(); !s) return s.error();
  }
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
  if (files_.exists(rebuild_path())) {
    log_warn("store", "a queue's files did not fit in the last run: all queues are built again from the log");
    loaded.torn = true;
  }
  return loaded;
}

// Whether nobody but us has been here since.
bool FileIndex::is_ours() const {
  const auto synced = read_synced_point(files_, options_.root_dir + "/merlin.synced");
  const Checkpoint checkpoint = read_checkpoint(files_, options_.root_dir + "/checkpoint");
  return synced && checkpoint.log_timestamp_ms <= synced->timestamp_ms;
}

// Takes what was written last about the queues. The log from there on tells the rest.
Result<bool> FileIndex::adopt_bounds(Loaded& loaded) {
  if (!files_.exists(bounds_path()) || !loaded.progress || files_.exists(rebuild_path())) return false;
  const auto bounds = read_bounds(files_, bounds_path());
  if (!bounds || !is_ours()) return false;
  const auto topics = topic_names(home_.plain.dir);
  if (!topics) return topics.error();
  const auto batch_topics = topic_names(home_.batch.dir);
  if (!batch_topics) return batch_topics.error();
  const std::unordered_set<std::string_view> there(topics->begin(), topics->end());
  const std::unordered_set<std::string_view> batches(batch_topics->begin(), batch_topics->end());
  size_t names = 0;
  std::string_view topic;
  for (const BoundsRow& row : bounds->rows) {
    if (row.topic == topic) continue;
    topic = row.topic;
    ++names;
    if (!is_topic_name(topic) || there.contains(topic) == batches.contains(topic)) return false;
  }
  expect_topics(names);
  for (const BoundsRow& row : bounds->rows) {
    const QueueKind kind = batches.contains(row.topic) ? QueueKind::batch : QueueKind::plain;
    file_queue(get(row.topic, row.queue_id, kind)).adopt({row.first, row.bounds});
  }
  // All units of the others come again, from their first one on.
  home_.leftovers.store(true, std::memory_order_release);
  loaded.any = true;
  loaded.progress->dispatched_offset = bounds->progress.dispatched_offset;
  loaded.progress->last_record_offset = bounds->progress.last_record_offset;
  loaded.progress->last_record_timestamp_ms = bounds->progress.last_record_timestamp_ms;
  bounds_offset_.store(bounds->progress.dispatched_offset, std::memory_order_release);
  return true;
}

Status FileIndex::remove_bounds() {
  bounds_offset_.store(INT64_MAX, std::memory_order_release);
  if (!files_.exists(bounds_path())) return {};
  if (Status s = files_.remove(bounds_path()); !s) return s;
  return files_.sync_dir(options_.root_dir);
}

// The store was one of the database form: queues without a record left in the log keep their next offset.
Status FileIndex::take_over_database() {
  if (!files_.exists(RocksIndex::dir_of(options_.root_dir))) return {};
  log_info("store", "storeType=default: the queue files are built from the log, {} is not used any more",
           RocksIndex::dir_of(options_.root_dir));
  RocksIndex old({.root_dir = options_.root_dir}, files_);
  if (const auto loaded = old.load(); !loaded) {
    log_warn("store", "{}: offsets of empty queues start over", loaded.error().message);
    return {};
  }
  take_floors(old);
  for (const auto& [topic, below] : old.dead_topics()) set_dead_below(topic, below);
  return {};
}

Status FileIndex::reset_all() {
  if (Status s = remove_bounds(); !s) return s;
  take_floors(*this);
  if (Status s = floors_.write(floor_rows()); !s) return s;
  return QueueIndex::reset_all();
}

Status FileIndex::opened(int64_t log_begin, const std::atomic<int64_t>& durable) {
  if (Status s = QueueIndex::opened(log_begin, durable); !s) return s;
  for (ConsumeQueue* queue : floored()) {
    if (Status s = file_queue(queue).start_at(queue->max_offset()); !s) return s;
  }
  home_.durable.store(&durable, std::memory_order_release);
  if (auto disk = files_.open_disk(home_.plain.dir)) disk_ = std::move(*disk);
  if (Status s = floors_.write(lasting_rows()); !s) return s;
  if (files_.exists(rebuild_path())) {
    if (Status s = files_.remove(rebuild_path()); !s) return s;
  }
  const std::string database = RocksIndex::dir_of(options_.root_dir);
  return files_.exists(database) ? files_.remove_tree(database) : Status();
}

Result<int64_t> FileIndex::loaded_max_physical() {
  std::atomic<int64_t> max_physical{-1};
  const Status looked = each_of(all(), [&](ConsumeQueue* queue) -> Status {
    // A queue that cannot be read is no hindrance: it is compared with the log afterwards.
    if (const auto end = file_queue(queue).loaded_max_physical()) {
      int64_t known = max_physical.load();
      while (known < *end && !max_physical.compare_exchange_weak(known, *end)) {
      }
    }
    file_queue(queue).close_files();
    return {};
  });
  if (!looked) return looked.error();
  return max_physical.load();
}

Status FileIndex::distrust() {
  if (Status s = remove_bounds(); !s) return s;
  const std::string mark = options_.root_dir + "/merlin.progress";
  if (!files_.exists(mark)) return {};
  if (Status s = files_.remove(mark); !s) return s;
  return files_.sync_dir(options_.root_dir);
}

Status FileIndex::start_from(const Start& start) {
  std::vector<ConsumeQueue*> queues;
  for (ConsumeQueue* queue : all()) {
    // What was on disk when its bounds were written is right as long as the log has its records.
    const bool known = start.trusted && file_queue(queue).is_adopted() && queue->max_physical() <= start.log_end;
    if (!known) queues.push_back(queue);
  }
  if (queues.empty()) return {};
  // Units that the bounds vouch for may be given up now.
  if (Status s = remove_bounds(); !s) return s;
  return each_of(queues, [&](ConsumeQueue* queue) { return start_queue(file_queue(queue), start); });
}

Status FileIndex::start_queue(FileQueue& queue, const Start& start) {
  if (Status s = queue.extend_cut_short(); !s) return s;
  if (Status s = queue.cut(start.physical_limit, !start.clean || !start.trusted); !s) return s;
  if (!start.trusted) {
    if (Status s = drop_unfit(queue, start); !s) return s;
  }
  queue.close_files();
  return {};
}

// The files may come from elsewhere; stale units may stand behind the last good one.
Status FileIndex::drop_unfit(FileQueue& queue, const Start& start) {
  for (;;) {
    const int64_t last = queue.max_offset() - 1;
    QueueUnit unit;
    if (last < 0 || queue.read(last, {&unit, 1}) == 0 || unit.blank()) return {};
    if (!start.fits || start.fits(queue, queue.base_of(last), unit)) return {};
    log_warn("store", "queue {}-{}: unit {} names no record of it: dropped", queue.topic(), queue.id(), last);
    if (Status s = queue.drop_last(); !s) return s;
  }
}

Status FileIndex::remove_topic(std::string_view topic) {
  if (!is_topic_name(topic)) return Error{Errc::invalid, "topic " + std::string(topic) + " is no name of a directory"};
  // A crash in the midst must not find a topic that it believes whole.
  if (Status s = remove_bounds(); !s) return s;
  for (ConsumeQueue* queue : of_topic(topic)) {
    if (Status s = queue->reset(); !s) return s;
  }
  hide(topic);
  if (Status s = remove_dirs(topic); !s) return s;
  // For an index that is built from the log some day. Last, because a full disk may have room for it only now.
  return floors_.append({std::string(topic), FloorRow::deleted_topic, dead_below(topic), -1});
}

Status FileIndex::remove_dirs(std::string_view topic) {
  for (const std::string& parent : {home_.plain.dir, home_.batch.dir}) {
    const std::string dir = parent + "/" + std::string(topic);
    if (!files_.exists(dir)) continue;
    if (Status s = files_.remove_tree(dir); !s) return s;
    // Else a power cut may bring the units back, into a topic that was made again since.
    if (Status s = files_.sync_dir(parent); !s) return s;
  }
  return {};
}

// ---------------------------------------------------------------- background

Status FileIndex::save(Progress& now, Save how) {
  const bool sync = how != Save::write;
  std::vector<FileQueue*> queues;
  {
    const std::lock_guard lock(home_.mutex);
    queues.swap(home_.active);
  }
  Status result = write_active(queues, sync);
  std::erase_if(queues, [](FileQueue* queue) { return !queue->stay_active(); });
  {
    const std::lock_guard lock(home_.mutex);
    home_.active.insert(home_.active.end(), queues.begin(), queues.end());
  }
  now.queue_count = static_cast<int32_t>(home_.queues_with_files.load(std::memory_order_relaxed));
  if (Status s = mark_for_rebuild(); !s) return s;
  if (result && sync && sync_failed_) return Error{Errc::io, "a consume queue could not be synced before"};
  if (result && sync && bounds_due(now)) result = write_bounds_of(now);
  return result;
}

Status FileIndex::write_active(const std::vector<FileQueue*>& queues, bool sync) {
  Status result;
  std::vector<FileQueue*> dirty;
  for (FileQueue* queue : queues) {
    if (queue->dirty()) dirty.push_back(queue);
  }
  // Many are only written when they are synced, too: it is one open file for each.
  if (!sync && dirty.size() > open_queues_max) return {};
  size_t open_files = 0;
  for (FileQueue* queue : dirty) {
    Status status = queue->write_back();
    if (++open_files > open_queues_max) queue->close_files();
    if (!status) result = status.error().with("queue " + queue->topic() + "-" + std::to_string(queue->id()));
  }
  if (!result || !sync) return result;
  return dirty.size() < options_.sync_disk_min || disk_ == nullptr ? sync_dirty(dirty) : sync_disk(dirty);
}

Status FileIndex::sync_dirty(const std::vector<FileQueue*>& dirty) {
  for (FileQueue* queue : dirty) {
    if (Status s = queue->sync_files(); !s) {
      sync_failed_ = true;
      return s.error().with("queue " + queue->topic() + "-" + std::to_string(queue->id()));
    }
  }
  return {};
}

Status FileIndex::sync_disk(const std::vector<FileQueue*>& dirty) {
  std::vector<FileQueue::Capture> written;
  written.reserve(dirty.size());
  for (FileQueue* queue : dirty) written.push_back(queue->before_sync());
  if (Status s = disk_->sync_data(); !s) {
    sync_failed_ = true;
    return s;
  }
  for (size_t i = 0; i < dirty.size(); ++i) dirty[i]->after_sync(written[i]);
  return {};
}

Status FileIndex::mark_for_rebuild() {
  if (rebuild_next_ || !home_.misfit.load(std::memory_order_acquire)) return {};
  auto marker = files_.open(rebuild_path(), OpenMode::create);
  if (!marker) return marker.error();
  if (Status s = files_.sync_dir(options_.root_dir); !s) return s;
  rebuild_next_ = true;
  return {};
}

bool FileIndex::bounds_due(const Progress& saved) const {
  if (home_.queues_with_files.load(std::memory_order_relaxed) < static_cast<int64_t>(options_.bounds_rows_min)) {
    return false;
  }
  const int64_t known = bounds_offset_.load(std::memory_order_acquire);
  if (known == INT64_MAX || bounds_wanted_.load(std::memory_order_acquire)) return true;
  return saved.dispatched_offset - known > options_.recovery_bytes_max / 2 ||
         (saved.dispatched_offset > known && steady_ns() - bounds_ns_ > bounds_interval_ns);
}

Status FileIndex::write_bounds_of(const Progress& saved) {
  bounds_wanted_.store(false, std::memory_order_release);
  std::vector<BoundsRow> rows;
  for (ConsumeQueue* queue : all()) {
    if (const auto synced = file_queue(queue).synced()) {
      rows.push_back({queue->topic(), queue->id(), synced->first, synced->bounds});
    }
  }
  if (Status s = write_bounds(files_, bounds_path(), saved, rows); !s) return s;
  if (Status s = files_.sync_dir(options_.root_dir); !s) return s;  // retention leans on it
  bounds_offset_.store(saved.dispatched_offset, std::memory_order_release);
  bounds_ns_ = steady_ns();
  return {};
}

Status FileIndex::stopped_clean(const Progress& saved) {
  const bool few = home_.queues_with_files.load() < static_cast<int64_t>(options_.bounds_rows_min);
  if (few || home_.misfit.load(std::memory_order_acquire)) return remove_bounds();
  return write_bounds_of(saved);
}

Status FileIndex::retain(int64_t log_begin) {
  set_log_begin(log_begin);
  for (ConsumeQueue* queue : all()) {
    if (file_queue(queue).in_one_file()) continue;
    if (Status s = file_queue(queue).drop_files_below(queue->min_offset()); !s)
      log_warn("store", "{}", s.error().message);
  }
  return {};
}

}  // namespace merlin::store
