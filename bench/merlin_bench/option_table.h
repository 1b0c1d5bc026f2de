// The tables of merlin-bench's verbs and options; options.cpp reads the command line with them.
#pragma once

#include <span>
#include <string_view>

#include "options.h"

namespace merlin::bench {

struct Verb {
  std::string_view name;
  char letter;  // names the verb in Flag::verbs
  std::string_view sentence;
};

struct Flag {
  constexpr Flag(std::string_view in_group, std::string_view its_name, std::string_view of_verbs, std::string_view says,
                 int32_t Options::* to, int32_t from, int32_t up_to)
      : group(in_group), name(its_name), verbs(of_verbs), sentence(says), number(to), min(from), max(up_to) {}
  constexpr Flag(std::string_view in_group, std::string_view its_name, std::string_view of_verbs, std::string_view says,
                 std::string Options::* to)
      : group(in_group), name(its_name), verbs(of_verbs), sentence(says), text(to) {}
  constexpr Flag(std::string_view in_group, std::string_view its_name, std::string_view of_verbs, std::string_view says,
                 bool Options::* to)
      : group(in_group), name(its_name), verbs(of_verbs), sentence(says), set(to) {}

  std::string_view group;
  std::string_view name;
  std::string_view verbs;  // letters of the verbs that know it
  std::string_view sentence;
  int32_t Options::* number = nullptr;  // one of these three is set
  std::string Options::* text = nullptr;
  bool Options::* set = nullptr;
  int32_t min = 0;
  int32_t max = 0;
};

std::span<const Verb> verbs();
std::span<const Flag> flags();
const Verb* find_verb(std::string_view name);
// What differs from verb to verb.
void set_defaults(Options& options);

}  // namespace merlin::bench
