// Delayed delivery: messages of SCHEDULE_TOPIC_XXXX go to their own topic when their time has come.
//
// Owns:     one position in one queue for each level; what is due in a queue stands in front, so only its head is
// waited
//           for.
// Threads:  delivery on one thread (start()); on_delayed() from whoever stored a message; the rest from anywhere.
// Survives: through DelayPositions: a crash delivers again what came after the last written position, never less.
// Fails:    a delivery that the store refuses, or a queue that cannot be read, is tried again at the same place after
//           pauses that grow to pause_ms_max; the other levels go on. A message that can never be delivered (damaged,
//           no place to go) is logged with its offset and passed. One that finds no light queue, because they are full,
//           waits again, one level further each time, and is given up behind the last: no other message waits for it.
// Limits:   levels delay_levels_max; a burst of burst_messages_max messages and burst_bytes_max at a time, then the
// next
//           level has its turn.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "merlin/base/clock.h"
#include "service/delay_levels.h"
#include "service/delay_positions.h"
#include "service/produce.h"
#include "store/message_store.h"

namespace merlin::service {

class Delay final : public DelayedListener {
 public:
  static constexpr int32_t burst_messages_max = 256;
  static constexpr int32_t burst_bytes_max = 4 << 20;
  static constexpr int64_t pause_ms_min = 100;
  static constexpr int64_t pause_ms_max = 10'000;
  // A stored message that the queue does not show yet, because it is not on disk or another thread is at it.
  static constexpr int64_t unseen_pause_ms = 10;
  // The thread sleeps no longer, in case that the wall clock is set while it does.
  static constexpr int64_t sleep_ms_max = 1'000;
  // What finds no light queue waits so long at least until it is tried again, where a level is long enough.
  static constexpr int64_t put_off_ms_min = 60'000;

  // `level_ms`: what the levels mean by now; messages keep the time that they got when they were stored.
  Delay(std::vector<int64_t> level_ms, const Clock& clock, store::MessageStore& store, Produce& produce,
        DelayPositions& positions);
  ~Delay() override;

  // Reads the positions. REQUIRES: the store is open.
  void open();
  void start();
  // Returns when the delivery under way is placed.
  void stop();

  void on_delayed(int32_t level, int64_t queue_offset, int64_t due_ms) override;

  // Delivers one burst of each level that has something due, and returns the wall time to come back at. Called by one
  // thread at a time: that of start(), or a test's.
  int64_t deliver_due();

  // "position,end of queue" of each level that has a position, for the broker's runtime numbers.
  struct Progress {
    int32_t level = 0;
    int64_t position = 0;
    int64_t queue_end = 0;
  };
  std::vector<Progress> progress() const;
  std::string positions_json() const { return positions_.json(); }

 private:
  static constexpr int64_t never = INT64_MAX;

  struct Level {
    int32_t number = 0;
    int64_t position = 0;            // of the delivering thread
    int32_t failures = 0;            // of the delivering thread; in a row
    int64_t look_at_ms = INT64_MIN;  // guarded by mutex_; nothing is due before
    int64_t announced_end = 0;       // guarded by mutex_; the queue has, or will show, messages up to here
  };

  void run();
  int64_t wait_ms_max(const Level& level) const;
  int64_t deliver_level(Level& level, int64_t now_ms, int64_t announced_end);
  int64_t deliver_found(Level& level, int64_t now_ms);
  int64_t collect(const Level& level);
  void add_to_burst(const Level& level, const message::RecordView& record);
  int32_t level_behind(const Level& level) const;
  Refusal put_off(const Level& level, StoredCopy copy, Refusal why);
  void move(Level& level, int64_t position, int64_t log_end);
  int64_t pause(Level& level, int64_t now_ms, const std::string& why);

  const std::vector<int64_t> level_ms_;
  const Clock& clock_;
  store::MessageStore& store_;
  Produce& produce_;
  DelayPositions& positions_;
  std::vector<Level> levels_;  // [i] is level i + 1
  // Of the delivering thread:
  store::GetResult found_;
  ProduceBurst burst_;
  std::vector<int64_t> offsets_;  // in the level's queue, of the items of burst_
  int64_t put_off_ = 0;           // messages of burst_

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;                // guarded by mutex_
  int64_t sleeps_until_ms_ = INT64_MIN;  // guarded by mutex_; INT64_MIN: the thread is awake
  std::thread thread_;
};

}  // namespace merlin::service
