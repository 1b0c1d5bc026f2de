// The key index gets the same from memory as from the log.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "unit/store/store_fixture.h"

namespace merlin::store {
namespace {

// What all index files hold, oldest first.
std::string index_bytes(const std::string& root) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(root + "/index")) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::string out;
  for (const auto& path : paths) {
    std::ifstream in(path, std::ios::binary);
    out.append(std::istreambuf_iterator<char>(in), {});
  }
  return out;
}

std::string word(std::mt19937& random) {
  static const std::vector<std::string> words{"a",
                                              "bc",
                                              "0123456789ABCDEF0123456789ABCDEF",
                                              "\xC3\xA4rger",
                                              "ok",
                                              "",
                                              "seventeen letters",
                                              "\xE6\xB6\x88\xE6\x81\xAF"};
  return words[random() % words.size()] + std::to_string(random() % 50);
}

std::string properties(std::mt19937& random) {
  std::string out;
  for (auto n = random() % 4; n > 0; --n) {
    const auto kind = random() % 4;
    std::string value = word(random);
    for (auto more = kind == 1 ? random() % 7 : 0U; more > 0; --more) value += " " + word(random);
    message::append_property(out, std::vector<std::string>{"UNIQ_KEY", "KEYS", "TAGS", "OTHER"}[kind], value);
  }
  if (!out.empty() && random() % 2 == 0) out.pop_back();  // the last separator may be missing
  return out;
}

struct Form {
  std::string name;
  size_t feed_items = 0;
  bool sync_flush = false;
};

class IndexFeedTest : public testing::TestWithParam<Form> {};

TEST_P(IndexFeedTest, TheIndexIsTheSameFromMemoryAsFromTheLog) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  StoreFixture f(small_options(fresh_dir()));
  f.options.index_enabled = true;
  f.options.index_hash_slots = 64;
  f.options.index_entries_max = 500;
  f.options.index_feed_items = GetParam().feed_items;
  f.options.sync_flush = GetParam().sync_flush;
  ASSERT_TRUE(f.open().ok());
  for (int burst = 0; burst < 400; ++burst) {
    std::vector<std::string> texts(2 * (1 + random() % 12));
    std::vector<AppendItem> items(texts.size() / 2);
    for (size_t i = 0; i < items.size(); ++i) {
      const std::string topic = random() % 5 == 0 ? "\xC3\x9C" : "T" + std::to_string(random() % 2);
      texts[2 * i] = properties(random);
      texts[2 * i + 1] = properties(random);
      items[i].spec = spec_of(topic == "T0" ? "T0" : topic == "T1" ? "T1" : "\xC3\x9C", 0, "body", texts[2 * i]);
      items[i].spec.properties_tail = texts[2 * i + 1];
      if (random() % 10 == 0) items[i].spec.sys_flag = message::sys_flag::transaction_rollback;
      if (random() % 20 == 0) items[i].spec.topic = std::string_view("\0", 1);  // refused
      if (items[i].spec.sys_flag == 0 && items[i].spec.topic != std::string_view("\0", 1))
        items[i].queue = f.store->queue(items[i].spec.topic, 0);
    }
    f.store->append(items, f.scratch);
    f.clock.advance_ms(static_cast<int64_t>(random() % 3000));
  }
  f.close();
  const std::string from_memory = index_bytes(f.options.root_dir);
  std::filesystem::remove_all(f.options.root_dir + "/index");
  ASSERT_TRUE(f.open().ok());
  f.close();
  const std::string from_log = index_bytes(f.options.root_dir);
  EXPECT_GT(from_memory.size(), 0U);
  EXPECT_TRUE(from_memory == from_log) << from_memory.size() << " and " << from_log.size() << " bytes";
}

INSTANTIATE_TEST_SUITE_P(Rings, IndexFeedTest,
                         testing::Values(Form{"Large", 1 << 16, false}, Form{"Overflowing", 8, false},
                                         Form{"LargeSyncFlush", 1 << 16, true}, Form{"OverflowingSyncFlush", 16, true}),
                         [](const auto& form) { return form.param.name; });

}  // namespace
}  // namespace merlin::store
