// merlin-bench: the load tool. One thread, raw epoll, so that the broker and not the tool is what is measured.
#include <cstdio>
#include <span>
#include <string_view>

#include "consume.h"
#include "first_send.h"
#include "options.h"
#include "produce.h"

namespace {

int fail(const merlin::Error& error) {
  std::fprintf(stderr, "merlin-bench: %s\n", error.message.c_str());
  return 1;
}

template <class Report>
int finish(const merlin::bench::Options& options, const merlin::Result<Report>& report, bool good) {
  if (!report) return fail(report.error());
  merlin::bench::print(options, *report);
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace merlin::bench;
  if (argc < 2 || std::string_view(argv[1]) == "--help") {
    std::fputs(usage().c_str(), argc < 2 ? stderr : stdout);
    return argc < 2 ? 2 : 0;
  }
  const auto options = parse_options({argv + 1, static_cast<size_t>(argc - 1)});
  if (!options) return fail(options.error());
  if (options->verb == "produce") {
    const auto report = produce(*options);
    return finish(*options, report,
                  report.ok() && report->offsets_agree && report->codes.empty() && report->unanswered == 0);
  }
  if (options->verb == "consume") {
    const auto report = consume(*options);
    return finish(*options, report, report.ok() && report->messages > 0);
  }
  if (options->verb == "first-send") return finish(*options, first_send(*options), true);
  std::fputs(usage().c_str(), stderr);
  return 2;
}
