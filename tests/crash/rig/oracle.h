// What must be true of a store after a power cut, by what its clients had been told until then.
//
// Owns:    the memory of all clients; follow() takes it forward, check() compares a store with it.
// Threads: one.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "crash/rig/trace.h"
#include "store/message_store.h"

namespace merlin::rig {

using QueueKey = std::pair<std::string, int32_t>;

// What a store shows of one message.
struct Seen {
  int64_t queue_offset = 0;
  int64_t physical_offset = 0;
  std::string body;
  int32_t count = 1;  // messages in the record
  bool operator==(const Seen&) const = default;
};
// Every queue with all it shows.
using Shown = std::map<QueueKey, std::vector<Seen>>;

// Reads all queues as consumers do. A record that does not decode, or stands in the wrong queue or at the wrong offset,
// is a violation.
std::string show_all(store::MessageStore& store, Shown& out);

// The text of the message number `id`: unique, of `size` bytes at least.
// Topics that begin with Batch have queue.type=BatchCQ: each of their messages stands for so many.
bool is_batch_topic(std::string_view topic);
int32_t count_of(std::string_view topic, int64_t id);
std::string body_of(int64_t id, size_t size);
// Its key, as property.
std::string key_of(int64_t id);
std::string properties_of(int64_t id);
// The light queues that it enters in the workloads that have some, and the property that says so.
std::string light_names_of(int64_t id);
std::string light_property_of(int64_t id);

// Where the record stands in the queue that shows it; -1: nowhere.
int64_t offset_in(const message::RecordView& record, const QueueKey& queue);

class Oracle {
 public:
  void follow(const Entry& entry, int64_t segment_bytes);

  // Empty, or what is wrong first.
  std::string check(const Shown& shown) const;
  // Only: nothing is shown that was not sent, or elsewhere than it was put.
  std::string check_bytes(const Shown& shown) const;
  std::string check_keys(store::MessageStore& store, const Shown& shown) const;
  std::string check_meta(FileSystem& files, const std::string& root) const;
  // How many durable messages are not there.
  int64_t durable_missing(const Shown& shown) const;
  // The first message of the log that was placed and is not shown.
  struct Lost {
    std::string topic;
    int32_t queue_id = 0;
    size_t body_bytes = 0;
    std::string properties;
  };
  std::optional<Lost> first_lost(const Shown& shown) const;
  // No message may get an offset below this one: it belongs, or belonged, to a durable message.
  int64_t offset_floor(const QueueKey& queue) const;
  bool has_meta() const { return !offsets_.empty() || !topics_.empty() || !groups_.empty(); }

 private:
  struct Message {
    std::string topic;
    int32_t queue_id = 0;
    std::string body;
    bool placed = false;
    bool gone = false;  // its topic is being deleted, or was
    int64_t queue_offset = -1;
    int64_t physical_offset = -1;
    int64_t end = -1;
    std::map<std::string, int64_t> light;  // its offsets in light queues that were not deleted since
    std::set<std::string> light_gone;
  };
  struct Committed {
    std::vector<int64_t> values;
    int64_t saved = -1;
  };
  struct Named {
    std::set<int64_t> possible;  // 0: absent
  };

  bool is_shown(const Shown& shown, const Message& message) const;
  std::string check_light(const Shown& shown) const;
  bool fits_light(const Message& message, const QueueKey& queue, const Seen& seen) const;

  std::map<int64_t, Message> messages_;
  std::map<std::string, int64_t> by_body_;
  std::map<int64_t, int64_t> by_place_;  // physical offset -> message
  int64_t durable_ = 0;
  int64_t log_begin_max_ = 0;  // retention may have taken everything in front of it
  std::map<std::pair<std::string, QueueKey>, Committed> offsets_;
  std::map<std::string, Named> topics_;
  std::map<std::string, Named> groups_;
};

}  // namespace merlin::rig
