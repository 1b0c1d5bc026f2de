#include "options.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <netdb.h>
#include <numeric>
#include <optional>
#include <sys/socket.h>

#include "option_table.h"

namespace merlin::bench {

namespace {

constexpr std::string_view broker_name = "--broker";
constexpr std::string_view broker_default = "127.0.0.1:10911";

// Letters to change, add or drop until `a` is `b`.
size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t k = 1; k <= b.size(); ++k) {
      const size_t replaced = diagonal + (a[i - 1] == b[k - 1] ? 0 : 1);
      diagonal = row[k];
      row[k] = std::min({replaced, row[k] + 1, row[k - 1] + 1});
    }
  }
  return row[b.size()];
}

template <class Names>
std::string nearest(std::string_view to, const Names& names) {
  std::string_view best;
  size_t fewest = SIZE_MAX;
  for (const std::string_view name : names) {
    // A beginning, as `--conn`, is nearer than a word of its length.
    const size_t edits = name.starts_with(to) && to.size() > 2 ? 1 : edits_between(to, name);
    if (edits >= fewest) continue;
    best = name;
    fewest = edits;
  }
  return std::string(best);
}

std::string text_of(const Options& options, const Flag& flag) {
  if (flag.number != nullptr) return std::to_string(options.*flag.number);
  if (flag.text != nullptr) return options.*flag.text;
  return options.*flag.set ? "true" : "false";
}

bool knows(const Verb& verb, const Flag& flag) {
  return flag.verbs.find(verb.letter) != std::string_view::npos;
}

std::string verbs_of(const Flag& flag) {
  std::string text;
  for (const Verb& verb : verbs()) {
    if (knows(verb, flag)) text += (text.empty() ? "" : ", ") + std::string(verb.name);
  }
  return text;
}

Status apply(const Flag& flag, std::string_view value, Options& out) {
  if (flag.text != nullptr) {
    if (value.empty()) return Error{Errc::invalid, std::string(flag.name) + " needs a text that is not empty"};
    out.*flag.text = value;
    return {};
  }
  int32_t number = 0;
  const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (ec != std::errc() || end != value.data() + value.size() || number < flag.min || number > flag.max) {
    return Error{Errc::invalid, std::string(flag.name) + " " + std::string(value) + ": a number from " +
                                    std::to_string(flag.min) + " to " + std::to_string(flag.max) + " is needed"};
  }
  out.*flag.number = number;
  return {};
}

// The first address of a name, IPv4 before IPv6: brokers listen on IPv4 by default.
std::optional<HostPort> resolve(std::string_view value) {
  const size_t colon = value.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::string name(value.substr(0, colon));
  for (const int family : {AF_INET, AF_INET6}) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) continue;
    std::array<char, INET6_ADDRSTRLEN> ip{};
    const int named =
        ::getnameinfo(found->ai_addr, found->ai_addrlen, ip.data(), ip.size(), nullptr, 0, NI_NUMERICHOST);
    ::freeaddrinfo(found);
    if (named != 0) continue;
    const std::string host = family == AF_INET6 ? "[" + std::string(ip.data()) + "]" : std::string(ip.data());
    return HostPort::parse(host + std::string(value.substr(colon)));
  }
  return std::nullopt;
}

Status set_broker(std::string_view value, Options& out) {
  auto address = HostPort::parse(value);
  if (!address) address = resolve(value);
  if (!address) {
    return Error{Errc::invalid,
                 "--broker " + std::string(value) + ": an address like 127.0.0.1:10911 or name:10911 is needed"};
  }
  out.broker = *address;
  return {};
}

Result<const Flag*> find_flag(const Verb& verb, std::string_view name) {
  for (const Flag& flag : flags()) {
    if (flag.name != name) continue;
    if (knows(verb, flag)) return &flag;
    return Error{Errc::invalid,
                 std::string(name) + " is an option of " + verbs_of(flag) + ", not of " + std::string(verb.name)};
  }
  std::vector<std::string_view> names{broker_name, "--help"};
  for (const Flag& flag : flags()) {
    if (knows(verb, flag)) names.push_back(flag.name);
  }
  return Error{Errc::invalid, "unknown option " + std::string(name) + "; did you mean " + nearest(name, names) + "?"};
}

std::string row(std::string_view name, std::string_view sentence) {
  std::string line = "  " + std::string(name);
  line.resize(std::max<size_t>(line.size() + 1, 21), ' ');
  return line + std::string(sentence) + "\n";
}

// The options of one verb, or of all.
std::string help_on_options(const Verb* verb) {
  Options defaults;
  defaults.verb = verb == nullptr ? "" : verb->name;
  set_defaults(defaults);
  std::string text;
  std::string_view group;
  for (const Flag& flag : flags()) {
    if (verb != nullptr && !knows(*verb, flag)) continue;
    if (flag.group != group) {
      text += "\n" + std::string(flag.group) + ":\n";
      if (group.empty() && (verb == nullptr || verb->letter != 'l')) {
        text += row("--broker HOST:PORT", "address of the broker (" + std::string(broker_default) + ")");
      }
      group = flag.group;
    }
    std::string sentence(flag.sentence);
    const std::string value = text_of(defaults, flag);
    if (flag.set == nullptr && !value.empty() && flag.name != "--broker-pid") sentence += " (" + value + ")";
    if (verb == nullptr && flag.verbs.size() < verbs().size() - 1) sentence += " [" + verbs_of(flag) + "]";
    text += row(std::string(flag.name) + (flag.set != nullptr      ? ""
                                          : flag.number != nullptr ? " N"
                                                                   : " TEXT"),
                sentence);
  }
  return text;
}

std::string help_on(const Verb& verb) {
  return "Usage: merlin-bench " + std::string(verb.name) + " [options]\n\n" + std::string(verb.sentence) + ".\n" +
         help_on_options(&verb);
}

// What the table of single options cannot say.
Status check(const Options& options) {
  if (options.verb == "first-send" && options.command.empty()) return Error{Errc::invalid, "first-send needs --cmd"};
  if (options.verb == "e2e" && options.rate == 0)
    return Error{Errc::invalid,
                 "e2e needs a --rate above 0: without one, latency is that of a queue that the tool fills"};
  if (!options.kind.empty() && options.tags > 0)
    return Error{Errc::invalid, "--kind is a tag: --tags cannot be as well"};
  if (!options.tag.empty() && !options.sql.empty())
    return Error{Errc::invalid, "a pull has one filter: --tag or --sql"};
  if (options.noise > 0 && options.tag.empty() && options.sql.empty())
    return Error{Errc::invalid, "--noise needs --tag or --sql: without a filter, it would be delivered"};
  return {};
}

}  // namespace

std::string usage() {
  std::string text =
      "merlin-bench measures a RocketMQ broker, MerlinMQ or Apache's, and checks that it keeps what it "
      "acknowledged.\n\n"
      "Usage: merlin-bench VERB [options]\n       merlin-bench VERB --help     the options of one verb\n\nVerbs:\n";
  for (const Verb& verb : verbs()) text += row(verb.name, verb.sentence);
  text +=
      "\nExamples:\n"
      "  merlin-bench produce --connections 8 --in-flight 64 --size 128\n"
      "      how many messages a second the broker takes from 8 connections\n"
      "  merlin-bench e2e --rate 12000 --size 1024 --seconds 60 --broker-pid $(pidof merlin-broker)\n"
      "      how long a message takes from the producer to a waiting consumer, and what CPU that costs the broker\n"
      "  merlin-bench produce --rate 5000 --json >base.json; merlin-bench produce --rate 5000 --compare base.json\n"
      "      one run beside another, ratio by ratio\n";
  text += help_on_options(nullptr);
  text += "\nExit status: 0 all good, 1 a check failed or the broker refused something, 2 wrong usage.\n";
  return text;
}

Result<CommandLine> parse_options(std::span<char*> args) {
  CommandLine out;
  if (args.empty()) return Error{Errc::invalid, "a verb is needed; merlin-bench --help lists them"};
  std::string_view name = args[0];
  if (name == "--help" || name == "-h" || name == "help") {
    out.help = usage();
    if (args.size() == 1) return out;
    name = args[1];
  }
  const Verb* verb = find_verb(name);
  if (verb == nullptr) {
    std::vector<std::string_view> names;
    for (const Verb& each : verbs()) names.push_back(each.name);
    return Error{Errc::invalid, "unknown verb " + std::string(name) + "; did you mean " + nearest(name, names) + "?"};
  }
  if (!out.help.empty()) out.help = help_on(*verb);
  Options& options = out.options;
  options.verb = verb->name;
  set_defaults(options);
  if (Status s = set_broker(broker_default, options); !s) return s.error();
  for (size_t i = 1; i < args.size() && out.help.empty(); ++i) {
    name = args[i];
    if (name == "--help" || name == "-h") {
      out.help = help_on(*verb);
      return out;
    }
    Result<const Flag*> flag = static_cast<const Flag*>(nullptr);
    if (name != broker_name) flag = find_flag(*verb, name);
    if (!flag) return flag.error();
    if (*flag != nullptr && (*flag)->set != nullptr) {
      options.*(*flag)->set = true;
      continue;
    }
    if (++i == args.size()) return Error{Errc::invalid, std::string(name) + " needs a value"};
    if (Status s = *flag == nullptr ? set_broker(args[i], options) : apply(**flag, args[i], options); !s)
      return s.error();
  }
  if (options.sync) options.in_flight = 1;
  if (!out.help.empty()) return out;
  if (Status s = check(options); !s) return s.error();
  return out;
}

std::vector<OptionValue> option_values(const Options& options) {
  std::vector<OptionValue> values{{"broker", options.broker.text(), false}};
  const Verb* verb = find_verb(options.verb);
  for (const Flag& flag : flags()) {
    if (verb != nullptr && !knows(*verb, flag)) continue;
    values.push_back({std::string(flag.name.substr(2)), text_of(options, flag), flag.text == nullptr});
  }
  return values;
}

}  // namespace merlin::bench
