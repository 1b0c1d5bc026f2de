// Messages with properties, handed to LongPoll as the store would hand them out, without a store.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "merlin/message/properties.h"
#include "service/long_poll.h"

namespace merlin::service {

// A name for a queue that nobody looks into.
inline store::ConsumeQueue* queue(uintptr_t n) {
  return reinterpret_cast<store::ConsumeQueue*>(n * 64);
}

struct StoredMessages {
  void serve(LongPoll& to) {
    to.set_records([this](const store::Arrival& arrival, store::LogBytes& out) {
      ++reads;
      const auto it = records.find(arrival.physical_offset);
      if (it == records.end()) return false;
      out.slices.emplace_back(it->second);
      out.bytes += it->second.size();
      return true;
    });
  }

  // Stores a message of queue 1; its place in the log is its queue offset.
  store::Arrival put(int64_t offset, const std::string& properties) {
    message::RecordSpec spec;
    spec.topic = "T";
    spec.properties = properties;
    std::vector<uint8_t> record(message::record_size(spec));
    message::encode_record(spec, record.data());
    store::Arrival a;
    a.queue = queue(1);
    a.queue_offset = offset;
    a.physical_offset = offset;
    a.size = static_cast<int32_t>(record.size());
    a.tags_code = message::tags_code(properties);
    records[offset] = std::move(record);
    return a;
  }

  std::map<int64_t, std::vector<uint8_t>> records;
  int reads = 0;
};

}  // namespace merlin::service
