#include "store/keeper.h"

#include <algorithm>
#include <chrono>
#include <pthread.h>

#include "merlin/base/log.h"

namespace merlin::store {

// Syncing the queues may take this share of the time: one part in ten.
static constexpr int64_t sync_share = 10;
static constexpr int64_t sync_pause_ns_max = int64_t{60} * 1'000'000'000;

static int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Keeper::Keeper(KeeperOptions options, FileSystem& files, CommitLog& log, QueueIndex& queues, Dispatcher& dispatcher,
               Flusher& flusher, std::function<int64_t()> index_timestamp_ms, std::function<bool()> on_tick)
    : options_(std::move(options)),
      files_(files),
      log_(log),
      queues_(queues),
      dispatcher_(dispatcher),
      flusher_(flusher),
      index_timestamp_ms_(std::move(index_timestamp_ms)),
      on_tick_(std::move(on_tick)) {}

Keeper::~Keeper() {
  stop();
}

void Keeper::start(const Checkpoint& checkpoint) {
  checkpoint_ = checkpoint;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "store-keeper");
    run();
  });
}

void Keeper::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Keeper::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::milliseconds(options_.interval_ms), [this] { return stopping_; });
      if (stopping_) return;
    }
    tick();
  }
}

void Keeper::tick() {
  dispatcher_.pump();  // a queue that refused a unit gets another chance
  const bool wanted = on_tick_();
  const std::lock_guard lock(save_mutex_);
  const int64_t begin_ns = steady_ns();
  // So much log at most is scanned after a crash, however long the pauses between syncs are.
  const int64_t marked = std::max(published_.dispatched_offset, pending_ ? pending_->dispatched_offset : 0);
  const bool far_behind = dispatcher_.position() - marked > options_.recovery_bytes_max / 2;
  const bool sync = begin_ns >= next_sync_ns_ || far_behind || wanted;
  save_queues(sync ? QueueIndex::Save::sync : QueueIndex::Save::write);
  if (sync) {
    const int64_t end_ns = steady_ns();
    next_sync_ns_ = end_ns + std::min((end_ns - begin_ns) * sync_share, sync_pause_ns_max);
  }
  publish();
}

void Keeper::save_queues(QueueIndex::Save how) {
  Progress now;
  {
    const auto quiet = dispatcher_.exclusive();
    now.dispatched_offset = dispatcher_.position();
    now.last_record_offset = dispatcher_.last_record_offset();
    now.last_record_timestamp_ms = dispatcher_.position_timestamp_ms();
  }
  if (queues_.in_files() && how != QueueIndex::Save::write && !is_durable(now)) how = QueueIndex::Save::write;
  const Status saved = queues_.save(now, how);
  if (!saved) log_error("store", "{}", saved.error().message);
  // A mark that waits for the log keeps its place: under load a newer one would have to wait again, for ever.
  const bool newer = !pending_ && now.dispatched_offset > published_.dispatched_offset;
  if (saved && how != QueueIndex::Save::write && newer) pending_ = now;
}

// Units are written when their records are durable. Until that is so for `now`, the look before is good enough; false:
// that one is not durable, either.
bool Keeper::is_durable(Progress& now) {
  const int64_t durable = flusher_.durable();
  if (now.dispatched_offset <= durable) {
    next_.reset();
    return true;
  }
  const bool known = next_ && next_->dispatched_offset <= durable;
  if (known) {
    std::swap(now, *next_);
  } else if (!next_) {
    next_ = now;
  }
  return known;
}

// By itself, whatever the queues do: what was synced must never be taken for a torn tail.
void Keeper::publish_synced() {
  // In this order the time is never later than the records below the offset.
  const int64_t timestamp_ms = flusher_.durable_timestamp_ms();
  const SyncedPoint now{flusher_.durable(), timestamp_ms};
  if (now == synced_) return;
  if (Status s = write_synced_point(files_, options_.root_dir + "/merlin.synced", now); !s) {
    log_warn("store", "{}", s.error().message);
    return;
  }
  synced_ = now;
}

void Keeper::publish() {
  publish_synced();
  Checkpoint checkpoint = checkpoint_;
  checkpoint.log_timestamp_ms = synced_.timestamp_ms;
  if (const int64_t index = index_timestamp_ms_(); index > 0) checkpoint.index_timestamp_ms = index;
  if (pending_ && pending_->dispatched_offset <= flusher_.durable()) {
    pending_->log_synced_offset = flusher_.durable();
    // A database has its own mark, and these would vouch for files that nobody writes.
    if (queues_.in_files()) {
      if (Status s = write_progress(files_, options_.root_dir + "/merlin.progress", *pending_); !s) {
        log_warn("store", "{}", s.error().message);
        return;
      }
      checkpoint.queue_timestamp_ms = pending_->last_record_timestamp_ms;
    }
    checkpoint.confirm_offset = pending_->dispatched_offset;
    published_ = *pending_;
    published_offset_.store(published_.dispatched_offset, std::memory_order_release);
    pending_.reset();
  }
  if (checkpoint == checkpoint_) return;
  if (Status s = write_checkpoint(files_, options_.root_dir + "/checkpoint", checkpoint); !s) {
    log_warn("store", "{}", s.error().message);
    return;
  }
  checkpoint_ = checkpoint;
}

Status Keeper::save_all() {
  const std::lock_guard lock(save_mutex_);
  pending_.reset();
  published_ = {};
  published_.dispatched_offset = -1;
  if (queues_.in_files() && !flusher_.failed()) {
    if (Status s = flusher_.sync_to(dispatcher_.position()); !s) return s;
  }
  save_queues(QueueIndex::Save::all);
  publish();
  if (pending_ || published_.dispatched_offset < 0) {
    return Error{Errc::io, "not all consume queues could be saved"};
  }
  return {};
}

void Keeper::queues_shrank() {
  if (Status s = flusher_.sync_to(dispatcher_.position()); !s) return;
  if (Status s = save_all(); !s) log_warn("store", "{}", s.error().message);
}

}  // namespace merlin::store
