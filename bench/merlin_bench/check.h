// The end of a run that sends: the queues must have grown by what was acknowledged, and every acknowledged message must
// come back once, whole and at the next offset.
#pragma once

#include <cstdint>
#include <vector>

#include "drive.h"
#include "ledger.h"
#include "link.h"
#include "options.h"

namespace merlin::bench {

struct CheckReport {
  int64_t queues_counted = 0;  // all, or a sample of very many
  int64_t offsets_grew_by = 0;
  double readable_after_ms = 0;  // after the last answer
  bool offsets_agree = false;
  bool read_back = false;
  int64_t queues_read = 0;
  int64_t messages_read = 0;
  double read_seconds = 0;
  int64_t lost = 0;
  int64_t duplicates = 0;
  int64_t foreign = 0;    // not sent by this run
  int64_t misplaced = 0;  // in a queue to which fewer were sent

  bool good() const { return offsets_agree && lost == 0 && duplicates == 0 && misplaced == 0; }
  // "" when good.
  std::string what_is_wrong() const;
};

class GrowthCheck {
 public:
  GrowthCheck(const Options& options, Link& admin) : options_(options), admin_(admin) {}

  // Before the first message.
  Status begin();
  // After the last answer, at `last_answer_ns`: waits until as much can be read as was acknowledged.
  Status count(const Ledger& ledger, int64_t last_answer_ns);
  // Reads what the queues grew by.
  Status read_back(Ledger& ledger, Progress& progress);

  const std::vector<int64_t>& queues() const { return queues_; }
  const std::vector<int64_t>& before() const { return before_; }
  const CheckReport& report() const { return report_; }

 private:
  Status count_once(const Ledger& ledger, bool last_time, bool& agree);
  bool is_complete() const { return read_.size() == static_cast<size_t>(options_.queue_count()); }

  const Options& options_;
  Link& admin_;
  std::vector<int64_t> queues_;  // whose growth is counted
  std::vector<int64_t> before_;
  std::vector<int64_t> after_;
  std::vector<size_t> read_;  // places in queues_ of those that are read back
  CheckReport report_;
};

}  // namespace merlin::bench
