// The key index: which records carry a key. Apache's index files, so that either broker can use them.
//
// Owns:     <root>/index/* and the entries not yet written to the newest of them (at most batch_entries_max).
// Threads:  put(), flush() and close() from one thread at a time (the index follower); drop_below(), query() and the
//           readings from anywhere.
// Survives: all of it is derived from the log. After a crash the entries that cannot be trusted are dropped on open();
//           feed the log again from indexed_offset(). put() skips what it has.
// Fails:    a full or failing disk is an error of put() or flush(); nothing is lost: call put() with the same record
// later.
//           A file that does not fit its format is deleted with a warning and built again from the log.
#pragma once

#include <cstdint>
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

struct KeyIndexOptions {
  int32_t hash_slots = 5'000'000;     // maxHashSlotNum
  int32_t entries_max = 20'000'000;   // maxIndexNum; entry 0 is never used
  int32_t query_count_max = 64;       // maxMsgsNumBatch
  size_t batch_entries_max = 65'536;  // entries kept in memory before they are written together
  int64_t sync_interval_ms = 10'000;  // flush() syncs no more often: a busy index dirties all its slots every second
};

// The name under which the tag of a message stands among the keys of its topic (Apache 5.5).
std::string indexed_tag(std::string_view tag);

struct KeyQueryResult {
  std::vector<int64_t> physical_offsets;  // newest first, as Apache's IndexService; twice where Java put it twice
  int64_t last_update_timestamp_ms = 0;   // store time of the newest record in the index
  int64_t last_update_physical_offset = 0;
};

class KeyIndex {
 public:
  // `dir` is made when absent. The references must outlive the index.
  KeyIndex(std::string dir, FileSystem& files, const Clock& clock, KeyIndexOptions options);
  ~KeyIndex();
  KeyIndex(const KeyIndex&) = delete;
  KeyIndex& operator=(const KeyIndex&) = delete;

  // Loads the files. When the last stop was not clean, files whose end lies beyond `checkpoint_index_timestamp_ms` are
  // repaired: cut at the first entry that does not fit and never reaching `log_end_offset`.
  Status open(int64_t checkpoint_index_timestamp_ms, bool clean, int64_t log_end_offset = INT64_MAX);

  // Adds UNIQ_KEY, each word of KEYS, and TAGS as indexed_tag(). Records at or below the last one put are skipped, as
  // are rollback-typed ones. On an error the record was not added (or not wholly) and put() may be called again with
  // it.
  Status put(const message::RecordView& record);
  // Adds keys of records that are not in yet, in their order; none is a whole_record. `done` counts those that are in,
  // also on an error: call again with the others.
  Status put(std::span<const IndexEntry> entries, size_t& done);

  // Where to go on reading the log: everything below is in the index. It may be the start of a record that is in
  // already.
  int64_t indexed_offset() const;

  // Entries of topic#key stored within [begin_ms, end_ms]; at most min(count_max, query_count_max). By hash only: the
  // caller (in Apache: the client) compares keys.
  Result<KeyQueryResult> query(std::string_view topic, std::string_view key, int32_t count_max, int64_t begin_ms,
                               int64_t end_ms) const;

  // Writes the entries in memory to the file; syncs it when the last sync is sync_interval_ms ago. Cheap when nothing
  // is new.
  Status flush();
  // Store time of the newest record that is durable: the checkpoint's index timestamp. 0: none yet.
  int64_t last_flushed_timestamp_ms() const;

  // Deletes files whose records are all below `min_physical_offset`; the newest file stays.
  void drop_below(int64_t min_physical_offset);
  // Bytes of all index files as Apache counts them (full size each).
  int64_t total_size_bytes() const;

  // Writes and syncs everything. No put() may follow.
  Status close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace merlin::store
