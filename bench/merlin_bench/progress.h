// One line per second on stderr, in the shape of RocketMQ's own benchmark programs so that tools that read those can
// read these, and a progress bar below it where stderr is a terminal.
//
// Threads: one. Fails: never; what cannot be written is lost.
#pragma once

#include <cstdint>
#include <string>

#include "options.h"
#include "second.h"

namespace merlin::bench {

// The lines, without the newline. `seconds` since the line before.
std::string sending_line(const Second& second, double seconds, int64_t wall_ms);
std::string receiving_line(const Second& second, double seconds, int64_t wall_ms);
// [=====>    ] 50 %, so many columns wide between the brackets.
std::string progress_bar(double part, int columns);

class Progress {
 public:
  enum class Lines { sending, receiving, both };

  // `total_ns`: how long the run is meant to take; 0: nobody knows.
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
  const int64_t total_ns_;
  int64_t last_ns_;
  int64_t next_ns_;
};

}  // namespace merlin::bench
