#include "progress.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <unistd.h>

#include "send_frame.h"

namespace merlin::bench {

namespace {

constexpr int64_t second_ns = 1'000'000'000;
constexpr int bar_columns = 40;

std::string time_text(int64_t wall_ms) {
  const time_t seconds = wall_ms / 1000;
  tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  std::snprintf(text.data() + n, text.size() - n, ",%03d", static_cast<int>(wall_ms % 1000));
  return text.data();
}

double mean(int64_t sum, int64_t count) {
  return count == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(count);
}

}  // namespace

std::string sending_line(const Second& second, double seconds, int64_t wall_ms) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(),
                "Current Time: %s | Send TPS: %lld | Max RT(ms): %lld | Average RT(ms): %7.3f | Send Failed: %lld | "
                "Response Failed: %d",
                time_text(wall_ms).c_str(),
                static_cast<long long>(std::llround(static_cast<double>(second.messages) / seconds)),
                static_cast<long long>(second.max_ns / 1'000'000), mean(second.sum_ns, second.answers) / 1e6,
                static_cast<long long>(second.refused), 0);
  return text.data();
}

std::string receiving_line(const Second& second, double seconds, int64_t wall_ms) {
  std::array<char, 256> text{};
  std::snprintf(text.data(), text.size(),
                "Current Time: %s | Consume TPS: %lld | AVG(B2C) RT(ms): %7.3f | AVG(S2C) RT(ms): %7.3f | "
                "MAX(B2C) RT(ms): %lld | MAX(S2C) RT(ms): %lld | Consume Fail: %d",
                time_text(wall_ms).c_str(),
                static_cast<long long>(std::llround(static_cast<double>(second.received) / seconds)),
                mean(second.born_sum_ms, second.received), mean(second.stored_sum_ms, second.received),
                static_cast<long long>(second.born_max_ms), static_cast<long long>(second.stored_max_ms), 0);
  return text.data();
}

std::string progress_bar(double part, int columns) {
  part = std::min(std::max(part, 0.0), 1.0);
  const int done = static_cast<int>(part * columns);
  std::string bar(static_cast<size_t>(done), '=');
  if (done < columns) bar += '>';
  bar.resize(static_cast<size_t>(columns), ' ');
  return "[" + bar + "] " + std::to_string(static_cast<int>(part * 100)) + " %";
}

std::string time_left(double part, int64_t gone_ns) {
  if (part <= 0) return "";
  const double left_s = static_cast<double>(gone_ns) / 1e9 * std::max(1 / part - 1, 0.0);
  return ", " + std::to_string(std::llround(left_s)) + " s left";
}

Progress::Progress(const Options& options, Lines lines, int64_t now, std::function<double(int64_t)> part_done)
    : on_(!options.quiet),
      bar_(on_ && ::isatty(STDERR_FILENO) == 1),
      lines_(lines),
      start_ns_(now),
      part_done_(std::move(part_done)),
      last_ns_(now),
      next_ns_(on_ ? now + second_ns : INT64_MAX) {}

Progress::Progress(const Options& options, Lines lines, int64_t now, int64_t total_ns)
    : Progress(options, lines, now,
               [now, total_ns](int64_t at) { return static_cast<double>(at - now) / static_cast<double>(total_ns); }) {}

Progress::~Progress() {
  clear_bar();
}

void Progress::clear_bar() {
  if (bar_) std::fputs("\r\x1b[K", stderr);
}

void Progress::say(const std::string& sentence) {
  if (!on_) return;
  clear_bar();
  std::fprintf(stderr, "%s\n", sentence.c_str());
}

void Progress::end() {
  clear_bar();
  next_ns_ = INT64_MAX;
}

void Progress::tick(int64_t now, Second& second) {
  if (now < next_ns_) return;
  const double seconds = static_cast<double>(now - last_ns_) / 1e9;
  last_ns_ = now;
  // Seconds of the run, not seconds since the last line: else a late line moves all that follow.
  next_ns_ = now - (now - start_ns_) % second_ns + second_ns;
  if (lines_ != Lines::receiving) say(sending_line(second, seconds, wall_ms()));
  if (lines_ != Lines::sending) say(receiving_line(second, seconds, wall_ms()));
  second = {};
  if (!bar_) return;
  const double part = part_done_(now);
  std::fputs((progress_bar(part, bar_columns) + time_left(part, now - start_ns_)).c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace merlin::bench
