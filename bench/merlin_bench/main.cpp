// merlin-bench: the load tool. One thread, raw epoll, so that the broker and not the tool is what is measured.
#include <cstdio>
#include <span>

#include "consume.h"
#include "e2e.h"
#include "environment.h"
#include "first_send.h"
#include "machine_limits.h"
#include "options.h"
#include "produce.h"
#include "sparse.h"
#include "transactions.h"

namespace {

using namespace merlin::bench;

int fail(const merlin::Error& error, int status) {
  std::fprintf(stderr, "merlin-bench: %s\n", error.message.c_str());
  return status;
}

template <class Report>
int finish(const Options& options, const merlin::Result<Report>& report) {
  if (!report) return fail(report.error(), 1);
  if (merlin::Status s = print(options, *report); !s) return fail(s.error(), 1);
  return report->good() ? 0 : 1;
}

int run(const Options& options) {
  const std::string scheduling = prepare_process(options.real_time);
  if (options.real_time) std::fprintf(stderr, "merlin-bench: scheduling: %s\n", scheduling.c_str());
  if (options.verb == "consume") return finish(options, consume(options));
  if (options.verb == "e2e") return finish(options, end_to_end(options));
  if (options.verb == "sparse") return finish(options, sparse(options));
  if (options.verb == "tx") return finish(options, transactions(options));
  if (options.verb == "limits") return finish(options, limits(options));
  if (options.verb == "first-send") return finish(options, first_send(options));
  return finish(options, produce(options));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs(usage().c_str(), stderr);
    return 2;
  }
  const auto line = parse_options({argv + 1, static_cast<size_t>(argc - 1)});
  if (!line) return fail(line.error(), 2);
  if (line->help.empty()) return run(line->options);
  std::fputs(line->help.c_str(), stdout);
  return 0;
}
