#include "crash/rig/damage.h"

#include <cstdio>
#include <unistd.h>

#include "crash/rig/judge.h"
#include "merlin/message/names.h"
#include "store/file_names.h"
#include "store/synced_point.h"

namespace merlin::rig {

using store::GetResult;
using store::GetStatus;
using store::MessageStore;

namespace {

constexpr int64_t failures_printed_max = 20;

enum class FileKind { log, queue, config, other };

FileKind kind_of(const std::string& path) {
  if (path.find("/commitlog/") != std::string::npos) return FileKind::log;
  if (path.find("consumequeue/") != std::string::npos) return FileKind::queue;
  if (path.find("/config/") != std::string::npos) return FileKind::config;
  return FileKind::other;
}

void list_files(FaultyFileSystem& disk, const std::string& dir, std::vector<std::string>& out) {
  const auto names = disk.list(dir);
  if (!names) return;
  for (const std::string& name : *names) {
    const std::string path = dir + "/" + name;
    if (disk.is_dir(path)) {
      list_files(disk, path, out);
    } else {
      out.push_back(path);
    }
  }
}

struct Look {
  Shown shown;
  int64_t told = 0;
  int64_t crc_only = 0;
  std::string wrong;
};

void look_at_records(ByteView slice, const QueueKey& key, Look& look) {
  while (!slice.empty() && look.wrong.empty()) {
    const auto record = message::decode_record(slice, true);
    if (!record) {
      // Its size is still right, or a client could not find the next one.
      const auto loose = message::decode_record(slice, false);
      ++look.crc_only;
      if (!loose) return;
      slice = slice.subspan(static_cast<size_t>(loose->total_size));
      continue;
    }
    // The topic of a record stands under no CRC, and is believed.
    const bool is_light = message::is_lmq(key.first);
    const int64_t offset = is_light ? offset_in(*record, key) : record->queue_offset;
    if (is_light ? offset < 0 : record->queue_id != key.second) look.wrong = "a record of another queue is shown";
    look.shown[key].push_back({offset, record->physical_offset, std::string(as_text(record->body))});
    slice = slice.subspan(static_cast<size_t>(record->total_size));
  }
}

void look_at_queue(MessageStore& store, const QueueKey& key, Look& look) {
  const store::ConsumeQueue* queue = store.find_queue(key.first, key.second);
  const int64_t max = store.max_offset(queue);
  int64_t offset = store.min_offset(queue);
  GetResult result;
  store::GetLimits limits;
  limits.count_max = 1;
  for (int64_t steps = 0; offset < max && look.wrong.empty(); ++steps) {
    if (steps > 10'000) look.wrong = "a queue of " + std::to_string(max) + " messages does not end";
    store.get(queue, offset, limits, nullptr, result);
    for (const ByteView slice : result.bytes.slices) look_at_records(slice, key, look);
    if (result.status != GetStatus::found) ++look.told;
    offset = std::max(offset + 1, result.status == GetStatus::found ? result.next_begin_offset : offset + 1);
  }
}

class Damager {
 public:
  Damager(const Workload& workload, const DamageRun& run, DamageCount& count)
      : workload_(workload), run_(run), count_(count), random_(run.seed) {}

  void go() {
    FaultyFileSystem disk(run_.seed, disk_file_bytes_max);
    {
      TraceFileSystem files(disk);
      Driver driver(files, disk, workload_.config, run_.seed);
      workload_.run(driver);
      if (run_.seed % 2 == 0) driver.close();
      driver.kill();
      for (const Entry& entry : files.take()) oracle_.follow(entry, workload_.config.segment_bytes);
    }
    sound_ = disk.crash(1, {1, 1, true});
    // After an unclean stop only what is in front of the published point is known to have been synced.
    const auto synced = store::read_synced_point(*sound_, store_root + "/merlin.synced");
    if (sound_->exists(store_root + "/abort")) synced_ = synced ? synced->offset : 0;
    std::vector<std::string> files;
    list_files(*sound_, store_root, files);
    for (const std::string& file : files) {
      if (run_.only_file.empty() || run_.only_file == file) damage(file);
    }
  }

 private:
  void damage(const std::string& path) {
    const auto content = sound_->read_file(path);
    if (!content) return;
    const auto size = static_cast<int64_t>(content->size());
    for (int64_t at = static_cast<int64_t>(random_() % static_cast<uint64_t>(run_.every)); at < size;
         at += run_.every) {
      if (run_.only_at >= 0 && run_.only_at != at) continue;
      if (count_.failures >= failures_printed_max) return;
      const auto bit = static_cast<uint8_t>(1U << (random_() % 8));
      const auto flipped = static_cast<uint8_t>(static_cast<uint8_t>((*content)[static_cast<size_t>(at)]) ^ bit);
      ++count_.flips;
      try_one(path, at, "flip", [&](File& file) { (void)file.pwrite({&flipped, 1}, at).ok(); });
      ++count_.truncations;
      try_one(path, at, "truncation", [&](File& file) { (void)file.truncate(at).ok(); });
    }
  }

  template <class Change>
  void try_one(const std::string& path, int64_t at, const char* what, Change&& change) {
    const auto disk = sound_->crash(1, {1, 1, true});
    {
      const auto file = disk->open(path, OpenMode::read_write);
      change(**file);
    }
    alarm(60);
    const std::string wrong = judge_damaged(*disk, path, at, std::string_view(what) == "truncation");
    alarm(0);
    if (wrong.empty()) return;
    ++count_.failures;
    std::printf(
        "FAILED %s, %s at byte %ld of %s: %s\n  crash_rig --mode damage --workload %s --seed %lu --file %s --byte "
        "%ld\n",
        workload_.name.c_str(), what, at, path.c_str(), wrong.c_str(), workload_.name.c_str(), run_.seed, path.c_str(),
        at);
    std::fflush(stdout);
  }

  bool is_known(FileKind kind) const {
    const bool scanned_again = kind == FileKind::log && synced_ != INT64_MAX;
    return !run_.strict && (kind == FileKind::queue || scanned_again);
  }

  // Whether a change there may be taken for the torn end of the log.
  bool is_tail(const std::string& path, int64_t at) const {
    const auto start = store::parse_offset_file_name(path.substr(path.rfind('/') + 1));
    return start && *start + at >= synced_;
  }

  std::string judge_damaged(FaultyFileSystem& disk, const std::string& path, int64_t at, bool truncated) {
    const FileKind kind = kind_of(path);
    // A file of the log that became shorter takes with it what stood there; the end may be cut.
    const bool may_lose_more = kind == FileKind::log && (truncated || is_tail(path, at));
    // Any digit of JSON may be another one: only that it is read or refused.
    if (kind == FileKind::config) {
      (void)oracle_.check_meta(disk, store_root);
      return {};
    }
    const ManualClock later(start_ms + 24 * 3'600'000);
    Look look;
    {
      MessageStore store(options_of(workload_.config, false), disk, later, [](const Error&) {});
      if (Status s = store.open(); !s) {
        ++count_.refused;
        return s.error().message.empty() ? "refuses without a reason" : "";
      }
      for (const store::QueueName& name : store.queues()) look_at_queue(store, {name.topic, name.queue_id}, look);
      count_.told += look.told > 0 ? 1 : 0;
      count_.crc_only += look.crc_only > 0 ? 1 : 0;
      if (!look.wrong.empty()) return look.wrong;
      if (std::string wrong = oracle_.check_bytes(look.shown); !wrong.empty() && !may_lose_more) {
        if (!is_known(kind)) return wrong;
        ++count_.known;
      }
      store.close();
    }
    const int64_t allowed = kind == FileKind::log || kind == FileKind::queue ? 1 : 0;
    const int64_t missing = oracle_.durable_missing(look.shown);
    if (!may_lose_more && missing > allowed) {
      if (!is_known(kind)) return std::to_string(missing) + " durable messages are gone";
      ++count_.known;
    }
    MessageStore again(options_of(workload_.config, false), disk, later, [](const Error&) {});
    if (Status s = again.open(); !s) return "opened once, and not again: " + s.error().message;
    return {};
  }

  const Workload& workload_;
  const DamageRun& run_;
  DamageCount& count_;
  std::mt19937_64 random_;
  Oracle oracle_;
  std::unique_ptr<FaultyFileSystem> sound_;
  int64_t synced_ = INT64_MAX;
};

}  // namespace

void damage_files(const Workload& workload, const DamageRun& run, DamageCount& count) {
  Damager(workload, run, count).go();
}

}  // namespace merlin::rig
