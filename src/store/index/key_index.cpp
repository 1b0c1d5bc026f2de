#include "store/index/key_index.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <optional>
#include <shared_mutex>

#include "merlin/base/log.h"
#include "merlin/message/properties.h"
#include "store/index/index_file.h"

namespace merlin::store {

namespace {

// Apache names a file after its birth: yyyyMMddHHmmssSSS in local time. Longer names cannot be numbers of Java's long.
constexpr size_t name_digits_max = 18;

std::optional<int64_t> parse_name(std::string_view name) {
  if (name.empty() || name.size() > name_digits_max) return std::nullopt;
  int64_t value = 0;
  for (const char c : name) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

int64_t name_at(int64_t wall_ms) {
  const time_t seconds = wall_ms / 1000;
  struct tm local{};
  localtime_r(&seconds, &local);
  const int64_t date = int64_t{local.tm_year + 1900} * 10'000 + (local.tm_mon + 1) * 100 + local.tm_mday;
  const int64_t time = int64_t{local.tm_hour} * 10'000 + local.tm_min * 100 + local.tm_sec;
  return (date * 1'000'000 + time) * 1000 + wall_ms % 1000;
}

}  // namespace

std::string indexed_tag(std::string_view tag) {
  return std::string(indexed_tag_prefix) + std::string(tag);
}

struct KeyIndex::Impl {
  Impl(std::string dir_path, FileSystem& file_system, const Clock& a_clock, KeyIndexOptions o)
      : dir(std::move(dir_path)), files(file_system), clock(a_clock), options(o), layout{o.hash_slots, o.entries_max} {}

  Status load(const std::string& name, bool& spoilt, std::shared_ptr<IndexFile>& out);
  Status load_all(int64_t checkpoint_timestamp_ms, bool clean, int64_t log_end_offset);
  Status repair(IndexFile& file, int64_t log_end_offset, int64_t synced_ms, bool drop_last_record, bool& cut);
  Status repair_older(int64_t checkpoint_timestamp_ms, int64_t log_end_offset);
  Status repair_newest(int64_t checkpoint_timestamp_ms, int64_t log_end_offset);
  Status remove_from(size_t first);
  void collect(const message::RecordView& record);
  Status add(const message::RecordView& record);
  Status make_room();
  Status roll();
  Status write_back(IndexFile& file);
  Status sync(IndexFile& file);

  // Constant after construction.
  const std::string dir;
  FileSystem& files;
  const Clock& clock;
  const KeyIndexOptions options;
  const IndexLayout layout;

  // Guards the list and the files' content in memory: shared by queries, exclusive for changes.
  mutable std::shared_mutex mutex;
  std::vector<std::shared_ptr<IndexFile>> index_files;  // oldest first

  // The follower's own.
  IndexFile* newest = nullptr;  // the back of the list; drop_below() never takes it
  std::string hashed_topic;
  int32_t topic_hash = 0;
  std::vector<int32_t> hashes;     // of the record being put
  int64_t begun_offset = -1;       // a record whose put() failed half-way ...
  size_t begun_hashes_done = 0;    // ... after so many keys
  int64_t newest_put_offset = -1;  // records at or below are in
  int64_t newest_name = 0;
  int64_t synced_at_ms = 0;
  // Final: the kernel may have dropped what that sync should have written, and later syncs do not bring it back. The
  // checkpoint stands, and the next start looks at all files behind it.
  bool sync_failed = false;

  std::atomic<int64_t> indexed_offset{0};
  std::atomic<int64_t> last_flushed_timestamp_ms{0};
};

KeyIndex::KeyIndex(std::string dir, FileSystem& files, const Clock& clock, KeyIndexOptions options)
    : impl_(std::make_unique<Impl>(std::move(dir), files, clock, options)) {}

KeyIndex::~KeyIndex() = default;

// ---------------------------------------------------------------- open

Status KeyIndex::open(int64_t checkpoint_index_timestamp_ms, bool clean, int64_t log_end_offset) {
  Impl& my = *impl_;
  if (my.options.hash_slots < 1 || my.options.entries_max < 2) {
    return Error{Errc::invalid, "the key index needs at least 1 slot and 2 entries, not " +
                                    std::to_string(my.options.hash_slots) + " and " +
                                    std::to_string(my.options.entries_max)};
  }
  if (Status s = my.files.make_dirs(my.dir); !s) return s;
  if (Status s = my.load_all(checkpoint_index_timestamp_ms, clean, log_end_offset); !s) return s;
  for (const auto& file : my.index_files) {
    const IndexHeader& header = file->header();
    if (file->empty()) continue;
    my.newest_put_offset = std::max(my.newest_put_offset, header.end_physical_offset);
    my.last_flushed_timestamp_ms = std::max(my.last_flushed_timestamp_ms.load(), header.end_timestamp_ms);
  }
  my.indexed_offset = std::max<int64_t>(my.newest_put_offset, 0);
  if (!my.index_files.empty()) my.newest = my.index_files.back().get();
  my.synced_at_ms = my.clock.wall_ms();
  return {};
}

Status KeyIndex::Impl::load_all(int64_t checkpoint_timestamp_ms, bool clean, int64_t log_end_offset) {
  const auto names = files.list(dir);
  if (!names) return names.error();
  bool all_spoilt = false;
  for (const std::string& name : *names) {
    const auto number = parse_name(name);
    if (!number) {
      log_warn("store", "key index: {}/{} is not an index file, left alone", dir, name);
      continue;
    }
    newest_name = std::max(newest_name, *number);
    // Behind a file that is gone the index would have a hole, so all later ones go as well.
    bool spoilt = all_spoilt;
    std::shared_ptr<IndexFile> file;
    if (!spoilt) {
      if (Status s = load(name, spoilt, file); !s) return s;
    }
    if (spoilt) {
      all_spoilt = true;
      if (Status s = files.remove(dir + "/" + name); !s) return s;
    } else {
      index_files.push_back(std::move(file));
    }
  }
  if (!clean) {
    if (Status s = repair_older(checkpoint_timestamp_ms, log_end_offset); !s) return s;
  }
  return clean && !all_spoilt ? Status() : repair_newest(checkpoint_timestamp_ms, log_end_offset);
}

Status KeyIndex::Impl::load(const std::string& name, bool& spoilt, std::shared_ptr<IndexFile>& out) {
  auto file = IndexFile::load(files, dir + "/" + name, layout);
  if (file) {
    out = std::move(*file);
    return {};
  }
  if (file.error().code != Errc::corrupt) return file.error();
  log_warn("store", "key index: {}: deleted with all newer ones, to be built again from the log", file.error().message);
  spoilt = true;
  return {};
}

Status KeyIndex::Impl::repair(IndexFile& file, int64_t log_end_offset, int64_t synced_ms, bool drop_last_record,
                              bool& cut) {
  const int32_t before = file.header().next_entry;
  if (Status s = file.repair(log_end_offset, synced_ms, drop_last_record, cut); !s) return s;
  log_info("store", "key index: {} repaired, {} of {} entries kept", file.path(), file.header().next_entry - 1,
           before - 1);
  return {};
}

// Older files were synced when they were full; those that the checkpoint does not vouch for are looked at all the same.
Status KeyIndex::Impl::repair_older(int64_t checkpoint_timestamp_ms, int64_t log_end_offset) {
  for (size_t i = 0; i + 1 < index_files.size(); ++i) {
    const IndexHeader& header = index_files[i]->header();
    // Entries of the checkpoint's own millisecond may have come after it.
    if (header.end_timestamp_ms < checkpoint_timestamp_ms && header.end_physical_offset < log_end_offset) continue;
    bool cut = false;
    if (Status s = repair(*index_files[i], log_end_offset, checkpoint_timestamp_ms, false, cut); !s) return s;
    if (cut) return remove_from(i + 1);
  }
  return {};
}

// The newest file is not to be trusted, or there was a newer one: its last record may lack keys, so it goes and comes
// again.
Status KeyIndex::Impl::repair_newest(int64_t checkpoint_timestamp_ms, int64_t log_end_offset) {
  while (!index_files.empty()) {
    bool cut = false;
    if (Status s = repair(*index_files.back(), log_end_offset, checkpoint_timestamp_ms, true, cut); !s) return s;
    if (!index_files.back()->empty()) return {};
    if (Status s = remove_from(index_files.size() - 1); !s) return s;
  }
  return {};
}

Status KeyIndex::Impl::remove_from(size_t first) {
  while (index_files.size() > first) {
    if (Status s = files.remove(index_files.back()->path()); !s) return s;
    index_files.pop_back();
  }
  return {};
}

// ---------------------------------------------------------------- put

Status KeyIndex::put(const message::RecordView& record) {
  Impl& my = *impl_;
  if (record.physical_offset <= my.newest_put_offset) return {};
  if ((record.sys_flag & message::sys_flag::transaction_mask) != message::sys_flag::transaction_rollback) {
    my.collect(record);
    if (!my.hashes.empty()) {
      if (Status s = my.add(record); !s) return s;
    }
  }
  my.newest_put_offset = record.physical_offset;
  my.indexed_offset.store(record.physical_offset + record.total_size, std::memory_order_release);
  return {};
}

// Fills `hashes` in Apache's order: UNIQ_KEY, the words of KEYS, the tag.
void KeyIndex::Impl::collect(const message::RecordView& record) {
  hashes.clear();
  IndexedTexts texts;
  texts.add(record.properties);
  if (record.topic != hashed_topic || hashed_topic.empty()) {
    hashed_topic = record.topic;
    topic_hash = index_topic_hash(hashed_topic);
  }
  for_each_key_hash(topic_hash, texts, [this](int32_t hash) { hashes.push_back(hash); });
}

Status KeyIndex::Impl::add(const message::RecordView& record) {
  if (begun_offset != record.physical_offset) {
    begun_offset = record.physical_offset;
    begun_hashes_done = 0;
  }
  if (newest != nullptr && newest->unwritten() > 0 && newest->unwritten() + hashes.size() > options.batch_entries_max) {
    if (Status s = write_back(*newest); !s) return s;
  }
  while (begun_hashes_done < hashes.size()) {
    if (newest == nullptr || newest->full()) {
      if (Status s = roll(); !s) return s;
    }
    const std::unique_lock lock(mutex);
    while (begun_hashes_done < hashes.size() && !newest->full()) {
      newest->add(hashes[begun_hashes_done++], record.physical_offset, record.store_timestamp_ms);
    }
  }
  return {};
}

// What has room goes in under one hold of the lock.
Status KeyIndex::put(std::span<const IndexEntry> entries, size_t& done) {
  Impl& my = *impl_;
  for (done = 0; done < entries.size();) {
    if (Status s = my.make_room(); !s) return s;
    const std::unique_lock lock(my.mutex);
    const size_t room = std::max<size_t>(my.options.batch_entries_max - my.newest->unwritten(), 1);
    const size_t end = std::min(entries.size(), done + room);
    for (; done < end && !my.newest->full(); ++done) {
      my.newest->add(entries[done].hash, entries[done].physical_offset, entries[done].store_timestamp_ms);
    }
    my.newest_put_offset = entries[done - 1].physical_offset;
    my.indexed_offset.store(my.newest_put_offset, std::memory_order_release);
  }
  return {};
}

// Room for one entry at least.
Status KeyIndex::Impl::make_room() {
  if (newest == nullptr || newest->full()) return roll();
  return newest->unwritten() < options.batch_entries_max ? Status() : write_back(*newest);
}

// A full file is made durable before the next one begins, so that only the newest can be damaged by a power cut.
Status KeyIndex::Impl::roll() {
  IndexHeader before;
  if (newest != nullptr) {
    if (Status s = write_back(*newest); !s) return s;
    if (Status s = sync(*newest); !s) return s;
    before = newest->header();
  }
  // Names only grow, whatever the wall clock does.
  const int64_t name = std::max(name_at(clock.wall_ms()), newest_name + 1);
  auto file = IndexFile::create(files, dir + "/" + std::to_string(name), layout, before);
  if (!file) return file.error();
  if (Status s = files.sync_dir(dir); !s) return s;
  newest_name = name;
  const std::unique_lock lock(mutex);
  index_files.push_back(std::move(*file));
  newest = index_files.back().get();
  return {};
}

Status KeyIndex::Impl::write_back(IndexFile& file) {
  const std::unique_lock lock(mutex);
  return file.write_back();
}

Status KeyIndex::Impl::sync(IndexFile& file) {
  // Without the lock: queries need not wait for the disk.
  if (Status s = file.sync(); !s) {
    sync_failed = true;
    return s;
  }
  synced_at_ms = clock.wall_ms();
  if (!file.empty() && !sync_failed)
    last_flushed_timestamp_ms.store(file.header().end_timestamp_ms, std::memory_order_release);
  return {};
}

Status KeyIndex::flush() {
  Impl& my = *impl_;
  IndexFile* const file = my.newest;
  if (file == nullptr || !file->dirty()) return {};
  if (Status s = my.write_back(*file); !s) return s;
  const int64_t since_ms = my.clock.wall_ms() - my.synced_at_ms;
  if (since_ms >= 0 && since_ms < my.options.sync_interval_ms) return {};
  return my.sync(*file);
}

Status KeyIndex::close() {
  Impl& my = *impl_;
  IndexFile* const file = my.newest;
  if (file != nullptr && file->dirty()) {
    if (Status s = my.write_back(*file); !s) return s;
    if (Status s = my.sync(*file); !s) return s;
  }
  if (my.sync_failed) return Error{Errc::io, "an index file could not be synced before"};
  return {};
}

// ---------------------------------------------------------------- query and retention

Result<KeyQueryResult> KeyIndex::query(std::string_view topic, std::string_view key, int32_t count_max,
                                       int64_t begin_ms, int64_t end_ms) const {
  const Impl& my = *impl_;
  KeyQueryResult result;
  const auto count = static_cast<size_t>(std::max(std::min(count_max, my.options.query_count_max), 0));
  const int32_t hash = index_key_hash(index_topic_hash(topic), key);
  const std::shared_lock lock(my.mutex);
  for (auto it = my.index_files.rbegin(); it != my.index_files.rend(); ++it) {
    const IndexFile& file = **it;
    if (it == my.index_files.rbegin()) {
      result.last_update_timestamp_ms = file.header().end_timestamp_ms;
      result.last_update_physical_offset = file.header().end_physical_offset;
    }
    if (file.time_matches(begin_ms, end_ms)) {
      if (Status s = file.select(hash, count, begin_ms, end_ms, result.physical_offsets); !s) return s.error();
    }
    if (file.header().begin_timestamp_ms < begin_ms || result.physical_offsets.size() >= count) break;
  }
  return result;
}

void KeyIndex::drop_below(int64_t min_physical_offset) {
  Impl& my = *impl_;
  for (;;) {
    std::shared_ptr<IndexFile> oldest;
    {
      const std::unique_lock lock(my.mutex);
      if (my.index_files.size() < 2 || my.index_files.front()->header().end_physical_offset >= min_physical_offset)
        return;
      oldest = my.index_files.front();
      my.index_files.erase(my.index_files.begin());
    }
    if (Status s = my.files.remove(oldest->path()); !s) {
      log_warn("store", "key index: {}", s.error().message);
      continue;
    }
    log_info("store", "key index: {} deleted, its records are below {}", oldest->path(), min_physical_offset);
  }
}

int64_t KeyIndex::indexed_offset() const {
  return impl_->indexed_offset.load(std::memory_order_acquire);
}

int64_t KeyIndex::last_flushed_timestamp_ms() const {
  return impl_->last_flushed_timestamp_ms.load(std::memory_order_acquire);
}

int64_t KeyIndex::total_size_bytes() const {
  const std::shared_lock lock(impl_->mutex);
  return static_cast<int64_t>(impl_->index_files.size()) * impl_->layout.file_bytes();
}

}  // namespace merlin::store
