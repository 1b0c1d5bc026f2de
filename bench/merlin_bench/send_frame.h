// A SEND_MESSAGE_V2 (or SEND_BATCH_MESSAGE) frame that is encoded once and patched for each send: its opaque, its keys,
// its birth time, and the numbers of its topic, queue, tags and light queues have fixed places and widths.
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
  // Messages are born at this time from now on.
  void set_born_ms(int64_t wall_ms);
  // The number that append_to() was given, back from the opaque of an answer; -1 when that is none of ours.
  static int32_t number_of(int32_t opaque) { return opaque < opaque_base ? -1 : opaque - opaque_base; }

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
  std::vector<Digits> find_digits(std::string_view before, char mark, size_t from) const;

  std::vector<size_t> keys_at_;    // 16 hex digits each
  uint64_t keys_per_message_ = 1;  // the unique one and, if wanted, that of KEYS
  int32_t queues_ = 1;
  int32_t tags_ = 0;
  int32_t lmq_ = 0;
  int64_t born_ms_ = 0;
  Digits born_;
  Digits queue_;
  Digits topic_;  // width 0: the topic has no number
  std::vector<Digits> tag_names_;
  std::vector<Digits> lmq_names_;
};

// The name of the topic with that number.
std::string topic_name(const Options& options, int64_t number);

int64_t wall_ms();

// Finds code and opaque of an answer without decoding the rest.
class AnswerScan {
 public:
  // False when the header does not look as expected.
  bool scan(const wire::Frame& frame, int32_t& code, int32_t& opaque);

 private:
  size_t opaque_before_end_ = 0;  // where the last answer had it: what follows it has the same length each time
};

}  // namespace merlin::bench
