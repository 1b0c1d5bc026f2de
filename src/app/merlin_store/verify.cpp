// merlin-store verify: log, queues.
#include <algorithm>

#include "app/merlin_store/tool.h"
#include "merlin/message/names.h"
#include "store/dispatch/inner_batch.h"
#include "store/dispatch/light_places.h"
#include "store/dispatch/tags.h"
#include "store/progress.h"
#include "store/synced_point.h"

namespace merlin::tool {

namespace {

std::string queue_name(std::string_view topic, int32_t id) {
  return std::string(topic) + "/" + std::to_string(id);
}

// The unit of each record, while the log is read.
class UnitCheck {
 public:
  UnitCheck(StoreDir& dir, Output& out, Findings& findings)
      : dir_(dir), out_(out), findings_(findings), units_(dir), clean_(dir.clean()) {}

  Status check(const message::RecordView& record) {
    if (!store::enters_queue(record.sys_flag)) return {};
    const Place own{std::string(record.topic), record.queue_id, record.queue_offset, store::messages_in(record)};
    if (Status s = check(record, own); !s) return s;
    store::find_light_places(record, light_);
    for (const store::LightPlace& place : light_) {
      if (Status s = check(record, {std::string(place.name), store::light_queue_id, place.queue_offset}); !s) return s;
    }
    return {};
  }

 private:
  // A record is in the queue that it was sent to, and perhaps in some light ones.
  struct Place {
    std::string topic;
    int32_t queue_id = 0;
    int64_t queue_offset = 0;
    int32_t count = 1;  // messages of the record
  };

  Status check(const message::RecordView& record, const Place& place) {
    const auto unit = units_.unit(place.topic, place.queue_id, place.queue_offset);
    if (!unit) return unit.error();
    if (!*unit) return missing(place, record);
    if ((*unit)->physical_offset == record.physical_offset && (*unit)->size == record.total_size &&
        (*unit)->count == place.count) {
      return {};
    }
    // A topic that was deleted and made again counts from 0 again: its later record has the unit.
    if ((*unit)->physical_offset > record.physical_offset && !(*unit)->blank()) return {};
    damaged(place, "names " + std::to_string((*unit)->physical_offset) + " instead of the record at " +
                       std::to_string(record.physical_offset));
    return {};
  }

  Status missing(const Place& place, const message::RecordView& record) {
    const auto queue = dir_.queue(place.topic, place.queue_id);
    if (!queue) {
      // A topic that was deleted, or a queue that the next start builds again.
      ++findings_.unqueued_records;
      return {};
    }
    // Of an earlier life of the topic: the queue was made again, and its first record is a later one.
    std::optional<store::QueueUnit> first;
    const Status read = UnitReader::each(dir_.files(), *queue, 0, [&](int64_t, const store::QueueUnit& unit) {
      first = unit;
      return false;
    });
    if (!read) return read;
    if (first && first->physical_offset > record.physical_offset && !first->blank()) {
      ++findings_.unqueued_records;
      return {};
    }
    // Units are written behind the log; after a stop that was not clean the next start writes them.
    if (!clean_) {
      ++findings_.waiting_units;
    } else {
      damaged(place, "is missing for the record at " + std::to_string(record.physical_offset));
    }
    return {};
  }
  void damaged(const Place& place, const std::string& what) {
    const std::string name = queue_name(place.topic, place.queue_id);
    if (findings_.damaged_queues.size() < Findings::kept_max) findings_.damaged_queues.insert(name);
    const auto queue = dir_.queue(place.topic, place.queue_id);
    const bool batch = queue && queue->batch;
    out_.damage(batch ? queue->path : dir_.path("consumequeue/" + name),
                batch ? 0 : place.queue_offset * store::queue_unit_bytes,
                "the unit of offset " + std::to_string(place.queue_offset) + " " + what);
  }

  StoreDir& dir_;
  Output& out_;
  Findings& findings_;
  UnitReader units_;
  std::vector<store::LightPlace> light_;
  const bool clean_;
};

// What does not fit between a unit and the record it names; empty: all fits.
std::string misfit(const QueueDir& queue, int64_t offset, const store::QueueUnit& unit,
                   const message::RecordView& record, const store::TagsCoder& tags) {
  if (record.total_size != unit.size) return "a record of " + std::to_string(record.total_size) + " bytes";
  if (message::is_lmq(queue.topic)) {
    return store::stands_in(record, queue.topic, queue.id, offset) ? ""
                                                                   : "a record that stands elsewhere in this queue";
  }
  if (record.topic != queue.topic || record.queue_id != queue.id) {
    return "a record of " + queue_name(record.topic, record.queue_id);
  }
  if (unit.count != store::messages_in(record)) {
    return "a record of " + std::to_string(store::messages_in(record)) + " messages";
  }
  if (record.queue_offset != offset) return "the record of offset " + std::to_string(record.queue_offset);
  // Scheduled messages have a time there, by levels that only the broker's settings know.
  const bool has_hash = record.topic != message::schedule_topic;
  return has_hash && tags.of_record(record) != unit.tags_code ? "a record with another tag" : "";
}

}  // namespace

Status verify_log(StoreDir& dir, const Options& options, Output& out, Findings& findings) {
  for (const std::string& name : dir.foreign()) out.note(name, "is no segment of a log");
  const bool with_units = options.has("queues") && !dir.has_queue_database();
  UnitCheck units(dir, out, findings);
  LogScan scan(dir, dir.log_begin());
  int64_t records = 0;
  for (;;) {
    const auto step = scan.next();
    if (!step) return step.error();
    if (*step == LogScan::Step::end || *step == LogScan::Step::tail) {
      findings.log_end = scan.position();
      if (*step == LogScan::Step::tail) findings.tail = {scan.position(), scan.end()};
      break;
    }
    if (*step == LogScan::Step::damage) {
      if (findings.log_damage.size() < Findings::kept_max) findings.log_damage.push_back({scan.position(), scan.end()});
      const SegmentFile* segment = dir.segment_of(scan.position());
      out.damage(scan.file(), segment == nullptr ? 0 : scan.position() - segment->start,
                 "no record fits from physical offset " + std::to_string(scan.position()) + " to " +
                     std::to_string(scan.end()) + ": " + scan.why());
      continue;
    }
    ++records;
    if (records % 1024 == 0) out.progress("log", scan.position() - dir.log_begin(), dir.log_bytes());
    if (!with_units) continue;
    if (Status s = units.check(scan.record()); !s) return s;
  }
  out.progress("log", 1, 1);
  const auto progress = store::read_progress(dir.files(), dir.path("merlin.progress"));
  const auto synced = store::read_synced_point(dir.files(), dir.path("merlin.synced"));
  const int64_t durable = std::max(progress ? progress->log_synced_offset : 0, synced ? synced->offset : 0);
  if (durable > findings.log_end) {
    out.damage(
        scan.file(), 0,
        "the log was synced up to " + std::to_string(durable) + " and ends at " + std::to_string(findings.log_end));
  }
  if (findings.tail.end > findings.tail.begin) {
    const std::string what =
        "bytes up to " + std::to_string(findings.tail.end) + " behind the end of the log are no record: " + scan.why();
    if (dir.clean()) {
      out.damage(scan.file(), findings.tail.begin - dir.segment_of(findings.tail.begin)->start, what);
    } else {
      out.note(scan.file(), what + "; the next start cuts them");
    }
  }
  out.row("log", {{"begin", dir.log_begin()},
                  {"end", findings.log_end},
                  {"records", records},
                  {"segments", static_cast<int64_t>(dir.segments().size())},
                  {"clean", int64_t{dir.clean()}},
                  {"records_without_queue", findings.unqueued_records},
                  {"units_waiting", findings.waiting_units}});
  return {};
}

Status verify_queues(StoreDir& dir, Output& out, Findings& findings) {
  if (dir.has_queue_database()) {
    out.note(dir.root(),
             "the queues stand in a RocksDB database, which this program does not open; the log has all of it");
  }
  const store::TagsCoder tags({});
  const bool clean = dir.clean();
  int64_t queues = 0;
  int64_t checked = 0;
  int64_t ahead = 0;
  std::vector<uint8_t> bytes;
  const Status status = dir.each_queue([&](const QueueDir& queue) -> Status {
    ++queues;
    Status inner;
    int64_t end = 0;  // of the messages before
    const auto damaged = [&](int64_t offset, const std::string& what) {
      if (findings.damaged_queues.size() < Findings::kept_max) {
        findings.damaged_queues.insert(queue_name(queue.topic, queue.id));
      }
      out.damage(queue.path, queue.batch ? 0 : offset * store::queue_unit_bytes,
                 "the unit of offset " + std::to_string(offset) + " " + what);
    };
    for (const QueueFile& file : queue.files) {
      if (file.size % queue.unit_bytes() != 0)
        damaged(file.start_bytes / queue.unit_bytes(), "lies in a file of odd size");
    }
    const Status read = UnitReader::each(dir.files(), queue, 0, [&](int64_t offset, const store::QueueUnit& unit) {
      if (offset < end) damaged(offset, "comes behind messages up to " + std::to_string(end - 1));
      end = offset + unit.count;
      if (unit.blank() || unit.physical_offset < dir.log_begin()) return true;
      if (unit.damaged()) {
        damaged(offset, "marks a record that a damaged range took, from " + std::to_string(unit.physical_offset));
        return true;
      }
      if (unit.physical_offset + unit.size > findings.log_end) {
        if (!clean) {
          ++ahead;
        } else {
          damaged(offset, "names bytes behind the end of the log");
        }
        return true;
      }
      if (unit.size > LogScan::record_bytes_max) {
        damaged(offset, "names a record of " + std::to_string(unit.size) + " bytes");
        return true;
      }
      bytes.resize(static_cast<size_t>(unit.size));
      const auto got = dir.read_log(bytes, unit.physical_offset);
      if (!got) {
        inner = got.error();
        return false;
      }
      const auto record = message::decode_record({bytes.data(), *got}, false);
      ++checked;
      if (!record) {
        damaged(offset, "names physical offset " + std::to_string(unit.physical_offset) +
                            ", where no record is: " + record.error().message);
      } else if (const std::string what = misfit(queue, offset, unit, *record, tags); !what.empty()) {
        damaged(offset, "names " + what + " at " + std::to_string(unit.physical_offset));
      }
      return true;
    });
    return read ? inner : read;
  });
  if (!status) return status;
  out.row("queues", {{"queues", queues}, {"units_checked", checked}, {"units_ahead_of_log", ahead}});
  return {};
}

Status verify(StoreDir& dir, const Options& options, Output& out, Findings& findings) {
  // The log first: what follows needs to know its end.
  if (Status s = verify_log(dir, options, out, findings); !s) return s;
  if (options.has("queues")) {
    if (Status s = verify_queues(dir, out, findings); !s) return s;
  }
  if (options.has("index")) {
    if (Status s = verify_index(dir, options, out, findings); !s) return s;
  }
  if (options.has("config")) {
    if (Status s = verify_config(dir, out, findings); !s) return s;
  }
  return {};
}

}  // namespace merlin::tool
