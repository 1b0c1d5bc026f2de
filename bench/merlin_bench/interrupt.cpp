#include "interrupt.h"

#include <csignal>

namespace merlin::bench {

namespace {

volatile std::sig_atomic_t was_interrupted = 0;

void note_interrupt(int) {
  was_interrupted = 1;
}

}  // namespace

InterruptWatch::InterruptWatch() {
  was_interrupted = 0;
  struct sigaction action{};
  action.sa_handler = note_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptWatch::~InterruptWatch() {
  std::signal(SIGINT, SIG_DFL);
}

bool InterruptWatch::seen() const {
  return was_interrupted != 0;
}

}  // namespace merlin::bench
