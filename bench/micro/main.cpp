// The hot pieces one by one, with Google Benchmark: scripts/dev bench micro [--benchmark_filter=...].
//
// CPU time on a shared machine is noisy: scripts/dev bench core counts instructions of the whole way instead.
#include <benchmark/benchmark.h>

#include "merlin/base/log.h"

int main(int argc, char** argv) {
  merlin::log_init("/dev/null", merlin::LogLevel::error);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
