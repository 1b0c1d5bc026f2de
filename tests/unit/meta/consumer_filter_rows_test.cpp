#include "meta/consumer_filter_rows.h"

#include "support.h"

namespace merlin::meta {
namespace {

// data/consumerFilter.json was written by Apache's ConsumerFilterManager.
TEST(ConsumerFilterRows, ApachesFileIsReadAndWrittenAsItWas) {
  const std::string text = golden("consumerFilter.json");
  std::vector<ConsumerFilterRow> rows;
  ASSERT_TRUE(read_consumer_filters(text, rows));
  ASSERT_EQ(rows.size(), 3U);
  for (ConsumerFilterRow& row : rows) set_bit_positions(row, 20, 64);
  EXPECT_EQ(json_of(consumer_filters_json(rows)), json_of(text));
}

TEST(ConsumerFilterRows, WrongFilesChangeNothing) {
  std::vector<ConsumerFilterRow> rows(1);
  for (const char* wrong : {"", "[]", "{\"filterDataByTopic\":3}",
                            "{\"filterDataByTopic\":{\"T\":{\"groupFilterData\":{\"g\":{\"bornTime\":\"x\"}}}}}",
                            "{\"filterDataByTopic\":{\"T\":{\"groupFilterData\":{\"g\":7}}}}"}) {
    EXPECT_FALSE(read_consumer_filters(wrong, rows)) << wrong;
    EXPECT_EQ(rows.size(), 1U);
  }
  EXPECT_TRUE(read_consumer_filters("{\"filterDataByTopic\":{\"T\":null}}", rows));
  EXPECT_TRUE(rows.empty());
}

}  // namespace
}  // namespace merlin::meta
