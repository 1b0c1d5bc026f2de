// The books of a run: what was sent to each queue, what the broker acknowledged, and what was read back. Tells what is
// lost, what came twice and what came in another order.
//
// Every message carries a key of its own: a mark of the run in the upper bits and a number that counts up.
//
// Threads: one. Memory: two bits per message and 32 bytes per queue; messages_max messages are told apart.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace merlin::bench {

// A set of small numbers.
class NumberSet {
 public:
  // False when it was there already.
  bool add(uint64_t number);
  bool has(uint64_t number) const;
  uint64_t size() const { return size_; }
  // How many of these numbers are missing in `other`.
  uint64_t missing_in(const NumberSet& other) const;

 private:
  std::vector<uint64_t> words_;
  uint64_t size_ = 0;
};

class Ledger {
 public:
  static constexpr int number_bits = 36;
  static constexpr uint64_t messages_max = uint64_t{1} << number_bits;

  // Runs with different marks do not take each other's messages for their own.
  Ledger(int64_t queues, uint64_t run_mark);

  // `messages` leave in one request; returns the key of the first, the others have the following ones.
  uint64_t sent(int64_t queue, int32_t messages);
  void acknowledged(int64_t queue, uint64_t first_key, int32_t messages);

  // The broker confirmed that it will not keep them.
  void withdrawn(int64_t queue, int32_t messages) { queues_[static_cast<size_t>(queue)].unsure -= messages; }

  enum class Seen { first, again, foreign };
  Seen received(int64_t queue, uint64_t key);
  // The number of a message of this run: 0 for the first one that was sent.
  std::optional<int64_t> number_of(uint64_t key) const;

  struct Queue {
    int64_t acknowledged = 0;
    int64_t unsure = 0;        // refused or without answer: may have been stored
    int64_t received = 0;      // read back, each message once
    int64_t last_number = -1;  // the highest that was received

    // Acknowledged messages that are missing in a queue that was read to its end, or messages that it should not hold.
    int64_t missing() const { return received < acknowledged ? acknowledged - received : 0; }
    int64_t surplus() const { return received > acknowledged + unsure ? received - acknowledged - unsure : 0; }
  };
  const Queue& queue(int64_t queue) const { return queues_[static_cast<size_t>(queue)]; }
  int64_t queue_count() const { return static_cast<int64_t>(queues_.size()); }

  int64_t sent_count() const { return static_cast<int64_t>(next_number_); }
  int64_t acknowledged_count() const { return static_cast<int64_t>(acknowledged_.size()); }
  int64_t received_count() const { return static_cast<int64_t>(received_.size()); }
  int64_t lost() const { return static_cast<int64_t>(acknowledged_.missing_in(received_)); }
  int64_t duplicates() const { return duplicates_; }
  int64_t foreign() const { return foreign_; }
  // Received behind a message of the same queue that was sent later.
  int64_t reordered() const { return reordered_; }

 private:
  const uint64_t mark_;
  std::vector<Queue> queues_;
  uint64_t next_number_ = 0;
  NumberSet acknowledged_;
  NumberSet received_;
  int64_t duplicates_ = 0;
  int64_t foreign_ = 0;
  int64_t reordered_ = 0;
};

// A mark that differs from run to run.
uint64_t new_run_mark();

// The key that a SendFrame wrote into a message, from its properties.
std::optional<uint64_t> key_of(std::string_view properties);

}  // namespace merlin::bench
