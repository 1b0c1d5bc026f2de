// The index of all queues: which record is which message of a queue. One interface; files or a database behind it.
//
// Owns:     the ConsumeQueue objects; they live as long as the index, also when their topic was deleted.
// Threads:  find(), get(), lists and reads from anywhere; next_offset and dead_below belong to the append lane; put(),
//           commit() and remove_topic() from whoever holds the dispatcher; save() and retain() from the housekeeper;
//           opening from one thread.
// Survives: nothing needs to: every unit can be dispatched again from the log. What save() covered is on disk.
// Fails:    a put() or commit() that fails changes nothing that readers see and may be repeated.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "merlin/base/result.h"
#include "store/progress.h"
#include "store/queue/floors_file.h"
#include "store/queue/queue_unit.h"

namespace merlin::store {

class ConsumeQueue;
struct Arrival;

// What the queues of a topic share.
struct QueueTopic {
  std::string name;
  const std::atomic<int64_t>* log_begin = nullptr;
  // Guarded by the append lane: records below this physical offset belong to a topic that was deleted since.
  int64_t dead_below = -1;
  bool batch = false;                                  // guarded by the index; of which kind new queues are
  bool noted_batch = false;                            // the same; its queues must become batch queues
  std::vector<std::unique_ptr<ConsumeQueue>> queues;   // guarded by the index; ascending by id
  std::vector<std::unique_ptr<ConsumeQueue>> retired;  // guarded by the index; somebody may still look at them
};

// Of which kind a queue shall be: in a batch queue a unit stands for all messages of a record (queue.type=BatchCQ).
enum class QueueKind { as_it_is, plain, batch };

// One queue of a topic: dense by queue offset.
class ConsumeQueue {
 public:
  ConsumeQueue(QueueTopic& topic, int32_t id) : topic_(topic), id_(id) {}
  virtual ~ConsumeQueue() = default;
  ConsumeQueue(const ConsumeQueue&) = delete;
  ConsumeQueue& operator=(const ConsumeQueue&) = delete;

  const std::string& topic() const { return topic_.name; }
  QueueTopic& topic_entry() const { return topic_; }
  int32_t id() const { return id_; }

  virtual bool is_batch() const { return false; }
  // Whether nothing would be lost if another queue took its place.
  virtual bool untouched() const { return max_offset() == 0; }

  // Guarded by the append lane: the queue offset of the next message.
  int64_t next_offset = 0;

  // Offsets that readers may see: [min, max). min: the first whose record is still in the log.
  int64_t min_offset() const {
    return min_physical_.load(std::memory_order_acquire) >= topic_.log_begin->load(std::memory_order_acquire)
               ? min_.load(std::memory_order_acquire)
               : find_min();
  }
  int64_t max_offset() const { return max_.load(std::memory_order_acquire); }
  // One past the record of the last unit; -1 when there is none.
  int64_t max_physical() const { return max_physical_.load(std::memory_order_acquire); }

  enum class Put {
    stored,
    already_there,  // at or before max_offset()
    hole,           // beyond max_offset(): units are missing in between
  };
  virtual Result<Put> put(int64_t queue_offset, const QueueUnit& unit, int64_t store_timestamp_ms) = 0;
  // Puts those of the items, from the first on, that follow each other and what is there; returns how many. Where it
  // stops put() says why. REQUIRES: all are of this queue.
  virtual size_t put_run(std::span<const Arrival> items);
  // Puts blank units up to `queue_offset`, when the records for them are gone.
  virtual Status fill_hole(int64_t queue_offset) = 0;
  // Forgets all units; the queue starts again at 0.
  virtual Status reset() = 0;

  // Copies units from `from` on, as many as are at hand; returns how many. 0: none there, or unreadable.
  virtual size_t read(int64_t from, std::span<QueueUnit> out) const = 0;
  // The same of a batch queue; the first unit is the one that holds `from`, or the next one. Others: 0.
  virtual size_t read_batches(int64_t from, std::span<BatchUnit> out) const;
  // In a batch queue: the first offset of the record that Apache finds for this time; -1: none.
  virtual int64_t base_by_time(int64_t timestamp_ms, bool upper) const;
  // The first queue offset of the record that the message is in.
  int64_t base_of(int64_t offset) const;
  // Apache's rollNextFile: where to go on when a unit cannot be read.
  virtual int64_t next_file(int64_t offset) const = 0;
  // One call of get() that begins at `offset` looks at units in front of this.
  virtual int64_t scan_limit(int64_t offset) const { return next_file(offset); }

 protected:
  // The lowest offset that may hold a unit.
  virtual int64_t first_offset() const = 0;
  // The same from `offset` on, where no unit could be read.
  virtual int64_t first_offset_from(int64_t offset) const { return offset; }

  int64_t min_hint() const { return min_.load(std::memory_order_acquire); }
  // The minimum as it was found last, with the physical offset of its record.
  std::pair<int64_t, int64_t> known_min() const;
  // The minimum, when it is known for good: what find_min() finds is kept only if it came in between.
  void set_min(int64_t offset, int64_t physical_offset);

  std::atomic<int64_t> max_{0};
  std::atomic<int64_t> max_physical_{-1};

 private:
  friend class QueueIndex;
  int64_t find_min() const;

  mutable std::atomic<int64_t> min_{0};            // right while the record at min_physical_ is in the log
  mutable std::atomic<int64_t> min_physical_{-1};  // of the record at min_; -1: not known

  QueueTopic& topic_;
  const int32_t id_;
  mutable uint16_t min_changes_ = 0;  // guarded by the mutex of set_min()
  bool hidden_ = false;               // guarded by the index
};

class QueueIndex {
 public:
  QueueIndex() = default;
  virtual ~QueueIndex() = default;
  QueueIndex(const QueueIndex&) = delete;
  QueueIndex& operator=(const QueueIndex&) = delete;

  // Whether a topic may have queues. Names come from the network and from the log, and are names of folders in the file
  // form: they must not lead out of the folder, nor stand for the folder itself.
  static bool is_topic_name(std::string_view topic);

  // --- the queues
  ConsumeQueue* find(std::string_view topic, int32_t queue_id) const;
  // It is of the kind asked for unless the topic has messages in queues of the other kind, or the index has but one.
  // REQUIRES: is_topic_name(topic).
  ConsumeQueue* get(std::string_view topic, int32_t queue_id, QueueKind kind = QueueKind::as_it_is);
  // The topic's queues turned out to be batch queues after messages went into others: retype() makes them anew, empty,
  // and answers whether there were such topics.
  void note_batch(std::string_view topic);
  Result<bool> retype();
  // Whether there are batch queues.
  virtual bool has_batch_queues() const { return false; }
  // A light queue; nullptr when it is a new one and there are `max` already.
  ConsumeQueue* get_light(std::string_view name, int64_t max);
  // The light queues that count: those there are, and of those deleted in this run, which still take memory, the ones
  // beyond light_deleted_free.
  int64_t light_count() const { return light_count_.load(std::memory_order_relaxed); }
  static constexpr int64_t light_deleted_free = 100'000;
  // Whether the topic has, or had in this run, a queue or a grave.
  bool knows(std::string_view topic) const;
  // Those that were asked for or loaded and not hidden since.
  std::vector<ConsumeQueue*> all() const;
  std::vector<ConsumeQueue*> of_topic(std::string_view topic) const;

  // --- opening, in this order
  struct Loaded {
    bool any = false;  // whether there are units at all
    // What the index vouches for; none: its content has to be compared with the log.
    std::optional<Progress> progress;
    // Units that were on disk may be missing anywhere: only the log's begin is good.
    bool torn = false;
  };
  virtual Result<Loaded> load() = 0;
  // One past the record of the last unit of all, as the files say; -1: none.
  virtual Result<int64_t> loaded_max_physical() = 0;

  struct Start {
    int64_t physical_limit = 0;  // units of records at or behind it are dropped; they come again
    int64_t log_end = 0;         // records end there
    bool trusted = false;        // load() vouched for everything in front of the limit
    bool clean = false;          // nothing can stand behind the last unit
    // Whether the record that a unit names is that message of that queue. Asked when not trusted.
    std::function<bool(const ConsumeQueue&, int64_t queue_offset, const QueueUnit&)> fits;
  };
  // Durably forgets what load() vouched for. Called before units in front of a mark are given up: a crash in the midst
  // of that must not leave the mark standing.
  virtual Status distrust() = 0;
  virtual Status start_from(const Start& start) = 0;
  virtual Status reset_all();
  // The log begins there; what the lane gives next is known now. `durable`: records below it are on disk; outlives
  // stop().
  virtual Status opened(int64_t log_begin, const std::atomic<int64_t>& durable);
  // Whether the store's merlin.progress and checkpoint vouch for this index.
  virtual bool in_files() const { return true; }

  // --- dispatch
  // Called, from any thread, when put() was refused for want of room and there is some again. Set before opened().
  void set_on_room(std::function<void()> on_room) { on_room_ = std::move(on_room); }
  // A round of put() is over. `unfinished`: the physical offset of a record that not all of its queues have yet; -1:
  // none.
  virtual void commit(int64_t unfinished) { (void)unfinished; }
  // Records of the topic below this offset belong to one that was deleted.
  int64_t dead_below(std::string_view topic) const;
  void set_dead_below(std::string_view topic, int64_t physical_offset);
  std::vector<std::pair<std::string, int64_t>> dead_topics() const;
  // The log ends there: what it will hold behind that is not dead, although a longer log was when the topic went.
  void bury_below(int64_t log_end);
  // The queues of the topic lose their units and are found no more until get() asks for them again.
  virtual Status remove_topic(std::string_view topic) = 0;

  // --- background
  enum class Save {
    write,  // hand what waits to the system
    sync,   // and make it last, when the index thinks it is time
    all,    // and make it last now
  };
  // `now` tells how far the dispatcher is. But for Save::write it gets how far the units are on disk, and what else the
  // index wants to be told at the next start.
  virtual Status save(Progress& now, Save how) = 0;
  // Records in front of `log_begin` are gone.
  virtual Status retain(int64_t log_begin);
  // The log is needed from here on to build the rest after a crash.
  virtual int64_t needs_log_from() const { return INT64_MAX; }
  // That stands in somebody's way: the next save() shall move it. From the housekeeper.
  virtual void save_soon() {}
  // A clean stop, after save(): what makes the next start short. `saved`: as save() left it.
  virtual Status stopped_clean(const Progress& saved);
  // No thread of the index runs afterwards. What waits in memory is not written.
  virtual void stop() {}

 protected:
  virtual std::unique_ptr<ConsumeQueue> make(QueueTopic& topic, int32_t queue_id) = 0;
  void hide(std::string_view topic);
  void expect_topics(size_t count);
  void set_log_begin(int64_t begin) { log_begin_.store(begin, std::memory_order_release); }
  int64_t log_begin() const { return log_begin_.load(std::memory_order_acquire); }
  void tell_room() const {
    if (on_room_) on_room_();
  }
  const std::atomic<int64_t>& log_begin_word() const { return log_begin_; }

  // The next offset of a queue may be nowhere but in its index: when all its records have expired. Before an index is
  // given up its floors are taken; opened() raises the queues that have nothing since.
  void take_floors(const QueueIndex& from);
  void take_rows(const std::vector<FloorRow>& rows);
  // What must be on the disk before an index is given up.
  std::vector<FloorRow> floor_rows() const;
  // The queues that opened() raised: nothing but their offset is known.
  const std::vector<ConsumeQueue*>& floored() const { return floored_; }
  // After opened(): what the next index could not find in the log.
  const std::vector<FloorRow>& lasting_rows() const { return lasting_; }

 private:
  using Topics = std::unordered_map<std::string_view, std::unique_ptr<QueueTopic>>;

  QueueTopic& topic_entry(std::string_view topic);  // REQUIRES: mutex_ held for writing
  ConsumeQueue* get_locked(std::string_view topic, int32_t queue_id);
  void count_light(int64_t more_shown, int64_t more_hidden);
  void make_kind(QueueTopic& topic, bool batch);  // REQUIRES: mutex_ held for writing

  std::function<void()> on_room_;
  std::vector<FloorRow> floors_;        // used while opening
  std::vector<ConsumeQueue*> floored_;  // constant after opened()
  std::vector<FloorRow> lasting_;       // constant after opened()
  std::atomic<int64_t> log_begin_{0};
  std::atomic<bool> any_dead_{false};
  std::atomic<int64_t> light_count_{0};
  int64_t light_shown_ = 0;   // guarded by mutex_
  int64_t light_hidden_ = 0;  // guarded by mutex_
  mutable std::shared_mutex mutex_;
  Topics topics_;  // guarded by mutex_; keys lie in the topics
};

}  // namespace merlin::store
