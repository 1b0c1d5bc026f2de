// What Apache's filter classes say of 10 000 random pairs of expression and properties, compared verdict by verdict.
// java-filter/oracle.sh makes the file, and compares with other seeds.

#include <algorithm>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "filter/program.h"
#include "golden_file.h"

namespace merlin::golden {
namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    switch (text[++i]) {
      case 't':
        out.push_back('\t');
        break;
      case 'n':
        out.push_back('\n');
        break;
      case 'r':
        out.push_back('\r');
        break;
      case 'f':
        out.push_back('\f');
        break;
      case '1':
        out.push_back('\1');
        break;
      case '2':
        out.push_back('\2');
        break;
      default:
        out.push_back(text[i]);
    }
  }
  return out;
}

std::vector<Row> pairs() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* other = std::getenv("MERLIN_SQL92_PAIRS");
  return read_rows(other != nullptr ? other : "sql92.tsv");
}

char letter(filter::Verdict verdict) {
  return "TFNE"[static_cast<size_t>(verdict)];
}

TEST(Sql92Golden, VerdictsAreJavas) {
  size_t compared = 0;
  size_t refused = 0;
  for (const Row& row : pairs()) {
    const auto program = filter::Program::compile(unescape(row[0]));
    if (row.at(1) == "R") {
      EXPECT_FALSE(program.ok()) << "Java refuses: " << row[0];
      ++compared;
      ++refused;
      continue;
    }
    ASSERT_TRUE(program.ok()) << "Java accepts: " << row[0] << "\n" << program.error().message;
    for (size_t i = 1; i < row.size(); ++i) {
      const std::string properties = unescape(std::string_view(row[i]).substr(2));
      const filter::Verdict verdict = (*program)->run(properties);
      EXPECT_EQ(letter(verdict), row[i][0]) << row[0] << "\n" << row[i];
      // What is demanded must be there whenever it matches: the index of waiting pulls relies on it.
      filter::PropertyList list;
      list.assign(properties);
      EXPECT_EQ((*program)->run(list), verdict) << row[0] << "\n" << row[i];
      const filter::Requirement* required = (*program)->requirement();
      if (verdict == filter::Verdict::yes && required != nullptr) {
        const auto value = message::find_property(properties, required->name);
        EXPECT_TRUE(value && std::count(required->values.begin(), required->values.end(), *value) > 0) << row[0];
      }
      ++compared;
    }
    if (HasFailure() && compared > 200) break;
  }
  EXPECT_GE(compared, 10'000U);
  RecordProperty("compared", static_cast<int>(compared));
  RecordProperty("refused", static_cast<int>(refused));
}

}  // namespace
}  // namespace merlin::golden
