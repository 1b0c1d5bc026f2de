// Ctrl-C during the measured time ends it early: what was measured until then is checked and reported. At any other
// time, and the second time, it ends the program.
#pragma once

namespace merlin::bench {

class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  bool seen() const;
};

}  // namespace merlin::bench
