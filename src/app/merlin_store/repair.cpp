// merlin-store repair: says what it would do; does it with --yes.
//
// What is derived is never mended in place: it is dropped, and the broker's next start makes it again from the log. A
// queue that the log does not name any more keeps its files: only they know its next offset.
#include <algorithm>
#include <set>

#include "app/merlin_store/read_only_files.h"
#include "app/merlin_store/tool.h"
#include "merlin/base/clock.h"
#include "meta/consumer_offsets.h"
#include "meta/journal.h"
#include "meta/subscription_group.h"
#include "meta/topic_config.h"
#include "meta/topic_queue_mapping.h"
#include "store/synced_point.h"

namespace merlin::tool {

namespace {

constexpr std::string_view filler_topic = "MERLIN_REPAIRED";
constexpr int64_t filler_bytes_max = int64_t{1} << 20;

class Repair {
 public:
  Repair(StoreDir& dir, const Options& options, Output& out) : dir_(dir), options_(options), out_(out) {}

  Status run(Findings& findings) {
    if (options_.has("log")) {
      if (Status s = cut_tail(findings); !s) return s;
      if (Status s = blank_damage(findings); !s) return s;
    }
    if (options_.has("queues")) {
      if (Status s = drop_queues(findings); !s) return s;
    }
    if (options_.has("index") && (findings.index_damaged || log_changed_)) {
      if (Status s = drop_index(); !s) return s;
    }
    if (options_.has("config")) {
      if (Status s = mend_config(findings); !s) return s;
    }
    return {};
  }
  int64_t left() const { return left_; }

 private:
  FileSystem& files() { return dir_.files(); }

  // Shows the action; says whether to do it.
  bool act(std::string_view what, std::string_view file, std::string_view why) {
    out_.row("action", {{"do", what}, {"file", file}, {"why", why}, {"done", int64_t{options_.yes}}});
    return options_.yes;
  }
  // Both brokers look at a store with care when it has this file and no marks.
  Status forget_marks() {
    if (Status s = remove(dir_.path("merlin.progress")); !s) return s;
    if (Status s = remove(dir_.path("checkpoint")); !s) return s;
    auto file = files().open(dir_.path("abort"), OpenMode::create);
    if (!file) return file.error();
    if (Status s = (*file)->sync_data(); !s) return s;
    return files().sync_dir(dir_.root());
  }
  Status remove(const std::string& path) { return files().exists(path) ? files().remove(path) : Status(); }

  Status cut_tail(const Findings& findings) {
    if (findings.tail.end <= findings.tail.begin) return {};
    const SegmentFile* segment = dir_.segment_of(findings.tail.begin);
    if (!act("cut the torn tail", segment->path,
             "the bytes from " + std::to_string(findings.tail.begin) + " to " + std::to_string(findings.tail.end) +
                 " are no record and nothing follows them; they become zeros")) {
      return {};
    }
    log_changed_ = true;
    auto file = files().open(segment->path, OpenMode::read_write);
    if (!file) return file.error();
    if (Status s = (*file)->truncate(findings.tail.begin - segment->start); !s) return s;
    if (Status s = (*file)->sync_data(); !s) return s;
    if (Status s = (*file)->truncate(segment->size); !s) return s;
    if (Status s = (*file)->sync_data(); !s) return s;
    const std::string synced = dir_.path("merlin.synced");
    auto point = store::read_synced_point(files(), synced);
    if (point && point->offset > findings.tail.begin) {
      point->offset = findings.tail.begin;
      if (Status s = store::write_synced_point(files(), synced, *point); !s) return s;
    }
    return forget_marks();
  }

  // Records of rolled-back transactions: every broker steps over them, and nobody is given one.
  Status write_fillers(File& file, const SegmentFile& segment, Findings::Range range) {
    message::RecordSpec spec;
    spec.topic = filler_topic;
    spec.sys_flag = message::sys_flag::transaction_rollback;
    const auto least = static_cast<int64_t>(message::record_size(spec));
    while (range.begin < range.end) {
      const int64_t room = range.end - range.begin;
      // What is left must be enough for one more, or nothing.
      const int64_t size = room <= filler_bytes_max ? room : std::min(filler_bytes_max, room - least);
      const std::vector<uint8_t> body(static_cast<size_t>(size - least), 0);
      spec.body = body;
      std::vector<uint8_t> bytes(static_cast<size_t>(size));
      message::encode_record(spec, bytes.data());
      message::stamp_record(bytes.data(), 0, range.begin, store_ms_);
      if (Status s = file.pwrite(bytes, range.begin - segment.start); !s) return s;
      range.begin += size;
    }
    return file.sync_data();
  }

  // The store time for fillers: that of the record in front of them, so that times go on growing.
  Status find_store_time(int64_t before) {
    LogScan scan(dir_, dir_.segment_of(before)->start);
    for (;;) {
      const auto step = scan.next();
      if (!step) return step.error();
      if (scan.position() >= before || *step == LogScan::Step::end || *step == LogScan::Step::tail) return {};
      if (*step == LogScan::Step::record) store_ms_ = scan.record().store_timestamp_ms;
    }
  }

  Status blank_damage(const Findings& findings) {
    message::RecordSpec smallest;
    smallest.topic = filler_topic;
    const auto least = static_cast<int64_t>(message::record_size(smallest));
    for (const Findings::Range& range : findings.log_damage) {
      const SegmentFile* segment = dir_.segment_of(range.begin);
      const std::string text = std::to_string(range.begin) + " to " + std::to_string(range.end);
      if (segment == nullptr || range.end > segment->end() || range.end - range.begin < least) {
        ++left_;
        out_.note(segment == nullptr ? dir_.root() : segment->path,
                  "the range " + text + " cannot be blanked: it is a missing file or smaller than a record");
        continue;
      }
      if (!options_.blank) {
        ++left_;
        out_.note(segment->path, "the range " + text +
                                     " holds no records; with --blank it is overwritten, so that brokers pass it; what "
                                     "may still be read there by hand is lost then");
        continue;
      }
      if (!act("blank a damaged range", segment->path, "physical offsets " + text + " hold no record")) continue;
      log_changed_ = true;
      if (Status s = find_store_time(range.begin); !s) return s;
      auto file = files().open(segment->path, OpenMode::read_write);
      if (!file) return file.error();
      if (Status s = write_fillers(**file, *segment, range); !s) return s;
      if (Status s = forget_marks(); !s) return s;
    }
    return {};
  }

  // Of the damaged queues, or after a blanked range of all, those that the log names.
  Status drop_queues(const Findings& findings) {
    const bool all = log_changed_ && !findings.log_damage.empty();
    if (findings.damaged_queues.empty() && !all) return {};
    std::set<std::string> named;
    LogScan scan(dir_, dir_.log_begin());
    for (;;) {
      const auto step = scan.next();
      if (!step) return step.error();
      if (*step == LogScan::Step::end || *step == LogScan::Step::tail) break;
      if (*step != LogScan::Step::record) continue;
      std::string name = std::string(scan.record().topic) + "/" + std::to_string(scan.record().queue_id);
      if (all || findings.damaged_queues.contains(name)) named.insert(std::move(name));
    }
    for (const std::string& name : findings.damaged_queues) {
      if (named.contains(name)) continue;
      ++left_;
      out_.note(dir_.path("consumequeue/" + name),
                "is damaged and kept: the log has no message of it any more, and only its files know its next offset");
    }
    for (const std::string& name : named) {
      std::string path = dir_.path("consumequeue/" + name);
      if (!files().is_dir(path)) path = dir_.path("batchconsumequeue/" + name);
      if (!files().is_dir(path)) continue;
      if (!act("drop a queue's files", path, "the next start builds them again from the log")) continue;
      if (Status s = files().remove_tree(path); !s) return s;
    }
    if (options_.yes && files().is_dir(dir_.path("merlin.queues")) && all) {
      if (Status s = files().remove_tree(dir_.path("merlin.queues")); !s) return s;
    }
    return options_.yes ? forget_marks() : Status();
  }

  Status drop_index() {
    const std::string index = dir_.path("index");
    if (!files().is_dir(index)) return {};
    if (!act("drop the key index", index, "the next start of MerlinMQ builds it again from the log")) return {};
    if (Status s = files().remove_tree(index); !s) return s;
    return files().sync_dir(dir_.root());
  }

  template <class Table>
  Status fold(const char* name, Table& table, const Status& opened) {
    if (!opened) return opened.error();
    const auto journals =
        meta::read_journals(files(), dir_.path("config"), std::string("merlin.") + name + ".journal.");
    if (!journals) return journals.error();
    const std::string path = dir_.path(std::string("config/") + name + ".json");
    const auto json = files().read_file(path, meta::journal_bytes_max);
    // Journals of another file are put aside by whoever opens the table.
    const bool any = !json || !meta::journals_for(*journals, meta::file_id(*json)).empty();
    if (journals->empty() || !any) return {};
    if (!act("fold journals", path, "the JSON then holds all changes, for Apache too")) {
      return {};
    }
    return table.close();
  }

  Status mend_config(const Findings& findings) {
    for (const std::string& path : findings.lost_json) {
      ++left_;
      out_.note(path, "is broken and has no good .bak: edit it, or take it away and make its entries again");
    }
    for (const std::string& path : findings.broken_json) {
      if (!act("restore the backup", path, "the file is broken, its .bak is good; the broken one is kept as .broken"))
        continue;
      const auto backup = files().read_file(path + ".bak", meta::journal_bytes_max);
      if (!backup) return backup.error();
      if (Status s = files().rename(path, path + ".broken"); !s) return s;
      if (Status s = files().write_file_durably(path, *backup); !s) return s;
    }
    if (!findings.lost_json.empty() || (!findings.broken_json.empty() && !options_.yes)) return {};
    const SystemClock clock;
    // Opening a table may move files out of its way; who only looks must not.
    ReadOnlyFiles looked_at(dir_.files());
    FileSystem& tables = options_.yes ? dir_.files() : looked_at;
    meta::TopicTable topics(tables, clock, dir_.root());
    if (Status s = fold("topics", topics, topics.open({})); !s) return s;
    meta::SubscriptionGroups groups(tables, clock, dir_.root());
    if (Status s = fold("subscriptionGroup", groups, groups.open()); !s) return s;
    meta::QueueMappingTable mappings(tables, clock, dir_.root());
    if (Status s = fold("topicQueueMapping", mappings, mappings.open()); !s) return s;
    // With enableLmq they stand in another file.
    const bool light = dir_.files().exists(dir_.path("config/lmqConsumerOffset.json"));
    if (!light || dir_.files().exists(dir_.path("config/consumerOffset.json"))) {
      meta::ConsumerOffsets offsets(tables, clock, dir_.root());
      if (Status s = fold("consumerOffset", offsets, offsets.open()); !s) return s;
    }
    if (!light) return {};
    meta::ConsumerOffsets offsets(tables, clock, dir_.root(), true);
    return fold("lmqConsumerOffset", offsets, offsets.open());
  }

  StoreDir& dir_;
  const Options& options_;
  Output& out_;
  bool log_changed_ = false;
  int64_t left_ = 0;  // damages that it has no remedy for
  int64_t store_ms_ = 0;
};

}  // namespace

int repair(StoreDir& dir, const Options& options, Output& out) {
  Findings findings;
  Status status = verify(dir, options, out, findings);
  Repair work(dir, options, out);
  if (status) status = work.run(findings);
  if (!status) {
    out.row("error", {{"what", status.error().message}});
    return exit_cannot_read;
  }
  const bool is_sound = out.damages() == 0 || (options.yes && work.left() == 0);
  if (!options.yes && out.damages() > 0) out.note(dir.root(), "nothing was changed; say --yes to do what is listed");
  return is_sound ? exit_sound : exit_damage;
}

}  // namespace merlin::tool
