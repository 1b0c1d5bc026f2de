// What the key index keeps of a record: the hashes of its keys, in Apache's order (UNIQ_KEY, the words of KEYS, the
// tag as T#tag).
//
// Threads: no state.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace merlin::store {

// java_hash("<topic>#")
int32_t index_topic_hash(std::string_view topic);
// Apache's IndexFile.indexKeyHashMethod over topic#key; `topic_hash` as above, or of topic#prefix.
int32_t index_key_hash(int32_t topic_hash, std::string_view key);

// What of a record's properties is indexed; empty: there is none. Where a name stands twice the last one counts.
struct IndexedTexts {
  std::string_view unique_key;
  std::string_view keys;
  std::string_view tag;

  // Takes what these properties say; later calls go before earlier ones.
  void add(std::string_view properties);
};

// The hashes of one record, as far as they are few.
struct KeyHashes {
  static constexpr size_t kept_max = 4;
  static constexpr int32_t too_many = -1;

  int32_t count = 0;  // or too_many: the log has them
  std::array<int32_t, kept_max> hashes{};
};

// A key of a record, or a record whose keys are too many to carry.
struct IndexEntry {
  int64_t physical_offset;
  int64_t store_timestamp_ms;
  int32_t hash;  // never negative; of a whole record its size, negated

  bool is_whole() const { return hash < 0; }
  int64_t physical_end() const { return physical_offset - hash; }
};

// What stands in front of a tag among the keys (Apache 5.5).
inline constexpr std::string_view indexed_tag_prefix = "T#";

// Calls f(hash) for each key.
template <class F>
void for_each_key_hash(int32_t topic_hash, const IndexedTexts& texts, F&& f) {
  if (!texts.unique_key.empty()) f(index_key_hash(topic_hash, texts.unique_key));
  std::string_view rest = texts.keys;
  while (!rest.empty()) {
    const std::string_view word = rest.substr(0, rest.find(' '));
    if (!word.empty()) f(index_key_hash(topic_hash, word));
    rest.remove_prefix(word.size() < rest.size() ? word.size() + 1 : word.size());
  }
  if (texts.tag.empty()) return;
  const auto tags_hash =
      static_cast<uint32_t>(topic_hash) * (31 * 31) + indexed_tag_prefix[0] * 31U + indexed_tag_prefix[1];
  f(index_key_hash(static_cast<int32_t>(tags_hash), texts.tag));
}

}  // namespace merlin::store
