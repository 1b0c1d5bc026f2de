// Opening: lock, load, recover, catch up; and closing, in the reverse order.
#include <algorithm>
#include <unistd.h>

#include "merlin/base/log.h"
#include "store/dispatch/light_places.h"
#include "store/log/log_reader.h"
#include "store/queue/file_index.h"
#include "store/queue/rocks_index.h"
#include "store/store_impl.h"
#include "store/synced_point.h"

namespace merlin::store {

// The record may exceed the body's limit by this much: topic, properties and fixed fields.
static constexpr int64_t record_overhead_max = 64 * 1024;

static int64_t memory_bytes() {
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  return pages * sysconf(_SC_PAGESIZE);
}

static StoreOptions checked(StoreOptions options) {
  if (options.commit_log_dir.empty()) options.commit_log_dir = options.root_dir + "/commitlog";
  // Rounded up as Apache does, but for the last size that fits in 32 bits.
  const int64_t units = (int64_t{options.consume_queue_file_bytes} + queue_unit_bytes - 1) / queue_unit_bytes;
  const int64_t units_max = INT32_MAX / queue_unit_bytes;
  options.consume_queue_file_bytes = static_cast<int32_t>(std::clamp<int64_t>(units, 1, units_max)) * queue_unit_bytes;
  const int64_t batches = (int64_t{options.batch_queue_file_bytes} + batch_unit_bytes - 1) / batch_unit_bytes;
  const int64_t batches_max = INT32_MAX / batch_unit_bytes;
  options.batch_queue_file_bytes =
      static_cast<int32_t>(std::clamp<int64_t>(batches, 1, batches_max)) * batch_unit_bytes;
  return options;
}

static RetentionLimits retention_limits(const CleaningLimits& o) {
  RetentionLimits r;
  r.reserved_ms = int64_t{o.file_reserved_hours} * 3'600'000;
  r.hours = parse_hours(o.delete_when);
  r.used_percent_max = o.disk_used_percent_max;
  r.forcibly_percent = o.disk_forcibly_percent;
  return r;
}

static RetentionOptions retention_options(const StoreOptions& o) {
  RetentionOptions r;
  r.limits = retention_limits(o);
  r.interval_ms = o.clean_interval_ms;
  r.first_delay_ms = o.clean_first_delay_ms;
  r.files_max = o.delete_files_max;
  r.forcibly = o.clean_forcibly;
  return r;
}

static std::unique_ptr<QueueIndex> make_index(const StoreOptions& o, FileSystem& files) {
  if (!o.queues_in_database) {
    FileIndex::Options options;
    options.root_dir = o.root_dir;
    options.file_bytes = o.consume_queue_file_bytes;
    options.batch_file_bytes = o.batch_queue_file_bytes;
    options.recovery_bytes_max = o.queue_recovery_bytes_max;
    options.bounds_rows_min = o.queue_bounds_min;
    options.sync_disk_min = o.queue_sync_disk_min;
    return std::make_unique<FileIndex>(std::move(options), files);
  }
  RocksIndex::Options options;
  options.root_dir = o.root_dir;
  options.consume_queue_file_bytes = o.consume_queue_file_bytes;
  options.recovery_bytes_max = o.queue_recovery_bytes_max;
  return std::make_unique<RocksIndex>(std::move(options), files);
}

MessageStore::Impl::Impl(StoreOptions wanted, FileSystem& fs, const Clock& the_clock,
                         std::function<void(const Error&)> fail_stop)
    : options(checked(std::move(wanted))),
      files(fs),
      clock(the_clock),
      hot_bytes(memory_bytes() / 100 * options.memory_ratio_percent),
      light_queues_max(options.light_queues_max),
      queue_index(make_index(options, fs)),
      queues(*queue_index),
      index_feed(options.index_enabled ? std::make_unique<IndexFeed>(options.index_feed_items) : nullptr),
      dispatcher(queues, options.delay_level_ms, options.dispatch_ring_items),
      log({options.commit_log_dir, options.segment_size_bytes, options.message_size_bytes_max + record_overhead_max},
          fs, clock, dispatcher),
      flusher({options.sync_flush, options.flush_interval_ms, options.flush_least_pages,
               options.flush_thorough_interval_ms},
              log, clock, std::move(fail_stop),
              [this] {
                dispatcher.pump();
                if (follower) follower->wake();
              }),
      log_keeper({options.root_dir, options.disk_warning_percent}, fs, log),
      retention(retention_options(options), fs, clock, log),
      keeper(
          {options.root_dir, options.queue_flush_interval_ms, options.queue_recovery_bytes_max}, fs, log, queues,
          dispatcher, flusher, [this] { return index ? index->last_flushed_timestamp_ms() : 0; },
          [this] { return retain(); }) {
  queues.set_on_room([this] { dispatcher.pump(); });
}

static Status write_abort(FileSystem& files, const std::string& root, const std::string& path) {
  const std::string pid = std::to_string(getpid());
  auto file = files.open(path, OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(0); !s) return s;
  if (Status s = (*file)->pwrite(as_bytes(pid), 0); !s) return s;
  if (Status s = (*file)->sync_data(); !s) return s;
  return files.sync_dir(root);
}

Status MessageStore::Impl::open() {
  boot_ms = clock.wall_ms();
  for (const std::string& dir : {options.root_dir, options.commit_log_dir}) {
    if (Status s = files.make_dirs(dir); !s) return s;
  }
  auto locked = files.lock(path("lock"));
  if (!locked) return locked.error();
  lock = std::move(*locked);

  const bool clean = !files.exists(path("abort"));
  Checkpoint checkpoint = read_checkpoint(files, path("checkpoint"));
  dispatcher.connect(log, options.sync_flush ? flusher.durable_word() : log.end_word(), listener, index_feed.get());
  if (Status s = recover(clean, checkpoint); !s) return s.error().with("recovering the store");
  // Before anything is appended: without this file a gap with records behind it would not be known for a torn tail.
  const SyncedPoint synced{log.end(), log.last_store_timestamp_ms()};
  if (Status s = write_synced_point(files, path("merlin.synced"), synced); !s) return s;
  if (Status s = write_abort(files, options.root_dir, path("abort")); !s) return s;
  if (Status s = open_index(clean, checkpoint); !s) return s.error().with("opening the key index");

  log.set_on_roll([this](int64_t next_start) { log_keeper.prepare_segment(next_start); });
  flusher.start(log.end());
  if (follower) follower->start(std::max(index->indexed_offset(), log.begin()), options.queue_flush_interval_ms);
  keeper.start(checkpoint);
  // The segment that the next append or the next roll needs.
  const int64_t size = options.segment_size_bytes;
  const bool current_exists = log.segments().find(log.end()) != nullptr;
  log_keeper.start();
  log_keeper.prepare_segment(log.end() - log.end() % size + (current_exists ? size : 0));
  opened = true;
  return {};
}

Status MessageStore::Impl::open_index(bool clean, const Checkpoint& checkpoint) {
  if (!options.index_enabled) return {};
  KeyIndexOptions index_options;
  index_options.hash_slots = options.index_hash_slots;
  index_options.entries_max = options.index_entries_max;
  index = std::make_unique<KeyIndex>(path("index"), files, clock, index_options);
  if (Status s = index->open(checkpoint.index_timestamp_ms, clean, log.end()); !s) return s;
  follower =
      std::make_unique<IndexFollower>(*index, log, *index_feed, damage, [this] { return dispatcher.position(); });
  return {};
}

Status MessageStore::Impl::recover(bool clean, Checkpoint& checkpoint) {
  const int64_t begin_ns = clock.monotonic_ns();
  SegmentList& segments = log.segments();
  if (Status s = segments.load(); !s) return s;
  const auto loaded = queues.load();
  if (!loaded) return loaded.error();
  const auto& progress = loaded->progress;
  const auto synced = synced_point(clean, progress, checkpoint);
  if (!synced) return synced.error();
  if (segments.empty()) {
    // As Apache: without a log the queues mean nothing.
    if (Status s = queues.reset_all(); !s) return s;
    checkpoint = {};
  }
  const ScanStart start = loaded->torn ? ScanStart{log.begin(), false}
                                       : find_scan_start(segments, progress, loaded->any, checkpoint, clean,
                                                         [this] { return queues.loaded_max_physical(); });
  // First the whole log is looked at, then the queues are cut: what they say about damaged records is not to be lost.
  const LogEnd end = check_log(segments, start.offset, options.check_crc_on_recover, *synced, damage);
  const auto lost = loaded->torn ? std::vector<LostUnits>() : lost_units(start.offset);
  const auto fit = [this](const ConsumeQueue& queue, int64_t at, const QueueUnit& unit) {
    return fits(queue, at, unit);
  };
  if (loaded->any && !start.from_progress) {
    if (Status s = distrust_queues(checkpoint); !s) return s;
  }
  // Nothing derived is ahead of the durable log, also while it is read again.
  const auto unsynced = [&](int64_t log_end) {
    return synced->everything ? log_end : std::max(start.offset, synced->offset);
  };
  if (Status s = settle_tail(segments, start.offset, unsynced(end.offset), end.offset); !s) return s;
  if (Status s = queues.start_from({start.offset, end.offset, start.from_progress, clean, fit}); !s) return s;
  auto last = rebuild(start, end, *synced, checkpoint);
  if (!last) return last.error();
  if (Status s = put_lost_units(lost); !s) return s;
  if (Status s = cut_log(segments, last->offset); !s) return s;
  damage.cut(last->offset);
  const int64_t unsettled = last->offset == end.offset ? last->offset : unsynced(last->offset);
  if (Status s = settle_tail(segments, start.offset, unsettled, last->offset); !s) return s;
  if (last->records == 0 && progress && start.from_progress) {
    last->last_timestamp_ms = progress->last_record_timestamp_ms;
    last->last_record_offset = progress->last_record_offset;
  }
  log.set_end(last->offset, last->last_timestamp_ms);
  dispatcher.set_position(last->offset, last->last_timestamp_ms, last->last_record_offset);
  queues.bury_below(last->offset);
  if (Status s = queues.opened(log.begin(), flusher.durable_word()); !s) return s;
  log_info("store", "{} stop, scanned from {} ({}): {} records, the log ends at {}{}, {} ms",
           clean ? "clean" : "unclean", start.offset, start.from_progress ? "merlin.progress" : "Apache's rule",
           last->records, last->offset, last->why.empty() ? "" : " (" + last->why + ")",
           (clock.monotonic_ns() - begin_ns) / 1'000'000);
  return {};
}

// Before units are given up that a mark vouches for: the marks go, so that a crash in the midst of the work cannot
// leave them standing for what is gone.
Status MessageStore::Impl::distrust_queues(Checkpoint& checkpoint) {
  if (Status s = write_abort(files, options.root_dir, path("abort")); !s) return s;
  checkpoint.queue_timestamp_ms = 0;
  if (Status s = write_checkpoint(files, path("checkpoint"), checkpoint); !s) return s;
  return queues.distrust();
}

// How far the log was on disk at the last stop. Refuses a log that has become shorter than that by whole files: going
// on would give their offsets to other messages.
Result<Synced> MessageStore::Impl::synced_point(bool clean, const std::optional<Progress>& progress,
                                                const Checkpoint& checkpoint) const {
  const SegmentList& segments = log.segments();
  const auto point = read_synced_point(files, path("merlin.synced"));
  int64_t offset = point ? point->offset : 0;
  if (progress) offset = std::max(offset, progress->log_synced_offset);
  const int64_t files_end = segments.empty() ? 0 : segments.all().back()->end();
  if (files_end < offset) {
    return Error{Errc::corrupt,
                 "the commit log was synced up to offset " + std::to_string(offset) + ", but its files in " +
                     options.commit_log_dir +
                     (segments.empty() ? " are gone" : " end at " + std::to_string(files_end)) +
                     ". Mount the volume, or bring the files back from a copy; to go on without what they held, remove "
                     "merlin.synced and merlin.progress from " +
                     options.root_dir};
  }
  Synced synced;
  synced.offset = offset;
  if (!point && !progress) {
    synced.everything = clean;
    synced.before_ms = checkpoint.log_timestamp_ms;
    if (!clean && checkpoint.log_timestamp_ms == 0) synced.offset = last_written_segment(segments);
  } else if (!point || checkpoint.log_timestamp_ms > point->timestamp_ms) {
    // Another broker has used the directory since.
    synced.everything = clean;
    synced.before_ms = checkpoint.log_timestamp_ms;
  }
  return synced;
}

// Dispatches everything from `start` on; a queue that lacks units in front of it makes us start over from the
// beginning.
Result<LogEnd> MessageStore::Impl::rebuild(const ScanStart& start, const LogEnd& end, const Synced& synced,
                                           Checkpoint& checkpoint) {
  auto fed = feed_queues(start.offset, end.offset, start.offset == log.begin());
  if (!fed) return fed.error();
  LogEnd whole = end;
  bool again = !*fed;
  for (;;) {
    const auto retyped = queues.retype();
    if (!retyped) return retyped.error();
    if (!again && !*retyped) return whole;
    if (*retyped) log_info("store", "the log shows topics with queue.type=BatchCQ: all queues are built again");
    if (again) {
      log_warn("store", "consume queues lack units in front of offset {}: all are built again", start.offset);
    }
    if (Status s = distrust_queues(checkpoint); !s) return s.error();
    if (Status s = queues.reset_all(); !s) return s.error();
    whole = check_log(log.segments(), log.begin(), options.check_crc_on_recover, synced, damage);
    // With all of the log nothing is missing; but it may show more topics of the other kind.
    fed = feed_queues(log.begin(), whole.offset, true);
    if (!fed) return fed.error();
    again = false;
  }
}

// False: a unit is missing in front of a record's.
Result<bool> MessageStore::Impl::feed_queues(int64_t from, int64_t end, bool from_log_begin) {
  LogReader reader(log.segments(), from, false, &damage, size_t{1} << 20);
  while (reader.next(end) == LogReader::Step::record) {
    const message::RecordView& record = reader.record();
    if (Status s = put_units_of_damage(record); !s) return s.error();
    auto fed = dispatcher.feed(record, from_log_begin);
    if (!fed) return fed.error();
    if (!*fed) return false;
  }
  return true;
}

bool MessageStore::Impl::fits(const ConsumeQueue& queue, int64_t queue_offset, const QueueUnit& unit) const {
  // What is damaged was its message once.
  if (unit.physical_offset < log.begin() || unit.damaged() || damage.find(unit.physical_offset)) return true;
  LogReader reader(log.segments(), unit.physical_offset, false);
  if (reader.next(unit.physical_offset + unit.size) != LogReader::Step::record) return false;
  return stands_in(reader.record(), queue.topic(), queue.id(), queue_offset);
}

void MessageStore::Impl::close() {
  if (!opened) return;
  opened = false;
  log.close();
  flusher.stop();
  dispatcher.pump();
  // An index that had no room may have some after a write.
  for (int64_t before = -1; dispatcher.position() < log.end() && dispatcher.position() != before;) {
    before = dispatcher.position();
    Progress ignored;
    if (Status s = queues.save(ignored, QueueIndex::Save::write); !s) break;
    dispatcher.pump();
  }
  bool saved = !flusher.failed() && dispatcher.position() == log.end();
  if (follower) {
    follower->stop();
    if (Status s = index->close(); !s) {
      log_error("store", "closing the key index: {}", s.error().message);
      saved = false;
    }
  }
  log_keeper.stop();
  keeper.stop();
  if (Status s = keeper.save_all(); !s) {
    log_error("store", "{}", s.error().message);
    saved = false;
  }
  if (saved) {
    if (Status s = queues.stopped_clean(keeper.saved()); !s) log_warn("store", "{}", s.error().message);
    if (Status s = files.remove(path("abort")); !s) log_error("store", "{}", s.error().message);
    if (Status s = files.sync_dir(options.root_dir); !s) log_error("store", "{}", s.error().message);
  } else {
    log_warn("store", "not everything could be saved: the abort file stays, the next start recovers");
  }
  lock.reset();
}

void MessageStore::Impl::abandon() {
  log.close();
  flusher.abandon();
  if (follower) follower->abandon();
  log_keeper.stop();
  keeper.stop();
  queues.stop();
}

// What hangs on the first segments goes with them. Only what the queues on disk and the key index show may go: else a
// queue whose messages are all gone would not know its next offset after a crash. True: retention waits for that.
void MessageStore::Impl::set_cleaning(const CleaningLimits& limits) {
  retention.set_limits(retention_limits(limits));
  log_keeper.set_used_percent_max(limits.disk_warning_percent);
}

bool MessageStore::Impl::retain() {
  int64_t settled = std::min(dispatcher.position(), flusher.durable());
  if (follower) settled = std::min(settled, follower->position());
  // A database has a mark of its own; files have the keeper's, and that of their bounds. Both are asked for newer ones.
  int64_t saved = queues.needs_log_from();
  if (queues.in_files()) saved = std::min(saved, keeper.published_offset());
  const int64_t first_end = log.begin() + options.segment_size_bytes;
  const bool waits = saved < first_end && first_end <= settled;
  if (waits) queues.save_soon();
  settled = std::min(settled, saved);
  const bool wanted = drop_units_wanted.exchange(false, std::memory_order_acq_rel);
  if (retention.look(settled) > 0) {
    drop_units();
    log_keeper.look_at_space();
  } else if (wanted) {
    drop_units();
  }
  return waits;
}

void MessageStore::Impl::drop_units() {
  const int64_t begin = log.begin();
  if (Status s = queues.retain(begin); !s) log_warn("store", "{}", s.error().message);
  if (follower) follower->drop_below(begin);
  damage.drop_below(begin);
}

Status MessageStore::Impl::delete_topic(std::string_view topic) {
  // Names that nobody has used need no grave, or whoever may delete could fill the memory and the disk with them.
  if (QueueIndex::is_topic_name(topic) && !queues.knows(topic)) return {};
  dispatcher.pump();
  {
    const auto quiet = dispatcher.exclusive();
    {
      const auto lane = log.hold_lane();
      // Records that are placed but not yet shown must not come back.
      queues.set_dead_below(topic, log.end());
      for (ConsumeQueue* queue : queues.of_topic(topic)) queue->next_offset = 0;
    }
    if (Status s = queues.remove_topic(topic); !s) return s;
  }
  keeper.queues_shrank();
  return {};
}

}  // namespace merlin::store
