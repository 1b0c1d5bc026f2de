// RocksIndex's beginning: the database opened, or made from another form's files, or emptied when it is not to be
// trusted.
#include <algorithm>
#include <pthread.h>

#include "merlin/base/log.h"
#include "store/queue/file_index.h"
#include "store/queue/rocks_index.h"

namespace merlin::store {

Status RocksIndex::open_db() {
  auto db = QueueDb::open(dir_of(options_.root_dir), log_begin_word());
  if (!db) {
    if (db.error().code != Errc::corrupt) return db.error();
    log_error("store", "{}: the queue index is built again from the log", db.error().message);
    if (Status s = files_.remove_tree(dir_of(options_.root_dir)); !s) return s;
    db = QueueDb::open(dir_of(options_.root_dir), log_begin_word());
    if (!db) return db.error();
  }
  db_ = std::move(*db);
  next_number_ = db_->next_number();
  return {};
}

Status RocksIndex::load_rows() {
  std::vector<RocksQueue*> by_number;
  by_number.reserve(next_number_);
  QueueDb::Content content;
  content.queue = [&](uint32_t number, std::string_view topic, int32_t id) {
    if (!is_topic_name(topic)) return;
    RocksQueue& queue = rocks_queue(get(topic, id));
    queue.number_ = number;
    queue.named_ = true;
    if (by_number.size() <= number) by_number.resize(std::max<size_t>(number + 1, by_number.size() * 2));
    by_number[number] = &queue;
  };
  content.bounds = [&](uint32_t number, const QueueBounds& bounds) {
    if (number >= by_number.size() || by_number[number] == nullptr) return;
    RocksQueue& queue = *by_number[number];
    queue.set_min(bounds.min, bounds.min_physical);
    queue.max_.store(bounds.max, std::memory_order_relaxed);
    queue.max_physical_.store(bounds.max_physical, std::memory_order_relaxed);
  };
  content.dead = [&](std::string_view topic, int64_t below) { set_dead_below(topic, below); };
  return db_->load(content);
}

// A record of several messages has no place in the database.
Status RocksIndex::refuse_batch_queues() const {
  const std::string dir = FileIndex::batch_dir_of(options_.root_dir);
  if (!files_.exists(dir)) return {};
  const auto topics = files_.list(dir);
  if (!topics) return topics.error();
  if (topics->empty()) return {};
  return Error{Errc::invalid, "storeType=defaultRocksDB has no queues for topics with queue.type=BatchCQ, and " + dir +
                                  " has some of topic " + topics->front() +
                                  ": start with storeType=default, or delete these topics there"};
}

Result<QueueIndex::Loaded> RocksIndex::load() {
  if (Status s = refuse_batch_queues(); !s) return s.error();
  const bool is_new = !files_.exists(dir_of(options_.root_dir));
  if (is_new) {
    if (Status s = take_over_files(); !s) return s.error();
  }
  if (Status s = open_db(); !s) return s.error();
  if (Status s = load_rows(); !s) return s.error();
  if (Status s = db_->start_upkeep(); !s) return s.error();
  const auto floors = floors_.read();
  if (!floors) return floors.error();
  take_rows(*floors);
  Loaded loaded;
  loaded.progress = db_->progress();
  loaded.any = loaded.progress.has_value();
  if (loaded.progress) {
    mark_ = flushed_ = *loaded.progress;
    flushed_offset_ = flushed_.dispatched_offset;
  }
  if (is_new) log_info("store", "storeType=defaultRocksDB: the queue index is built from the log");
  return loaded;
}

// The store was one of the file form: queues without a record left in the log keep their next offset.
Status RocksIndex::take_over_files() {
  if (!files_.exists(options_.root_dir + "/consumequeue")) return {};
  FileIndex old({.root_dir = options_.root_dir, .file_bytes = options_.consume_queue_file_bytes}, files_);
  const auto loaded = old.load();
  if (!loaded) {
    log_warn("store", "{}: offsets of empty queues start over", loaded.error().message);
    return {};
  }
  if (const auto end = old.loaded_max_physical(); !end) return end.error();
  take_floors(old);
  return {};
}

// The files of the other form stand still from now on, and must not be taken for good when it comes back.
Status RocksIndex::leave_files() {
  const std::string mark = options_.root_dir + "/merlin.progress";
  const std::string dir = options_.root_dir + "/consumequeue";
  // Apache keeps its own database there, in its RocksDB mode: that is not ours.
  const bool any = files_.exists(mark) || (files_.exists(dir) && !files_.exists(dir + "/CURRENT"));
  if (!any) return {};
  Progress now;
  if (Status s = save(now, Save::all); !s) return s;
  if (files_.exists(mark)) {
    if (Status s = files_.remove(mark); !s) return s;
    if (Status s = files_.sync_dir(options_.root_dir); !s) return s;
  }
  if (!files_.exists(dir) || files_.exists(dir + "/CURRENT")) return {};
  log_info("store", "{} is not used any more: removed", dir);
  return files_.remove_tree(dir);
}

Result<int64_t> RocksIndex::loaded_max_physical() {
  return mark_.dispatched_offset;
}

Status RocksIndex::distrust() {
  db_->remove_progress();
  if (Status s = db_->write(); !s) return s;
  return db_->flush();
}

Status RocksIndex::start_from(const Start& start) {
  // What the mark vouches for is all there is, and all of it is there.
  return start.trusted ? Status() : reset_all();
}

Status RocksIndex::reset_all() {
  take_floors(*this);
  if (Status s = floors_.write(floor_rows()); !s) return s;
  round_.clear();
  db_.reset();
  if (Status s = files_.remove_tree(dir_of(options_.root_dir)); !s) return s;
  for (ConsumeQueue* queue : all()) rocks_queue(queue).forget();
  {
    const std::lock_guard lock(mutex_);
    pending_.clear();
    pending_count_ = 0;
    hot_queues_.clear();
  }
  mark_ = flushed_ = {};
  flushed_offset_ = 0;
  const uint32_t next_number = next_number_;
  if (Status s = open_db(); !s) return s;
  if (Status s = db_->start_upkeep(); !s) return s;
  next_number_ = next_number;
  for (const auto& [topic, below] : dead_topics()) db_->add_dead(topic, below);
  return db_->write();
}

Status RocksIndex::opened(int64_t log_begin, const std::atomic<int64_t>& durable) {
  if (Status s = QueueIndex::opened(log_begin, durable); !s) return s;
  durable_ = &durable;
  if (Status s = floors_.write(lasting_rows()); !s) return s;
  commit(-1);
  // Nothing that is in the log now can get lost without the start noticing: the mark names a record.
  if (Status s = write_pending(INT64_MAX); !s) return s;
  {
    const std::lock_guard lock(write_mutex_);
    for (const auto& [topic, below] : dead_topics()) {
      if (below <= log_begin) {
        db_->remove_dead(topic);
      } else {
        db_->add_dead(topic, below);
      }
    }
    for (ConsumeQueue* one : floored()) {
      RocksQueue& queue = rocks_queue(one);
      queue.number_ = next_number_++;
      queue.named_ = true;
      db_->add_queue(queue.number_, queue.topic(), queue.id());
      db_->add_bounds(queue.number_, {queue.max_offset(), -1, queue.max_offset(), -1});
    }
    db_->add_next_number(next_number_);
    if (Status s = db_->write(); !s) return s;
  }
  if (Status s = leave_files(); !s) return s;
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "queue-index");
    run();
  });
  return {};
}

}  // namespace merlin::store
