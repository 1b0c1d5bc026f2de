#include "store/queue/queue_db.h"

#include <array>
#include <rocksdb/cache.h>
#include <rocksdb/compaction_filter.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <thread>
#include <vector>

#include "merlin/base/bytes.h"

namespace merlin::store {

// Rows of all queues are read once, at the start: in large steps.
static constexpr size_t load_readahead_bytes = size_t{2} << 20;
// Files that nobody touches are rewritten after this time, which drops the units of deleted records.
static constexpr uint64_t rewrite_interval_s = 24 * 3600;

static Error error_of(const rocksdb::Status& status, std::string_view what) {
  Errc code = Errc::io;
  if (status.IsNoSpace()) code = Errc::no_space;
  if (status.IsCorruption()) code = Errc::corrupt;
  return Error{code, std::string(what) + ": " + status.ToString()};
}

static Status status_of(const rocksdb::Status& status, std::string_view what) {
  return status.ok() ? Status() : Status(error_of(status, what));
}

namespace {

// A row's key, on the stack.
struct Key {
  std::array<uint8_t, 13> bytes;
  size_t size = 0;
  rocksdb::Slice slice() const { return {reinterpret_cast<const char*>(bytes.data()), size}; }
};

Key key_of(char kind, uint32_t number) {
  Key key;
  key.bytes[0] = static_cast<uint8_t>(kind);
  store_be<uint32_t>(key.bytes.data() + 1, number);
  key.size = 5;
  return key;
}

Key unit_key(uint32_t number, int64_t offset) {
  Key key = key_of('u', number);
  store_be<int64_t>(key.bytes.data() + 5, offset);
  key.size = 13;
  return key;
}

const uint8_t* bytes_of(const rocksdb::Slice& slice) {
  return reinterpret_cast<const uint8_t*>(slice.data());
}

std::string_view text_of(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}

template <size_t n>
rocksdb::Slice slice_of(const std::array<uint8_t, n>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), n};
}

// The rows of one kind, units, names or bounds, come in the order of their keys: each is put behind the one before it
// without a search from the top. Nothing else may be in the domain: the library keeps one hint for a prefix, also when
// a range deletion goes to a list of its own, and would follow it from one list into the other.
class RowsOfOneKind final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "merlin.rows"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), 1}; }
  bool InDomain(const rocksdb::Slice& key) const override {
    return (key.size() == 13 && key[0] == 'u') || (key.size() == 5 && (key[0] == 'q' || key[0] == 'b'));
  }
};

class DropsUnitsOfGoneRecords final : public rocksdb::CompactionFilter {
 public:
  explicit DropsUnitsOfGoneRecords(const std::atomic<int64_t>& log_begin) : log_begin_(log_begin) {}
  const char* Name() const override { return "merlin.queues"; }
  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice& value, std::string*, bool*) const override {
    if (key.size() != 13 || key[0] != 'u' || value.size() != queue_unit_bytes) return false;
    return load_unit(bytes_of(value)).physical_offset < log_begin_.load(std::memory_order_relaxed);
  }

 private:
  const std::atomic<int64_t>& log_begin_;
};

}  // namespace

struct QueueDb::Impl {
  explicit Impl(const std::atomic<int64_t>& log_begin) : filter(log_begin) {}

  template <class Visit>
  Status each(char kind, Visit&& visit) {
    const char behind = static_cast<char>(kind + 1);
    const rocksdb::Slice lower(&kind, 1);
    const rocksdb::Slice upper(&behind, 1);
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    options.readahead_size = load_readahead_bytes;
    options.iterate_lower_bound = &lower;
    options.iterate_upper_bound = &upper;
    const std::unique_ptr<rocksdb::Iterator> row(db->NewIterator(options));
    for (row->SeekToFirst(); row->Valid(); row->Next()) visit(row->key(), row->value());
    return status_of(row->status(), "reading the queue index");
  }

  DropsUnitsOfGoneRecords filter;  // outlives the database
  rocksdb::WriteBatch batch;
  std::unique_ptr<rocksdb::DB> db;
};

QueueDb::QueueDb(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
QueueDb::~QueueDb() = default;

static rocksdb::Options options_with(const rocksdb::CompactionFilter& filter) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(QueueDb::block_cache_bytes);
  // Index blocks count against the cache: a large database must not grow the process.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_size = 16 * 1024;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.compression = rocksdb::kLZ4Compression;
  options.write_buffer_size = QueueDb::write_buffer_bytes;
  options.max_write_buffer_number = 2;
  options.memtable_insert_with_hint_prefix_extractor.reset(new RowsOfOneKind);
  // Fewer, larger steps: most of what a compaction would move is read by nobody.
  options.level0_file_num_compaction_trigger = 8;
  options.level0_slowdown_writes_trigger = 32;
  options.level0_stop_writes_trigger = 48;
  options.max_bytes_for_level_base = uint64_t{8} * QueueDb::write_buffer_bytes;
  options.allow_concurrent_memtable_write = false;  // there is one writer
  options.max_open_files = QueueDb::open_files_max;
  options.max_background_jobs = 2;
  options.disable_auto_compactions = true;  // until start_upkeep()
  options.compaction_filter = &filter;
  options.periodic_compaction_seconds = rewrite_interval_s;
  // Who wants what is in memory kept says so with flush(); without it a stop is like a crash.
  options.avoid_flush_during_shutdown = true;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 2;
  options.max_log_file_size = size_t{4} << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  return options;
}

Result<std::unique_ptr<QueueDb>> QueueDb::open(const std::string& dir, const std::atomic<int64_t>& log_begin) {
  auto impl = std::make_unique<Impl>(log_begin);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options_with(impl->filter), dir, &db);
  if (!status.ok()) return error_of(status, "opening " + dir);
  impl->db.reset(db);
  return std::unique_ptr<QueueDb>(new QueueDb(std::move(impl)));
}

Status QueueDb::load(const Content& content) {
  // Names and bounds are read side by side.
  std::vector<std::pair<uint32_t, QueueBounds>> all_bounds;
  Status bounds_read;
  std::thread reader([&] {
    bounds_read = impl_->each('b', [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
      if (key.size() != 5 || value.size() != 32) return;
      const uint8_t* in = bytes_of(value);
      all_bounds.push_back(
          {load_be<uint32_t>(bytes_of(key) + 1),
           {load_be<int64_t>(in), load_be<int64_t>(in + 8), load_be<int64_t>(in + 16), load_be<int64_t>(in + 24)}});
    });
  });
  const Status names_read = impl_->each('q', [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
    if (key.size() != 5 || value.size() < 4) return;
    content.queue(load_be<uint32_t>(bytes_of(key) + 1), text_of(value).substr(4), load_be<int32_t>(bytes_of(value)));
  });
  reader.join();
  if (!names_read) return names_read;
  if (!bounds_read) return bounds_read;
  for (const auto& [number, bounds] : all_bounds) content.bounds(number, bounds);
  return impl_->each('d', [&](const rocksdb::Slice& key, const rocksdb::Slice& value) {
    if (value.size() == 8) content.dead(text_of(key).substr(1), load_be<int64_t>(bytes_of(value)));
  });
}

Status QueueDb::start_upkeep() {
  return status_of(impl_->db->EnableAutoCompaction({impl_->db->DefaultColumnFamily()}), "compacting the queue index");
}

std::optional<Progress> QueueDb::progress() const {
  std::string value;
  if (!impl_->db->Get({}, "p", &value).ok() || value.size() != 24) return std::nullopt;
  const uint8_t* in = bytes_of(value);
  Progress p;
  p.dispatched_offset = load_be<int64_t>(in);
  p.last_record_offset = load_be<int64_t>(in + 8);
  p.last_record_timestamp_ms = load_be<int64_t>(in + 16);
  return p;
}

uint32_t QueueDb::next_number() const {
  std::string value;
  if (!impl_->db->Get({}, "n", &value).ok() || value.size() != 4) return 1;
  return load_be<uint32_t>(bytes_of(value));
}

// Every call with a batch: the library's status tells only of a batch that is too large, which ours never are.
void QueueDb::add_queue(uint32_t number, std::string_view topic, int32_t id) {
  std::array<uint8_t, 4> be;
  store_be<int32_t>(be.data(), id);
  const std::array<rocksdb::Slice, 2> value{slice_of(be), rocksdb::Slice(topic.data(), topic.size())};
  const Key key = key_of('q', number);
  const rocksdb::Slice key_slice = key.slice();
  (void)impl_->batch.Put(rocksdb::SliceParts(&key_slice, 1), rocksdb::SliceParts(value.data(), 2));
}

void QueueDb::add_next_number(uint32_t number) {
  std::array<uint8_t, 4> be;
  store_be<uint32_t>(be.data(), number);
  (void)impl_->batch.Put("n", slice_of(be));
}

void QueueDb::add_unit(uint32_t number, int64_t offset, const QueueUnit& unit) {
  std::array<uint8_t, queue_unit_bytes> value;
  store_unit(value.data(), unit);
  (void)impl_->batch.Put(unit_key(number, offset).slice(), slice_of(value));
}

void QueueDb::add_bounds(uint32_t number, const QueueBounds& bounds) {
  std::array<uint8_t, 32> value;
  store_be<int64_t>(value.data(), bounds.min);
  store_be<int64_t>(value.data() + 8, bounds.min_physical);
  store_be<int64_t>(value.data() + 16, bounds.max);
  store_be<int64_t>(value.data() + 24, bounds.max_physical);
  (void)impl_->batch.Put(key_of('b', number).slice(), slice_of(value));
}

void QueueDb::add_progress(const Progress& progress) {
  std::array<uint8_t, 24> value;
  store_be<int64_t>(value.data(), progress.dispatched_offset);
  store_be<int64_t>(value.data() + 8, progress.last_record_offset);
  store_be<int64_t>(value.data() + 16, progress.last_record_timestamp_ms);
  (void)impl_->batch.Put("p", slice_of(value));
}

void QueueDb::add_dead(std::string_view topic, int64_t below) {
  std::array<uint8_t, 8> value;
  store_be<int64_t>(value.data(), below);
  (void)impl_->batch.Put("d" + std::string(topic), slice_of(value));
}

void QueueDb::remove_dead(std::string_view topic) {
  (void)impl_->batch.Delete("d" + std::string(topic));
}

void QueueDb::remove_queue(uint32_t number) {
  // In front of all units of this queue, and of the next one.
  (void)impl_->batch.DeleteRange(key_of('u', number).slice(), key_of('u', number + 1).slice());
  (void)impl_->batch.Delete(key_of('q', number).slice());
  (void)impl_->batch.Delete(key_of('b', number).slice());
}

void QueueDb::remove_progress() {
  (void)impl_->batch.Delete("p");
}

void QueueDb::discard() {
  impl_->batch.Clear();
}

Status QueueDb::write() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  rocksdb::Status status = impl_->db->Write(options, &impl_->batch);
  // After a full disk the database takes nothing until it is told to try again.
  if (!status.ok() && impl_->db->Resume().ok()) status = impl_->db->Write(options, &impl_->batch);
  impl_->batch.Clear();
  return status_of(status, "writing the queue index");
}

Status QueueDb::flush() {
  rocksdb::FlushOptions options;
  options.wait = true;
  rocksdb::Status status = impl_->db->Flush(options);
  if (!status.ok() && impl_->db->Resume().ok()) status = impl_->db->Flush(options);
  return status_of(status, "saving the queue index");
}

Result<size_t> QueueDb::read(uint32_t number, int64_t from, std::span<QueueUnit> out) const {
  if (out.empty()) return size_t{0};
  if (out.size() == 1) {
    rocksdb::PinnableSlice value;
    const rocksdb::Status status =
        impl_->db->Get({}, impl_->db->DefaultColumnFamily(), unit_key(number, from).slice(), &value);
    if (status.IsNotFound()) return size_t{0};
    if (!status.ok()) return error_of(status, "reading the queue index");
    if (value.size() != queue_unit_bytes) return Error{Errc::corrupt, "a unit of the queue index has a wrong size"};
    out[0] = load_unit(bytes_of(value));
    return size_t{1};
  }
  const Key end = unit_key(number, from + static_cast<int64_t>(out.size()));
  const rocksdb::Slice upper = end.slice();
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> row(impl_->db->NewIterator(options));
  size_t count = 0;
  for (row->Seek(unit_key(number, from).slice()); row->Valid() && count < out.size(); row->Next()) {
    const rocksdb::Slice key = row->key();
    if (key.size() != 13 || row->value().size() != queue_unit_bytes) break;
    if (load_be<int64_t>(bytes_of(key) + 5) != from + static_cast<int64_t>(count)) break;
    out[count++] = load_unit(bytes_of(row->value()));
  }
  if (!row->status().ok()) return error_of(row->status(), "reading the queue index");
  return count;
}

Result<int64_t> QueueDb::first_from(uint32_t number, int64_t from, int64_t limit) const {
  const Key end = unit_key(number, limit);
  const rocksdb::Slice upper = end.slice();
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> row(impl_->db->NewIterator(options));
  row->Seek(unit_key(number, from).slice());
  if (!row->status().ok()) return error_of(row->status(), "reading the queue index");
  return row->Valid() && row->key().size() == 13 ? load_be<int64_t>(bytes_of(row->key()) + 5) : limit;
}

}  // namespace merlin::store
