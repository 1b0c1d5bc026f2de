// One file of the key index, in Apache's format (IndexFile, IndexHeader). Big-endian.
//
//   header, 40 bytes                            slots: hash_slots x i32, the newest entry of the chain; 0: none
//     0  i64  store time of the first entry     entries: entries_max x 20 bytes, numbered from 0; number 0 is never
//     used 8  i64  store time of the newest entry       0  i32  hash of topic#key, never negative; slot = hash %
//     hash_slots
//    16  i64  physical offset of the first         4  i64  physical offset of the record
//    24  i64  physical offset of the newest       12  i32  seconds since the header's first store time
//    32  i32  slots in use                        16  i32  number of the entry before it in the chain; 0: none
//    36  i32  number of the next entry (from 1)
//
// New entries are collected in memory and written together, sorted by slot: a slot page is then read and written once
// for many entries, without a writable mapping (a full disk is an error value) and without the slots in memory.
//
// Owns:    the file and the entries not yet written.
// Threads: none of its own; KeyIndex's lock. sync() and select() may run side by side, both without add() or
// write_back(). Survives: what sync() covered. Entries alone carry everything, so repair() makes the slots anew from
// them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "merlin/base/file_system.h"
#include "merlin/base/result.h"
#include "store/index/key_hashes.h"

namespace merlin::store {

struct IndexLayout {
  static constexpr int64_t header_bytes = 40;
  static constexpr int64_t slot_bytes = 4;
  static constexpr int64_t entry_bytes = 20;

  int32_t hash_slots = 0;
  int32_t entries_max = 0;

  int64_t slot_at(int32_t slot) const { return header_bytes + slot * slot_bytes; }
  int64_t entry_at(int32_t number) const { return slot_at(hash_slots) + number * entry_bytes; }
  int64_t file_bytes() const { return entry_at(entries_max); }
};

struct IndexHeader {
  int64_t begin_timestamp_ms = 0;
  int64_t end_timestamp_ms = 0;
  int64_t begin_physical_offset = 0;
  int64_t end_physical_offset = 0;
  int32_t slots_used = 0;
  int32_t next_entry = 1;
};

class IndexFile {
 public:
  // A new file. Until its first entry it bears the end of the file before it.
  static Result<std::unique_ptr<IndexFile>> create(FileSystem& files, std::string path, IndexLayout layout,
                                                   const IndexHeader& before);
  // Errc::corrupt when the file cannot be one of this layout.
  static Result<std::unique_ptr<IndexFile>> load(FileSystem& files, std::string path, IndexLayout layout);

  // After a crash: keeps the entries up to the first that does not fit, reaches `log_end_offset` or may be younger than
  // `synced_ms`: of those a lost sector may have taken a part without leaving a trace. Makes the slots
  // and chains anew. With `drop_last_record` the entries of the last record go too, because some may be missing. `cut`
  // tells whether an entry that the header counted was dropped.
  Status repair(int64_t log_end_offset, int64_t synced_ms, bool drop_last_record, bool& cut);

  const std::string& path() const { return path_; }
  const IndexHeader& header() const { return header_; }
  bool empty() const { return header_.next_entry <= 1; }
  bool full() const { return header_.next_entry >= layout_.entries_max; }
  size_t unwritten() const { return batch_.size(); }
  bool dirty() const { return header_dirty_ || unsynced_; }

  // REQUIRES: !full().
  void add(int32_t hash, int64_t physical_offset, int64_t store_timestamp_ms);
  // Writes the collected entries. After an error it may be called again; nothing is lost.
  Status write_back();
  // REQUIRES: no unwritten() entries.
  Status sync();

  bool time_matches(int64_t begin_ms, int64_t end_ms) const;
  // Adds the offsets under `hash`, newest first, until `out` has count_max. A file whose bytes make no sense ends the
  // search.
  Status select(int32_t hash, size_t count_max, int64_t begin_ms, int64_t end_ms, std::vector<int64_t>& out) const;

 private:
  struct NewEntry {
    int32_t hash;
    int32_t seconds;
    int64_t physical_offset;
    int32_t previous;  // unresolved until its slot was read
  };
  static constexpr int32_t unresolved = -1;
  // Where a repaired file ends.
  struct RecordMark {
    int64_t offset = -1;
    int32_t seconds = 0;
  };
  struct SoundEnd {
    int32_t next_entry = 1;
    int32_t last_record_at = 1;  // number of the last record's first entry
    RecordMark last;
    RecordMark before_last;
  };

  IndexFile(std::unique_ptr<File> file, std::string path, IndexLayout layout)
      : file_(std::move(file)), path_(std::move(path)), layout_(layout) {}
  Status find_sound_end(int64_t log_end_offset, int64_t synced_ms, SoundEnd& out) const;
  Status link_entries(int32_t end, std::vector<int32_t>& slots);
  Status write_slots();
  Status write_entries();
  Status write_slot_run(std::span<const uint64_t> run);
  Status write_header();
  int32_t first_unwritten() const { return header_.next_entry - static_cast<int32_t>(batch_.size()); }

  const std::unique_ptr<File> file_;
  const std::string path_;
  const IndexLayout layout_;
  IndexHeader header_;           // counts the unwritten entries too
  std::vector<NewEntry> batch_;  // entries header_.next_entry - size ... header_.next_entry - 1
  bool header_dirty_ = false;
  bool unsynced_ = false;
};

}  // namespace merlin::store
