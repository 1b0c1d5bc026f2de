// The files and answers of Apache's IndexService 5.5.0 (tests/golden/java-index), compared with ours.
#include <cstdlib>
#include <fstream>

#include "index_fixture.h"

namespace merlin::store {
namespace {

using Row = std::vector<std::string>;

std::optional<std::string> unhex(const std::string& text) {
  if (text == "null") return std::nullopt;
  std::string out;
  for (size_t i = text[0] == '\'' ? 1 : 0; i + 1 < text.size(); i += 2) {
    out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  }
  return out;
}

class IndexGolden : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream in(MERLIN_INDEX_GOLDEN);
    ASSERT_TRUE(in.good());
    for (std::string line; std::getline(in, line);) {
      Row row;
      size_t at = 0;
      for (size_t tab = line.find('\t'); tab != std::string::npos; tab = line.find('\t', at)) {
        row.push_back(line.substr(at, tab - at));
        at = tab + 1;
      }
      row.push_back(line.substr(at));
      if (row[0] == "layout") {
        options_.hash_slots = std::stoi(row[1]);
        options_.entries_max = std::stoi(row[2]);
      }
      if (row[0] == "put") {
        records_.push_back({*unhex(row[1]), std::stoll(row[2]), std::stoi(row[3]), std::stoll(row[4]),
                            std::stoi(row[5]), unhex(row[6]), unhex(row[7]), unhex(row[8])});
      }
      if (row[0] == "query") queries_.push_back(row);
      if (row[0] == "file") java_files_.emplace_back(row[1], *unhex(row[2]));
    }
    ASSERT_GT(records_.size(), 50U);
    ASSERT_GT(queries_.size(), 100U);
    ASSERT_GT(java_files_.size(), 3U);
  }

  void expect_java_answers(const KeyIndex& index) const {
    for (const Row& q : queries_) {
      const std::string key = q[9] == "'54" ? indexed_tag(*unhex(q[2])) : *unhex(q[2]);
      const auto found = index.query(*unhex(q[1]), key, std::stoi(q[3]), std::stoll(q[4]), std::stoll(q[5]));
      ASSERT_TRUE(found.ok());
      std::string text;
      for (const int64_t offset : found->physical_offsets) text += (text.empty() ? "" : ",") + std::to_string(offset);
      EXPECT_EQ(text.empty() ? "-" : text, q[6]) << *unhex(q[1]) << "#" << key;
      EXPECT_EQ(found->last_update_timestamp_ms, std::stoll(q[7]));
      EXPECT_EQ(found->last_update_physical_offset, std::stoll(q[8]));
    }
  }

  void expect_java_files() {
    const auto ours = contents(files_);
    ASSERT_EQ(ours.size(), java_files_.size());
    for (size_t i = 0; i < ours.size(); ++i) EXPECT_EQ(ours[i], java_files_[i].second) << "file " << i;
  }

  void write_java_files(size_t count) {
    ASSERT_TRUE(files_.make_dirs(index_dir).ok());
    for (size_t i = 0; i < count; ++i) {
      auto file = files_.open(std::string(index_dir) + "/" + java_files_[i].first, OpenMode::create);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE((*file)->pwrite(as_bytes(java_files_[i].second), 0).ok());
    }
  }

  FaultyFileSystem files_;
  ManualClock clock_{1'700'000'000'000};
  KeyIndexOptions options_;
  std::vector<TestRecord> records_;
  std::vector<Row> queries_;
  std::vector<std::pair<std::string, std::string>> java_files_;
};

TEST_F(IndexGolden, the_same_records_make_the_same_bytes) {
  // Whatever is still in memory when a file or a batch ends must not change them.
  for (const size_t batch : {size_t{1}, size_t{5}, size_t{1'000}}) {
    SCOPED_TRACE(batch);
    ASSERT_TRUE(files_.remove_tree("/store").ok());
    options_.batch_entries_max = batch;
    KeyIndex index(index_dir, files_, clock_, options_);
    ASSERT_TRUE(index.open(0, true).ok());
    for (const TestRecord& r : records_) {
      ASSERT_TRUE(put(index, r).ok());
      if (r.offset % 3 == 0) {
        ASSERT_TRUE(index.flush().ok());
      }
    }
    expect_java_answers(index);
    ASSERT_TRUE(index.close().ok());
    expect_java_answers(index);
    expect_java_files();
  }
}

TEST_F(IndexGolden, restarts_do_not_change_the_bytes) {
  auto index = std::make_unique<KeyIndex>(index_dir, files_, clock_, options_);
  ASSERT_TRUE(index->open(0, true).ok());
  for (const TestRecord& r : records_) {
    ASSERT_TRUE(put(*index, r).ok());
    ASSERT_TRUE(index->close().ok());
    const int64_t resume = index->indexed_offset();
    index = std::make_unique<KeyIndex>(index_dir, files_, clock_, options_);
    ASSERT_TRUE(index->open(0, true).ok());
    ASSERT_LE(index->indexed_offset(), resume);
    for (const TestRecord& again : records_) {
      if (again.offset >= index->indexed_offset() && again.offset <= r.offset) {
        ASSERT_TRUE(put(*index, again).ok());
      }
    }
  }
  ASSERT_TRUE(index->close().ok());
  expect_java_files();
}

TEST_F(IndexGolden, java_files_are_read) {
  write_java_files(java_files_.size());
  KeyIndex index(index_dir, files_, clock_, options_);
  ASSERT_TRUE(index.open(0, true).ok());
  expect_java_answers(index);
  EXPECT_EQ(index.total_size_bytes(), static_cast<int64_t>(java_files_.size() * java_files_[0].second.size()));
}

TEST_F(IndexGolden, java_files_are_gone_on_with) {
  write_java_files(java_files_.size() - 3);
  KeyIndex index(index_dir, files_, clock_, options_);
  ASSERT_TRUE(index.open(0, true).ok());
  for (const TestRecord& r : records_) ASSERT_TRUE(put(index, r).ok());
  // Where a file ended between two keys of one record Java had begun the next; without it that record lacks the rest,
  // so only what lies behind is compared.
  const auto found = index.query(records_.back().topic, "order-1", 64, 0, INT64_MAX);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->last_update_physical_offset, records_.back().offset);
  const auto ours = contents(files_);
  for (size_t i = 0; i + 3 < java_files_.size(); ++i) EXPECT_EQ(ours[i], java_files_[i].second);
}

TEST_F(IndexGolden, a_repaired_java_file_answers_the_same) {
  write_java_files(java_files_.size());
  // An unclean stop: the slots of the newest file are lost, its entries are not.
  auto file = files_.open(std::string(index_dir) + "/" + java_files_.back().first, OpenMode::read_write);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->pwrite(as_bytes(std::string(static_cast<size_t>(options_.hash_slots) * 4, '\0')), 40).ok());
  KeyIndex index(index_dir, files_, clock_, options_);
  ASSERT_TRUE(index.open(INT64_MAX, false).ok());
  EXPECT_LT(index.indexed_offset(), records_.back().offset);
  for (const TestRecord& r : records_) {
    if (r.offset >= index.indexed_offset()) {
      ASSERT_TRUE(put(index, r).ok());
    }
  }
  expect_java_answers(index);
}

// For the other direction: golden.sh verify asks Java what it finds in our files.
TEST_F(IndexGolden, files_for_java) {
  const char* out = std::getenv("MERLIN_GOLDEN_OUT");
  if (out == nullptr) GTEST_SKIP() << "MERLIN_GOLDEN_OUT is not set";
  KeyIndex index(out, posix_file_system(), clock_, options_);
  ASSERT_TRUE(index.open(0, true).ok());
  for (const TestRecord& r : records_) ASSERT_TRUE(put(index, r).ok());
  ASSERT_TRUE(index.close().ok());
}

}  // namespace
}  // namespace merlin::store
