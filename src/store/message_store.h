// The public face of the store: all message bytes on disk, Apache's files in Apache's formats.
//
// Owns:     <root>/commitlog, consumequeue, index, checkpoint, abort, lock, and merlin.progress (our own mark, which
// Apache
//           ignores); the append lane, the flusher, the dispatcher and the index follower.
// Threads:  append() from any reactor (a short critical section inside); get() and the queries from anywhere; listeners
// and
//           durable callbacks run on whichever thread made the progress (a reactor or the flusher) and must not block.
// Survives: async flush: everything written before a process crash; sync flush: everything acknowledged, also a power
// cut.
//           On open the log's tail is scanned from the last known good point and cut at the first record that does not
//           fit.
// Fails:    a failed fsync is final: the fail_stop handler is called, nothing more is accepted. A full disk refuses
// appends,
//           reads go on, appends resume by themselves when space returns.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "merlin/base/clock.h"
#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "merlin/message/record.h"
#include "store/index/key_hashes.h"

namespace merlin::store {

class ConsumeQueue;  // store/queue/queue_index.h; opaque to callers, lives as long as the store

// When old segments go and when appends are refused, as Apache's; may change while the store is open.
struct CleaningLimits {
  int32_t file_reserved_hours = 72;    // fileReservedTime
  std::string delete_when = "04";      // deleteWhen: hours of the day, ';' between them
  int32_t disk_used_percent_max = 75;  // diskMaxUsedSpaceRatio: beyond it expired segments go at any hour
  int32_t disk_forcibly_percent = 85;  // diskSpaceCleanForciblyRatio: beyond it the oldest go at any age
  int32_t disk_warning_percent = 90;   // diskSpaceWarningLevelRatio: beyond it appends are refused
};

// Apache's messageDelayLevel: milliseconds of level 1, 2, ...
std::vector<int64_t> default_delay_levels();

struct StoreOptions : CleaningLimits {
  std::string root_dir;
  std::string commit_log_dir;                     // empty: <root>/commitlog
  int64_t segment_size_bytes = int64_t{1} << 30;  // mappedFileSizeCommitLog
  int32_t consume_queue_file_bytes = 6'000'000;   // mappedFileSizeConsumeQueue, rounded up to whole 20-byte units
  int32_t batch_queue_file_bytes = 13'800'000;    // mapperFileSizeBatchConsumeQueue, rounded up to whole 46-byte units
  bool queues_in_database = false;                // storeType=defaultRocksDB
  int64_t queue_recovery_bytes_max = int64_t{128} << 20;  // a crash leaves this much log to dispatch again, at most
  size_t queue_bounds_min = 1000;    // from so many queue files on the next start opens only those that it uses
  size_t queue_sync_disk_min = 256;  // from so many on that wait for a sync the whole disk is synced
  bool sync_flush = false;           // flushDiskType=SYNC_FLUSH
  int32_t flush_interval_ms = 500;   // flushIntervalCommitLog (async)
  int32_t flush_least_pages = 4;     // flushCommitLogLeastPages
  int32_t flush_thorough_interval_ms = 10'000;       // flushCommitLogThoroughInterval
  int32_t queue_flush_interval_ms = 1'000;           // flushIntervalConsumeQueue
  int32_t message_size_bytes_max = 4 * 1024 * 1024;  // maxMessageSize: body; the whole record may exceed it by 64 KiB
  bool check_crc_on_recover = true;
  bool index_enabled = true;                      // messageIndexEnable
  int32_t index_hash_slots = 5'000'000;           // maxHashSlotNum
  int32_t index_entries_max = 20'000'000;         // maxIndexNum
  int64_t mapped_tail_bytes = int64_t{64} << 20;  // newer than this is read through the mapping, older bytes are copied
  int32_t memory_ratio_percent = 40;       // accessMessageInMemoryMaxRatio: newer than this share of RAM is "hot"
  size_t dispatch_ring_items = 64 * 1024;  // records handed to the dispatcher in memory; beyond it reads the log
  size_t index_feed_items = 128 * 1024;    // keys handed to the key index in memory; beyond it reads the log
  std::vector<int64_t> delay_level_ms;     // messageDelayLevel, level 1 first; empty: Apache's default levels

  // Retention, as Apache's: old segments go at certain hours, or early when the disk fills; see CleaningLimits.
  int32_t clean_interval_ms = 10'000;     // cleanResourceInterval
  int32_t clean_first_delay_ms = 60'000;  // how long after opening the first look is
  int32_t delete_files_max = 10;          // deleteFileBatchMax: per look
  bool clean_forcibly = true;             // cleanFileForciblyEnable: whether the oldest may go at any age
  int64_t light_queues_max = 20'000;      // maxLmqConsumeQueueNum
};

// ---------------------------------------------------------------- append

enum class AppendCode {
  ok,
  closed,    // closing, or stopped after a failed fsync
  no_space,  // disk full
  io_error,
  record_too_large,  // larger than a record, a segment or properties may be; or a zero byte in topic or properties
};

// Light queues have one queue each.
inline constexpr int32_t light_queue_id = 0;

// The light queues (LMQ) that a message enters beside its own, as its property INNER_MULTI_DISPATCH names them.
struct LightQueues {
  static constexpr int32_t own_queue = -1;  // the one that the message is sent to
  static constexpr int32_t no_queue = -2;   // no light queue: its place stays empty
  std::vector<ConsumeQueue*> queues;        // each once
  std::vector<int32_t> names;               // for each name of the property: which of `queues`, or one of the above
  std::vector<int64_t> offsets;             // in `queues`; filled by append()
  int32_t late_bytes_max = 0;               // of the property with the offsets; 0: there is none to write
  void clear() {
    queues.clear();
    names.clear();
    offsets.clear();
    late_bytes_max = 0;
  }
};

// Of an inner batch: how many messages it may have, and what LaneHooks::late_properties() adds to its properties.
inline constexpr int32_t inner_batch_messages_max = 32767;
inline constexpr int32_t inner_base_bytes_max = 31;

struct AppendItem {
  message::RecordSpec spec;
  ConsumeQueue* queue = nullptr;  // where it belongs; nullptr: stored in the log only
  int64_t tags_code = 0;
  bool joined_to_previous = false;  // batch: same segment as the item before, or none of the group
  int32_t count = 1;                // messages in the record, each with its own queue offset: more in an inner batch
  // Room for the properties that only the append lane knows (LaneHooks::late_properties); 0: there are none.
  // REQUIRES: 0 for records that are joined to others.
  int32_t late_bytes_max = 0;
  LightQueues* light = nullptr;  // more queues that the record enters
  // REQUIRES: what is given lives until append() has returned.
  void enter(LightQueues& queues) {
    light = &queues;
    late_bytes_max = queues.late_bytes_max;
  }
  // What the properties say to the key index, when the caller has looked at them already.
  IndexedTexts texts;
  bool texts_known = false;
  // Filled by append():
  AppendCode code = AppendCode::ok;
  int32_t size = 0;
  int64_t physical_offset = 0;
  int64_t queue_offset = 0;
  int64_t store_timestamp_ms = 0;
  KeyHashes keys;
};

// ---------------------------------------------------------------- read

class MessageFilter {
 public:
  virtual ~MessageFilter() = default;
  virtual bool matches_tags_code(int64_t tags_code) const = 0;
  // Asked only when needs_record(); `record` is the stored record.
  virtual bool needs_record() const { return false; }
  virtual bool matches_record(const message::RecordView& record) const {
    (void)record;
    return true;
  }
};

// Apache's GetMessageStatus, with its names in text(status).
enum class GetStatus {
  found,
  no_matched_message,
  message_was_removing,
  offset_found_null,
  offset_overflow_badly,
  offset_overflow_one,
  offset_too_small,
  no_matched_logic_queue,
  no_message_in_queue,
  offset_reset,
  damaged,  // ours: the message was there and cannot be read any more; GetResult::error names the place
};
std::string_view text(GetStatus status);  // "FOUND", "OFFSET_OVERFLOW_ONE", ...

struct GetLimits {
  int32_t count_max = 32;  // as the client asks
  int32_t bytes_in_memory_max = 262'144;
  int32_t count_in_memory_max = 32;
  int32_t bytes_on_disk_max = 65'536;
  int32_t count_on_disk_max = 8;
  int32_t scanned_max = 16'000;  // units looked at per call when a filter passes few: maxFilterMessageSize
};

// Bytes of the log that stay valid while `pins` lives. Adjacent records are joined into one slice.
struct LogBytes {
  std::vector<ByteView> slices;
  std::vector<std::shared_ptr<const void>> pins;
  size_t bytes = 0;
  void clear() {
    slices.clear();
    pins.clear();
    bytes = 0;
  }
};

struct GetResult {
  GetStatus status = GetStatus::no_message_in_queue;
  int64_t next_begin_offset = 0;
  int64_t min_offset = 0;
  int64_t max_offset = 0;
  int32_t message_count = 0;
  std::string error;           // damaged: what and where
  bool read_failed = false;    // damaged: only the system refused the read, which may go by
  bool cold = false;           // nothing was read: the bytes are not in memory and the caller did not want to wait
  bool behind_memory = false;  // the reader lags beyond the hot share: a slave may be suggested
  LogBytes bytes;
};

// no_wait: where the disk would have to be waited for, GetResult::cold is set instead (or the answer ends in front).
enum class ReadMode { may_wait, no_wait };

enum class Boundary { lower, upper };

// ---------------------------------------------------------------- listeners

struct Arrival {
  ConsumeQueue* queue = nullptr;
  int64_t queue_offset = 0;
  int64_t physical_offset = 0;
  int32_t size = 0;
  int32_t count = 1;  // messages in the record, from queue_offset on
  int64_t tags_code = 0;
  int64_t store_timestamp_ms = 0;
  bool more = false;  // the next one is the same record in another queue
};

// Told after the queue index shows the messages: a reader that looks now finds them.
class ArrivalListener {
 public:
  virtual ~ArrivalListener() = default;
  virtual void on_arrivals(std::span<const Arrival> arrivals) = 0;
};

enum class DurableCode { durable, timed_out, failed };

enum class KeyKind { key, tag };  // key: a word of KEYS or a unique id

// One unit of the queue index, as it stands there.
struct QueueEntry {
  int64_t queue_offset = 0;
  int64_t physical_offset = 0;
  int32_t size = 0;
  int64_t tags_code = 0;
};

struct QueueName {
  std::string topic;
  int32_t queue_id = 0;
};

struct StoreStats {
  int64_t min_physical_offset = 0;
  int64_t max_physical_offset = 0;
  int64_t durable_offset = 0;
  int64_t dispatched_offset = 0;  // queue index shows everything below
  int64_t indexed_offset = 0;     // key index shows everything below
  int64_t boot_ms = 0;
  int64_t earliest_store_timestamp_ms = -1;
  double commit_log_disk_ratio = 0;
  int64_t damaged_ranges = 0;  // places of the log, known so far, whose messages are answered with an error
  int64_t damaged_bytes = 0;
};

class MessageStore {
 public:
  // `fail_stop` is called once, from the flusher, after a failed fsync. `listener` may be null.
  MessageStore(StoreOptions options, FileSystem& files, const Clock& clock,
               std::function<void(const Error&)> fail_stop);
  ~MessageStore();
  MessageStore(const MessageStore&) = delete;
  MessageStore& operator=(const MessageStore&) = delete;

  // REQUIRES: before open().
  void set_listener(ArrivalListener* listener);

  // Takes the lock, loads, recovers and catches up; afterwards appends and reads work. Errc::exists: another process
  // has it.
  Status open();
  // Flushes everything, writes the checkpoint, removes `abort`. No calls may follow.
  void close();

  // The queue of a topic, made (in memory) when absent: a batch queue when the topic has queue.type=BatchCQ, unless it
  // holds messages as another one. The pointer stays valid as long as the store.
  ConsumeQueue* queue(std::string_view topic, int32_t queue_id, bool batch = false);
  // The same for a light queue, of which there are light_queues_max at most. Errc::invalid: no name for one;
  // Errc::no_space: the limit.
  Result<ConsumeQueue*> light_queue(std::string_view name);
  void set_light_queues_max(int64_t max);
  // Resolves the names of an INNER_MULTI_DISPATCH, for a message to `own_topic` and `own_queue_id`; makes none when one
  // of them is refused. `out` has no late bytes when the message enters no light queue by it.
  Status light_queues(std::string_view names, std::string_view own_topic, int32_t own_queue_id, LightQueues& out);
  // nullptr when no message was ever put there and nobody asked queue() for it.
  ConsumeQueue* find_queue(std::string_view topic, int32_t queue_id) const;
  std::vector<QueueName> queues() const;
  // Drops the queues of a topic with their files. The records stay in the log until retention takes them.
  Status delete_topic(std::string_view topic);

  // Appends a burst under one acquisition of the append lane: encoded into `scratch` outside, stamped and written
  // inside, one write per burst. Fills the results in each item. Returns the log offset behind the last placed record,
  // for wait_durable(), or the current end when none was placed.
  int64_t append(std::span<AppendItem> items, Buffer& scratch);

  // Calls `done` once everything below `end_offset` is durable, or the time is over; at once, on this thread, when it
  // is already. In async mode it waits for the next background flush.
  void wait_durable(int64_t end_offset, int32_t timeout_ms, std::function<void(DurableCode)> done);
  bool sync_flush() const;
  // Whether an append would be accepted now; `why` gets resource, value and limit when not.
  bool writable(std::string& why) const;

  // `filter` may be null: everything matches.
  void get(const ConsumeQueue* queue, int64_t offset, const GetLimits& limits, const MessageFilter* filter,
           GetResult& out, ReadMode mode = ReadMode::may_wait) const;

  // Offsets as the queue index shows them. min: the first whose record is still in the log. max: one past the last.
  int64_t min_offset(const ConsumeQueue* queue) const;
  int64_t max_offset(const ConsumeQueue* queue) const;
  int64_t offset_by_time(const ConsumeQueue* queue, int64_t timestamp_ms, Boundary boundary) const;
  // What the queue index has from `offset` on, up to `count` offsets further. A batch queue has one entry for each
  // record.
  std::vector<QueueEntry> entries(const ConsumeQueue* queue, int64_t offset, int32_t count) const;
  // Store time of the message at a queue offset; -1 when there is none.
  int64_t store_timestamp(const ConsumeQueue* queue, int64_t offset) const;
  // Whether the message at this offset is within the hot share of memory (decides where new groups start).
  bool is_in_memory(const ConsumeQueue* queue, int64_t offset) const;

  // The record at a physical offset; Errc::not_found when no record starts there, Errc::corrupt when one did.
  Status record_at(int64_t physical_offset, LogBytes& out) const;
  // The bytes of a record that came a moment ago: false when they cannot be had without waiting for the disk. They are
  // as they were written, unchecked.
  bool newest_record(int64_t physical_offset, int32_t size, LogBytes& out) const;
  // The newest records whose hash of topic and key fits, oldest first, stored within [begin_ms, end_ms]. Hash-only:
  // clients check the keys. Where the index has no such entry, the index_last_* are 0, as in Apache 5.5.
  Status query(std::string_view topic, std::string_view key, KeyKind kind, int32_t count_max, int64_t begin_ms,
               int64_t end_ms, LogBytes& out, int64_t& index_last_timestamp_ms,
               int64_t& index_last_physical_offset) const;

  // Deletes expired segments soon, whatever the hour is (DELETE_EXPIRED_COMMITLOG).
  void delete_expired_soon();
  // Soon takes what the queue and key indexes still have of deleted segments (CLEAN_EXPIRED_CONSUMEQUEUE).
  void drop_expired_units_soon();
  void set_cleaning(const CleaningLimits& limits);

  StoreStats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What callers may ask of a queue handle.
std::string_view queue_topic(const ConsumeQueue* queue);
bool is_batch_queue(const ConsumeQueue* queue);
int32_t queue_id(const ConsumeQueue* queue);

}  // namespace merlin::store
