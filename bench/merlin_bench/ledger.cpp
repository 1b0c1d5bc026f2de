#include "ledger.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <charconv>
#include <unistd.h>

#include "link.h"
#include "merlin/message/properties.h"

namespace merlin::bench {

bool NumberSet::add(uint64_t number) {
  const size_t word = number / 64;
  if (word >= words_.size()) words_.resize(std::max(word + 1, words_.size() * 2));
  const uint64_t bit = uint64_t{1} << (number % 64);
  if ((words_[word] & bit) != 0) return false;
  words_[word] |= bit;
  ++size_;
  return true;
}

bool NumberSet::has(uint64_t number) const {
  const size_t word = number / 64;
  return word < words_.size() && (words_[word] >> (number % 64) & 1) != 0;
}

uint64_t NumberSet::missing_in(const NumberSet& other) const {
  uint64_t missing = 0;
  for (size_t i = 0; i < words_.size(); ++i) {
    const uint64_t theirs = i < other.words_.size() ? other.words_[i] : 0;
    missing += static_cast<uint64_t>(std::popcount(words_[i] & ~theirs));
  }
  return missing;
}

Ledger::Ledger(int64_t queues, uint64_t run_mark)
    : mark_(run_mark << number_bits), queues_(static_cast<size_t>(queues)) {}

uint64_t Ledger::sent(int64_t queue, int32_t messages) {
  assert(next_number_ + static_cast<uint64_t>(messages) <= messages_max);
  queues_[static_cast<size_t>(queue)].unsure += messages;
  const uint64_t first = next_number_;
  next_number_ += static_cast<uint64_t>(messages);
  return mark_ | first;
}

void Ledger::acknowledged(int64_t queue, uint64_t first_key, int32_t messages) {
  Queue& to = queues_[static_cast<size_t>(queue)];
  to.acknowledged += messages;
  to.unsure -= messages;
  for (int32_t i = 0; i < messages; ++i) {
    acknowledged_.add((first_key & (messages_max - 1)) + static_cast<uint64_t>(i));
  }
}

std::optional<int64_t> Ledger::number_of(uint64_t key) const {
  const uint64_t number = key & (messages_max - 1);
  if ((key & ~(messages_max - 1)) != mark_ || number >= next_number_) return std::nullopt;
  return static_cast<int64_t>(number);
}

Ledger::Seen Ledger::received(int64_t queue, uint64_t key) {
  const auto number = number_of(key);
  if (!number) {
    ++foreign_;
    return Seen::foreign;
  }
  if (!received_.add(static_cast<uint64_t>(*number))) {
    ++duplicates_;
    return Seen::again;
  }
  ++queues_[static_cast<size_t>(queue)].received;
  int64_t& last = queues_[static_cast<size_t>(queue)].last_number;
  if (*number < last) ++reordered_;
  last = std::max(last, *number);
  return Seen::first;
}

uint64_t new_run_mark() {
  const auto text = static_cast<uint64_t>(now_ns()) * 0x9E3779B97F4A7C15 ^ static_cast<uint64_t>(::getpid());
  return text >> Ledger::number_bits;
}

std::optional<uint64_t> key_of(std::string_view properties) {
  const auto text = message::find_property(properties, message::property::unique_key);
  if (!text || text->size() != 32) return std::nullopt;
  uint64_t key = 0;
  const auto [end, ec] = std::from_chars(text->data() + 16, text->data() + 32, key, 16);
  if (ec != std::errc() || end != text->data() + 32) return std::nullopt;
  return key;
}

}  // namespace merlin::bench
