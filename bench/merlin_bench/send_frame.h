// A SEND_MESSAGE_V2 (or SEND_BATCH_MESSAGE) frame that is encoded once and patched for each send: its opaque, its
// unique keys, the number of its topic, its queue and its light queues have fixed places and widths.
#pragma once

#include <cstdint>
#include <vector>

#include "merlin/base/bytes.h"
#include "merlin/wire/frame.h"
#include "options.h"

namespace merlin::bench {

class SendFrame {
 public:
  explicit SendFrame(const Options& options);

  // Appends the frame to `out`. `number` is below opaque_range; the keys count up from `key`. `queue` counts through
  // the queues of all topics, topic by topic. With light queues, those from `lmq` on are named.
  void append_to(Buffer& out, int32_t number, uint64_t key, int64_t queue, int64_t lmq = 0) const;
  // The number that append_to() was given, back from the opaque of an answer.
  static int32_t number_of(int32_t opaque) { return opaque - opaque_base; }

  // JSON numbers have no leading zeros: all opaques have ten digits.
  static constexpr int32_t opaque_base = 1'000'000'000;
  static constexpr int32_t opaque_range = 1'000'000'000;

 private:
  Buffer bytes_;
  bool binary_ = false;
  size_t opaque_at_ = 0;
  struct Digits {
    size_t at = 0;
    size_t width = 0;
  };
  void find_digits(std::string_view topic_before);

  std::vector<size_t> keys_at_;  // 16 hex digits each
  int32_t queues_ = 1;
  int32_t lmq_ = 0;
  Digits queue_;
  Digits topic_;  // width 0: the topic has no number
  std::vector<Digits> lmq_names_;
};

// The name of the topic with that number.
std::string topic_name(const Options& options, int64_t number);

// Code and opaque of an answer, by a scan for the two fields; false when the header does not look as expected.
bool scan_answer(const wire::Frame& frame, int32_t& code, int32_t& opaque);

}  // namespace merlin::bench
