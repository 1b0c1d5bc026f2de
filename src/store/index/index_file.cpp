#include "store/index/index_file.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace merlin::store {

namespace {

// One read-modify-write of slots covers at most this many; neighbours closer than a page are taken together.
constexpr int32_t slots_per_run_max = 16 * 1024;
constexpr int32_t slot_gap_max = 1024;

constexpr int32_t entries_per_read = 50'000;  // of repair()
constexpr size_t entries_per_write = 3276;    // 64 KiB

struct Entry {
  int32_t hash = 0;
  int64_t physical_offset = 0;
  int32_t seconds = 0;
  int32_t previous = 0;

  static Entry load(const uint8_t* p) {
    return {load_be<int32_t>(p), load_be<int64_t>(p + 4), load_be<int32_t>(p + 12), load_be<int32_t>(p + 16)};
  }
  void store(uint8_t* p) const {
    store_be<int32_t>(p, hash);
    store_be<int64_t>(p + 4, physical_offset);
    store_be<int32_t>(p + 12, seconds);
    store_be<int32_t>(p + 16, previous);
  }
  bool blank() const { return hash == 0 && physical_offset == 0 && seconds == 0 && previous == 0; }
};

// Below so many std::sort is as fast.
constexpr size_t radix_sort_min = 2048;

// Sorts by the high halves; they are smaller than `keys`, and of equal ones the order stays.
void sort_by_high_half(std::vector<uint64_t>& items, uint64_t keys) {
  if (items.size() < radix_sort_min) {
    std::sort(items.begin(), items.end());
    return;
  }
  constexpr int bits = 12;
  std::vector<uint64_t> other(items.size());
  for (int shift = 32; (keys - 1) >> (shift - 32) != 0; shift += bits) {
    const auto digit = [shift](uint64_t item) { return (item >> shift) & ((1 << bits) - 1); };
    std::array<uint32_t, 1 << bits> places{};
    for (const uint64_t item : items) ++places[digit(item)];
    uint32_t begin = 0;
    for (uint32_t& place : places) begin += std::exchange(place, begin);
    for (const uint64_t item : items) other[places[digit(item)]++] = item;
    items.swap(other);
  }
}

Status read_exactly(File& file, std::span<uint8_t> out, int64_t offset, const std::string& path) {
  const auto n = file.pread(out, offset);
  if (!n) return n.error();
  if (*n != out.size())
    return Error{Errc::corrupt, path + " ends at " + std::to_string(offset + static_cast<int64_t>(*n))};
  return {};
}

// The entries of one chain, newest first. Read, not mapped: a bad sector is an error value, a cold page is one read of
// a page, and neighbours in a chain often share it.
class EntryReader {
 public:
  EntryReader(File& file, const IndexLayout& layout, const std::string& path)
      : file_(file), layout_(layout), path_(path) {}

  Result<Entry> at(int32_t number) {
    const int64_t offset = layout_.entry_at(number);
    if (offset < begin_ || offset + IndexLayout::entry_bytes > end_) {
      begin_ = offset - offset % page_bytes;
      end_ = begin_;
      const bool fits = offset + IndexLayout::entry_bytes <= begin_ + page_bytes;
      const auto n = file_.pread(std::span(pages_).first(fits ? page_bytes : 2 * page_bytes), begin_);
      if (!n) return n.error();
      end_ = begin_ + static_cast<int64_t>(*n);
      if (offset + IndexLayout::entry_bytes > end_) {
        return Error{Errc::corrupt, path_ + " ends at " + std::to_string(end_)};
      }
    }
    return Entry::load(pages_.data() + (offset - begin_));
  }

 private:
  static constexpr int64_t page_bytes = 4096;
  File& file_;
  const IndexLayout& layout_;
  const std::string& path_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
  std::array<uint8_t, 2 * page_bytes> pages_;
};

}  // namespace

Result<std::unique_ptr<IndexFile>> IndexFile::create(FileSystem& files, std::string path, IndexLayout layout,
                                                     const IndexHeader& before) {
  auto opened = files.open(path, OpenMode::create);
  if (!opened) return opened.error();
  if (Status s = (*opened)->truncate(layout.file_bytes()); !s) return s.error();
  std::unique_ptr<IndexFile> made(new IndexFile(std::move(*opened), std::move(path), layout));
  made->header_.begin_physical_offset = made->header_.end_physical_offset =
      std::max<int64_t>(before.end_physical_offset, 0);
  made->header_.begin_timestamp_ms = made->header_.end_timestamp_ms = std::max<int64_t>(before.end_timestamp_ms, 0);
  made->header_dirty_ = true;
  return made;
}

Result<std::unique_ptr<IndexFile>> IndexFile::load(FileSystem& files, std::string path, IndexLayout layout) {
  auto opened = files.open(path, OpenMode::read_write);
  if (!opened) return opened.error();
  const auto size = (*opened)->size();
  if (!size) return size.error();
  if (*size != layout.file_bytes()) {
    return Error{Errc::corrupt, path + " has " + std::to_string(*size) + " bytes; " +
                                    std::to_string(layout.hash_slots) + " slots and " +
                                    std::to_string(layout.entries_max) + " entries take " +
                                    std::to_string(layout.file_bytes())};
  }
  std::unique_ptr<IndexFile> made(new IndexFile(std::move(*opened), std::move(path), layout));
  std::array<uint8_t, IndexLayout::header_bytes> raw{};
  if (Status s = read_exactly(*made->file_, raw, 0, made->path_); !s) return s.error();
  IndexHeader& header = made->header_;
  header.begin_timestamp_ms = load_be<int64_t>(&raw[0]);
  header.end_timestamp_ms = load_be<int64_t>(&raw[8]);
  header.begin_physical_offset = load_be<int64_t>(&raw[16]);
  header.end_physical_offset = load_be<int64_t>(&raw[24]);
  header.slots_used = load_be<int32_t>(&raw[32]);
  header.next_entry = std::max(load_be<int32_t>(&raw[36]), 1);
  if (header.next_entry > layout.entries_max || header.end_physical_offset < 0) {
    return Error{Errc::corrupt, made->path_ + " counts " + std::to_string(header.next_entry) +
                                    " entries up to offset " + std::to_string(header.end_physical_offset)};
  }
  return made;
}

// ---------------------------------------------------------------- repair

// How far the entries can be believed, from the first on.
Status IndexFile::find_sound_end(int64_t log_end_offset, int64_t synced_ms, SoundEnd& out) const {
  // The first entry's seconds count from the file before, see add().
  const int64_t seconds_synced = (synced_ms - header_.begin_timestamp_ms) / 1000 - 1;
  std::vector<uint8_t> raw;
  bool done = header_.begin_timestamp_ms <= 0;  // its page was lost: the times mean nothing
  while (!done && out.next_entry < layout_.entries_max) {
    const int32_t n = std::min(entries_per_read, layout_.entries_max - out.next_entry);
    raw.resize(static_cast<size_t>(n * IndexLayout::entry_bytes));
    if (Status s = read_exactly(*file_, raw, layout_.entry_at(out.next_entry), path_); !s) return s;
    for (int32_t i = 0; i < n; ++i) {
      const Entry entry = Entry::load(raw.data() + i * IndexLayout::entry_bytes);
      done = entry.blank() || entry.hash < 0 || entry.seconds < 0 ||
             entry.physical_offset < std::max<int64_t>(out.last.offset, 0) || entry.physical_offset >= log_end_offset ||
             (out.next_entry > 1 ? entry.seconds : 0) > seconds_synced;
      if (done) break;
      if (entry.physical_offset != out.last.offset) {
        out.last_record_at = out.next_entry;
        out.before_last = out.last;
      }
      out.last = {entry.physical_offset, entry.seconds};
      ++out.next_entry;
    }
  }
  return {};
}

// Chains the entries below `end` anew, in order, and fills `slots`; an entry whose link was right keeps its bytes.
Status IndexFile::link_entries(int32_t end, std::vector<int32_t>& slots) {
  std::vector<uint8_t> raw;
  header_.slots_used = 0;
  for (int32_t at = 1; at < end;) {
    const int32_t n = std::min(entries_per_read, end - at);
    raw.resize(static_cast<size_t>(n * IndexLayout::entry_bytes));
    if (Status s = read_exactly(*file_, raw, layout_.entry_at(at), path_); !s) return s;
    bool changed = false;
    for (int32_t i = 0; i < n; ++i) {
      uint8_t* p = raw.data() + i * IndexLayout::entry_bytes;
      Entry entry = Entry::load(p);
      int32_t& slot = slots[static_cast<size_t>(entry.hash % layout_.hash_slots)];
      if (slot == 0) ++header_.slots_used;
      if (entry.previous != slot) {
        entry.previous = slot;
        entry.store(p);
        changed = true;
      }
      slot = at + i;
    }
    if (changed) {
      if (Status s = file_->pwrite(raw, layout_.entry_at(at)); !s) return s;
    }
    at += n;
  }
  return {};
}

Status IndexFile::repair(int64_t log_end_offset, int64_t synced_ms, bool drop_last_record, bool& cut) {
  assert(batch_.empty());
  const int32_t counted = header_.next_entry;
  SoundEnd sound;
  if (Status s = find_sound_end(log_end_offset, synced_ms, sound); !s) return s;
  cut = sound.next_entry < counted;
  if ((cut || drop_last_record) && sound.next_entry > 1) {
    // The last entry before a lost page may itself be half there, and the last record may miss some of its keys.
    sound.next_entry = sound.last_record_at;
    sound.last = sound.before_last;
  }
  std::vector<int32_t> slots(static_cast<size_t>(layout_.hash_slots), 0);
  if (Status s = link_entries(sound.next_entry, slots); !s) return s;
  // Nothing old stays behind the cut.
  if (Status s = file_->truncate(layout_.entry_at(sound.next_entry)); !s) return s;
  if (Status s = file_->truncate(layout_.file_bytes()); !s) return s;
  for (int32_t& slot : slots) store_be<int32_t>(reinterpret_cast<uint8_t*>(&slot), slot);
  const auto* bytes = reinterpret_cast<const uint8_t*>(slots.data());
  if (Status s = file_->pwrite({bytes, slots.size() * IndexLayout::slot_bytes}, layout_.slot_at(0)); !s) return s;
  if (sound.next_entry != counted || sound.last.offset != header_.end_physical_offset) {
    // Finer than a second is not known any more. Queries compare whole seconds, so they see no difference.
    header_.end_timestamp_ms = header_.begin_timestamp_ms + int64_t{sound.last.seconds} * 1000;
    header_.end_physical_offset = std::max<int64_t>(sound.last.offset, 0);
  }
  header_.next_entry = sound.next_entry;
  header_dirty_ = true;
  if (Status s = write_header(); !s) return s;
  return sync();
}

// ---------------------------------------------------------------- writing

void IndexFile::add(int32_t hash, int64_t physical_offset, int64_t store_timestamp_ms) {
  assert(!full());
  // The first entry's seconds count from the end of the file before, as in Apache: only then the begin time is set.
  int64_t seconds = (store_timestamp_ms - header_.begin_timestamp_ms) / 1000;
  if (header_.begin_timestamp_ms <= 0) seconds = 0;
  seconds = std::clamp<int64_t>(seconds, 0, INT32_MAX);
  batch_.push_back({hash, static_cast<int32_t>(seconds), physical_offset, unresolved});
  if (header_.next_entry <= 1) {
    header_.begin_physical_offset = physical_offset;
    header_.begin_timestamp_ms = store_timestamp_ms;
  }
  ++header_.next_entry;
  header_.end_physical_offset = physical_offset;
  header_.end_timestamp_ms = store_timestamp_ms;
  header_dirty_ = true;
}

Status IndexFile::write_back() {
  if (!batch_.empty()) {
    if (Status s = write_slots(); !s) return s;
    if (Status s = write_entries(); !s) return s;
  }
  if (Status s = write_header(); !s) return s;
  // Under load the next entries need the same memory.
  if (batch_.size() >= batch_.capacity() / 4) {
    batch_.clear();
  } else {
    batch_ = {};
  }
  return {};
}

Status IndexFile::write_entries() {
  std::vector<uint8_t> raw(std::min(batch_.size(), entries_per_write) * IndexLayout::entry_bytes);
  for (size_t done = 0; done < batch_.size();) {
    const size_t end = std::min(done + entries_per_write, batch_.size());
    const auto number = first_unwritten() + static_cast<int32_t>(done);
    uint8_t* p = raw.data();
    for (; done < end; ++done, p += IndexLayout::entry_bytes) {
      const NewEntry& e = batch_[done];
      Entry{e.hash, e.physical_offset, e.seconds, e.previous}.store(p);
    }
    const auto bytes = static_cast<size_t>(p - raw.data());
    if (Status s = file_->pwrite(std::span(raw).first(bytes), layout_.entry_at(number)); !s) return s;
  }
  return {};
}

Status IndexFile::write_header() {
  if (!header_dirty_) return {};
  std::array<uint8_t, IndexLayout::header_bytes> raw{};
  store_be<int64_t>(&raw[0], header_.begin_timestamp_ms);
  store_be<int64_t>(&raw[8], header_.end_timestamp_ms);
  store_be<int64_t>(&raw[16], header_.begin_physical_offset);
  store_be<int64_t>(&raw[24], header_.end_physical_offset);
  store_be<int32_t>(&raw[32], header_.slots_used);
  store_be<int32_t>(&raw[36], header_.next_entry);
  if (Status s = file_->pwrite(raw, 0); !s) return s;
  header_dirty_ = false;
  unsynced_ = true;
  return {};
}

Status IndexFile::write_slots() {
  std::vector<uint64_t> order(batch_.size());  // slot in the high half, place in the batch in the low one
  for (size_t i = 0; i < batch_.size(); ++i) {
    order[i] = uint64_t{static_cast<uint32_t>(batch_[i].hash % layout_.hash_slots)} << 32 | i;
  }
  sort_by_high_half(order, static_cast<uint64_t>(layout_.hash_slots));
  for (size_t begin = 0; begin < order.size();) {
    const uint64_t first_slot = order[begin] >> 32;
    size_t end = begin + 1;
    while (end < order.size() && (order[end] >> 32) - (order[end - 1] >> 32) <= slot_gap_max &&
           (order[end] >> 32) - first_slot < slots_per_run_max) {
      ++end;
    }
    if (Status s = write_slot_run(std::span(order).subspan(begin, end - begin)); !s) return s;
    begin = end;
  }
  return {};
}

// Reads the slots of one run, links its entries behind what they hold, writes them. When a later run fails, the entries
// of this one keep their links for the next attempt.
Status IndexFile::write_slot_run(std::span<const uint64_t> run) {
  const auto first_slot = static_cast<int32_t>(run.front() >> 32);
  const auto last_slot = static_cast<int32_t>(run.back() >> 32);
  std::vector<uint8_t> raw(static_cast<size_t>((last_slot - first_slot + 1) * IndexLayout::slot_bytes));
  if (Status s = read_exactly(*file_, raw, layout_.slot_at(first_slot), path_); !s) return s;
  for (const uint64_t item : run) {
    const auto slot = static_cast<int32_t>(item >> 32);
    const auto place = static_cast<size_t>(item & UINT32_MAX);
    const int32_t number = first_unwritten() + static_cast<int32_t>(place);
    uint8_t* p = raw.data() + (slot - first_slot) * IndexLayout::slot_bytes;
    if (batch_[place].previous == unresolved) {
      int32_t previous = load_be<int32_t>(p);
      if (previous <= 0 || previous >= number) previous = 0;
      if (previous == 0) ++header_.slots_used;
      batch_[place].previous = previous;
    }
    store_be<int32_t>(p, number);
  }
  unsynced_ = true;
  return file_->pwrite(raw, layout_.slot_at(first_slot));
}

Status IndexFile::sync() {
  if (Status s = file_->sync_data(); !s) return s;
  unsynced_ = false;
  return {};
}

// ---------------------------------------------------------------- reading

bool IndexFile::time_matches(int64_t begin_ms, int64_t end_ms) const {
  const int64_t first = header_.begin_timestamp_ms;
  const int64_t last = header_.end_timestamp_ms;
  return (begin_ms < first && end_ms > last) || (begin_ms >= first && begin_ms <= last) ||
         (end_ms >= first && end_ms <= last);
}

Status IndexFile::select(int32_t hash, size_t count_max, int64_t begin_ms, int64_t end_ms,
                         std::vector<int64_t>& out) const {
  if (empty()) return {};
  const int32_t slot = hash % layout_.hash_slots;
  const auto time_of = [this](int32_t seconds) { return header_.begin_timestamp_ms + int64_t{seconds} * 1000; };
  for (size_t i = batch_.size(); i-- > 0;) {
    const NewEntry& entry = batch_[i];
    if (out.size() >= count_max) return {};
    const int64_t time = time_of(entry.seconds);
    if (entry.hash == hash && time >= begin_ms && time <= end_ms) out.push_back(entry.physical_offset);
    // The chain of a slot is searched only as long as it stays behind `begin`.
    if (time < begin_ms && entry.hash % layout_.hash_slots == slot) return {};
  }
  const int32_t written = first_unwritten();
  if (written <= 1) return {};
  std::array<uint8_t, IndexLayout::slot_bytes> head;
  if (Status s = read_exactly(*file_, head, layout_.slot_at(slot), path_); !s) return s;
  int32_t number = load_be<int32_t>(head.data());
  // A write-back that failed half-way has put numbers there whose entries are still in memory.
  while (number >= written && number < header_.next_entry)
    number = batch_[static_cast<size_t>(number - written)].previous;
  if (number >= written) return {};
  EntryReader reader(*file_, layout_, path_);
  while (number > 0 && out.size() < count_max) {
    const auto read = reader.at(number);
    if (!read) return read.error();
    const Entry& entry = *read;
    if (entry.seconds < 0) return {};
    const int64_t time = time_of(entry.seconds);
    if (entry.hash == hash && time >= begin_ms && time <= end_ms) out.push_back(entry.physical_offset);
    if (time < begin_ms) return {};
    if (entry.previous >= number) return {};  // links go back only; anything else would never end
    number = entry.previous;
  }
  return {};
}

}  // namespace merlin::store
