// merlin-store: looks at a store's directory while no broker runs on it.
#include <charconv>
#include <cstdio>
#include <string_view>

#include "app/merlin_store/read_only_files.h"
#include "app/merlin_store/tool.h"
#include "merlin/base/log.h"

namespace {

using namespace merlin;
using namespace merlin::tool;

constexpr std::string_view help =
    R"(merlin-store - looks at the directory of a RocketMQ store, written by MerlinMQ or by Apache's broker.

usage: merlin-store COMMAND [WHAT] DIRECTORY [options]

DIRECTORY is the broker's storePathRootDir: it holds commitlog/, consumequeue/, batchconsumequeue/, index/ and config/. Stop the
broker first: a directory whose lock is held is refused.

commands
  list     the log's files, the queues with their lowest and next offset, and how the store was left
  dump     its content, row by row:
             dump records      messages: --topic --queue --key --from --to (physical offsets) --begin --end --limit --body
             dump queue        units of consume queues: --topic --queue --from --to (queue offsets) --limit
             dump index        entries of the key index: --topic and --key together, --limit
             dump offsets      committed offsets and pull offsets, with what stands in journals: --topic --group --queue
             dump topics       topics: --topic          dump groups      consumer groups: --group
             dump checkpoint   Apache's checkpoint      dump progress    merlin.synced and merlin.progress
  verify   reads everything and compares: each record of the log (magic, sizes, CRC, its own offset), its unit in the queue,
           each unit with its record, index entries with the keys of their records, the files in config/. Shows each
           damage with file and position.
  repair   verifies and says what would help; with --yes it does that:
             log      cuts a torn tail; with --blank overwrites damaged ranges with records that every broker steps over
             queues   drops the files of damaged queues: the next start builds them again from the log
             index    drops a damaged key index: the next start builds it again
             config   restores a broken JSON file from its .bak; folds journals into the JSON files, for Apache to read

options
  --json                 one JSON object for each row
  --only PART            verify, repair: only log, queues, index or config; may be given several times (the log is always
                         read, for its end)
  --log DIRECTORY        the log, when storePathCommitLog is not DIRECTORY/commitlog
  --topic T  --queue N  --group G  --key K
  --from N  --to N       from here up to, not including, there
  --begin MS  --end MS   store time, milliseconds since 1970
  --limit N              so many rows at most
  --body N               show the first N bytes of bodies (128)
  --index-slots N  --index-entries N   maxHashSlotNum and maxIndexNum, when the broker's are not 5000000 and 20000000
  --live                 read although a broker runs: what is being written may look damaged
  --yes  --blank         see repair
  --version

exit code: 0 sound or done, 1 damage found (and left), 2 wrong use, 3 cannot read

examples
  merlin-store verify ~/store
  merlin-store dump records ~/store --topic Orders --key 1007 --body 200
  merlin-store repair ~/store --only queues --yes
)";

int wrong_use(const std::string& what) {
  std::fprintf(stderr, "merlin-store: %s; see merlin-store --help\n", what.c_str());
  return exit_usage;
}

template <class T>
bool number(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return !text.empty() && error == std::errc() && end == text.data() + text.size() && out >= 0;
}

bool set_value(Options& o, std::string_view name, std::string_view value) {
  if (name == "--only") {
    o.parts.emplace(value);
    return value == "log" || value == "queues" || value == "index" || value == "config";
  }
  if (name == "--log") o.log_dir = value;
  if (name == "--topic") o.topic = value;
  if (name == "--group") o.group = value;
  if (name == "--key") o.key = value;
  if (name == "--queue") return number(value, o.queue);
  if (name == "--from") return number(value, o.from);
  if (name == "--to") return number(value, o.to);
  if (name == "--begin") return number(value, o.begin_ms);
  if (name == "--end") return number(value, o.end_ms);
  if (name == "--limit") return number(value, o.limit);
  if (name == "--body") return number(value, o.body_bytes);
  if (name == "--index-slots") return number(value, o.index_slots) && o.index_slots > 0;
  if (name == "--index-entries") return number(value, o.index_entries) && o.index_entries > 1;
  return !value.empty();
}

constexpr std::string_view value_options[] = {"--only",  "--log",  "--topic",       "--group",        "--key",
                                              "--queue", "--from", "--to",          "--begin",        "--end",
                                              "--limit", "--body", "--index-slots", "--index-entries"};
constexpr std::string_view dump_kinds[] = {"records", "queue",  "index",      "offsets",
                                           "topics",  "groups", "checkpoint", "progress"};

template <size_t n>
bool is_one_of(const std::string_view (&all)[n], std::string_view text) {
  for (const std::string_view one : all) {
    if (one == text) return true;
  }
  return false;
}

// What is wrong with the arguments, or nothing.
std::string parse(int argc, char* argv[], Options& o) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--json") {
      o.json = true;
    } else if (arg == "--live") {
      o.live = true;
    } else if (arg == "--yes") {
      o.yes = true;
    } else if (arg == "--blank") {
      o.blank = true;
    } else if (is_one_of(value_options, arg)) {
      if (++i == argc) return std::string(arg) + " needs a value";
      if (!set_value(o, arg, argv[i])) return std::string(arg) + " does not take \"" + argv[i] + "\"";
    } else if (arg.starts_with("-")) {
      return "there is no option " + std::string(arg);
    } else {
      words.emplace_back(arg);
    }
  }
  if (words.empty()) return "a command is missing";
  o.command = words[0];
  const bool is_dump = o.command == "dump";
  if (!is_dump && o.command != "list" && o.command != "verify" && o.command != "repair") {
    return "there is no command " + o.command;
  }
  if (words.size() != (is_dump ? 3U : 2U))
    return is_dump ? "say dump WHAT DIRECTORY" : "say " + o.command + " DIRECTORY";
  if (is_dump) o.what = words[1];
  if (is_dump && !is_one_of(dump_kinds, o.what)) return "there is nothing to dump that is called " + o.what;
  o.root = words.back();
  while (o.root.size() > 1 && o.root.back() == '/') o.root.pop_back();
  if (o.live && o.command == "repair") return "repair needs the lock: --live is for commands that only read";
  return {};
}

int run(const Options& options, FileSystem& files, Output& out) {
  StoreDir dir(files, options.root, options.log_dir);
  if (Status s = dir.open(); !s) {
    out.row("error", {{"what", s.error().message}});
    return exit_cannot_read;
  }
  if (options.command == "list") return list(dir, options, out);
  if (options.command == "dump") return dump(dir, options, out);
  if (options.command == "repair") return repair(dir, options, out);
  Findings findings;
  if (Status s = verify(dir, options, out, findings); !s) {
    out.row("error", {{"what", s.error().message}});
    return exit_cannot_read;
  }
  out.row("result", {{"damages", out.damages()}});
  return out.damages() > 0 ? exit_damage : exit_sound;
}

}  // namespace

int main(int argc, char* argv[]) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--version") {
      std::puts("merlin-store " MERLIN_VERSION);
      return exit_sound;
    }
    if (arg != "--help" && arg != "-h") continue;
    std::fputs(std::string(help).c_str(), stdout);
    return exit_sound;
  }
  Options options;
  if (const std::string wrong = parse(argc, argv, options); !wrong.empty()) return wrong_use(wrong);
  log_init("/dev/stderr", LogLevel::error);
  Output out(stdout, options.json);
  FileSystem& real = posix_file_system();
  std::unique_ptr<File> lock;
  const std::string lock_path = options.root + "/lock";
  const bool is_repair = options.command == "repair";
  // Where nobody ever locked, nobody holds it; a command that only reads does not make the file.
  if (!options.live && real.is_dir(options.root) && (is_repair || real.exists(lock_path))) {
    auto held = real.lock(lock_path);
    if (!held && (is_repair || held.error().code == Errc::exists)) {
      out.row("error", {{"what", held.error().message + ": stop the broker first"}});
      return exit_cannot_read;
    }
    if (held) lock = std::move(*held);
  }
  ReadOnlyFiles read_only(real);
  return is_repair ? run(options, real, out) : run(options, read_only, out);
}
