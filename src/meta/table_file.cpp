#include "meta/table_file.h"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include "merlin/base/crc32.h"
#include "merlin/base/log.h"

namespace merlin::meta {

namespace {

constexpr size_t write_step_bytes = size_t{1} << 20;
constexpr int64_t sync_step_bytes = int64_t{8} << 20;

}  // namespace

Status unknown_line(const JournalLine& line) {
  return Error{Errc::unsupported, fmt::format("a journal line of kind {}: a newer program wrote it", line.kind)};
}

TableFile::TableFile(FileSystem& files, const Clock& clock, const std::string& store_root, std::string_view name,
                     TableContent& content)
    : files_(files),
      clock_(clock),
      content_(content),
      name_(std::string(name) + ".json"),
      dir_(store_root + "/config"),
      path_(dir_ + "/" + name_),
      prefix_("merlin." + std::string(name) + ".journal.") {}

std::string TableFile::journal_path(int64_t generation) const {
  return dir_ + "/" + prefix_ + std::to_string(generation);
}

Result<LoadedFrom> TableFile::load(const std::function<Status(std::string_view)>& decode,
                                   const std::function<Status(const JournalLine&)>& apply) {
  const std::lock_guard lock(mutex_);
  const Result<std::vector<JournalFile>> journals = read_journals(files_, dir_, prefix_);
  if (!journals) return journals.error();
  const Result<LoadedFrom> loaded = load_file(files_, path_, [&](std::string_view text) -> Status {
    const Status decoded = decode(text);
    if (decoded) json_ = file_id(text);
    return decoded;
  });
  if (!loaded) return loaded;
  has_good_json_ = *loaded == LoadedFrom::file;
  needs_whole_ = *loaded != LoadedFrom::file;
  for (const JournalFile& journal : *journals) newest_generation_ = std::max(newest_generation_, journal.generation);

  const std::vector<const JournalFile*> chain =
      *loaded == LoadedFrom::nothing ? std::vector<const JournalFile*>() : journals_for(*journals, json_);
  if (chain.empty()) {
    put_orphans_aside(*journals);
    return loaded;
  }
  for (const JournalFile& journal : *journals) generations_.push_back(journal.generation);
  base_generation_ = chain.front()->generation;
  for (const JournalFile* journal : chain) {
    if (Status applied = each_line(*journal, apply); !applied) return applied.error();
    unfolded_bytes_ += static_cast<int64_t>(journal->text.size());
    if (journal->cut_bytes > 0) {
      log_warn("meta", "{}: the last {} bytes are no whole lines and are ignored", journal->path, journal->cut_bytes);
    }
  }
  log_info("meta", "{}: {} bytes of changes from {} journals", path_, unfolded_bytes_, chain.size());
  return loaded;
}

// The JSON is not the one that they continue. What they hold is kept for an operator to look at.
void TableFile::put_orphans_aside(const std::vector<JournalFile>& journals) {
  for (const JournalFile& journal : journals) {
    log_warn(
        "meta",
        "{} is not the file that {} continues: another program changed it. It counts; the journal is kept as {}.orphan",
        path_, journal.path, journal.path);
    if (Status moved = files_.rename(journal.path, journal.path + ".orphan"); !moved) {
      log_warn("meta", "{}", moved.error().message);
    }
  }
}

void TableFile::mark_written(uint64_t change) {
  const std::lock_guard lock(mutex_);
  written_ = change;
}

int64_t TableFile::journal_bytes() const {
  const std::lock_guard lock(mutex_);
  return unfolded_bytes_;
}

Status TableFile::write(uint64_t change) {
  {
    const std::lock_guard lock(mutex_);
    if (written_ >= change) return {};
    if (!needs_whole_ && content_.row_count() > whole_rows_) return append();
  }
  if (content_.row_count() > whole_rows_) return fold(change);
  const std::scoped_lock lock(fold_mutex_, mutex_);
  if (written_ >= change) return {};
  return write_whole();
}

// REQUIRES: mutex_.
Status TableFile::append() {
  const uint64_t change = content_.change_count();
  content_.take_changes(unwritten_);
  if (unwritten_.empty()) {
    note_written(change);
    return {};
  }
  Status status = journal_ != nullptr ? Status() : start_journal();
  if (status) status = journal_->pwrite(as_bytes(unwritten_), journal_length_);
  if (status) status = journal_->sync_data();
  if (!status) {
    journal_ = nullptr;
    if (unwritten_.size() > unwritten_bytes_max) {
      unwritten_ = std::string();
      needs_whole_ = true;
    }
    return status.error().with(fmt::format("write the journal of {}", path_));
  }
  journal_length_ += static_cast<int64_t>(unwritten_.size());
  unfolded_bytes_ += static_cast<int64_t>(unwritten_.size());
  unwritten_.clear();
  if (unwritten_.capacity() > write_step_bytes) unwritten_.shrink_to_fit();
  note_written(change);
  return {};
}

// REQUIRES: mutex_.
void TableFile::note_written(uint64_t change) {
  appended_ = std::max(appended_, change);
  // Changes that were given up on are only in the JSON that is still to be written.
  if (!needs_whole_) written_ = std::max(written_, change);
}

Status TableFile::make_dir() {
  return files_.is_dir(dir_) ? Status() : files_.make_dirs(dir_);
}

// REQUIRES: mutex_. A new file with its first lines, durable. A number is used once only, so that no old bytes can ever
// follow new ones.
Status TableFile::start_journal() {
  if (Status made = make_dir(); !made) return made;
  const int64_t after = newest_generation_;
  const int64_t generation = ++newest_generation_;
  const std::string path = journal_path(generation);
  std::string text = journal_header(name_, generation, after);
  if (base_generation_ == 0 && has_good_json_) text += journal_base(name_, json_);
  Result<std::unique_ptr<File>> file = files_.open(path, OpenMode::create);
  Status status = file ? (*file)->pwrite(as_bytes(text), 0) : Status(file.error());
  if (status) status = (*file)->sync_data();
  if (status) status = files_.sync_dir(dir_);
  if (!status) {
    (void)files_.remove(path);
    return status;
  }
  if (base_generation_ == 0) base_generation_ = generation;
  generations_.push_back(generation);
  journal_ = std::move(*file);
  journal_length_ = static_cast<int64_t>(text.size());
  return {};
}

// Writes the JSON as it will stand, beside the one that stands.
Status TableFile::stream_json(FileId& id) {
  if (Status made = make_dir(); !made) return made;
  Result<std::unique_ptr<File>> file = files_.open(path_ + ".tmp", OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(0); !s) return s;
  std::string buffer;
  int64_t synced = 0;
  const auto flush = [&]() -> Status {
    if (Status s = (*file)->pwrite(as_bytes(buffer), id.size); !s) return s;
    id.crc = crc32(id.crc, as_bytes(buffer));
    id.size += static_cast<int64_t>(buffer.size());
    buffer.clear();
    if (id.size - synced < sync_step_bytes) return {};
    // Little by little: one sync of all would hold up the log's.
    synced = id.size;
    return (*file)->sync_data();
  };
  PrettyJson pretty;
  const Status written = content_.write_json([&](std::string_view compact) -> Status {
    pretty.append(compact, buffer);
    return buffer.size() < write_step_bytes ? Status() : flush();
  });
  if (!written) return written;
  if (Status s = flush(); !s) return s;
  return (*file)->sync_data();
}

// REQUIRES: mutex_. The old JSON becomes the .bak, unless it is broken. A small one is copied, so that there is a JSON
// at every moment; a large one is renamed, and for that moment Apache would take the .bak, as we do.
Status TableFile::swap_in() {
  if (has_good_json_ && files_.exists(path_)) {
    if (json_.size > copied_bytes_) {
      if (Status s = files_.rename(path_, path_ + ".bak"); !s) return s;
    } else if (Status s = copy_to_backup(); !s) {
      return s;
    }
  }
  if (Status s = files_.rename(path_ + ".tmp", path_); !s) return s;
  return files_.sync_dir(dir_);
}

Status TableFile::copy_to_backup() {
  const Result<std::string> old = files_.read_file(path_);
  if (!old) return old.error();
  // Somebody broke or edited it since: the good .bak stays.
  if (file_id(*old) != json_) return {};
  const std::string path = path_ + ".bak.tmp";
  Result<std::unique_ptr<File>> file = files_.open(path, OpenMode::create);
  if (!file) return file.error();
  if (Status s = (*file)->truncate(0); !s) return s;
  if (Status s = (*file)->pwrite(as_bytes(*old), 0); !s) return s;
  if (Status s = (*file)->sync_data(); !s) return s;
  return files_.rename(path, path_ + ".bak");
}

// REQUIRES: mutex_.
Status TableFile::drop_journals_before(int64_t generation) {
  size_t dropped = 0;
  Status status;
  while (dropped < generations_.size() && generations_[dropped] < generation && status) {
    status = files_.remove(journal_path(generations_[dropped]));
    if (!status && status.error().code == Errc::not_found) status = {};
    if (status) ++dropped;
  }
  generations_.erase(generations_.begin(), generations_.begin() + static_cast<ptrdiff_t>(dropped));
  return dropped > 0 && status ? files_.sync_dir(dir_) : status;
}

// REQUIRES: both mutexes. The table and its changes stand still for nobody else: others wait.
Status TableFile::write_whole() {
  const uint64_t change = content_.change_count();
  // They are in what follows.
  unwritten_.clear();
  content_.take_changes(unwritten_);
  unwritten_ = std::string();
  needs_whole_ = true;
  FileId id;
  Status status = stream_json(id);
  if (status && !generations_.empty()) {
    // A crash before they are gone must find a journal that knows this JSON.
    status = start_journal();
    if (status) status = journal_->pwrite(as_bytes(journal_base(name_, id)), journal_length_);
    if (status) status = journal_->sync_data();
  }
  journal_ = nullptr;
  if (status) status = swap_in();
  if (!status) return status.error().with(fmt::format("write {}", path_));
  json_ = id;
  has_good_json_ = true;
  needs_whole_ = false;
  written_ = std::max(written_, change);
  unfolded_bytes_ = 0;
  base_generation_ = 0;
  if (Status dropped = drop_journals_before(newest_generation_ + 1); !dropped) {
    log_warn("meta", "{}", dropped.error().message);
  }
  return {};
}

void TableFile::note_fold(int64_t begin_ns) {
  fold_begin_ns_ = begin_ns;
  fold_took_ns_ = clock_.monotonic_ns() - begin_ns;
}

// The table is streamed while writers go on; what they change stands in a journal that was opened before, and that one
// gets the line that knows the new JSON.
Status TableFile::fold(uint64_t change) {
  const std::lock_guard folding(fold_mutex_);
  const int64_t begin_ns = clock_.monotonic_ns();
  int64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    if (written_ >= change && unfolded_bytes_ == 0) return {};
    journal_ = nullptr;
    if (Status s = start_journal(); !s) return s.error().with(fmt::format("begin the journal of {}", path_));
    generation = newest_generation_;
  }
  FileId id;
  Status status = stream_json(id);
  const std::lock_guard lock(mutex_);
  note_fold(begin_ns);
  // Rows of the JSON may be newer than their last lines: those come first, or reading would go back to the older ones.
  if (status) status = append();
  if (status && journal_ == nullptr) status = start_journal();
  if (status) {
    const std::string base = journal_base(name_, id);
    status = journal_->pwrite(as_bytes(base), journal_length_);
    if (status) journal_length_ += static_cast<int64_t>(base.size());
    if (status) status = journal_->sync_data();
    if (!status) journal_ = nullptr;
  }
  if (status) status = swap_in();
  if (!status) return status.error().with(fmt::format("write {}", path_));
  const int64_t kept = has_good_json_ ? base_generation_ : generation;
  json_ = id;
  has_good_json_ = true;
  base_generation_ = newest_generation_;
  unfolded_bytes_ = 0;
  needs_whole_ = false;
  written_ = std::max(written_, appended_);
  if (Status dropped = drop_journals_before(kept); !dropped) log_warn("meta", "{}", dropped.error().message);
  return {};
}

Status TableFile::fold_if_due() {
  {
    const std::scoped_lock lock(fold_mutex_, mutex_);
    if (unfolded_bytes_ == 0) return {};
    const int64_t waited_ns = clock_.monotonic_ns() - fold_begin_ns_;
    const int64_t by_bytes_ns = json_.size * 1000 / fold_bytes_per_second_max * 1'000'000;
    const bool is_due = fold_begin_ns_ == 0 || unfolded_bytes_ > journal_bytes_before_fold_max ||
                        waited_ns >= std::max(fold_took_ns_ * fold_duty, by_bytes_ns);
    if (!is_due) return {};
    if (content_.row_count() <= whole_rows_) return write_whole();
  }
  return fold(0);
}

Status TableFile::close() {
  const std::scoped_lock lock(fold_mutex_, mutex_);
  if (written_ >= content_.change_count() && generations_.empty()) return {};
  return write_whole();
}

}  // namespace merlin::meta
