#include "store/log/retention.h"

#include <charconv>
#include <ctime>
#include <utility>

#include "merlin/base/log.h"
#include "store/log/log_keeper.h"
#include "store/log/log_reader.h"

namespace merlin::store {

static constexpr int64_t ns_per_ms = 1'000'000;

std::bitset<hours_per_day> parse_hours(std::string_view text) {
  std::bitset<hours_per_day> hours;
  while (!text.empty()) {
    const size_t end = text.find(';');
    const std::string_view word = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    size_t hour = hours_per_day;
    const auto [stop, ec] = std::from_chars(word.data(), word.data() + word.size(), hour);
    if (ec == std::errc() && stop == word.data() + word.size() && hour < hours_per_day) hours.set(hour);
  }
  return hours;
}

void Retention::expire_soon() {
  manual_looks_.store(manual_looks_max, std::memory_order_release);
  look_now_.store(true, std::memory_order_release);
}

void Retention::set_limits(const RetentionLimits& limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

RetentionLimits Retention::limits() const {
  const std::lock_guard lock(mutex_);
  return limits_;
}

bool Retention::due() {
  const int64_t now_ns = clock_.monotonic_ns();
  if (look_now_.exchange(false, std::memory_order_acq_rel)) next_look_ns_ = now_ns;
  if (next_look_ns_ < 0) next_look_ns_ = now_ns + options_.first_delay_ms * ns_per_ms;
  if (now_ns < next_look_ns_) return false;
  next_look_ns_ = now_ns + options_.interval_ms * ns_per_ms;
  return true;
}

Retention::Need Retention::need(const RetentionLimits& limits) {
  const int32_t used = used_percent(files_, log_.segments().dir());
  const bool was_pressing = std::exchange(pressing_, options_.forcibly && used > limits.forcibly_percent);
  if (used > limits.forcibly_percent) {
    if (pressing_ && !was_pressing) {
      log_warn("store", "{}% of the disk is used; diskSpaceCleanForciblyRatio is {}: the oldest segments go", used,
               limits.forcibly_percent);
    }
    return pressing_ ? Need::oldest : Need::expired;
  }
  if (used > limits.used_percent_max) return Need::expired;
  const time_t now = clock_.wall_ms() / 1000;
  tm local{};
  localtime_r(&now, &local);
  if (limits.hours.test(static_cast<size_t>(local.tm_hour))) return Need::expired;
  if (manual_looks_.load(std::memory_order_acquire) == 0) return Need::nothing;
  manual_looks_.fetch_sub(1, std::memory_order_acq_rel);
  return Need::expired;
}

// The first record of the next segment is hardly younger than the last one of this.
int64_t Retention::last_store_timestamp_ms(const Segment& segment) const {
  const int64_t next = segment.end();
  const int64_t rest = std::min<int64_t>(log_.end() - next, log_.segments().segment_size_bytes());
  return peek_store_timestamp(log_.segments(), next, static_cast<int32_t>(rest), log_.end());
}

int32_t Retention::look(int64_t settled) {
  if (!due()) return 0;
  const RetentionLimits now = limits();
  const Need needed = need(now);
  if (needed == Need::nothing) return 0;
  int32_t deleted = 0;
  for (const auto& segment : log_.segments().all()) {
    if (deleted >= options_.files_max || segment->end() >= settled) break;
    const int64_t stored_ms = last_store_timestamp_ms(*segment);
    const bool expired = stored_ms >= 0 && clock_.wall_ms() - stored_ms >= now.reserved_ms;
    if (!expired && needed != Need::oldest) break;
    if (Status s = log_.segments().drop_first(); !s) {
      log_warn("store", "retention: {}", s.error().message);
      break;
    }
    log_info("store", "retention: {} deleted", segment->path());
    ++deleted;
  }
  return deleted;
}

}  // namespace merlin::store
