#include "options.h"

#include <gtest/gtest.h>

#include "option_table.h"

namespace merlin::bench {
namespace {

Result<CommandLine> parse(std::vector<std::string> words) {
  std::vector<char*> args;
  for (std::string& word : words) args.push_back(word.data());
  return parse_options(args);
}

std::string error_of(std::vector<std::string> words) {
  const auto line = parse(std::move(words));
  return line.ok() ? "" : line.error().message;
}

TEST(OptionsTest, ValuesAndDefaultsOfTheVerb) {
  const auto produce = parse({"produce", "--broker", "127.0.0.1:9", "--topic", "T", "--rate", "12000", "--binary"});
  ASSERT_TRUE(produce.ok()) << produce.error().message;
  EXPECT_EQ(produce->options.broker.text(), "127.0.0.1:9");
  EXPECT_EQ(produce->options.topic, "T");
  EXPECT_EQ(produce->options.rate, 12'000);
  EXPECT_TRUE(produce->options.binary);
  EXPECT_EQ(produce->options.in_flight, 64);
  EXPECT_EQ(produce->options.size_bytes, 128);
  const auto e2e = parse({"e2e", "--sync"});
  ASSERT_TRUE(e2e.ok());
  EXPECT_EQ(e2e->options.size_bytes, 1024);
  EXPECT_EQ(e2e->options.in_flight, 1);
  EXPECT_GT(e2e->options.rate, 0);
  EXPECT_TRUE(parse({"tx"})->options.half);
}

TEST(OptionsTest, WrongWordsNameTheNearest) {
  EXPECT_EQ(error_of({"produce", "--conections", "3"}), "unknown option --conections; did you mean --connections?");
  EXPECT_EQ(error_of({"produce", "--in_flight", "3"}), "unknown option --in_flight; did you mean --in-flight?");
  EXPECT_EQ(error_of({"produce", "--conn", "3"}), "unknown option --conn; did you mean --connections?");
  EXPECT_EQ(error_of({"prodcue"}), "unknown verb prodcue; did you mean produce?");
  EXPECT_EQ(error_of({"produce", "--passes", "3"}), "--passes is an option of consume, not of produce");
}

TEST(OptionsTest, WrongValuesNameTheRange) {
  EXPECT_EQ(error_of({"produce", "--connections", "0"}), "--connections 0: a number from 1 to 50000 is needed");
  EXPECT_EQ(error_of({"produce", "--rate", "12k"}), "--rate 12k: a number from 0 to 10000000 is needed");
  EXPECT_EQ(error_of({"produce", "--rate"}), "--rate needs a value");
  EXPECT_EQ(error_of({"produce", "--topic", ""}), "--topic needs a text that is not empty");
  EXPECT_EQ(error_of({"produce", "--broker", "x"}),
            "--broker x: an address like 127.0.0.1:10911 or name:10911 is needed");
  EXPECT_NE(error_of({"produce", "--broker", "localhost:x"}), "");
  EXPECT_NE(error_of({"produce", "--broker", ":10911"}), "");
  EXPECT_NE(error_of({"produce", "--broker", "no such host:10911"}), "");
  EXPECT_EQ(parse({"produce", "--broker", "localhost:10911"})->options.broker.text(), "127.0.0.1:10911");
  EXPECT_EQ(error_of({"first-send"}), "first-send needs --cmd");
  EXPECT_NE(error_of({"e2e", "--rate", "0"}), "");
  EXPECT_NE(error_of({"sparse", "--noise", "1"}), "");
  EXPECT_NE(error_of({"sparse", "--tag", "a", "--sql", "a = 1"}), "");
  EXPECT_NE(error_of({"produce", "--tags", "2", "--kind", "a"}), "");
}

TEST(OptionsTest, HelpNamesEverythingOnceAndFitsATerminal) {
  const std::string text = parse({"--help"})->help;
  for (const Verb& verb : verbs()) EXPECT_NE(text.find("\n  " + std::string(verb.name) + " "), std::string::npos);
  for (const Flag& flag : flags()) {
    const std::string name = "\n  " + std::string(flag.name) + " ";
    const size_t at = text.find(name);
    ASSERT_NE(at, std::string::npos) << flag.name;
    EXPECT_EQ(text.find(name, at + 1), std::string::npos) << flag.name;
  }
  const std::string consume = parse({"consume", "--help"})->help;
  EXPECT_NE(consume.find("--passes"), std::string::npos);
  EXPECT_EQ(consume.find("--rate"), std::string::npos);
  EXPECT_EQ(parse({"help", "consume"})->help, consume);
}

TEST(OptionsTest, EveryFlagHasOnePlaceAndKnownVerbs) {
  for (const Flag& flag : flags()) {
    EXPECT_EQ((flag.number != nullptr) + (flag.text != nullptr) + (flag.set != nullptr), 1) << flag.name;
    for (const char letter : flag.verbs) {
      int known = 0;
      for (const Verb& verb : verbs()) known += verb.letter == letter ? 1 : 0;
      EXPECT_EQ(known, 1) << flag.name << " " << letter;
    }
    if (flag.number == nullptr) continue;
    for (const Verb& verb : verbs()) {
      Options options;
      options.verb = verb.name;
      set_defaults(options);
      // 0 stands for "nobody's" where a process is meant.
      if (flag.name == "--broker-pid") continue;
      EXPECT_GE(options.*flag.number, flag.min) << flag.name;
      EXPECT_LE(options.*flag.number, flag.max) << flag.name;
    }
  }
}

}  // namespace
}  // namespace merlin::bench
