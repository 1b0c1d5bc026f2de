#include "store/index/key_hashes.h"

#include <cstring>
#include <string>

#include "merlin/message/properties.h"

namespace merlin::store {

namespace {

constexpr uint32_t power_of_31(int n) {
  uint32_t p = 1;
  for (int i = 0; i < n; ++i) p *= 31;
  return p;
}

// Java's hash goes on from `hash`; `seen` gets a high bit where a byte is not ASCII. Eight bytes at a time: their
// products do not wait for each other.
uint32_t hash_on(uint32_t hash, std::string_view text, uint64_t& seen) {
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  size_t left = text.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    seen |= word;
    hash = hash * power_of_31(8) +
           ((at[0] * power_of_31(7) + at[1] * power_of_31(6)) + (at[2] * power_of_31(5) + at[3] * power_of_31(4))) +
           ((at[4] * power_of_31(3) + at[5] * power_of_31(2)) + (at[6] * power_of_31(1) + at[7]));
  }
  for (; left > 0; --left, ++at) {
    seen |= *at;
    hash = hash * 31 + *at;
  }
  return hash;
}

}  // namespace

void IndexedTexts::add(std::string_view properties) {
  message::for_each_property(properties, [&](std::string_view name, std::string_view value) {
    if (name == message::property::unique_key) unique_key = value;
    if (name == message::property::keys) keys = value;
    if (name == message::property::tags) tag = value;
    return true;
  });
}

int32_t index_topic_hash(std::string_view topic) {
  return static_cast<int32_t>(static_cast<uint32_t>(message::java_hash(topic)) * 31 + '#');
}

int32_t detail::index_key_hash(std::string_view topic, int32_t topic_hash, std::string_view prefix,
                               std::string_view key) {
  // ASCII goes on from the hash of the topic; anything else is hashed as the UTF-16 that Java sees.
  uint64_t seen = 0;
  uint32_t hash = hash_on(hash_on(static_cast<uint32_t>(topic_hash), prefix, seen), key, seen);
  if ((seen & 0x8080808080808080) != 0) {
    std::string text(topic);
    text += '#';
    text += prefix;
    text += key;
    hash = static_cast<uint32_t>(message::java_hash(text));
  }
  const auto value = static_cast<int32_t>(hash);
  if (value == INT32_MIN) return 0;  // abs() stays negative in Java, and Apache takes 0 then
  return value < 0 ? -value : value;
}

int32_t index_key_hash(std::string_view topic, int32_t topic_hash, std::string_view key) {
  return detail::index_key_hash(topic, topic_hash, {}, key);
}

}  // namespace merlin::store
