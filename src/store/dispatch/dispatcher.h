// Carries placed records to the consume queues and tells the listener.
//
// Owns:     the ring of records that were placed and not yet dispatched, and the position behind the last one that was.
// Threads:  placed() and the other lane hooks under the append lane; pump() from whoever made progress: one thread does
// the
//           work, the others leave it a note and go. exclusive() keeps everyone out.
// Survives: nothing; after a crash the same records come again from the log, and the queues skip what they have.
// Fails:    when a queue cannot take a unit (disk full) the position stands and a later pump() tries again.
//
// Shows a record only below the limit: the end of the log in async mode, the durable offset in sync mode. When the ring
// overflows, the records in between are read from the log; newer ones already use the ring again.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "store/dispatch/dispatch_ring.h"
#include "store/dispatch/light_places.h"
#include "store/dispatch/tags.h"
#include "store/index/index_feed.h"
#include "store/log/commit_log.h"
#include "store/log/log_reader.h"
#include "store/queue/queue_index.h"

namespace merlin::store {

class Dispatcher final : public LaneHooks {
 public:
  Dispatcher(QueueIndex& queues, std::vector<int64_t> delay_level_ms, size_t ring_items);

  // REQUIRES: before anything else. `limit`, the log and the feed, which may be null, outlive the dispatcher.
  void connect(CommitLog& log, const std::atomic<int64_t>& limit, ArrivalListener* listener, IndexFeed* feed);

  // --- under the append lane
  int64_t take_queue_offset(const AppendItem& item) override;
  void give_back_queue_offset(const AppendItem& item) override;
  size_t late_properties(const AppendItem& item, std::span<char> out) override;
  void placed(std::span<const AppendItem> items) override;

  // --- from anywhere
  void pump();
  int64_t position() const { return position_.load(std::memory_order_acquire); }
  int64_t position_timestamp_ms() const { return position_timestamp_.load(std::memory_order_acquire); }
  // Start of the last record that was dispatched or passed; -1: none yet.
  int64_t last_record_offset() const { return last_record_.load(std::memory_order_acquire); }
  std::unique_lock<std::mutex> exclusive() { return std::unique_lock(work_); }

  // --- while opening: nobody appends, nobody is told
  // False: units are missing in front of this record's. from_log_begin: then there are no records for them either, and
  // they are left blank.
  Result<bool> feed(const message::RecordView& record, bool from_log_begin);
  void set_position(int64_t position, int64_t timestamp_ms, int64_t last_record_offset);

 private:
  static constexpr size_t batch_max = 128;
  // A greater hole in a light queue is none: the record lies about its place.
  static constexpr int64_t light_hole_max = 1024;

  void drain();
  bool push(Arrival item, const LightQueues* light);
  Result<bool> feed_one(const message::RecordView& record, ConsumeQueue& queue, int64_t queue_offset, int32_t count,
                        bool from_log_begin);
  Result<bool> feed_light(const message::RecordView& record, bool from_log_begin);
  bool drain_ring(int64_t limit);
  size_t run_in(std::span<const Arrival> items, int64_t limit) const;
  size_t deliver_run(std::span<const Arrival> run);
  void reached(const Arrival& item);
  bool deliver_light(const Arrival& own);
  bool drain_log(int64_t limit);
  bool deliver(const Arrival& item);
  bool refuse(const Arrival& item, const Error& error);
  void tell();

  QueueIndex& queues_;
  const TagsCoder tags_;
  CommitLog* log_ = nullptr;                     // constant after connect()
  const std::atomic<int64_t>* limit_ = nullptr;  // constant after connect()
  ArrivalListener* listener_ = nullptr;          // constant after connect()
  IndexFeed* feed_ = nullptr;                    // constant after connect()

  DispatchRing ring_;
  bool overflowed_ = false;                 // guarded by the append lane: records are passed over
  std::atomic<bool> overflow_seen_{false};  // the same, for the pump

  std::atomic<uint64_t> wishes_{0};  // calls of pump() that are not served yet
  std::mutex work_;
  int64_t log_until_ = 0;  // guarded by work_; records in front of it come from the log, later ones from the ring
  std::array<Arrival, batch_max> batch_;  // guarded by work_
  size_t batch_size_ = 0;                 // guarded by work_
  bool refused_ = false;                  // guarded by work_; the last unit could not be put
  int64_t unfinished_ = -1;        // guarded by work_; the record that some of its queues have and others have not
  std::vector<LightPlace> light_;  // guarded by work_, or used while opening

  std::atomic<int64_t> position_{0};
  std::atomic<int64_t> position_timestamp_{0};
  std::atomic<int64_t> last_record_{-1};
};

}  // namespace merlin::store
