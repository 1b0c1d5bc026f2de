// Names behind numbers: languages and release versions.

#include <array>
#include <string>

#include "merlin/wire/command.h"

namespace merlin::wire {

namespace {

constexpr std::array<std::string_view, 14> language_names = {"JAVA",   "CPP",  "DOTNET", "PYTHON", "DELPHI",
                                                             "ERLANG", "RUBY", "OTHER",  "HTTP",   "GO",
                                                             "PHP",    "OMS",  "RUST",   "NODE_JS"};

bool equals_ignoring_case(std::string_view upper, std::string_view text) {
  if (upper.size() != text.size()) return false;
  for (size_t i = 0; i < upper.size(); ++i) {
    const char c = text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - 32) : text[i];
    if (c != upper[i]) return false;
  }
  return true;
}

// The 3.0.0 line had no regular numbering.
constexpr std::array<std::string_view, 16> first_versions = {
    "V3_0_0_SNAPSHOT", "V3_0_0_ALPHA1",         "V3_0_0_BETA1", "V3_0_0_BETA2",
    "V3_0_0_BETA3",    "V3_0_0_BETA4",          "V3_0_0_BETA5", "V3_0_0_BETA6_SNAPSHOT",
    "V3_0_0_BETA6",    "V3_0_0_BETA7_SNAPSHOT", "V3_0_0_BETA7", "V3_0_0_BETA8_SNAPSHOT",
    "V3_0_0_BETA8",    "V3_0_0_BETA9_SNAPSHOT", "V3_0_0_BETA9", "V3_0_0_FINAL"};

// A run of minors that each have the patches patch_first..patch_last; every patch takes two slots, snapshot first.
struct VersionRun {
  int begin;
  int major;
  int minor_first;
  int patch_first;
  int patch_last;
};
constexpr VersionRun version_runs[] = {
    {16, 3, 0, 1, 15}, {46, 3, 1, 0, 9}, {86, 3, 3, 1, 9}, {212, 4, 0, 0, 9}, {412, 5, 0, 0, 9},
};
constexpr int version_higher = 612;  // first ordinal behind the table

}  // namespace

std::string_view language_name(Language language) {
  const auto index = static_cast<size_t>(language);
  return index < language_names.size() ? language_names[index] : language_names[static_cast<size_t>(Language::other)];
}

Language language_from_name(std::string_view name) {
  for (size_t i = 0; i < language_names.size(); ++i) {
    if (equals_ignoring_case(language_names[i], name)) return static_cast<Language>(i);
  }
  return Language::other;
}

std::string version_text(int version) {
  if (version < 0 || version >= version_higher) return "HIGHER_VERSION";
  if (version < static_cast<int>(first_versions.size())) return std::string(first_versions[version]);
  const VersionRun* run = version_runs;
  for (const VersionRun& candidate : version_runs) {
    if (candidate.begin <= version) run = &candidate;
  }
  const int slots_per_minor = 2 * (run->patch_last - run->patch_first + 1);
  const int slot = version - run->begin;
  const int minor = run->minor_first + slot / slots_per_minor;
  const int patch = run->patch_first + slot % slots_per_minor / 2;
  const bool is_snapshot = slot % 2 == 0;
  return "V" + std::to_string(run->major) + "_" + std::to_string(minor) + "_" + std::to_string(patch) +
         (is_snapshot ? "_SNAPSHOT" : "");
}

}  // namespace merlin::wire
