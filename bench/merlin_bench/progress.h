// One line per second on stderr, in the shape of RocketMQ's own benchmark programs so that tools that read those can
// read these, and a progress bar below it where stderr is a terminal.
//
// Threads: one. Fails: never; what cannot be written is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "options.h"
#include "second.h"

namespace merlin::bench {

// The lines, without the newline. `seconds` since the line before.
std::string sending_line(const Second& second, double seconds, int64_t wall_ms);
std::string receiving_line(const Second& second, double seconds, int64_t wall_ms);
// [=====>    ] 50 %, so many columns wide between the brackets.
// With the time that is left, when as much of it is gone.
std::string progress_bar(double part, int columns);
std::string time_left(double part, int64_t gone_ns);

class Progress {
 public:
  enum class Lines { sending, receiving, both };

  // `part_done`: how much of the run is over, 0 to 1, for the bar.
  Progress(const Options& options, Lines lines, int64_t now, std::function<double(int64_t now)> part_done);
  // A run that is meant to take so long.
  Progress(const Options& options, Lines lines, int64_t now, int64_t total_ns);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  int64_t next_ns() const { return next_ns_; }
  // Prints what happened in `second` and empties it, when a second has passed.
  void tick(int64_t now, Second& second);
  // No more lines: what follows is not the load.
  void end();
  // A sentence on its own line, where lines are wanted at all.
  void say(const std::string& sentence);

 private:
  void clear_bar();

  const bool on_;
  const bool bar_;
  const Lines lines_;
  const int64_t start_ns_;
  const std::function<double(int64_t)> part_done_;
  int64_t last_ns_;
  int64_t next_ns_;
};

}  // namespace merlin::bench
